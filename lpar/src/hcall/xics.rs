//! Interrupt presentation. Source: LoPAR 2.9, "Interrupt Support hcall()s".
//!
//! Each processor of a partition has a thread of its own, so these work on the interrupt
//! presentation controller of that thread itself. What must not reach a partition is taken out on
//! the way: the hypervisor's own sources, and the inter-processor interrupts by which it kicks a
//! thread.

use super::{After, Args, Caller, Class, Hcall, Row};
use crate::xics::{Trigger, show_mfrr};
use crate::{HResult, Lpar, Refusal, Vcpu};
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use papr_abi::xics::{self, LEAST_FAVORED};
use papr_abi::{HError, Irq, Server, token};

/// How many interrupts that are not the partition's one H_XIRR takes out before it returns "none";
/// what is left comes as a new interrupt.
const ROUNDS: usize = 8;

const fn row(token: u64, name: &'static str) -> Row {
    Row::new(token, name, Class::Critical, "hcall-interrupt")
}

fn server(lpar: &Lpar, number: Server) -> Result<&Vcpu, Refusal> {
    lpar.vcpu(number)
        .ok_or(Refusal::new(HError::Parameter, "no such server"))
}

fn server_number(reg: u64) -> Result<Server, Refusal> {
    u32::try_from(reg)
        .map(Server)
        .map_err(|_| Refusal::new(HError::Parameter, "no such server"))
}

/// `H_XIRR`: accepts the most favoured pending interrupt of the calling processor.
///
/// Source: LoPAR 2.9, "H_XIRR / H_XIRR-X". No arguments: Linux passes a priority in r4, which LoPAR
/// does not define for this hcall.
///
/// Outputs: r4, 32 bits: bits 0:7 the processor's priority before, 8:31 the source; source 0 means
/// that nothing is pending. No errors.
#[doc(alias = "H_XIRR")]
#[derive(Debug)]
pub struct Xirr;

impl Hcall for Xirr {
    const ROW: Row = row(token::H_XIRR, "H_XIRR");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let xirr = accept(caller);
        caller.out::<0>(xirr.into());
        Ok(())
    }
}

/// `H_XIRR_X`: as [`Xirr`], and tells when the interrupt came.
///
/// Source: LoPAR 2.9, "H_XIRR / H_XIRR-X". r4 holds the caller's own idea of its priority, any
/// value, which a presentation controller in hardware knows better.
///
/// Outputs: r4 as [`Xirr`]; r5, the time base when the hypervisor first saw the interrupt, which on
/// a dedicated processor is now. No errors.
#[doc(alias = "H_XIRR-X")]
#[derive(Debug)]
pub struct XirrX;

impl Hcall for XirrX {
    const ROW: Row = row(token::H_XIRR_X, "H_XIRR_X");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let now = caller.lpar.machine.clock.timebase();
        let xirr = accept(caller);
        caller.out::<0>(xirr.into());
        caller.out::<1>(now);
        Ok(())
    }
}

/// Accepts an interrupt for the partition.
#[inline]
fn accept(caller: &mut Caller<'_>) -> u32 {
    let xirr = caller.lpar.machine.presenter.accept(caller.vcpu.pir);
    let irq = xics::source(xirr);
    let ordinary = if irq == Irq::IPI {
        let mfrr = caller.vcpu.mfrr.load(SeqCst);
        // In this order: who kicks a thread leaves it something to look at before, and so who has a virtual
        // interrupt for it.
        caller.vcpu.attention.load(Acquire) == 0
            && mfrr < caller.vcpu.virtual_priority.load(Relaxed)
    } else {
        caller.lpar.xics.trigger(irq).is_some()
    };
    if ordinary {
        xirr
    } else {
        sort_out(caller, xirr)
    }
}

/// Takes out what is not the partition's, from `xirr` on, until there is something that is.
#[cold]
#[inline(never)]
fn sort_out(caller: &mut Caller<'_>, mut xirr: u32) -> u32 {
    let presenter = caller.lpar.machine.presenter;
    let pir = caller.vcpu.pir;
    for round in 1.. {
        let irq = xics::source(xirr);
        if caller.lpar.xics.trigger(irq).is_some() {
            return xirr;
        }
        if irq == xics::NONE {
            // Accepting nothing changes nothing, but QEMU 10.0's controller then forgets its priority.
            presenter.set_cppr(pir, xics::cppr(xirr));
            return xirr;
        }
        if irq == Irq::IPI {
            let mfrr = caller.vcpu.mfrr.load(SeqCst);
            if caller.vcpu.attention.load(Acquire) != 0 {
                caller.after = After::Attend;
            }
            let cppr = xics::cppr(xirr);
            if let Some((irq, priority)) = caller.lpar.take_virtual(caller.vcpu, mfrr.min(cppr)) {
                // It was accepted as an inter-processor interrupt, perhaps of another priority.
                presenter.set_cppr(pir, priority);
                return xics::xirr(cppr, irq);
            }
            if mfrr != LEAST_FAVORED {
                return xirr;
            }
            absorb_kick(caller, xirr);
        } else {
            caller.lpar.machine.foreign.handle(irq, pir);
            presenter.eoi(pir, xirr);
        }
        if round == ROUNDS {
            break;
        }
        xirr = presenter.accept(pir);
    }
    xics::xirr(xics::cppr(xirr), xics::NONE)
}

/// Ends an inter-processor interrupt that the partition did not ask for.
#[cold]
fn absorb_kick(caller: &Caller<'_>, xirr: u32) {
    let vcpu = caller.vcpu;
    let machine = &caller.lpar.machine;
    // An H_IPI of another processor may come in between, which stores its priority before it sets it.
    show_mfrr(machine, vcpu);
    machine.presenter.eoi(vcpu.pir, xirr);
}

/// `H_CPPR`: sets the calling processor's current priority.
///
/// Source: LoPAR 2.9, "H_CPPR". No outputs, no errors: every priority is allowed, as none is
/// reserved.
#[doc(alias = "H_CPPR")]
#[derive(Debug)]
pub struct Cppr {
    /// R4: the priority, low 8 bits; the rest is ignored.
    pub cppr: u8,
}

impl Hcall for Cppr {
    const ROW: Row = row(token::H_CPPR, "H_CPPR");

    fn decode(&[cppr, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { cppr: cppr as u8 })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let presenter = caller.lpar.machine.presenter;
        presenter.set_cppr(caller.vcpu.pir, self.cppr);
        Ok(())
    }
}

/// `H_EOI`: ends an interrupt and sets the processor's priority.
///
/// Source: LoPAR 2.9, "H_EOI". No outputs. Errors, in this order:
/// - [`HError::Parameter`]: the source is neither the partition's nor the inter-processor interrupt.
/// - [`HError::Parameter`]: the priority is more favoured than the processor's current one.
#[doc(alias = "H_EOI")]
#[derive(Debug)]
pub struct Eoi {
    /// R4: the priority and source as H_XIRR gave them, low 32 bits; the rest is ignored.
    pub xirr: u32,
}

impl Hcall for Eoi {
    const ROW: Row = row(token::H_EOI, "H_EOI");

    fn decode(&[xirr, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { xirr: xirr as u32 })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let machine = &caller.lpar.machine;
        let pir = caller.vcpu.pir;
        let irq = xics::source(self.xirr);
        let trigger = match irq {
            Irq::IPI => None,
            irq => {
                let trigger = caller.lpar.xics.trigger(irq);
                Some(trigger.ok_or(Refusal::new(HError::Parameter, "no such source"))?)
            }
        };
        if xics::cppr(self.xirr) < xics::cppr(machine.presenter.poll(pir)) {
            return Err(Refusal::new(HError::Parameter, "priority too favoured"));
        }
        // First the processor, then the source: what the source then sends again finds the processor
        // open for it. The other way round it is rejected first and must be sent a third time.
        match trigger {
            Some(Trigger::Virtual) => {
                // No source of the machine is to hear of it.
                machine.presenter.set_cppr(pir, xics::cppr(self.xirr));
                caller.lpar.end_virtual(irq);
            }
            Some(Trigger::Edge) => {
                machine.presenter.eoi(pir, self.xirr);
                machine.sources.eoi(irq);
            }
            Some(Trigger::Level) | None => machine.presenter.eoi(pir, self.xirr),
        }
        Ok(())
    }
}

/// `H_IPI`: sets the priority of a processor's inter-processor interrupt.
///
/// Source: LoPAR 2.9, "H_IPI". No outputs. Errors:
/// - [`HError::Parameter`]: the partition has no such server.
#[doc(alias = "H_IPI")]
#[derive(Debug)]
pub struct Ipi {
    /// R4: the processor to interrupt.
    pub server: Server,
    /// R5: the priority, low 8 bits; 0xff takes the interrupt back.
    pub mfrr: u8,
}

impl Hcall for Ipi {
    const ROW: Row = row(token::H_IPI, "H_IPI");

    fn decode(&[server, mfrr, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            server: server_number(server)?,
            mfrr: mfrr as u8,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let target = server(caller.lpar, self.server)?;
        // In this order: see `show_mfrr`.
        target.mfrr.store(self.mfrr, SeqCst);
        let machine = &caller.lpar.machine;
        machine.presenter.set_mfrr(target.pir, self.mfrr);
        // Who has a virtual interrupt for it says so first too, so one of both finds that the other has.
        if target.virtual_priority.load(SeqCst) < self.mfrr {
            show_mfrr(machine, target);
        }
        Ok(())
    }
}

/// `H_IPOLL`: looks at a processor's pending interrupt without accepting it.
///
/// Source: LoPAR 2.9, "H_IPOLL".
///
/// Outputs: r4, 32 bits, as H_XIRR would return; r5, the low 8 bits the priority of its
/// inter-processor interrupt. Errors:
/// - [`HError::Parameter`]: the partition has no such server.
#[doc(alias = "H_IPOLL")]
#[derive(Debug)]
pub struct Ipoll {
    /// R4: the processor.
    pub server: Server,
}

impl Hcall for Ipoll {
    const ROW: Row = row(token::H_IPOLL, "H_IPOLL");

    fn decode(&[server, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            server: server_number(server)?,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let target = server(caller.lpar, self.server)?;
        let mfrr = target.mfrr.load(SeqCst);
        let xirr = caller.lpar.machine.presenter.poll(target.pir);
        let irq = match xics::source(xirr) {
            Irq::IPI => match caller.lpar.next_virtual(target, mfrr.min(xics::cppr(xirr))) {
                Some((irq, _)) => irq,
                None if mfrr == LEAST_FAVORED => xics::NONE,
                None => Irq::IPI,
            },
            irq if caller.lpar.xics.trigger(irq).is_some() => irq,
            _ => xics::NONE,
        };
        caller.out::<0>(xics::xirr(xics::cppr(xirr), irq).into());
        caller.out::<1>(mfrr.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
