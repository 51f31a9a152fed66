//! An adapter of a partition: what its driver registers and lends, and how frames get in. [`Lan`] is what it
//! is on. Sending is in [`crate::send`].

use crate::buffers::{Buffer, Buffers};
use crate::copy::{self, PAGE};
use crate::filters::Filters;
use crate::frame::Memory;
use crate::{
    Host, MAX_BUFFER_BYTES, MAX_BUFFERS, MAX_QUEUE_BYTES, Problem, bad, mac, ordinary, resource,
};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use ioda::BeU64;
use lock::Mutex;
use papr_abi::llan::{
    HANDLE_BYTES, LIST_DROPPED, LIST_FILTERS, LIST_QUEUE, MIN_BUFFER_BYTES, descriptor, entry,
};
use papr_abi::{HError, Irq, Liobn, tce};
use spin::Once;

const BOTH: u64 = tce::READ | tce::WRITE;

/// What an adapter is made from.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its DMA window.
    pub liobn: Liobn,
    /// Its interrupt.
    pub irq: Irq,
    /// Its Ethernet address, low 48 bits, of one adapter alone.
    pub mac: u64,
}

/// One VLAN of one switch: all adapters on it hear each other, and nobody else.
pub struct Lan {
    pub(crate) adapters: Vec<&'static Adapter>,
    /// Held while one of them changes its address, so that no two have the same. Nothing is locked under it.
    addresses: Mutex<()>,
}

impl Lan {
    /// Makes one of `adapters`, whose own addresses differ.
    #[must_use]
    pub const fn new(adapters: Vec<&'static Adapter>) -> Self {
        Self {
            adapters,
            addresses: Mutex::new(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// A call that registers it looks at what it was given.
    Opening,
    Open,
    /// Closed as soon as no frame is on its way in.
    Closing,
}

struct State {
    phase: Phase,
    /// I/O address of the buffer list page.
    list: u64,
    /// The receive queue: address, bytes, offset of the next entry, [`entry::VALID`] as the next has it.
    queue: u64,
    queue_bytes: u64,
    next: u64,
    valid: u64,
    buffers: Buffers,
    filters: Filters,
    dropped: u64,
}

/// A buffer that was taken out of an adapter for a frame; given back by [`Adapter::finish`] alone.
pub(crate) struct Taken(Buffer);

impl Taken {
    /// Where the message goes, I/O address.
    pub(crate) fn message(&self) -> u64 {
        u64::from(self.0.at) + u64::from(HANDLE_BYTES)
    }
}

/// What an adapter does with a frame.
pub(crate) enum Offer {
    /// It is not for this one.
    No,
    /// There is no buffer for it: it is lost, and counted.
    Full,
    /// It goes there.
    Into(Taken),
}

/// A partition's adapter. Shared by all: its partition's calls, and those that send to it.
pub struct Adapter {
    settings: Settings,
    /// The address that it receives frames for.
    mac: AtomicU64,
    signals: AtomicBool,
    /// Frames on their way into its partition's memory; counted up under the lock of `state`.
    on_their_way: AtomicU32,
    state: Mutex<State>,
    place: Once<(&'static dyn Host, &'static Lan)>,
}

impl Adapter {
    /// Makes a closed adapter, connected to nothing, that keeps its buffers in `store`: [`MAX_BUFFERS`] cells.
    #[must_use]
    pub fn new(settings: Settings, store: &'static [BeU64]) -> Self {
        let store = store.get(..MAX_BUFFERS).unwrap_or(store);
        Self {
            settings,
            mac: AtomicU64::new(settings.mac),
            signals: AtomicBool::new(false),
            on_their_way: AtomicU32::new(0),
            state: Mutex::new(State {
                phase: Phase::Closed,
                list: 0,
                queue: 0,
                queue_bytes: 0,
                next: 0,
                valid: 0,
                buffers: Buffers::new(store),
                filters: Filters::CLOSED,
                dropped: 0,
            }),
            place: Once::new(),
        }
    }

    /// Says, once, whose it is and what it is on.
    pub fn connect(&self, host: &'static dyn Host, lan: &'static Lan) {
        self.place.call_once(|| (host, lan));
    }

    /// Returns what it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn memory(&self) -> Option<Memory> {
        let &(host, _) = self.place.get()?;
        let liobn = self.settings.liobn;
        Some(Memory { host, liobn })
    }

    /// Its partition's memory and its LAN, to send there; none unless it is registered.
    pub(crate) fn sender(&self) -> Option<(Memory, &'static Lan)> {
        let &(_, lan) = self.place.get()?;
        let open = self.state.lock().phase == Phase::Open;
        self.memory().filter(|_| open).map(|memory| (memory, lan))
    }

    /// `H_REGISTER_LOGICAL_LAN`: opens it with the buffer list page at I/O address `list`, the receive queue of
    /// descriptor `queue`, the filter list page `filters`, to receive frames for `mac`. Interrupts are off,
    /// frames to groups not received.
    ///
    /// # Errors
    /// In this order; nothing is changed:
    /// - [`HError::Resource`]: it is registered.
    /// - [`HError::Parameter`]: a page is not aligned, or not mapped for reading and writing; the queue is not
    ///   valid, empty, longer than 1 MiB, not aligned or not a multiple of 16 bytes, or not all mapped so; the address is that of
    ///   a group, or another adapter of the LAN has it.
    #[inline(never)]
    pub fn register(&self, list: u64, queue: u64, filters: u64, mac: u64) -> Result<(), Problem> {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Closed {
                return Err(resource("registered already"));
            }
            state.phase = Phase::Opening;
        }
        // Looking takes time in which senders are not to wait for the lock.
        let checked = self.check_lists(list, queue, filters);
        let checked = checked.and_then(|memory| self.change_mac(mac).map(|()| memory));
        let mut state = self.state.lock();
        match checked {
            Ok(memory) => {
                state.open(&memory, list, queue, filters);
                self.signals.store(false, Relaxed);
                Ok(())
            }
            Err(problem) => {
                state.phase = Phase::Closed;
                Err(problem)
            }
        }
    }

    /// Checks what [`Adapter::register`] is given.
    fn check_lists(&self, list: u64, queue: u64, filters: u64) -> Result<Memory, Problem> {
        let memory = self.memory().ok_or(bad("not connected"))?;
        for at in [list, filters] {
            if at & (PAGE as u64 - 1) != 0 || !memory.permits(at, 1, BOTH) {
                return Err(bad("list not a mapped page"));
            }
        }
        let (at, bytes) = stretch(queue);
        if queue & descriptor::VALID == 0
            || !(1..=MAX_QUEUE_BYTES).contains(&bytes)
            || (at | bytes) & (entry::BYTES - 1) != 0
        {
            return Err(bad(
                "receive queue not valid, aligned or of an allowed size",
            ));
        }
        if !memory.permits(at, bytes, BOTH) {
            return Err(bad("receive queue not mapped"));
        }
        Ok(memory)
    }

    /// `H_FREE_LOGICAL_LAN`: closes it and forgets its buffers; no byte of its partition's memory is written
    /// any more.
    ///
    /// # Errors
    /// - [`HError::Resource`]: it is not registered.
    /// - [`HError::Busy`]: frames are on their way in; no more will be. Repeat the call.
    #[inline(never)]
    pub fn free(&self) -> Result<(), Problem> {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Closed | Phase::Opening) {
            return Err(resource("not registered"));
        }
        state.forget();
        if self.on_their_way.load(Acquire) != 0 {
            state.phase = Phase::Closing;
            return Err(ordinary(HError::Busy));
        }
        state.phase = Phase::Closed;
        Ok(())
    }

    /// Makes it as it was before its partition first ran; none of the partition's processors runs. Waits for
    /// the frames on their way in, no more than one from each thread of the machine, which no guest can hold up.
    #[inline(never)]
    pub fn reset(&self) {
        self.signals.store(false, Relaxed);
        while self.free() == Err(ordinary(HError::Busy)) {
            core::hint::spin_loop();
        }
        self.mac.store(self.settings.mac, SeqCst);
    }

    /// `H_ADD_LOGICAL_LAN_BUFFER`: takes the receive buffer of descriptor `buffer`.
    ///
    /// # Errors
    /// In this order:
    /// - [`HError::Parameter`]: it is not valid, not aligned to 4 bytes, smaller than 16 bytes or larger than
    ///   128 KiB, or not all mapped for writing, its handle for reading too.
    /// - [`HError::Resource`]: the adapter is not registered; it has [`MAX_BUFFERS`] already, or buffers of
    ///   [`crate::POOLS`] other sizes.
    #[inline(never)]
    pub fn add_buffer(&self, buffer: u64) -> Result<(), Problem> {
        let memory = self.memory().ok_or(bad("not connected"))?;
        let (at, bytes) = stretch(buffer);
        let bytes = bytes as u32;
        if buffer & descriptor::VALID == 0
            || at & 3 != 0
            || !(MIN_BUFFER_BYTES..=MAX_BUFFER_BYTES).contains(&bytes)
        {
            return Err(bad("buffer not valid, aligned or of an allowed size"));
        }
        if !memory.permits(at, bytes.into(), tce::WRITE)
            || !memory.permits(at, HANDLE_BYTES.into(), BOTH)
        {
            return Err(bad("buffer not mapped"));
        }
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(resource("not registered"));
        }
        let at = at as u32;
        state.buffers.put(Buffer { at, bytes }).map_err(ordinary)
    }

    /// `H_FREE_LOGICAL_LAN_BUFFER`: gives a receive buffer of `bytes` back, through the receive queue.
    ///
    /// # Errors
    /// - [`HError::NotFound`]: there is none of that size.
    #[inline(never)]
    pub fn free_buffer(&self, bytes: u64) -> Result<(), Problem> {
        let memory = self.memory().ok_or(bad("not connected"))?;
        let none = ordinary(HError::NotFound);
        let bytes = u32::try_from(bytes).map_err(|_| none)?;
        let mut state = self.state.lock();
        let buffer = state.buffers.take_exact(bytes).ok_or(none)?;
        state.enqueue(&memory, buffer, None);
        drop(state);
        self.interrupt(&memory);
        Ok(())
    }

    /// `H_MULTICAST_CTRL`: see [`papr_abi::llan::multicast`] for `flags`. The first value is r4: enables and
    /// number of entries of the filter table.
    ///
    /// # Errors
    /// In this order; nothing is changed by the first:
    /// - [`HError::Parameter`]: undefined flags; `address` has more than 48 bits.
    /// - [`HError::Constrained`]: the table is full; [`HError::NotFound`]: the address is not in it.
    #[inline(never)]
    pub fn multicast(&self, flags: u64, address: u64) -> (u64, Result<(), Problem>) {
        let filters = &mut self.state.lock().filters;
        let result = filters.control(flags, address);
        (filters.state(), result)
    }

    /// `H_CHANGE_LOGICAL_LAN_MAC`: has it receive frames for the low 48 bits of `mac`.
    ///
    /// # Errors
    /// - [`HError::Parameter`]: the address is that of a group, or another adapter of the LAN has it.
    #[inline(never)]
    pub fn change_mac(&self, mac: u64) -> Result<(), Problem> {
        let mac = mac & mac::BITS;
        let &(_, lan) = self.place.get().ok_or(bad("not connected"))?;
        if mac::is_group(mac) {
            return Err(bad("address of a group"));
        }
        let _turn = lan.addresses.lock();
        let has = |other: &&&Adapter| {
            !core::ptr::eq(**other, self) && (other.settings.mac == mac || other.mac() == mac)
        };
        if lan.adapters.iter().find(has).is_some() {
            return Err(bad("address of another adapter"));
        }
        self.mac.store(mac, SeqCst);
        Ok(())
    }

    /// Returns the address that it receives frames for.
    #[must_use]
    pub fn mac(&self) -> u64 {
        self.mac.load(Relaxed)
    }

    /// `H_VIO_SIGNAL`: has it interrupt at every entry of the receive queue, or never.
    #[inline(never)]
    pub fn signal(&self, mode: Signals) {
        self.signals.store(mode == Signals::Enabled, SeqCst);
        // The driver looks at its queue next: what is not there by then interrupts.
        fence(SeqCst);
    }

    /// Returns how many frames were lost for want of a buffer since it was registered.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    fn interrupt(&self, memory: &Memory) {
        // The other half of what `signal` does.
        fence(SeqCst);
        if self.signals.load(SeqCst) {
            memory.host.interrupt(self.settings.irq);
        }
    }

    /// Offers it a frame of `bytes` to `destination`.
    pub(crate) fn offer(&self, destination: u64, bytes: u32) -> Offer {
        let mut state = self.state.lock();
        let ours = if mac::is_group(destination) {
            state.filters.pass(destination)
        } else {
            destination == self.mac()
        };
        let Some(memory) = self.memory().filter(|_| ours && state.phase == Phase::Open) else {
            return Offer::No;
        };
        match state.buffers.take(bytes + HANDLE_BYTES) {
            Some(buffer) => {
                self.on_their_way.fetch_add(1, Relaxed);
                Offer::Into(Taken(buffer))
            }
            None => {
                state.drop_one(&memory);
                Offer::Full
            }
        }
    }

    /// Ends what [`Adapter::offer`] began: `message` bytes are in the buffer, or none that count.
    pub(crate) fn finish(&self, taken: Taken, message: Option<u32>) {
        if let Some(memory) = self.memory() {
            let mut state = self.state.lock();
            let posts = state.phase == Phase::Open;
            if posts {
                state.enqueue(&memory, taken.0, message);
            }
            drop(state);
            if posts {
                self.interrupt(&memory);
            }
        }
        // Last: from here on the adapter may be closed, and its partition's memory be another's.
        self.on_their_way.fetch_sub(1, Release);
    }
}

/// Modes of [`Adapter::signal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// It interrupts.
    Enabled,
    /// It does not.
    Disabled,
}

impl State {
    fn open(&mut self, memory: &Memory, list: u64, queue: u64, filters: u64) {
        self.forget();
        self.phase = Phase::Open;
        self.list = list;
        (self.queue, self.queue_bytes) = stretch(queue);
        (self.next, self.valid, self.dropped) = (0, entry::VALID, 0);
        let page = memory.page(list, tce::WRITE).map(|(page, _)| page);
        page.unwrap_or(&[]).iter().for_each(|word| word.store(0));
        self.show_queue(memory);
        let page_descriptor = descriptor::VALID | (PAGE as u64) << descriptor::LENGTH_SHIFT;
        self.show(memory, LIST_FILTERS, page_descriptor | filters);
    }

    fn forget(&mut self) {
        self.buffers.clear();
        self.filters = Filters::CLOSED;
    }

    /// Writes the receive queue's descriptor, with its toggle.
    fn show_queue(&self, memory: &Memory) {
        let toggle = if self.valid == 0 {
            descriptor::TOGGLE
        } else {
            0
        };
        let queue = descriptor::VALID | self.queue_bytes << descriptor::LENGTH_SHIFT;
        self.show(memory, LIST_QUEUE, queue | toggle | self.queue);
    }

    /// Writes a doubleword of the buffer list page, if that is still mapped.
    fn show(&self, memory: &Memory, offset: u64, value: u64) {
        store(memory, self.list + offset, value);
    }

    fn drop_one(&mut self, memory: &Memory) {
        self.dropped += 1;
        self.show(memory, LIST_DROPPED, self.dropped);
    }

    /// Puts an entry for `buffer` on the receive queue, with `message` bytes of a message in it or none. When
    /// queue or buffer are no longer mapped, the buffer is lost, as LoPAR leaves it to those who unmap them.
    fn enqueue(&mut self, memory: &Memory, buffer: Buffer, message: Option<u32>) {
        let half = |at: u64| {
            let (page, offset) = memory.page(at, tce::READ)?;
            Some(copy::eight(page, offset) >> 32)
        };
        // Aligned to 4 bytes, so that each half is in one page.
        let at = u64::from(buffer.at);
        let (Some(high), Some(low)) = (half(at), half(at + 4)) else {
            return;
        };
        let at = self.queue + self.next;
        let head = self.valid
            | match message {
                Some(bytes) => {
                    let offset = u64::from(HANDLE_BYTES) << entry::OFFSET_SHIFT;
                    entry::MESSAGE | offset | u64::from(bytes)
                }
                None => 0,
            };
        store(memory, at + 8, high << 32 | low);
        // What says that the entry is there must be seen after all that it tells of.
        fence(Release);
        store(memory, at, head);
        self.next += entry::BYTES;
        if self.next == self.queue_bytes {
            self.next = 0;
            self.valid ^= entry::VALID;
            self.show_queue(memory);
        }
    }
}

/// Address and bytes of a descriptor.
const fn stretch(given: u64) -> (u64, u64) {
    let bytes = given >> descriptor::LENGTH_SHIFT & descriptor::LENGTH;
    (given & descriptor::ADDRESS, bytes)
}

/// Stores `value` at I/O address `at`, a multiple of 8, if that may be written.
fn store(memory: &Memory, at: u64, value: u64) {
    if let Some((page, offset)) = memory.page(at, tce::WRITE)
        && let Some(word) = page.get(offset >> 3)
    {
        word.store(value);
    }
}
