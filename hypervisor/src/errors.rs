//! The errors of the machine's bridges: looked for from the tick, told to the log by partition and function.
//!
//! What is new and how often it is told is `ioda`'s [`Watch`].

use crate::bridge::Bridge;
use crate::devices::{self, bridges};
use crate::host::{self, Host};
use crate::partition::{self, Partition};
use crate::trace;
use ::trace::Kind;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use ioda::{Change, DmaWindow, EndpointWatch, Event, Freeze, Ioda, News, PeNumber, Watch};
use lock::Mutex;
use lpar::eeh::{EehError, Endpoint};
use lpar::pci::PciFunction;
use lpar_pci::{Access, Revival, Revived};
use ppc64::spr::timebase;
use spin::Once;

/// Ticks of the 512 MHz time base between two looks: 100 ms.
const EVERY: u64 = 51_200_000;
const SECOND: u64 = 512_000_000;

/// A function with its owner.
pub(crate) struct Owned {
    /// Its owner's logical partition id; 0 if it was lost on its way to another.
    lpid: AtomicU32,
    /// The function, as its owner has it.
    pub(crate) function: Arc<PciFunction>,
    /// The way to it.
    pub(crate) access: &'static Access<Bridge>,
    /// Its DMA window, and by that its endpoint.
    pub(crate) window: DmaWindow,
    bridge: &'static Bridge,
    /// Whether it was being reset when it was looked at last.
    in_reset: AtomicBool,
    /// How often it was found stopped.
    freezes: AtomicU32,
}

impl Owned {
    /// Its bridge and endpoint.
    pub(crate) fn endpoint(&self) -> (u8, PeNumber) {
        (self.bridge.index, self.window.pe)
    }

    /// Whose it is.
    pub(crate) fn lpid(&self) -> u32 {
        self.lpid.load(SeqCst)
    }

    /// Notes in the trace what was found of it.
    fn trace(&self, kind: Kind, what: Freeze, pesta: u64) {
        if kind == Kind::Freeze {
            self.freezes.fetch_add(1, Relaxed);
        }
        trace::endpoint(kind, self.lpid(), self.endpoint(), what, pesta);
    }

    /// Who owns it.
    pub(crate) fn owner(&self) -> Option<&'static Partition> {
        partition::find(self.lpid())
    }

    /// Says whose it is from now on.
    pub(crate) fn belongs_to(&self, owner: Option<&Partition>) {
        let lpid = owner.map_or(0, |partition| partition.lpar.lpid);
        self.lpid.store(lpid, SeqCst);
        // What was found of it is the former owner's.
        self.freezes.store(0, Relaxed);
    }

    /// What of it is stopped.
    pub(crate) fn stopped(&self) -> Freeze {
        self.access.stopped()
    }

    /// Stops it, as an error would, until its owner recovers it or the operator lets it go on.
    ///
    /// # Errors
    /// [`EehError::State`] while its owner resets it or has given it up; [`EehError::Hardware`].
    pub(crate) fn freeze(&self) -> Result<(), EehError> {
        match self.function.freeze() {
            // Nobody resets it, so nobody is in the way.
            Err(EehError::Unsupported) => Ok(self.access.stop(Freeze::all())?),
            done => done,
        }
    }

    /// Lets `what` go on.
    ///
    /// # Errors
    /// As [`Self::freeze`].
    pub(crate) fn thaw(&self, what: Freeze) -> Result<(), EehError> {
        match self.function.thaw(what) {
            Err(EehError::Unsupported) => Ok(self.access.thaw(what)?),
            done => done,
        }
    }

    /// Has its bridge shut itself off.
    ///
    /// # Errors
    /// [`EehError::Hardware`]; of a P7IOC that is no model, [`EehError::Unsupported`].
    pub(crate) fn shut_off(&self) -> Result<(), EehError> {
        host::shut_off(self.bridge)
    }

    /// Has the bridge stop it by an error that is injected into its DMA, if it can; else stops it.
    ///
    /// # Errors
    /// As [`Self::freeze`].
    pub(crate) fn fail(&self) -> Result<(), EehError> {
        if host::make_error(&mut self.bridge.host.lock(), &self.window) {
            return Ok(());
        }
        self.freeze()
    }
}

/// A bridge with its functions that have owners.
struct Watched {
    bridge: &'static Bridge,
    owned: Vec<Owned>,
    seen: Mutex<LastSeen>,
}

/// What was last seen of a bridge, and of the functions in the order of [`Watched::owned`].
struct LastSeen {
    bridge: Watch,
    endpoints: Vec<EndpointWatch>,
    revival: Revival,
}

static WATCHED: Once<Vec<Watched>> = Once::new();
/// When the next look is due.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Begins to watch, for `partitions`, who have all their functions.
pub(crate) fn start(partitions: &'static [Partition]) {
    let owned_of = |number, bridge| {
        let owners = devices::owners_of(number).into_iter();
        let found = owners.filter_map(|(window, lpid, path)| {
            let mut all = partitions.iter();
            let partition = all.find(|partition| partition.lpar.lpid == lpid)?;
            let location = format!("{path}");
            let accesses = partition.accesses.lock();
            let mut functions = partition.lpar.pci.iter().zip(accesses.iter());
            let (function, access) =
                functions.find(|(function, _)| function.location == location)?;
            Some(Owned {
                lpid: AtomicU32::new(lpid),
                function: Arc::clone(function),
                access,
                window,
                bridge,
                in_reset: AtomicBool::new(false),
                freezes: AtomicU32::new(0),
            })
        });
        found.collect()
    };
    WATCHED.call_once(|| {
        let bridges = bridges().iter().enumerate();
        let watched = bridges.map(|(number, bridge)| {
            let owned: Vec<Owned> = owned_of(number, bridge);
            let endpoints = owned.iter();
            let endpoints = endpoints.map(|owned| EndpointWatch::new(owned.window.pe, SECOND));
            let seen = LastSeen {
                bridge: Watch::new(SECOND),
                endpoints: endpoints.collect(),
                revival: Revival::new(SECOND),
            };
            Watched {
                bridge,
                owned,
                seen: Mutex::new(seen),
            }
        });
        watched.collect()
    });
}

/// Returns the function at `location`, if it has an owner.
pub(crate) fn find(location: &str) -> Option<&'static Owned> {
    all().find(|owned| owned.function.location == location)
}

/// Returns all functions that have owners.
pub(crate) fn all() -> impl Iterator<Item = &'static Owned> {
    let watched = WATCHED.get().into_iter().flatten();
    watched.flat_map(|watched| &watched.owned)
}

/// Returns how often functions of partition `lpid` were found stopped.
pub(crate) fn freezes(lpid: u32) -> u32 {
    let its = all().filter(|owned| owned.lpid() == lpid);
    its.fold(0, |sum, owned| {
        sum.wrapping_add(owned.freezes.load(Relaxed))
    })
}

/// Gives the functions that are endpoint `pe` of bridge `phb`, as far as they have owners.
pub(crate) fn of_endpoint(phb: u8, pe: PeNumber, each: &mut dyn FnMut(&'static Owned)) {
    for owned in all() {
        if owned.endpoint() == (phb, pe) && owned.owner().is_some() {
            each(owned);
        }
    }
}

/// Looks if it is time to; called by threads that hold no lock. Waits for no lock: what is in use is looked at next time.
pub(crate) fn tick() {
    let Some(watched) = WATCHED.get() else { return };
    let (now, due) = (timebase(), NEXT.load(Relaxed));
    let is_due = now.wrapping_sub(due).cast_signed() >= 0;
    let next = now.wrapping_add(EVERY);
    if !is_due || NEXT.compare_exchange(due, next, Relaxed, Relaxed).is_err() {
        return;
    }
    host::watch_hubs();
    for watched in watched {
        watched.look(now);
    }
}

impl Watched {
    fn look(&self, now: u64) {
        let Some(mut seen) = self.seen.try_lock() else {
            return;
        };
        let accesses = || self.owned.iter().map(|owned| owned.access);
        if seen.revival.is_off() {
            let revived = seen.revival.carry_on(now, self.bridge, accesses());
            self.tell_revived(revived);
            return;
        }
        let Some(mut host) = self.bridge.host.try_lock() else {
            return;
        };
        let event = host.next_event();
        if let Some(change) = seen.bridge.event(now, event) {
            self.tell(&mut host, &change);
        }
        match event {
            Some(Event::Info(_)) => host.clear_errors(),
            // Nobody's functions are stopped: nobody would let them go on, and what came after would never be told.
            Some(Event::Frozen(pe)) if pe == host.caps().reserved_pe => {
                if let Err(error) = host.thaw(pe, Freeze::all()) {
                    log::warn!("phb{}: {error}", self.bridge.index);
                }
            }
            _ => {}
        }
        drop(host);
        if event == Some(Event::Fenced) {
            log::warn!("phb{}: it is reset, with all behind it", self.bridge.index);
            let all = (self.bridge.index, PeNumber(u16::MAX));
            trace::endpoint(Kind::Reset, 0, all, Freeze::all(), 0);
            let revived = seen.revival.begin(now, self.bridge, accesses());
            self.tell_revived(revived);
        }
        if seen.bridge.works() {
            for (owned, endpoint) in self.owned.iter().zip(&mut seen.endpoints) {
                self.look_at(endpoint, now, owned);
            }
        }
    }

    fn look_at(&self, watch: &mut EndpointWatch, now: u64, owned: &Owned) {
        let Some(mut host) = self.bridge.host.try_lock() else {
            return;
        };
        let is_resetting = owned.access.is_resetting();
        if owned.in_reset.swap(is_resetting, Relaxed) != is_resetting && is_resetting {
            owned.trace(Kind::Reset, Freeze::empty(), 0);
        }
        if is_resetting || owned.owner().is_none() {
            return;
        }
        let stopped = host.freeze_state(owned.window.pe) | owned.access.stopped_here();
        let Some(change) = watch.look(now, stopped) else {
            return;
        };
        self.tell(&mut host, &change);
        let cause = host.pest(owned.window.pe).unwrap_or_default();
        drop(host);
        match change.news {
            News::Stopped(_, what) => owned.trace(Kind::Freeze, what, cause.a),
            News::GoesOn(_, what) => owned.trace(Kind::Thaw, what, 0),
            News::Fenced | News::Dead | News::Back | News::Info(_) => {}
        }
        if matches!(change.news, News::Stopped(..)) {
            owned.function.note_error(cause);
        }
    }

    fn tell_revived(&self, revived: Revived) {
        let phb = self.bridge.index;
        match revived {
            Revived::Pending => {}
            Revived::Back => log::info!("phb{phb}: it was reset; owners recover their functions"),
            Revived::Lost(why) => log::error!("phb{phb}: {why}: it stays off"),
        }
    }

    fn tell(&self, host: &mut Host, change: &Change) {
        let Some(untold) = change.untold else { return };
        let phb = self.bridge.index;
        let owner = |pe| self.owned.iter().find(|owned| owned.window.pe == pe);
        match change.news {
            News::Stopped(pe, stopped) => {
                let why = host::why(host, pe);
                if let Some(owned) = owner(pe) {
                    log::warn!("{owned}: {} stopped: {why}", Names(stopped));
                }
            }
            News::GoesOn(pe, stopped) => {
                if let Some(owned) = owner(pe) {
                    if stopped.is_empty() {
                        log::info!("{owned}: goes on");
                    } else {
                        log::info!("{owned}: goes on, but {} stopped", Names(stopped));
                    }
                }
            }
            News::Fenced | News::Dead => {
                let what = if change.news == News::Dead {
                    "is gone"
                } else {
                    "has shut itself off"
                };
                log::error!("phb{phb} {what}: {}", host::why_off(host));
                for owned in &self.owned {
                    log::error!("{owned}: {} stopped with phb{phb}", Names(Freeze::all()));
                }
            }
            News::Back => log::info!("phb{phb} works again"),
            News::Info(fir) => log::warn!(
                "phb{phb}: errors that stop nothing ({fir:#018x}): {}",
                host::why_off(host)
            ),
        }
        if untold > 0 {
            log::warn!("phb{phb}: {untold} changes more, untold");
        }
    }
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.owner().map_or("none", |owner| &owner.lpar.name);
        let location = &self.function.location;
        write!(f, "partition {name}: {location} ({})", self.window.pe)
    }
}

/// What is stopped, with its verb.
struct Names(Freeze);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            match (self.0.contains(Freeze::MMIO), self.0.contains(Freeze::DMA)) {
                (true, true) => "MMIO and DMA are",
                (true, false) => "MMIO is",
                (false, true) => "DMA is",
                (false, false) => "nothing is",
            },
        )
    }
}
