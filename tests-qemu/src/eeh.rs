//! Endpoints that are stopped while their owners work, and recovered by them.

use anyhow::Result;
use qemu_run::Machine;

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, read, regex};
use crate::linux::{self, Places, Variant};
use crate::payload::{self, EDU};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "eeh",
        run: guest,
    },
    Case {
        name: "frozen",
        run: |context| frozen(context, r"\S"),
    },
    Case {
        name: "fenced",
        run: fenced,
    },
    Case {
        name: "fenced-linux-6.1",
        run: fenced_linux,
    },
    Case {
        name: "eeh-linux-6.1",
        run: |context| linux(context, "debian-6.1", &linux::OWN_BRIDGES),
    },
    Case {
        name: "eeh-break-linux-6.1",
        run: breaks,
    },
    Case {
        name: "eeh-basic-linux-6.1",
        run: basic,
    },
];

/// Beside the edus, which have no EEH, being one card.
const NVME: &str = "phb0/00.0/00.3";

/// `machine` with boot arguments for the hypervisor.
pub(crate) fn with_words(machine: Machine, words: &str) -> Machine {
    // QEMU hands boot arguments over only beside a kernel; Bulkhead looks at none.
    ["-kernel", "/dev/null", "-append", words]
        .into_iter()
        .fold(machine, |machine, word| machine.arg(word))
}

/// Whether exactly one of `lines` is like the expression `line`.
pub(crate) fn told_once(lines: &[String], name: &str, line: &str) -> Result<Part> {
    let line = regex(line)?;
    let count = lines.iter().filter(|other| line.is_match(other)).count();
    let verdict = match count {
        1 => Verdict::Passed,
        count => Verdict::Failed(format!("{count} lines are like {line}")),
    };
    Ok(Part {
        name: name.to_owned(),
        verdict,
    })
}

/// The first function's endpoint is stopped while the partition runs, which the log tells with a cause like `why`; the
/// second one's goes on. Then the first one is let go.
pub(crate) fn frozen(context: &Context, why: &str) -> Outcome {
    let words = format!("bulkhead.inject={}", payload::OURS[0]);
    let machine = with_words(payload::machine_with_edus(context)?, &words);
    let (mut parts, lines) =
        payload::run_and_tell(context, machine, &payload::OURS, "mode=frozen")?;
    const FUNCTION: &str = r"partition payload: phb0/00\.0/00\.0 \(PE#\w+\)";
    for (name, line) in [
        (
            "tells-what-is-stopped-and-why",
            format!("{FUNCTION}: MMIO and DMA are stopped: {why}"),
        ),
        (
            "tells-what-goes-on",
            format!("{FUNCTION}: goes on, but DMA is stopped"),
        ),
        ("tells-that-all-goes-on", format!("{FUNCTION}: goes on$")),
    ] {
        parts.push(told_once(&lines, name, &line)?);
    }
    Ok(parts)
}

/// `guest-test` sees its NVMe controller's endpoint stop, and gets it going again.
pub(crate) fn guest(context: &Context) -> Outcome {
    let [edu, _] = payload::OURS;
    let machine = payload::machine_with_edus(context)?.device(NVME, "nvme,serial=bulkhead")?;
    let machine = with_words(machine, &format!("bulkhead.freeze={NVME}"));
    let (mut parts, lines) = payload::run_and_tell(context, machine, &[edu, NVME], "mode=eeh")?;
    for (name, line) in [
        (
            "tells-what-is-stopped",
            r"partition payload: phb0/00\.0/00\.3 \(PE#\w+\): MMIO and DMA are stopped: \S",
        ),
        (
            "tells-what-goes-on",
            r"partition payload: phb0/00\.0/00\.3 \(PE#\w+\): goes on$",
        ),
    ] {
        parts.push(told_once(&lines, name, line)?);
    }
    Ok(parts)
}

/// The bridge shuts itself off, is brought back, and `guest-test` gets its NVMe controller going again.
pub(crate) fn fenced(context: &Context) -> Outcome {
    let [edu, _] = payload::OURS;
    let machine = payload::machine_with_edus(context)?.device(NVME, "nvme,serial=bulkhead")?;
    let machine = with_words(machine, &format!("bulkhead.fence={NVME}"));
    let (mut parts, lines) = payload::run_and_tell(context, machine, &[edu, NVME], "mode=fenced")?;
    parts.extend(tells_of_the_fence(&lines, &[NVME])?);
    Ok(parts)
}

/// Whether the log tells of bridge 0's fence and reset, and that the functions at `places` go on, each once.
fn tells_of_the_fence(lines: &[String], places: &[&str]) -> Outcome {
    let mut parts = Vec::new();
    for (name, line) in [
        ("tells-of-the-fence", r"phb0 has shut itself off: \S"),
        ("tells-that-it-was-reset", r"phb0: it was reset"),
        ("tells-that-it-is-back", r"phb0 works again"),
    ] {
        parts.push(told_once(lines, name, line)?);
    }
    for place in places {
        let line = format!(
            r"partition \w+: {} \(PE#\w+\): goes on$",
            place.replace('.', r"\.")
        );
        parts.push(told_once(lines, "tells-what-goes-on", &line)?);
    }
    Ok(parts)
}

/// The bridge of both disk and network card shuts itself off and is brought back; Debian's kernel recovers each.
fn fenced_linux(context: &Context) -> Outcome {
    let places = &linux::ONE_SWITCH;
    let variant = Variant {
        test: "recovery",
        wanted: Some("recovery"),
        change: |machine, places| {
            let words = format!("bulkhead.fence={}", places.nvme);
            Ok(with_words(machine, &words))
        },
        ..Variant::SPINE
    };
    let (mut parts, lines) = linux::boot(context, "debian-6.1", places, variant)?;
    parts.extend(tells_of_the_fence(&lines, &[places.nvme, places.nic])?);
    Ok(parts)
}

/// Beside disk and network card, half of a card that nothing resets without the other half: it has no EEH.
const WITH_HALF_A_CARD: Places = Places {
    others: &["phb2/00.0/00.0"],
    ..linux::OWN_BRIDGES
};

fn with_card(machine: Machine, places: &Places) -> Result<Machine> {
    let machine = places.others.iter().try_fold(machine, |machine, place| {
        machine.device(place, &format!("{EDU},multifunction=on"))
    })?;
    Ok(machine.device("phb2/00.0/00.1", EDU)?)
}

/// Debian's kernel breaks its disk and its network card as its own test of EEH does, and recovers both.
fn breaks(context: &Context) -> Outcome {
    let variant = Variant {
        test: "break",
        wanted: Some("break"),
        change: with_card,
        ..Variant::SPINE
    };
    linux::boot(context, "debian-6.1", &WITH_HALF_A_CARD, variant).map(|(parts, _)| parts)
}

/// That test itself, which whoever runs this has to have: it is Linux's.
fn basic(context: &Context) -> Outcome {
    let Some(folder) = &context.eeh_selftest else {
        return Ok(vec![Part {
            name: "boot".to_owned(),
            verdict: Verdict::Skipped("no folder is named by --eeh-selftest".to_owned()),
        }]);
    };
    let files = ["eeh-basic.sh", "eeh-functions.sh"];
    let files = files.map(|name| Ok((name, read(&folder.join(name))?)));
    let variant = Variant {
        test: "eeh-basic",
        wanted: Some("eeh-basic"),
        files: files.into_iter().collect::<Result<_>>()?,
        change: with_card,
        ..Variant::SPINE
    };
    linux::boot(context, "debian-6.1", &WITH_HALF_A_CARD, variant).map(|(parts, _)| parts)
}

/// Debian's kernel sees the endpoints of its disk and its network card stop, resets both, and goes on.
pub(crate) fn linux(context: &Context, name: &str, places: &Places) -> Outcome {
    let variant = Variant {
        test: "recovery",
        wanted: Some("recovery"),
        change: |machine, places| {
            let words = format!("bulkhead.freeze={},{}", places.nvme, places.nic);
            Ok(with_words(machine, &words))
        },
        ..Variant::SPINE
    };
    linux::boot(context, name, places, variant).map(|(parts, _)| parts)
}
