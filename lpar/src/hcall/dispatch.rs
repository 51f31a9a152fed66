//! Dispatching of virtual processors. Source: LoPAR 2.9, "Shared Processor LPAR Option".
//!
//! What they do to a processor's thread is the machine layer's ([`After`]): a dedicated one waits or goes
//! on in place, as nobody else can have its thread; a shared one gives it up.

use super::{After, Args, Caller, Class, Hcall, Row};
use crate::vcpu::attention;
use crate::{HResult, Lpar, OutsideRam, Processors, Refusal, Vcpu, VcpuState, vpa as areas};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use papr_abi::{GuestRealAddr, HError, Server, token, vpa};

mod capacity;

pub use capacity::{GetPpp, Purr};

const fn row(token: u64, name: &'static str) -> Row {
    Row::new(token, name, Class::Critical, "hcall-splpar")
}

const fn refusal(cause: &'static str) -> Refusal {
    Refusal::new(HError::Parameter, cause)
}

fn processor(lpar: &Lpar, number: u64) -> Result<&Vcpu, Refusal> {
    u32::try_from(number)
        .ok()
        .and_then(|number| lpar.vcpu(Server(number)))
        .ok_or(refusal("no such processor"))
}

/// What [`RegisterVpa`] registers or takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Vpa,
    DispatchLog,
    SlbShadow,
}

/// `H_REGISTER_VPA`: registers or takes back a processor's areas of memory.
///
/// Source: LoPAR 2.9, "H_REGISTER_VPA"; the state of the processor is checked by "Virtual Processor
/// Preempt/Dispatch". Other flag bits than the function's are ignored, as LoPAR allows.
///
/// No outputs; a registered VPA has its status, dispatch and dispersion counts set. Errors, in this
/// order:
/// - [`HError::Parameter`]: flag bits 16:23 hold no function.
/// - [`HError::Parameter`]: the partition has no such processor.
/// - [`HError::State`]: the processor is another one and runs (not for the trace log).
/// - [`HError::Parameter`]: to register, the address is not 128-byte aligned, or the size there too
///   small, or the area is not all in the partition's memory, or, but for the trace log, crosses a
///   4 KiB boundary.
/// - [`HError::Resource`]: to register a trace log or SLB shadow buffer, the processor has no VPA; to
///   take back a VPA, it has one of these.
#[doc(alias = "H_REGISTER_VPA")]
#[derive(Debug)]
pub struct RegisterVpa {
    area: Area,
    /// R5: the processor.
    pub processor: u64,
    /// R6: the area's address to register it, `None` to take it back.
    pub address: Option<GuestRealAddr>,
}

impl Hcall for RegisterVpa {
    const ROW: Row = row(token::H_REGISTER_VPA, "H_REGISTER_VPA");

    fn decode(&[flags, processor, address, ..]: &Args) -> Result<Self, Refusal> {
        let register = Some(GuestRealAddr(address));
        let field = flags >> 40 & 0xff;
        let (area, address) = match (field >> 5, field & 0x1f) {
            (vpa::function::REGISTER_VPA, 0) => (Area::Vpa, register),
            (vpa::function::REGISTER_DTL, 0) => (Area::DispatchLog, register),
            (vpa::function::REGISTER_SLB_SHADOW, 0) => (Area::SlbShadow, register),
            (vpa::function::DEREGISTER_VPA, 0) => (Area::Vpa, None),
            (vpa::function::DEREGISTER_DTL, 0) => (Area::DispatchLog, None),
            (vpa::function::DEREGISTER_SLB_SHADOW, 0) => (Area::SlbShadow, None),
            _ => return Err(refusal("no such function")),
        };
        Ok(Self {
            area,
            processor,
            address,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let target = processor(lpar, self.processor)?;
        // One that is stopped may be started meanwhile, and one that runs has its log written.
        let _areas = target.areas.lock();
        let ours = target.server == caller.vcpu.server;
        if !ours && self.area != Area::DispatchLog && target.state() != VcpuState::Stopped {
            return Err(Refusal::new(HError::State, "processor is running"));
        }
        match self.address {
            Some(address) => register(lpar, target, self.area, address),
            None => deregister(target, self.area),
        }
    }
}

fn register(lpar: &Lpar, target: &Vcpu, area: Area, address: GuestRealAddr) -> HResult {
    if address.0 & (vpa::ALIGN - 1) != 0 {
        return Err(refusal("area not aligned"));
    }
    let outside = |_: OutsideRam| refusal("area outside the partition's memory");
    let size_at = GuestRealAddr(address.0.checked_add(vpa::SIZE).ok_or(refusal("wraps"))?);
    let (size_bytes, least) = match area {
        Area::Vpa => (2, vpa::MIN_BYTES),
        Area::DispatchLog => (4, vpa::DTL_ENTRY_BYTES),
        Area::SlbShadow => (4, vpa::SLB_SHADOW_MIN_BYTES),
    };
    let size = lpar.ram.load(size_at, size_bytes).map_err(outside)?;
    if size < least {
        return Err(refusal("area too small"));
    }
    lpar.ram.real(address, size).map_err(outside)?;
    let in_page = address.0 & (vpa::BOUNDARY - 1);
    if area != Area::DispatchLog && size > vpa::BOUNDARY - in_page {
        return Err(refusal("area crosses a 4 KiB boundary"));
    }
    if area != Area::Vpa && target.vpa.load(Relaxed) == Vcpu::NONE {
        return Err(Refusal::new(HError::Resource, "processor has no VPA"));
    }
    match area {
        Area::Vpa => {
            // The count first: a running processor's must never be seen odd.
            target.vpa.store(address.0, Relaxed);
            areas::show_count(&lpar.ram, target);
            let status_at = GuestRealAddr(address.0 + vpa::STATUS);
            let status = lpar.ram.load(status_at, 1).map_err(outside)?;
            let shown = match lpar.processors {
                Processors::Dedicated => status & !vpa::STATUS_SHARED,
                Processors::Shared(_) => {
                    areas::show_waits(&lpar.ram, target);
                    status | vpa::STATUS_SHARED
                }
            };
            lpar.ram.store(status_at, 1, shown).map_err(outside)?;
        }
        Area::DispatchLog => {
            let entries = size / vpa::DTL_ENTRY_BYTES;
            let entries = u32::try_from(entries).unwrap_or(u32::MAX);
            target.dispatch_log_entries.store(entries, Relaxed);
            target.dispatch_log.store(address.0, Relaxed);
        }
        Area::SlbShadow => target.slb_shadow.store(address.0, Relaxed),
    }
    Ok(())
}

fn deregister(target: &Vcpu, area: Area) -> HResult {
    let registered = match area {
        Area::Vpa => {
            let others = [&target.dispatch_log, &target.slb_shadow];
            if others.iter().any(|area| area.load(Relaxed) != Vcpu::NONE) {
                return Err(Refusal::new(HError::Resource, "other areas registered"));
            }
            &target.vpa
        }
        Area::DispatchLog => &target.dispatch_log,
        Area::SlbShadow => &target.slb_shadow,
    };
    registered.store(Vcpu::NONE, Relaxed);
    Ok(())
}

/// `H_CEDE`: waits for an interrupt or an H_PROD, taking interrupts from now on.
///
/// Source: LoPAR 2.9, "H_CEDE". No arguments, no outputs, no errors. An H_PROD that came before is
/// used up and there is no wait.
#[doc(alias = "H_CEDE")]
#[derive(Debug)]
pub struct Cede;

impl Hcall for Cede {
    const ROW: Row = row(token::H_CEDE, "H_CEDE");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        caller.after = if wait(caller.vcpu) {
            After::Cede
        } else {
            After::EnableInterrupts
        };
        Ok(())
    }
}

/// Marks `vcpu` as waiting, unless it was prodded; returns which. Either this sees the prod, or
/// [`Prod`] sees the mark and kicks the thread out of its wait.
fn wait(vcpu: &Vcpu) -> bool {
    vcpu.ceded.store(true, SeqCst);
    let prodded = vcpu.prodded.swap(false, SeqCst);
    if prodded {
        vcpu.ceded.store(false, SeqCst);
    }
    !prodded
}

/// `H_PROD`: ends a processor's wait, or its next one.
///
/// Source: LoPAR 2.9, "H_PROD". No outputs; r4 to r12 are unchanged. Errors:
/// - [`HError::Parameter`]: the partition has no such processor.
#[doc(alias = "H_PROD")]
#[derive(Debug)]
pub struct Prod {
    /// R4: the processor.
    pub processor: u64,
}

impl Hcall for Prod {
    const ROW: Row = row(token::H_PROD, "H_PROD");

    fn decode(&[processor, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { processor })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let target = processor(caller.lpar, self.processor)?;
        target.prodded.store(true, SeqCst);
        if target.ceded.load(SeqCst) {
            caller.lpar.machine.threads.kick(target.pir);
        }
        Ok(())
    }
}

/// Whom [`Confer`] gives time to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    All,
    One(u64),
}

/// `H_CONFER`: gives time to another processor of the partition, or waits for an H_PROD.
///
/// Source: LoPAR 2.9, "H_CONFER". Time cannot be given between dedicated processors, so conferring
/// to a processor that does not run, or to all, is a short pause for them; conferring to oneself waits until
/// prodded, or interrupted if interrupts are enabled. To one that has itself conferred to all, nothing is
/// given. No outputs; r4 to r12 are unchanged. Errors:
/// - [`HError::Parameter`]: the partition has no such processor.
#[doc(alias = "H_CONFER")]
#[derive(Debug)]
pub struct Confer {
    target: Target,
    /// R5: the target's dispatch count when the caller decided, low 32 bits.
    pub dispatch: u32,
}

impl Hcall for Confer {
    const ROW: Row = row(token::H_CONFER, "H_CONFER");

    fn decode(&[processor, dispatch, ..]: &Args) -> Result<Self, Refusal> {
        // The partition may pass -1 as 32 or as 64 bits.
        let all = processor == u64::MAX || processor == u32::MAX.into();
        Ok(Self {
            target: if all {
                Target::All
            } else {
                Target::One(processor)
            },
            dispatch: dispatch as u32,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let Target::One(number) = self.target else {
            caller.vcpu.conferee.store(Vcpu::NONE, Relaxed);
            caller.after = After::Yield;
            return Ok(());
        };
        let target = processor(caller.lpar, number)?;
        if target.server == caller.vcpu.server {
            if wait(caller.vcpu) {
                caller.after = After::AwaitProd;
            }
            return Ok(());
        }
        let count = target.dispatches.load(SeqCst);
        if count == self.dispatch && count & 1 == 1 && !target.yielding.load(SeqCst) {
            caller.vcpu.conferee.store(target.server.0.into(), Relaxed);
            caller.after = After::Yield;
        }
        Ok(())
    }
}

/// Whom [`SignalSysReset`] resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victims {
    All,
    Others,
    One(u64),
}

/// `H_SIGNAL_SYS_RESET`: raises a system reset (0x100) at processors of the partition.
///
/// Source: Linux, `arch/powerpc/include/asm/hvcall.h`, and QEMU's `spapr`; LoPAR 2.9 does not
/// describe it. Stopped processors take no reset. No outputs. Errors:
/// - [`HError::Parameter`]: the partition has no such processor.
#[doc(alias = "H_SIGNAL_SYS_RESET")]
#[derive(Debug)]
pub struct SignalSysReset(Victims);

impl Hcall for SignalSysReset {
    const ROW: Row = Row::new(
        token::H_SIGNAL_SYS_RESET,
        "H_SIGNAL_SYS_RESET",
        Class::Normal,
        "",
    );

    /// R4: the processor, or -1 for all, -2 for all but the caller.
    fn decode(&[target, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self(match target as i64 {
            -1 => Victims::All,
            -2 => Victims::Others,
            _ => Victims::One(target),
        }))
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let one = match self.0 {
            Victims::One(number) => Some(processor(caller.lpar, number)?.server),
            Victims::All | Victims::Others => None,
        };
        for vcpu in &caller.lpar.vcpus {
            if one.is_some_and(|one| one != vcpu.server) {
                continue;
            }
            if vcpu.server == caller.vcpu.server {
                if self.0 != Victims::Others {
                    caller.after = After::SystemReset;
                }
            } else if vcpu.state() == VcpuState::Running {
                vcpu.request(attention::SYSTEM_RESET);
                caller.lpar.machine.threads.kick(vcpu.pir);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
