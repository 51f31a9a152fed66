//! The buses below a bridge: [`Fabric`].

use crate::Device;
use alloc::vec::Vec;
use ioda::Bdf;

struct Node {
    parent: Option<usize>,
    /// Device in bits 7:3, function in 2:0.
    devfn: u8,
    device: Device,
}

/// A tree of functions. Index 0 is the root port.
#[derive(Default)]
pub struct Fabric {
    nodes: Vec<Node>,
    /// Whether bridges with a closed window forward everything, as the chip's root port does.
    pub(crate) root_is_open: bool,
}

impl Fabric {
    /// A root port alone.
    #[must_use]
    pub fn new(root: Device) -> Self {
        Self {
            nodes: alloc::vec![Node {
                parent: None,
                devfn: 0,
                device: root
            }],
            root_is_open: false,
        }
    }

    /// Puts `device` below the bridge `parent` as device and function `devfn`, and gives its index.
    pub fn add(&mut self, parent: usize, devfn: u8, device: Device) -> usize {
        self.nodes.push(Node {
            parent: Some(parent),
            devfn,
            device,
        });
        self.nodes.len() - 1
    }

    /// The function of this index.
    #[must_use]
    pub fn device(&self, index: usize) -> &Device {
        &self.nodes[index].device
    }

    /// The function of this index.
    pub fn device_mut(&mut self, index: usize) -> &mut Device {
        &mut self.nodes[index].device
    }

    /// The number that function `index` has, as its bridge's registers are set now.
    #[must_use]
    pub fn bdf(&self, index: usize) -> Bdf {
        let node = &self.nodes[index];
        let bus = node
            .parent
            .map_or(0, |parent| self.nodes[parent].device.secondary());
        Bdf::new(bus, node.devfn >> 3, node.devfn & 7)
    }

    /// The function that answers config cycles for `bdf`.
    pub(crate) fn route(&self, bdf: Bdf) -> Option<usize> {
        if bdf.bus() == 0 {
            return (bdf.0 == 0 && !self.nodes.is_empty()).then_some(0);
        }
        let mut bridge = 0;
        loop {
            let device = &self.nodes[bridge].device;
            let range = device.secondary()..=device.subordinate();
            if !device.is_bridge() || device.secondary() == 0 || !range.contains(&bdf.bus()) {
                return None;
            }
            if device.secondary() == bdf.bus() {
                let is_there = !device.is_down() || bdf.device() == 0;
                return self
                    .below(bridge)
                    .find(|index| self.nodes[*index].devfn == bdf.0 as u8)
                    .filter(|_| is_there);
            }
            bridge = self.below(bridge).find(|index| {
                let device = &self.nodes[*index].device;
                device.is_bridge()
                    && (device.secondary()..=device.subordinate()).contains(&bdf.bus())
            })?;
        }
    }

    /// Who claims `pci`: function, BAR, offset.
    pub(crate) fn claim(&self, pci: u64) -> Option<(usize, usize, u64)> {
        self.claim_from(0, pci)
    }

    fn claim_from(&self, index: usize, pci: u64) -> Option<(usize, usize, u64)> {
        let device = &self.nodes[index].device;
        if let Some((bar, offset)) = device.claims(pci) {
            return Some((index, bar, offset));
        }
        if !device.is_bridge() || !device.forwards(pci, self.root_is_open && index == 0) {
            return None;
        }
        self.below(index)
            .find_map(|below| self.claim_from(below, pci))
    }

    /// Whether a request of function `index` reaches the host: it masters the bus, and so do all bridges above.
    #[must_use]
    pub fn masters(&self, index: usize) -> bool {
        let mut at = Some(index);
        while let Some(index) = at {
            if !self.nodes[index].device.masters() {
                return false;
            }
            at = self.nodes[index].parent;
        }
        true
    }

    pub(crate) fn reset_below(&mut self, bridge: usize) {
        for index in 0..self.nodes.len() {
            let mut at = self.nodes[index].parent;
            while let Some(parent) = at {
                if parent == bridge {
                    self.nodes[index].device.reset();
                    break;
                }
                at = self.nodes[parent].parent;
            }
        }
    }

    fn below(&self, bridge: usize) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |index| self.nodes[*index].parent == Some(bridge))
    }
}
