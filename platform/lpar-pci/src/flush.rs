//! Invalidation of one DMA window's cached translations: [`Flush`].

use ioda::{DmaWindow, TceFlush, TceRange};
use lpar::machine::TceInvalidate;

/// The way of a window's calls to its bridge, through the part of it that needs no lock.
pub struct Flush<P: 'static> {
    port: &'static P,
    window: DmaWindow,
}

impl<P: TceFlush> Flush<P> {
    /// The way for `window` of the bridge of `port`.
    #[must_use]
    pub const fn new(port: &'static P, window: DmaWindow) -> Self {
        Self { port, window }
    }

    #[cold]
    fn invalidate_many(&self, first: u64, pages: u64) {
        let first = first.wrapping_sub(self.window.bus_base) >> (self.window.page_shift & 63);
        let count = pages;
        self.port
            .tce_flush(&self.window, TceRange::Pages { first, count });
    }
}

impl<P: TceFlush> TceInvalidate for Flush<P> {
    /// By index from the window's first page, as bridges count; one page is the way of every H_PUT_TCE.
    #[inline]
    fn invalidate(&self, first: u64, pages: u64) {
        if pages == 1 {
            self.port.tce_flush_page(&self.window, first);
            return;
        }
        self.invalidate_many(first, pages);
    }
}
