//! The same through the driver of P7IOC: the image that drives modelled P7IOCs over the machine's bridges.

use crate::case::{Case, Outcome};
use crate::context::Context;
use crate::linux::{self, Places};
use crate::{eeh, payload};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "p7ioc-guest-test",
        run: |context| payload::whole(&context.with_p7ioc()),
    },
    Case {
        name: "p7ioc-frozen",
        run: frozen,
    },
    Case {
        name: "p7ioc-eeh",
        run: |context| eeh::guest(&context.with_p7ioc()),
    },
    Case {
        name: "p7ioc-eeh-linux-6.1",
        run: |context| eeh::linux(&context.with_p7ioc(), "debian-6.1", &ONE_SWITCH),
    },
    Case {
        name: "p7ioc-linux-6.1",
        run: |context| linux::spine(&context.with_p7ioc(), "debian-6.1", &ONE_SWITCH),
    },
];

/// Both devices below one host bridge, whose DMA slots they share: the second one's window is not at address 0.
const ONE_SWITCH: Places = Places {
    bridges: &[
        ("phb0/00.0/00.0", "x3130-upstream"),
        ("phb0/00.0/00.0/00.0", "xio3130-downstream,chassis=1,slot=1"),
        ("phb0/00.0/00.0/01.0", "xio3130-downstream,chassis=1,slot=2"),
    ],
    nvme: "phb0/00.0/00.0/00.0/00.0",
    nic: "phb0/00.0/00.0/01.0/00.0",
};

/// What the hypervisor has to tell of it, in this order, each once.
const TOLD: [(&str, &str); 2] = [
    (
        "tells-what-is-stopped-and-why",
        r"partition payload: phb0/00\.0/00\.0 \(PE#\w+\): MMIO and DMA are stopped: DMA write by 01:00\.0.*: \S",
    ),
    (
        "tells-what-goes-on",
        r"partition payload: phb0/00\.0/00\.0 \(PE#\w+\): goes on, but DMA is stopped",
    ),
];

/// An error is injected into the endpoint of the first function while the partition runs: the second one's goes on.
fn frozen(context: &Context) -> Outcome {
    let context = context.with_p7ioc();
    let words = format!("bulkhead.inject={}", payload::OURS[0]);
    let machine = eeh::with_words(payload::machine_with_edus(&context)?, &words);
    let (mut parts, lines) =
        payload::run_and_tell(&context, machine, &payload::OURS, "mode=frozen")?;
    for (name, line) in TOLD {
        parts.push(eeh::told_once(&lines, name, line)?);
    }
    Ok(parts)
}
