//! The interrupt sources of all bridges.

use crate::bridge::Bridge;
use crate::devices;
use lpar_pci::{AllSources, Bridges, Strays};

/// The machine's bridges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours;

impl Bridges for Ours {
    type Bridge = Bridge;

    #[inline]
    fn all(&self) -> &'static [Bridge] {
        devices::bridges()
    }
}

/// The machine's.
pub(crate) static SOURCES: AllSources<Ours> = AllSources(Ours);
/// And what comes of them that is no partition's.
pub(crate) static FOREIGN: Strays<Ours> = Strays(SOURCES);
