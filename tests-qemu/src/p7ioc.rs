//! The same through the driver of P7IOC: the image that drives modelled P7IOCs over the machine's bridges.

use crate::case::{Case, Outcome};
use crate::context::Context;
use crate::linux::{self, ONE_SWITCH};
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
        name: "p7ioc-fenced",
        run: |context| eeh::fenced(&context.with_p7ioc()),
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

/// An error is injected into the endpoint of the first function while the partition runs: the second one's goes on.
fn frozen(context: &Context) -> Outcome {
    eeh::frozen(&context.with_p7ioc(), r"DMA write by 01:00\.0.*: \S")
}
