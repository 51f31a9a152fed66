//! What a device reaches by DMA: nothing but pages that H_PUT_TCE opened, as it opened them.

use crate::hcall::{Page, hcall};
use crate::pci::Edu;
use crate::suite::{Outcome, cases, holds, ok};
use crate::tree::Platform;
use papr_abi::token;

cases!("dma":
    without_a_tce_it_reaches_nothing,
    with_a_tce_it_reaches_that_page_alone,
    the_page_is_that_of_the_tce_and_moves_with_it,
    a_read_only_page_is_not_written,
    a_write_only_page_is_not_read,
    after_the_tce_is_cleared_it_reaches_nothing,
    stuff_and_indirect_open_and_close,
    past_the_window_it_reaches_nothing,
);

static TARGET: [Page; 4] = [const { Page::new() }; 4];
static SOURCE: Page = Page::new();
static LIST: Page = Page::new();
const UNTOUCHED: u64 = 0x00c0_ffee_00c0_ffee;
/// What the device's buffer is filled with, by a page that it may read.
const LOADED: u64 = 0x1122_3344_5566_7788;
/// I/O bus addresses, as offsets into the window: where the source is, and the target.
const SOURCE_AT: u64 = 0x30_0000;
const TARGET_AT: u64 = 0x10_0000;

struct Setup {
    device: Edu,
    liobn: u64,
    base: u64,
}
impl Setup {
    /// An edu with [`LOADED`] in its buffer, targets untouched and not mapped.
    fn new(platform: &Platform) -> Result<Self, crate::suite::Fail> {
        let device = Edu::find(platform, 0)?;
        let window = device.function.bridge.window;
        let this = Self {
            device,
            liobn: u64::from(window.liobn),
            base: window.base,
        };
        TARGET.iter().for_each(|page| page.fill(UNTOUCHED));
        SOURCE.fill(LOADED);
        (0..4).try_for_each(|n| this.put(TARGET_AT + 0x1000 * n, 0))?;
        this.put(SOURCE_AT, SOURCE.real() | 1)?;
        this.device.dma_in(this.base + SOURCE_AT, 4096)?;
        this.put(SOURCE_AT, 0)?;
        Ok(this)
    }
    fn put(&self, at: u64, tce: u64) -> Outcome {
        ok(
            "H_PUT_TCE",
            hcall(token::H_PUT_TCE, [self.liobn, self.base + at, tce]),
        )
        .map(drop)
    }
    fn write(&self, at: u64, bytes: u64) -> Outcome {
        self.device.dma_out(self.base + at, bytes)
    }
}
/// The `n`th target alone was written; with no `n`, none.
fn only(n: Option<usize>) -> Outcome {
    for (index, page) in TARGET.iter().enumerate() {
        let (want, what) = if Some(index) == n {
            (LOADED, "the page is written")
        } else {
            (UNTOUCHED, "the page is untouched")
        };
        holds(what, page.is_all(want).then_some(()))?;
    }
    holds(
        "the source is untouched",
        SOURCE.is_all(LOADED).then_some(()),
    )
}

fn without_a_tce_it_reaches_nothing(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    setup.write(TARGET_AT, 4096)?;
    // Nor does the page's own address lead to it.
    setup.write(TARGET[0].real(), 4096)?;
    only(None)
}

fn with_a_tce_it_reaches_that_page_alone(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    setup.put(TARGET_AT + 0x1000, TARGET[1].real() | 3)?;
    for n in [0, 2, 1] {
        setup.write(TARGET_AT + 0x1000 * n, 4096)?;
        only((n == 1).then_some(1))?;
    }
    setup.put(TARGET_AT + 0x1000, 0)
}

fn the_page_is_that_of_the_tce_and_moves_with_it(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    for (n, page) in TARGET.iter().enumerate() {
        setup.put(TARGET_AT, page.real() | 3)?;
        setup.write(TARGET_AT, 4096)?;
        only(Some(n))?;
        page.fill(UNTOUCHED);
    }
    setup.put(TARGET_AT, 0)
}

fn a_read_only_page_is_not_written(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    setup.put(TARGET_AT, TARGET[0].real() | 1)?;
    setup.write(TARGET_AT, 4096)?;
    setup.put(TARGET_AT, 0)?;
    only(None)
}

fn a_write_only_page_is_not_read(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    setup.put(TARGET_AT, TARGET[0].real() | 2)?;
    setup.device.dma_in(setup.base + TARGET_AT, 4096)?;
    // What came in instead is shown by writing it out again.
    setup.put(TARGET_AT + 0x1000, TARGET[1].real() | 3)?;
    setup.write(TARGET_AT + 0x1000, 4096)?;
    setup.put(TARGET_AT, 0)?;
    setup.put(TARGET_AT + 0x1000, 0)?;
    holds(
        "nothing of the page came in",
        (0..512)
            .all(|n| TARGET[1].get(n) != UNTOUCHED)
            .then_some(()),
    )
}

fn after_the_tce_is_cleared_it_reaches_nothing(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    setup.put(TARGET_AT, TARGET[0].real() | 3)?;
    setup.write(TARGET_AT, 4096)?;
    only(Some(0))?;
    TARGET[0].fill(UNTOUCHED);
    setup.put(TARGET_AT, 0)?;
    setup.write(TARGET_AT, 4096)?;
    only(None)
}

fn stuff_and_indirect_open_and_close(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    let at = setup.base + TARGET_AT;
    TARGET
        .iter()
        .enumerate()
        .for_each(|(n, page)| LIST.set(n, page.real() | 3));
    ok(
        "H_PUT_TCE_INDIRECT",
        hcall(token::H_PUT_TCE_INDIRECT, [setup.liobn, at, LIST.real(), 4]),
    )?;
    setup.write(TARGET_AT + 0x3000, 4096)?;
    only(Some(3))?;
    TARGET[3].fill(UNTOUCHED);
    ok(
        "H_STUFF_TCE",
        hcall(token::H_STUFF_TCE, [setup.liobn, at, 0, 4]),
    )?;
    setup.write(TARGET_AT + 0x3000, 4096)?;
    setup.write(TARGET_AT, 4096)?;
    only(None)?;
    ok(
        "H_STUFF_TCE",
        hcall(
            token::H_STUFF_TCE,
            [setup.liobn, at, TARGET[2].real() | 3, 4],
        ),
    )?;
    setup.write(TARGET_AT + 0x1000, 4096)?;
    ok(
        "H_STUFF_TCE",
        hcall(token::H_STUFF_TCE, [setup.liobn, at, 0, 4]),
    )?;
    only(Some(2))
}

fn past_the_window_it_reaches_nothing(platform: &Platform) -> Outcome {
    let setup = Setup::new(platform)?;
    let window = setup.device.function.bridge.window;
    // A bridge may look at the low bits of such an address alone; then it is as if they stood alone.
    setup.put(0, 0)?;
    for past in [window.bytes, 2 * window.bytes, 0xf000_0000 - window.base] {
        if past < 1 << 32 {
            setup.write(past, 4096)?;
        }
    }
    only(None)
}
