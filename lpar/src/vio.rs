//! The partition's virtual devices that have interrupts: Ethernet adapters ([`llan`]), and the warning that it is to shut
//! itself down (`epow`).
//!
//! An adapter is known by its unit address, has a DMA window of that number and an interrupt source that no
//! bridge has ([`Trigger::Virtual`]). Such a source works as a message does: between its presentation and its end
//! it is noted once more at most. Where processors share threads, [`SoftXics`](crate::icp::SoftXics) presents
//! it like all others. On dedicated processors it waits there, and the processor's own presentation controller
//! is interrupted through its MFRR, which the partition's inter-processor interrupts and the hypervisor's
//! kicks use as well: H_XIRR tells them apart. See ADR 12.
//!
//! Source: LoPAR 2.9, "Virtualized Input/Output".

use crate::dma::parts;
use crate::icp::Look;
use crate::xics::{IrqBlock, Trigger, show_mfrr};
use crate::{Lpar, Processors, Vcpu};
use core::sync::atomic::{AtomicU8, Ordering::SeqCst};
use ioda::BeU64;
use llan::{Adapter, Host, Settings};
use papr_abi::{IoAddr, Irq, Liobn, Server};

/// Unit address of the first Ethernet adapter, `/vdevice/l-lan@30000010`; the others follow.
pub const FIRST_ETHERNET: u32 = 0x3000_0010;
/// The first virtual source: near the end of the 24 bits that sources have, where no bridge's numbers are.
const FIRST_IRQ: u32 = 0x00ff_f000;
/// The source of warnings, which every partition has; those of its adapters follow.
pub const EPOW_IRQ: Irq = Irq(FIRST_IRQ);
const FIRST_ETHERNET_IRQ: u32 = FIRST_IRQ + 1;
/// Bytes of an adapter's DMA window, from bus address 0.
pub const WINDOW_BYTES: u64 = 64 << 20;

/// The source was raised, and its end has not been told.
const RAISED: u8 = 1;
/// It was raised again since.
const AGAIN: u8 = 2;

/// Returns what the partition's adapter `number`, from 0, is made with; `mac` is its Ethernet address.
#[must_use]
pub const fn settings(number: u32, mac: u64) -> Settings {
    Settings {
        liobn: Liobn(FIRST_ETHERNET + number),
        irq: Irq(FIRST_ETHERNET_IRQ + number),
        mac,
    }
}

/// The virtual sources of a partition with `adapters` Ethernet adapters.
pub(crate) const fn irqs(adapters: usize) -> IrqBlock {
    IrqBlock {
        first: Irq(FIRST_IRQ),
        count: 1 + adapters as u32,
        trigger: Trigger::Virtual,
    }
}

impl Host for Lpar {
    fn page(&self, liobn: Liobn, at: IoAddr, access: u64) -> Option<&'static [BeU64]> {
        let entry = self.dma.find(liobn)?.entry(at)?.load();
        let (real, permissions) = parts(entry);
        let page = self.ram.logical(real)?;
        let page = self.ram.page(page).ok()?;
        (permissions & access == access).then_some(page)
    }

    fn interrupt(&self, irq: Irq) {
        // Both at once, and one back: whoever raises it meanwhile finds it raised, and need not present it.
        if let Some(state) = self.virtual_irq(irq)
            && state.fetch_or(RAISED | AGAIN, SeqCst) & RAISED == 0
        {
            state.fetch_and(!AGAIN, SeqCst);
            self.present_virtual(irq);
        }
    }
}

impl Lpar {
    /// Returns the adapter with unit address `unit`, if the partition has it.
    #[must_use]
    pub fn ethernet(&self, unit: u64) -> Option<&'static Adapter> {
        let number = unit.checked_sub(FIRST_ETHERNET.into())?;
        self.ethernet.get(usize::try_from(number).ok()?).copied()
    }

    /// Has the partition warned, at the source that the node `epow-events` names.
    pub(crate) fn warn_of_shutdown(&self) {
        self.interrupt(EPOW_IRQ);
    }

    fn virtual_irq(&self, irq: Irq) -> Option<&AtomicU8> {
        let number = irq.0.checked_sub(FIRST_IRQ)?;
        self.virtual_irqs.get(number as usize)
    }

    /// Ends virtual interrupt `irq`, and presents it anew if it was raised meanwhile.
    pub(crate) fn end_virtual(&self, irq: Irq) {
        if let Some(state) = self.virtual_irq(irq)
            && state.compare_exchange(RAISED, 0, SeqCst, SeqCst).is_err()
            && state.fetch_and(!AGAIN, SeqCst) & AGAIN != 0
        {
            self.present_virtual(irq);
        }
    }

    fn present_virtual(&self, irq: Irq) {
        let Some(place) = self.xics.place(irq) else {
            return;
        };
        let soft = &self.soft_xics;
        let server = match self.processors {
            Processors::Dedicated => soft.hold(place),
            Processors::Shared(_) => soft.arrive(place),
        };
        let Some(vcpu) = server.and_then(|server| self.vcpu(server)) else {
            return;
        };
        match self.processors {
            Processors::Dedicated => self.show_virtual(vcpu),
            Processors::Shared(_) => self.machine.threads.kick(vcpu.pir),
        }
    }

    /// Has the presentation controller of `vcpu`, which is the machine's, know of the virtual interrupts that
    /// wait for it.
    fn show_virtual(&self, vcpu: &Vcpu) {
        self.soft_xics.with_waiting(vcpu.server, |best| {
            vcpu.virtual_priority.store(best, SeqCst);
        });
        show_mfrr(&self.machine, vcpu);
    }

    /// Takes the most favoured virtual interrupt that waits for `vcpu` and is more favoured than `bar`, where
    /// the presentation controller is the machine's. Returns it and its priority.
    pub(crate) fn take_virtual(&self, vcpu: &Vcpu, bar: u8) -> Option<(Irq, u8)> {
        let taken = self.wait_in_soft(vcpu, bar, Look::Take)?;
        self.show_virtual(vcpu);
        Some(taken)
    }

    /// As [`Lpar::take_virtual`], and leaves it.
    pub(crate) fn next_virtual(&self, vcpu: &Vcpu, bar: u8) -> Option<(Irq, u8)> {
        self.wait_in_soft(vcpu, bar, Look::Only)
    }

    fn wait_in_soft(&self, vcpu: &Vcpu, bar: u8, look: Look) -> Option<(Irq, u8)> {
        if self.processors != Processors::Dedicated {
            return None;
        }
        self.soft_xics.waiting(vcpu.server, bar, look)
    }

    /// Routes virtual interrupt `irq`, now at `from`, to `to` at `priority`. Returns whether it is one, and
    /// presented by the machine's controllers.
    pub(crate) fn route_virtual(&self, irq: Irq, from: Server, to: &Vcpu, priority: u8) -> bool {
        let place = self.virtual_irq(irq).and_then(|_| self.xics.place(irq));
        let dedicated = self.processors == Processors::Dedicated;
        let Some(place) = place.filter(|_| dedicated) else {
            return false;
        };
        let _ = self.soft_xics.route(place, to.server, priority);
        for vcpu in [self.vcpu(from), Some(to)].into_iter().flatten() {
            self.show_virtual(vcpu);
        }
        true
    }

    /// Forgets whatever of `irq` is pending, if it is a virtual one, and masks it; returns whether it is.
    pub(crate) fn reset_virtual(&self, irq: Irq) -> bool {
        let Some(state) = self.virtual_irq(irq) else {
            return false;
        };
        state.store(0, SeqCst);
        if let Some(place) = self.xics.place(irq) {
            self.soft_xics.reset_source(place);
        }
        true
    }

    /// Closes all adapters and their windows. All processors must be stopped.
    pub(crate) fn reset_ethernet(&self) {
        for adapter in &self.ethernet {
            adapter.reset();
            if let Some(window) = self.dma.find(adapter.settings().liobn) {
                window.clear_all();
            }
        }
    }
}
