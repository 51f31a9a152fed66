//! The format of Chrome's trace viewer, which Perfetto reads as well.
//!
//! Source: "Trace Event Format", complete (X), instant (i) and metadata (M) events; times are microseconds.

use crate::{Dump, call, told};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trace::{Event, Kind};

/// The process that stands for the machine: a track for each of its CPUs.
const MACHINE: u32 = 0;

impl Dump {
    /// Returns the events for a viewer: a process for the machine, with a track for each CPU that shows who ran, and one
    /// for each partition, with a track for each of its virtual processors.
    #[must_use]
    pub fn chrome(&self) -> Value {
        let mut events: Vec<Value> = vec![name("process_name", MACHINE, None, "machine")];
        let cpus: BTreeSet<u32> = self.events.iter().map(|(cpu, _)| *cpu).collect();
        for cpu in cpus {
            events.push(name(
                "thread_name",
                MACHINE,
                Some(cpu),
                &format!("cpu{cpu}"),
            ));
        }
        for (&lpid, its_name) in &self.partitions {
            events.push(name("process_name", lpid, None, its_name));
        }
        let its = self.events.iter();
        let its = its.map(|(cpu, event)| (event.lpid, event.vcpu, *cpu));
        let tracks: BTreeSet<_> = its.map(|(lpid, vcpu, _)| (lpid, vcpu)).collect();
        for (lpid, vcpu) in tracks.into_iter().filter(|(lpid, _)| *lpid != 0) {
            let text = format!("vcpu {vcpu}");
            events.push(name("thread_name", lpid.into(), Some(vcpu.into()), &text));
        }
        events.extend(self.events.iter().map(|(cpu, event)| self.one(*cpu, event)));
        json!({ "traceEvents": events, "displayTimeUnit": "ns" })
    }

    fn one(&self, cpu: u32, event: &Event) -> Value {
        let micros = |ticks| self.seconds(ticks) * 1e6;
        let (pid, tid) = match event.kind {
            Kind::Preempt => (MACHINE, cpu),
            _ => (event.lpid.into(), event.vcpu.into()),
        };
        let title = match event.kind {
            Kind::Preempt => self.who(event),
            Kind::Hcall | Kind::Refused | Kind::Rtas => {
                call(event).map_or_else(|| format!("{:#x}", event.code), str::to_owned)
            }
            kind => kind.name().to_owned(),
        };
        let args = json!({ "cpu": cpu, "what": told(event).to_string() });
        let kind = event.kind.name();
        let begin = event.at.saturating_sub(event.ticks.into());
        match event.kind {
            Kind::Hcall | Kind::Rtas | Kind::Preempt => json!({
                "ph": "X", "name": title, "cat": kind, "pid": pid, "tid": tid, "args": args,
                "ts": micros(begin), "dur": micros(event.ticks.into()),
            }),
            _ => json!({
                "ph": "i", "s": "t", "name": title, "cat": kind, "pid": pid, "tid": tid, "args": args,
                "ts": micros(event.at),
            }),
        }
    }
}

/// Gives a process, or a track of it, its name.
fn name(what: &str, pid: u32, tid: Option<u32>, name: &str) -> Value {
    let tid = tid.unwrap_or(0);
    json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } })
}
