//! The buses below a bridge: [`Fabric`]. `ascend` has what comes up from there.

mod ascend;

pub use ascend::Way;

use crate::Device;
use alloc::vec::Vec;
use ioda::Bdf;

/// As deep as a tree of 256 buses can be, and one more.
const DEPTH: usize = 257;
/// Bridge control: the bus below is held in reset.
const BUS_RESET: u32 = 0x40;

/// An address, and in which of the two spaces of PCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Memory(u64),
    Io(u64),
}

impl Address {
    /// The address, whichever space it is in.
    pub(crate) const fn get(self) -> u64 {
        match self {
            Self::Memory(address) | Self::Io(address) => address,
        }
    }
}

/// What an accepted config write did besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// The bus below the function it went to was put in reset, and everything there with it.
    BusReset,
}

/// An error that the root port notes in its own registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootError {
    /// It got a packet that breaks the rules.
    Malformed,
    /// It was told of an error that was made good.
    Correctable,
    /// It was told of an error that was not.
    Uncorrectable,
}

/// The ways of a chip's root port.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RootQuirks {
    /// A window with its base above its limit forwards everything.
    pub(crate) closed_is_open: bool,
    /// It loses the upper halves of its prefetch window.
    pub(crate) loses_prefetch: bool,
}

struct Node {
    parent: Option<usize>,
    /// Device in bits 7:3, function in 2:0. Of a virtual function its number, from 0.
    devfn: u16,
    /// The function whose virtual function it is.
    physical: Option<usize>,
    device: Device,
}

/// A tree of functions. Index 0 is the root port.
#[derive(Default)]
pub struct Fabric {
    nodes: Vec<Node>,
    quirks: RootQuirks,
}

impl Fabric {
    /// A root port alone.
    #[must_use]
    pub fn new(root: Device) -> Self {
        Self {
            nodes: alloc::vec![Node {
                parent: None,
                devfn: 0,
                physical: None,
                device: root
            }],
            quirks: RootQuirks::default(),
        }
    }

    /// Puts `device` below the bridge `parent` as device and function `devfn`, and gives its index. The virtual
    /// functions that it can have follow it: see [`Self::vf`].
    pub fn add(&mut self, parent: usize, devfn: u8, device: Device) -> usize {
        let index = self.nodes.len();
        let virtuals: Vec<Device> = device.virtual_functions().collect();
        self.nodes.push(Node {
            parent: Some(parent),
            devfn: devfn.into(),
            physical: None,
            device,
        });
        for (number, device) in (0..).zip(virtuals) {
            self.nodes.push(Node {
                parent: Some(parent),
                devfn: number,
                physical: Some(index),
                device,
            });
        }
        index
    }

    /// The index of virtual function `number`, from 0, of function `physical`.
    #[must_use]
    pub fn vf(&self, physical: usize, number: u16) -> Option<usize> {
        let index = physical.checked_add(1)?.checked_add(number.into())?;
        (self.nodes.get(index)?.physical == Some(physical)).then_some(index)
    }

    /// How many functions there are, virtual ones included.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.nodes.len()
    }

    /// The function of this index.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "for tests, which know their fabric"
    )]
    pub fn device(&self, index: usize) -> &Device {
        &self.nodes[index].device
    }

    /// The function of this index.
    ///
    /// # Panics
    /// If there is none.
    #[expect(
        clippy::indexing_slicing,
        reason = "for tests, which know their fabric"
    )]
    pub fn device_mut(&mut self, index: usize) -> &mut Device {
        &mut self.nodes[index].device
    }

    /// The number that function `index` has, as its bridge's and its own registers are set now; 00:00.0 if there
    /// is no such function.
    #[must_use]
    pub fn bdf(&self, index: usize) -> Bdf {
        let Some(node) = self.nodes.get(index) else {
            return Bdf::new(0, 0, 0);
        };
        if let Some(physical) = node.physical {
            let offset = self
                .nodes
                .get(physical)
                .map_or(0, |of| of.device.vf_offset(node.devfn));
            return ioda::Rid(self.bdf(physical).0.wrapping_add(offset));
        }
        let bus = node
            .parent
            .and_then(|parent| self.nodes.get(parent))
            .map_or(0, |parent| parent.device.secondary());
        ioda::Rid(u16::from(bus) << 8 | node.devfn)
    }

    /// Whether function `index` is there at all: a virtual one may not be.
    #[must_use]
    pub fn is_present(&self, index: usize) -> bool {
        self.nodes
            .get(index)
            .is_some_and(|node| match node.physical {
                None => true,
                Some(physical) => self
                    .nodes
                    .get(physical)
                    .is_some_and(|of| of.device.has_vf(node.devfn)),
            })
    }

    /// The function that answers config cycles for `bdf`.
    pub(crate) fn route(&self, bdf: Bdf) -> Option<usize> {
        if bdf.bus() == 0 {
            return (bdf.0 == 0 && !self.nodes.is_empty()).then_some(0);
        }
        let mut bridge = 0;
        for _ in 0..DEPTH {
            let device = &self.nodes.get(bridge)?.device;
            let range = device.secondary()..=device.subordinate();
            if !device.is_bridge() || device.secondary() == 0 || !range.contains(&bdf.bus()) {
                return None;
            }
            // A virtual function may have a number on a later bus than that of its device.
            let found = self
                .below(bridge)
                .find(|index| self.bdf(*index) == bdf && self.is_present(*index));
            if device.secondary() == bdf.bus() {
                let is_there = !device.is_down() || device.forwards_ari() || bdf.device() == 0;
                return found.filter(|_| is_there);
            }
            let next = self.below(bridge).find(|index| {
                self.nodes.get(*index).is_some_and(|node| {
                    node.device.is_bridge()
                        && (node.device.secondary()..=node.device.subordinate())
                            .contains(&bdf.bus())
                })
            });
            match next {
                Some(next) => bridge = next,
                None => return found,
            }
        }
        None
    }

    /// Who claims `pci`: function, BAR, offset.
    pub(crate) fn claim(&self, pci: Address) -> Option<(usize, usize, u64)> {
        self.claim_from(0, pci, DEPTH)
    }

    fn claim_from(&self, index: usize, pci: Address, depth: usize) -> Option<(usize, usize, u64)> {
        let depth = depth.checked_sub(1)?;
        let node = self.nodes.get(index)?;
        if node.physical.is_some() {
            return None;
        }
        if let Some((bar, offset)) = node.device.claims(pci) {
            return Some((index, bar, offset));
        }
        if let Some((number, bar, offset)) = node.device.claims_for_vf(pci) {
            return self.vf(index, number).map(|index| (index, bar, offset));
        }
        let open = self.quirks.closed_is_open && index == 0;
        if !node.device.is_bridge() || !node.device.forwards(pci, open) {
            return None;
        }
        self.below(index)
            .find_map(|below| self.claim_from(below, pci, depth))
    }

    /// Whether a request of function `index` reaches the host: it masters the bus, and so do all bridges above.
    #[must_use]
    pub fn masters(&self, index: usize) -> bool {
        self.is_present(index) && self.path(index).all(|node| node.device.masters())
    }

    /// The function `index` and the bridges above it, from below.
    fn path(&self, index: usize) -> impl Iterator<Item = &Node> {
        let start = self.nodes.get(index);
        core::iter::successors(start, |node| self.nodes.get(node.parent?)).take(DEPTH)
    }

    fn reset_bus(&mut self, bridge: usize) {
        for index in 0..self.nodes.len() {
            let is_below = core::iter::successors(Some(index), |at| {
                self.nodes.get(*at).and_then(|node| node.parent)
            })
            .skip(1)
            .take(DEPTH)
            .any(|above| above == bridge);
            if let Some(node) = self.nodes.get_mut(index)
                && is_below
            {
                node.device.reset();
            }
        }
    }

    fn below(&self, bridge: usize) -> impl Iterator<Item = usize> {
        self.nodes
            .iter()
            .enumerate()
            .filter(move |(_, node)| node.parent == Some(bridge))
            .map(|(index, _)| index)
    }

    fn root(&mut self) -> Option<&mut Device> {
        self.nodes.first_mut().map(|node| &mut node.device)
    }
}

impl Fabric {
    /// The chip says how its root port behaves.
    pub(crate) fn set_quirks(&mut self, quirks: RootQuirks) {
        self.quirks = quirks;
        if let Some(root) = self.root() {
            root.loses_prefetch = quirks.loses_prefetch;
        }
    }

    pub(crate) fn config_read(&mut self, bdf: Bdf, at: u16, bytes: u16) -> Option<u32> {
        let index = self.route(bdf)?;
        let node = self.nodes.get(index)?;
        Some(node.device.get(at.into(), bytes.into()))
    }

    pub(crate) fn config_write(
        &mut self,
        bdf: Bdf,
        at: u16,
        bytes: u16,
        value: u32,
    ) -> Option<Effect> {
        let index = self.route(bdf)?;
        let device = &mut self.nodes.get_mut(index)?.device;
        let was_reset = device.get(0x3e, 2) & BUS_RESET != 0;
        device.write(at.into(), bytes.into(), value);
        let is_reset = device.is_bridge() && device.get(0x3e, 2) & BUS_RESET != 0;
        let falls = is_reset && !was_reset;
        if falls {
            self.reset_bus(index);
        }
        Some(if falls {
            Effect::BusReset
        } else {
            Effect::Nothing
        })
    }

    pub(crate) fn mmio_read(&mut self, pci: Address) -> Option<u32> {
        let (index, bar, offset) = self.claim(pci)?;
        Some(self.nodes.get(index)?.device.load(bar, offset))
    }

    pub(crate) fn mmio_write(&mut self, pci: Address, value: u32) -> Option<()> {
        let (index, bar, offset) = self.claim(pci)?;
        self.nodes.get_mut(index)?.device.store(bar, offset, value);
        Some(())
    }

    pub(crate) fn reset_below(&mut self) {
        self.reset_bus(0);
    }

    pub(crate) fn reset_root(&mut self) {
        if let Some(root) = self.root() {
            root.reset();
        }
    }

    pub(crate) fn root_error(&mut self, error: RootError) {
        if let Some(root) = self.root() {
            root.note_error(error);
        }
    }

    pub(crate) fn root_is_malformed(&self) -> bool {
        self.nodes
            .first()
            .is_some_and(|root| root.device.has_malformed())
    }

    /// Whether the root port holds the bus below it in reset.
    pub(crate) fn holds_bus(&self) -> bool {
        let root = self.nodes.first();
        root.is_some_and(|root| root.device.get(0x3e, 2) & BUS_RESET != 0)
    }
}
