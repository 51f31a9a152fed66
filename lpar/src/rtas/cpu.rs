//! Starting and stopping processors. Source: LoPAR 2.9, "SMP Support".

use super::{Call, Failure, Inputs, Outputs, Row, RtasResult};
use crate::hcall::{After, Caller};
use crate::{Vcpu, VcpuState};
use core::sync::atomic::{Ordering::SeqCst, fence};
use papr_abi::rtas::Status;
use papr_abi::{GuestRealAddr, Server};

fn processor<'a>(caller: &Caller<'a>, number: Server) -> Result<&'a Vcpu, Failure> {
    let found = caller.lpar.vcpu(number);
    found.ok_or(Failure::parameter("no such processor"))
}

/// `query-cpu-stopped-state`: tells whether a processor runs.
///
/// Source: LoPAR 2.9, "query-cpu-stopped-state". Output: 0 stopped, 1 stopping, 2 running. Failures:
/// - [`Status::Parameter`]: the partition has no such processor.
#[doc(alias = "query-cpu-stopped-state")]
#[derive(Debug)]
pub(super) struct QueryCpuStoppedState {
    /// Which one.
    processor: Server,
}

impl Call for QueryCpuStoppedState {
    const ROW: Row = Row::new(5, "query-cpu-stopped-state", 1, 2);

    fn decode(&[processor, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            processor: Server(processor),
        })
    }

    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult {
        let state = processor(caller, self.processor)?.state();
        outputs.set::<1>(state as u32);
        Ok(Status::Success)
    }
}

/// `start-cpu`: starts a stopped processor, in real mode.
///
/// Source: LoPAR 2.9, "start-cpu". Failures, in this order:
/// - [`Status::Parameter`]: the partition has no such processor.
/// - [`Status::Parameter`]: it would not begin at an instruction in the partition's memory.
/// - [`Status::Hardware`]: it is not stopped.
#[doc(alias = "start-cpu")]
#[derive(Debug)]
pub(super) struct StartCpu {
    /// Which one.
    processor: Server,
    /// Where it begins.
    entry: GuestRealAddr,
    /// Its r3 there.
    argument: u32,
}

impl Call for StartCpu {
    const ROW: Row = Row::new(6, "start-cpu", 3, 1);

    fn decode(&[processor, entry, argument, ..]: &Inputs) -> Result<Self, Failure> {
        Ok(Self {
            processor: Server(processor),
            entry: GuestRealAddr(entry.into()),
            argument,
        })
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        let target = processor(caller, self.processor)?;
        if caller.lpar.ram.load(self.entry, 4).is_err() {
            return Err(Failure::parameter("entry outside the partition's memory"));
        }
        if !target.start(self.entry.0, self.argument.into()) {
            return Err(Failure::new(Status::Hardware, "processor is not stopped"));
        }
        caller.lpar.machine.threads.kick(target.pir);
        Ok(Status::Success)
    }
}

/// `stop-self`: stops the calling processor until start-cpu.
///
/// Source: LoPAR 2.9, "stop-self". No inputs. Does not return. When no other processor of the
/// partition runs, the partition stops for good (R1-4).
#[doc(alias = "stop-self")]
#[derive(Debug)]
pub(super) struct StopSelf;

impl Call for StopSelf {
    const ROW: Row = Row::new(7, "stop-self", 0, 1);

    fn decode(_: &Inputs) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>, _: &mut Outputs) -> RtasResult {
        caller.vcpu.set_state(VcpuState::Stopping);
        // Of two processors that stop at once, at least the one that is later here sees the other
        // one's mark: the partition cannot be left with none running and none to notice.
        fence(SeqCst);
        let others = caller.lpar.vcpus.iter();
        let last = !others
            .map(Vcpu::state)
            .any(|state| state == VcpuState::Running);
        caller.after = if last {
            After::PowerOff
        } else {
            After::StopSelf
        };
        Ok(Status::Success)
    }
}
