//! What the hypervisor tells of the machine at one time: [`Sample`].

use frames::State;
use serde_json::{Value, json};

/// A partition; what its fields mean is told by [`frames::Partition`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of frames::Partition")]
pub struct Partition {
    pub lpid: u32,
    pub name: String,
    pub state: State,
    pub cpus: u16,
    pub at: u64,
    pub ran: u64,
    pub hcalls: u64,
    pub interrupts: u64,
    pub freezes: u32,
    pub refusals: u32,
    pub has_console: bool,
}

impl Partition {
    pub(crate) fn of(told: &frames::Partition<'_>) -> Self {
        Self {
            lpid: told.lpid,
            name: told.name.to_owned(),
            state: told.state,
            cpus: told.cpus,
            at: told.at,
            ran: told.ran,
            hcalls: told.hcalls,
            interrupts: told.interrupts,
            freezes: told.freezes,
            refusals: told.refusals,
            has_console: told.has_console,
        }
    }
}

/// A function that has an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of frames::Endpoint")]
pub struct Endpoint {
    pub lpid: u32,
    pub phb: u8,
    pub pe: u16,
    pub stopped: u8,
    pub location: String,
}

impl Endpoint {
    pub(crate) fn of(told: &frames::Endpoint<'_>) -> Self {
        Self {
            lpid: told.lpid,
            phb: told.phb,
            pe: told.pe,
            stopped: told.stopped,
            location: told.location.to_owned(),
        }
    }

    /// Returns its state as a word.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.stopped {
            0 => "goes on",
            1 => "MMIO frozen",
            2 => "DMA frozen",
            _ => "frozen",
        }
    }
}

/// The machine at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Ticks of the time base in a second.
    pub hz: u64,
    /// All partitions, by rising id.
    pub partitions: Vec<Partition>,
    /// All functions that have owners.
    pub endpoints: Vec<Endpoint>,
}

/// What a partition did in a second, between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Processors that it kept busy: 1.5 is one and a half.
    pub cpus: f64,
    /// Hcalls.
    pub hcalls: f64,
    /// Interrupts.
    pub interrupts: f64,
}

impl Sample {
    /// Returns the partition with id `lpid`.
    #[must_use]
    pub fn partition(&self, lpid: u32) -> Option<&Partition> {
        let mut all = self.partitions.iter();
        all.find(|partition| partition.lpid == lpid)
    }

    /// Returns what partition `lpid` did since `before`; nothing where no time has passed.
    #[must_use]
    pub fn rates(&self, before: &Self, lpid: u32) -> Rates {
        let both = self.partition(lpid).zip(before.partition(lpid));
        let Some((now, then)) = both.filter(|(now, then)| now.at > then.at) else {
            return Rates::default();
        };
        let ticks = (now.at - then.at) as f64;
        let seconds = ticks / self.hz.max(1) as f64;
        let more = |now: u64, then: u64| now.saturating_sub(then) as f64;
        Rates {
            cpus: more(now.ran, then.ran) / ticks,
            hcalls: more(now.hcalls, then.hcalls) / seconds,
            interrupts: more(now.interrupts, then.interrupts) / seconds,
        }
    }

    /// Returns it as an object for programs, with rates since `before`.
    #[must_use]
    pub fn to_json(&self, before: &Self) -> Value {
        let hz = self.hz.max(1) as f64;
        let partition = |of: &Partition| {
            let rates = self.rates(before, of.lpid);
            json!({
                "lpid": of.lpid,
                "name": of.name,
                "state": of.state.name(),
                "cpus": of.cpus,
                "seconds": of.at as f64 / hz,
                "cpu_seconds": of.ran as f64 / hz,
                "cpus_busy": rates.cpus,
                "hcalls": of.hcalls,
                "hcalls_per_second": rates.hcalls,
                "interrupts": of.interrupts,
                "interrupts_per_second": rates.interrupts,
                "freezes": of.freezes,
                "refusals": of.refusals,
                "console": of.has_console,
            })
        };
        let endpoint = |of: &Endpoint| {
            json!({
                "lpid": of.lpid,
                "pe": format!("{}:{}", of.phb, of.pe),
                "location": of.location,
                "state": of.state(),
            })
        };
        json!({
            "partitions": self.partitions.iter().map(partition).collect::<Vec<_>>(),
            "endpoints": self.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample(at: u64, ran: u64, hcalls: u64, interrupts: u64) -> Sample {
        Sample {
            hz: 1000,
            partitions: vec![Partition {
                lpid: 1,
                name: "db".to_owned(),
                state: State::Running,
                cpus: 2,
                at,
                ran,
                hcalls,
                interrupts,
                freezes: 1,
                refusals: 0,
                has_console: true,
            }],
            endpoints: vec![Endpoint {
                lpid: 1,
                phb: 0,
                pe: 3,
                stopped: 2,
                location: "phb0/00.0/00.0".to_owned(),
            }],
        }
    }

    #[test]
    fn rates_are_by_the_machines_own_time() {
        let (before, now) = (sample(1000, 500, 10, 1), sample(3000, 3500, 110, 5));
        let wanted = Rates {
            cpus: 1.5,
            hcalls: 50.0,
            interrupts: 2.0,
        };
        assert_eq!(now.rates(&before, 1), wanted);
        assert_eq!(now.rates(&now, 1), Rates::default());
        assert_eq!(now.rates(&before, 2), Rates::default());
        // A machine that began anew.
        assert_eq!(before.rates(&now, 1), Rates::default());
    }

    #[test]
    fn programs_get_one_object() {
        let (before, now) = (sample(1000, 500, 10, 1), sample(3000, 3500, 110, 5));
        let json = now.to_json(&before);
        let partition = &json["partitions"][0];
        assert_eq!(partition["name"], "db");
        assert_eq!(partition["state"], "running");
        assert_eq!(partition["cpu_seconds"], 3.5);
        assert_eq!(partition["hcalls_per_second"], 50.0);
        assert_eq!(json["endpoints"][0]["pe"], "0:3");
        assert_eq!(json["endpoints"][0]["state"], "DMA frozen");
        assert!(!json.to_string().contains('\n'));
    }
}
