//! What is known before boot: bridges of the device tree, functions that the manifest names.

use crate::{Function, Generation, Map, Owner, Partition, Phb, Role, Stage};
use ioda::{DmaModel, PeNumber, RidRule};
use pci::Path;

/// A bridge that the device tree names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPhb {
    /// Its index in locations.
    pub index: u8,
    /// What its `compatible` property makes it.
    pub generation: Generation,
}

/// What a manifest says of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// What QEMU is to put there.
    pub model: Option<String>,
    /// Bytes of the DMA window that its partition wants.
    pub dma_bytes: Option<u64>,
    /// The most message interrupts that its partition wants.
    pub msi_quota: Option<u16>,
}

impl Map {
    /// A machine with these bridges and partitions, by name; lpids count from 1 in their order.
    #[must_use]
    pub fn planned(phbs: &[PlannedPhb], partitions: &[&str]) -> Self {
        let partitions = partitions.iter().zip(1u32..);
        let mut map = Self {
            stage: Stage::Planned,
            partitions: partitions
                .map(|(name, lpid)| Partition {
                    lpid,
                    name: (*name).to_owned(),
                })
                .collect(),
            phbs: phbs.iter().map(|phb| empty(*phb)).collect(),
        };
        map.phbs.sort_by_key(|phb| phb.index);
        map
    }

    /// A function is at `at`, with all the bridges above it. False if no bridge has its index.
    pub fn want(&mut self, at: Path, owner: Owner, want: Want) -> bool {
        let Some(phb) = self.phbs.iter_mut().find(|phb| phb.index == at.phb()) else {
            return false;
        };
        let text = at.to_string();
        let above = text.match_indices('/').skip(1);
        for (end, _) in above {
            let Ok(path) = text[..end].parse::<Path>() else {
                continue;
            };
            let bridge = place(phb, path);
            bridge.role = Role::Bridge;
            bridge.owner = Owner::Hypervisor;
        }
        let function = place(phb, at);
        if function.role == Role::Device && owner != Owner::Nobody {
            function.owner = owner;
        }
        let old = function.want.take().unwrap_or_default();
        function.want = Some(Want {
            model: want.model.or(old.model),
            dma_bytes: want.dma_bytes.or(old.dma_bytes),
            msi_quota: want.msi_quota.or(old.msi_quota),
        });
        true
    }
}

/// The function at `path`, put in the order of paths if it is new.
fn place(phb: &mut Phb, path: Path) -> &mut Function {
    let at = match phb
        .functions
        .binary_search_by_key(&path.to_string(), |function| function.path.to_string())
    {
        Ok(at) => at,
        Err(at) => {
            let function = Function {
                path,
                owner: Owner::Nobody,
                role: Role::Device,
                found: None,
                want: None,
            };
            phb.functions.insert(at, function);
            at
        }
    };
    &mut phb.functions[at]
}

/// A bridge with the numbers that its chip has, wherever the machine puts it.
fn empty(phb: PlannedPhb) -> Phb {
    let common = Phb {
        index: phb.index,
        generation: phb.generation,
        pes: 256,
        reserved: PeNumber(255),
        rids: RidRule::AnySet,
        dma: DmaModel::PerPe { windows: 2 },
        msis: 2040,
        m32_segments: 256,
        m64_windows: 16,
        first_msi: None,
        m32: None,
        m64_area: None,
        functions: Vec::new(),
        segments: Vec::new(),
        m64: Vec::new(),
        windows: Vec::new(),
        messages: Vec::new(),
        wires: Vec::new(),
    };
    let mut phb = match phb.generation {
        Generation::Ioda2 => common,
        Generation::Ioda1 => Phb {
            pes: 128,
            reserved: PeNumber(127),
            rids: RidRule::OneSelection { max_bus_shift: 5 },
            dma: DmaModel::SharedSlots {
                count: 12,
                slot_shift: 28,
            },
            msis: 256,
            m32_segments: 128,
            ..common
        },
    };
    let root = Path::root(phb.index).child(0);
    if let Some(root) = root {
        let function = place(&mut phb, root);
        function.role = Role::Bridge;
        function.owner = Owner::Hypervisor;
    }
    phb
}
