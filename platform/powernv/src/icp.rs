//! The interrupt presentation controller of a POWER8 thread: [`Icp`] and [`Xirr`].
//!
//! Source: PAPR (LoPAR 2.9), "Interrupt Presentation Layer", and the register layout in skiboot `hw/interrupts.c`.

use crate::io::PhysIo;

/// XIRR, four bytes: read without effect.
const XIRR_POLL: u64 = 0x0;
/// XIRR, four bytes: reading accepts the interrupt, writing ends it. Its first byte alone is the CPPR.
const XIRR: u64 = 0x4;
const CPPR: u64 = 0x4;
/// MFRR, one byte.
const MFRR: u64 = 0xc;

/// External interrupt request register: what is pending, and the processor's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xirr(pub u32);

impl Xirr {
    /// The source number of an inter-processor interrupt.
    pub const IPI: u32 = 2;

    /// Current processor priority (CPPR): only more favoured (smaller) ones interrupt. What to go back to by
    /// [`Icp::end`], in a value that [`Icp::accept`] returned.
    pub const fn priority(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Number of the interrupt source (XISR); `None` if there is nothing to accept.
    pub const fn source(self) -> Option<u32> {
        match self.0 & 0x00ff_ffff {
            0 => None,
            source => Some(source),
        }
    }

    /// What to write to end the interrupt `source` and go back to `priority`.
    pub const fn ending(priority: u8, source: u32) -> Self {
        Self(((priority as u32) << 24) | (source & 0x00ff_ffff))
    }
}

/// The registers of one thread's presentation controller.
///
/// Its own thread accepts and ends interrupts and sets the CPPR; any thread may write the MFRR.
#[derive(Debug, Clone, Copy)]
pub struct Icp<I> {
    io: I,
    base: u64,
}

impl<I: PhysIo> Icp<I> {
    /// The controller whose page is at real address `base` ([`crate::Thread::icp`], see
    /// [`crate::MachineInfo::icp`]).
    pub const fn new(io: I, base: u64) -> Self {
        Self { io, base }
    }

    /// What [`Icp::accept`] would return; changes nothing.
    pub fn poll(&self) -> Xirr {
        Xirr(self.io.read32(self.base.wrapping_add(XIRR_POLL)))
    }

    /// Accepts the most favoured interrupt pending: its priority becomes the CPPR until it is ended. The value returned
    /// has the CPPR of before.
    pub fn accept(&self) -> Xirr {
        Xirr(self.io.read32(self.base.wrapping_add(XIRR)))
    }

    /// Ends the interrupt that `accepted` was returned for, and goes back to the CPPR in it.
    pub fn end(&self, accepted: Xirr) {
        self.io.write32(self.base.wrapping_add(XIRR), accepted.0);
    }

    /// Sets the CPPR: 0 shuts everything out, 0xff lets everything in.
    pub fn set_priority(&self, cppr: u8) {
        self.io.write8(self.base.wrapping_add(CPPR), cppr);
    }

    /// Sets the MFRR: an inter-processor interrupt of that priority is pending from now on, none with 0xff. What was
    /// stored before is visible to the thread that takes it.
    pub fn set_mfrr(&self, mfrr: u8) {
        self.io.sync();
        self.io.write8(self.base.wrapping_add(MFRR), mfrr);
    }

    /// The MFRR.
    pub fn mfrr(&self) -> u8 {
        self.io.read8(self.base.wrapping_add(MFRR))
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    const BASE: u64 = 0x3_ffff_8000_8000;

    /// One ICP, with at most one source besides the IPI presenting to it.
    struct FakeIcp {
        cppr: Cell<u8>,
        mfrr: Cell<u8>,
        /// Priority and number of what is offered to the thread, none with number 0.
        pending: Cell<(u8, u32)>,
        /// A source that waits to be presented.
        waiting: Cell<Option<(u8, u32)>>,
        syncs: Cell<u32>,
    }

    impl FakeIcp {
        fn new() -> Self {
            Self {
                cppr: Cell::new(0),
                mfrr: Cell::new(0xff),
                pending: Cell::new((0xff, 0)),
                waiting: Cell::new(None),
                syncs: Cell::new(0),
            }
        }

        /// Chooses what to offer, by priority; an IPI's level is looked at again each time.
        fn present(&self) {
            if let (priority, source @ 3..) = self.pending.take() {
                self.waiting.set(Some((priority, source)));
            }
            let other = self.waiting.get().unwrap_or((0xff, 0));
            let ipi = (self.mfrr.get(), 2);
            let best = if ipi.0 < other.0 { ipi } else { other };
            if best.0 >= self.cppr.get() {
                self.pending.set((0xff, 0));
                return;
            }
            if best == other {
                self.waiting.set(None);
            }
            self.pending.set(best);
        }

        fn xirr(&self) -> u32 {
            u32::from(self.cppr.get()) << 24 | self.pending.get().1
        }
    }

    impl PhysIo for FakeIcp {
        fn read8(&self, address: u64) -> u8 {
            match address - BASE {
                4 => self.cppr.get(),
                12 => self.mfrr.get(),
                offset => panic!("no byte at {offset:#x}"),
            }
        }
        fn read16(&self, _: u64) -> u16 {
            panic!("no half word")
        }
        fn read32(&self, address: u64) -> u32 {
            match address - BASE {
                0 => self.xirr(),
                4 => {
                    let xirr = self.xirr();
                    if let (priority, 1..) = self.pending.replace((0xff, 0)) {
                        self.cppr.set(priority);
                    }
                    xirr
                }
                offset => panic!("no word at {offset:#x}"),
            }
        }
        fn read64(&self, _: u64) -> u64 {
            panic!("no doubleword")
        }
        fn write8(&self, address: u64, value: u8) {
            match address - BASE {
                4 => self.cppr.set(value),
                12 => self.mfrr.set(value),
                offset => panic!("no byte at {offset:#x}"),
            }
            self.present();
        }
        fn write16(&self, _: u64, _: u16) {
            panic!("no half word")
        }
        fn write32(&self, address: u64, value: u32) {
            assert_eq!(address - BASE, 4);
            self.cppr.set((value >> 24) as u8);
            self.present();
        }
        fn write64(&self, _: u64, _: u64) {
            panic!("no doubleword")
        }
        fn sync(&self) {
            self.syncs.set(self.syncs.get() + 1);
        }
    }

    #[test]
    fn an_ipi_is_accepted_cleared_and_ended() {
        let device = FakeIcp::new();
        let icp = Icp::new(&device, BASE);
        icp.set_priority(0xff);
        assert_eq!(icp.poll().source(), None);
        icp.set_mfrr(4);
        assert_eq!(device.syncs.get(), 1);
        assert_eq!((icp.mfrr(), icp.poll()), (4, Xirr(0xff00_0002)));
        let xirr = icp.accept();
        assert_eq!((xirr.source(), xirr.priority()), (Some(Xirr::IPI), 0xff));
        assert_eq!(
            icp.poll(),
            Xirr(0x0400_0000),
            "its priority shuts others like it out"
        );
        icp.set_mfrr(0xff);
        icp.end(xirr);
        assert_eq!(icp.poll(), Xirr(0xff00_0000));
    }

    #[test]
    fn the_more_favoured_source_comes_first() {
        let device = FakeIcp::new();
        let icp = Icp::new(&device, BASE);
        device.waiting.set(Some((5, 0x1234)));
        icp.set_mfrr(6);
        assert_eq!(
            icp.poll().source(),
            None,
            "reset leaves CPPR at 0, which shuts everything out"
        );
        icp.set_priority(0xff);
        let first = icp.accept();
        assert_eq!(first.source(), Some(0x1234));
        assert_eq!(icp.accept().source(), None);
        icp.end(Xirr::ending(0xff, 0x1234));
        assert_eq!(icp.accept().source(), Some(Xirr::IPI));
    }

    #[test]
    fn fields_of_xirr() {
        assert_eq!(Xirr(0x05ab_cdef).priority(), 5);
        assert_eq!(Xirr(0x05ab_cdef).source(), Some(0xab_cdef));
        assert_eq!(Xirr(0x0500_0000).source(), None);
        assert_eq!(Xirr::ending(5, 0xffab_cdef), Xirr(0x05ab_cdef));
    }
}
