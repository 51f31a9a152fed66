//! Finding the functions of a bridge: [`scan`], [`Topology`].

use crate::config::{ConfigSpace, HEADER_TYPE, VENDOR, bridge};
use crate::describe::{describe, isolate_peers, port_of};
use crate::{BridgePort, Function, Isolation, Path, Role};
use alloc::vec::Vec;
use core::fmt;
use ioda::{Bdf, CfgError, Ioda, RidRule};

/// Everything found on one bridge, each bridge before what is below it.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// The functions; the root port is the first.
    pub functions: Vec<Function>,
}

impl Topology {
    /// The most functions; what comes after is left alone, and said in the log.
    pub const MAX_FUNCTIONS: usize = 512;

    /// The function at `path`, and its index.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<(usize, &Function)> {
        self.functions
            .iter()
            .enumerate()
            .find(|(_, function)| function.path == *path)
    }

    /// The bridge above function `index`, by index, if there is nothing else below it: a reset of the bus there resets
    /// the function alone.
    #[must_use]
    pub fn lone_port(&self, index: usize) -> Option<usize> {
        let port = self.functions.get(index)?.parent?;
        let is_below = |other: usize| {
            // A chain of parents is no longer than all there are.
            let mut chain =
                core::iter::successors(Some(other), |at| self.functions.get(*at)?.parent);
            chain
                .by_ref()
                .take(Self::MAX_FUNCTIONS)
                .skip(1)
                .any(|at| at == port)
        };
        let mut others = (0..self.functions.len()).filter(|other| *other != index);
        (!others.any(is_below)).then_some(port)
    }
}

/// Config space could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// Of which function.
    pub bdf: Bdf,
    /// Why.
    pub error: CfgError,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "config space of {} cannot be read: {:?}",
            self.bdf, self.error
        )
    }
}

/// Finds all functions of the bridge `phb` (its index in locations), numbering buses as it goes.
///
/// Every function found is silenced: it decodes nothing and masters nothing until it is activated.
///
/// # Errors
/// [`ScanError`] if the bridge refuses config cycles; a device cannot cause one.
pub fn scan(phb: u8, host: &mut dyn Ioda) -> Result<Topology, ScanError> {
    let mut scan = Scan {
        host,
        topology: Topology::default(),
        next_bus: 1,
        is_full: false,
    };
    scan.bus(&Below {
        path: Path::root(phb),
        parent: None,
        bus: 0,
        devices: 1,
        isolation: Isolation::Alone,
    })?;
    Ok(scan.topology)
}

struct Scan<'a> {
    host: &'a mut dyn Ioda,
    topology: Topology,
    /// The next bus number to give; above 255 there is none.
    next_bus: u16,
    is_full: bool,
}

/// A bus to look at.
struct Below {
    path: Path,
    parent: Option<usize>,
    bus: u8,
    /// Devices 0 to one less.
    devices: u8,
    isolation: Isolation,
}

pub(crate) const MULTIFUNCTION: u8 = 0x80;
const LAST_BUS: u16 = 255;

impl Scan<'_> {
    fn bus(&mut self, below: &Below) -> Result<(), ScanError> {
        for device in 0..below.devices {
            for function in 0..8 {
                let bdf = Bdf::new(below.bus, device, function);
                let header = self.function(below, bdf)?;
                // Function 0 must be there, and says whether there are others.
                if function == 0 && header.is_none_or(|header| header & MULTIFUNCTION == 0) {
                    break;
                }
                if below.bus == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks at one function, and below it if it is a bridge. Returns its header type.
    fn function(&mut self, below: &Below, bdf: Bdf) -> Result<Option<u8>, ScanError> {
        let wrap = |error| ScanError { bdf, error };
        let mut config = ConfigSpace::new(self.host, bdf);
        let ids = config.read32(VENDOR).map_err(wrap)?;
        if matches!(ids & 0xffff, 0 | 0xffff) {
            return Ok(None);
        }
        let header = config.read8(HEADER_TYPE).map_err(wrap)?;
        let Some(path) = below.path.child(bdf.0 as u8) else {
            log::warn!("{}: buses nested too deep, {bdf} is left alone", below.path);
            return Ok(Some(header));
        };
        if self.topology.functions.len() >= Topology::MAX_FUNCTIONS {
            if !self.is_full {
                log::warn!("{path}: too many functions, the rest is left alone");
                self.is_full = true;
            }
            return Ok(Some(header));
        }
        let mut function =
            describe(&mut config, ids, bdf, path, (below.parent, below.isolation)).map_err(wrap)?;
        let index = self.topology.functions.len();
        match header & !MULTIFUNCTION {
            0 => self.topology.functions.push(function),
            1 => {
                function.role = self.open_bridge(&function, bdf).map_err(wrap)?;
                let role = function.role;
                let isolation = function.isolation;
                self.topology.functions.push(function);
                self.descend(index, bdf, path, role, isolation)?;
            }
            other => log::warn!("{path}: header type {other} is unknown, it is left alone"),
        }
        Ok(Some(header))
    }

    /// Gives the bridge a bus number and lets config cycles through to all that could follow.
    fn open_bridge(&mut self, function: &Function, bdf: Bdf) -> Result<Role, CfgError> {
        let mut config = ConfigSpace::new(self.host, bdf);
        let port = port_of(&mut config, function.caps.express)?;
        if self.next_bus > LAST_BUS {
            log::warn!(
                "{}: no bus number left, what is below is left alone",
                function.path
            );
            let bus = bdf.bus();
            write_buses(&mut config, bus, 0, 0)?;
            return Ok(Role::Bridge {
                port,
                secondary: 0,
                subordinate: 0,
            });
        }
        let secondary = self.next_bus as u8;
        self.next_bus = self.next_bus.saturating_add(1);
        write_buses(&mut config, bdf.bus(), secondary, LAST_BUS as u8)?;
        isolate_peers(&mut config, function.caps.acs)?;
        Ok(Role::Bridge {
            port,
            secondary,
            subordinate: LAST_BUS as u8,
        })
    }

    /// Scans below the bridge at `index`, then closes its range of buses behind the last one found.
    fn descend(
        &mut self,
        index: usize,
        bdf: Bdf,
        path: Path,
        role: Role,
        isolation: Isolation,
    ) -> Result<(), ScanError> {
        let Role::Bridge {
            port, secondary, ..
        } = role
        else {
            return Ok(());
        };
        if secondary == 0 {
            return Ok(());
        }
        let shared = isolation == Isolation::Alone && port == BridgePort::Conventional;
        let mut below = Below {
            path,
            parent: Some(index),
            bus: secondary,
            devices: if port == BridgePort::Down { 1 } else { 32 },
            isolation: if shared {
                Isolation::Behind {
                    first: secondary,
                    last: secondary,
                }
            } else {
                isolation
            },
        };
        let first_below = self.topology.functions.len();
        self.bus(&below)?;
        let last = match self.host.caps().rids {
            RidRule::OneSelection { max_bus_shift } if shared => {
                self.align(&mut below, first_below, bdf, max_bus_shift)?
            }
            _ => Some(self.last_bus()),
        };
        let (first, last) = last.map_or((0, 0), |last| (below.bus, last));
        let mut config = ConfigSpace::new(self.host, bdf);
        write_buses(&mut config, bdf.bus(), first, last)
            .map_err(|error| ScanError { bdf, error })?;
        let (above, found) = self.topology.functions.split_at_mut(first_below);
        if let Some(Function {
            role:
                Role::Bridge {
                    secondary,
                    subordinate,
                    ..
                },
            ..
        }) = above.get_mut(index)
        {
            (*secondary, *subordinate) = (first, last);
        }
        if shared {
            for function in found {
                function.isolation = Isolation::Behind { first, last };
            }
        }
        Ok(())
    }

    /// The last bus number given.
    fn last_bus(&self) -> u8 {
        self.next_bus.saturating_sub(1).min(LAST_BUS) as u8
    }

    /// Gives what is below the bridge `bdf`, found as `below` tells, an aligned block of a power of two of buses: all of
    /// it is one endpoint, and the host bridge knows an endpoint's requesters by one such block alone. Its buses are
    /// numbered anew if they do not begin where one begins.
    ///
    /// The block's last bus; `None` if there is none: nothing below was found then.
    fn align(
        &mut self,
        below: &mut Below,
        first_below: usize,
        bdf: Bdf,
        max_bus_shift: u8,
    ) -> Result<Option<u8>, ScanError> {
        let first = u16::from(below.bus);
        let mut buses = self.next_bus.saturating_sub(first);
        let block = buses.next_power_of_two();
        let start = first.next_multiple_of(block);
        let end = start.saturating_add(block);
        let mut fits = block <= 1 << max_bus_shift && end <= LAST_BUS + 1;
        if fits && start != first {
            self.forget(first_below)?;
            self.next_bus = start.saturating_add(1);
            below.bus = start as u8;
            below.isolation = Isolation::Behind {
                first: below.bus,
                last: below.bus,
            };
            write_buses(
                &mut ConfigSpace::new(self.host, bdf),
                bdf.bus(),
                below.bus,
                LAST_BUS as u8,
            )
            .map_err(|error| ScanError { bdf, error })?;
            self.bus(below)?;
            // Devices can tell something else the second time.
            buses = self.next_bus.saturating_sub(start);
            fits = buses <= block;
        }
        if fits {
            self.next_bus = end;
            return Ok(Some(self.last_bus()));
        }
        log::warn!(
            "{}: {buses} buses are below, and no block for them is left that the host bridge can tell from the rest: \
             they are left alone",
            below.path
        );
        self.forget(first_below)?;
        self.next_bus = first;
        Ok(None)
    }

    /// Forgets the functions found from index `first` on, and takes the bus numbers of the bridges among them back: a
    /// bridge that kept its own would answer for a bus that another one gets.
    fn forget(&mut self, first: usize) -> Result<(), ScanError> {
        let found = self.topology.functions.get(first..).unwrap_or_default();
        // Those above come first, and without its bus number a bridge lets no config cycle through.
        for function in found.iter().rev().filter(|found| !found.is_endpoint()) {
            let bdf = function.bdf;
            write_buses(&mut ConfigSpace::new(self.host, bdf), bdf.bus(), 0, 0)
                .map_err(|error| ScanError { bdf, error })?;
        }
        self.topology.functions.truncate(first);
        Ok(())
    }
}

/// Gives a bridge the bus numbers that the scan has given it, and keeps those below apart, once a reset has undone that;
/// nothing for others.
pub(crate) fn reopen(config: &mut ConfigSpace<'_>, function: &Function) -> Result<(), CfgError> {
    let Role::Bridge {
        secondary,
        subordinate,
        ..
    } = function.role
    else {
        return Ok(());
    };
    write_buses(config, function.bdf.bus(), secondary, subordinate)?;
    isolate_peers(config, function.caps.acs)
}

fn write_buses(
    config: &mut ConfigSpace<'_>,
    primary: u8,
    secondary: u8,
    subordinate: u8,
) -> Result<(), CfgError> {
    // The upper byte is a latency timer, which PCI Express fixes at 0.
    let buses = u32::from_le_bytes([primary, secondary, subordinate, 0]);
    config.write32(bridge::BUSES, buses)
}
