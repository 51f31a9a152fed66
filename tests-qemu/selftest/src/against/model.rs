//! The model as a [`Side`], with a device that plays edu.

use super::bench::Arena;
use super::side::{Admission, Side, Who};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use ioda::{MmioIo, RegIo, XscomIo};
use ioda_model::{Device, Fabric, Kind, Phb3};

/// The edus' indices in the fabric.
const EDU: usize = 1;
const BEHIND: usize = 4;
/// Where its message capability is.
const MSI: usize = 0x40;

/// A model, and the edu's buffer and interrupt.
pub(crate) struct Model {
    phb: &'static Phb3,
    arena: Arena,
    /// The buffers of both.
    buffers: [Vec<u64>; 2],
}

impl Model {
    /// A model of this kind, started.
    pub(crate) fn start(kind: Kind, arena: Arena) -> Self {
        let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4).with_intx(0));
        let edu = Device::endpoint(0x1234, 0x11e8, 0x00ff00)
            .multifunction()
            .with_bar32(0, 1 << 20)
            .with_intx(0)
            .with_msi(0);
        assert_eq!(fabric.add(0, 0, edu), EDU);
        let shared = Device::endpoint(0x1af4, 0x1110, 0x05_0000)
            .with_bar32(0, 256)
            .with_bar64(2, 64 << 20);
        fabric.add(0, 1, shared);
        let conventional = fabric.add(0, 2, Device::conventional_bridge(0x1b36, 0x000e));
        let behind = Device::endpoint(0x1234, 0x11e8, 0x00ff00).with_bar32(0, 1 << 20);
        assert_eq!(fabric.add(conventional, 3 << 3, behind), BEHIND);
        let phb: &'static Phb3 = Box::leak(Box::new(Phb3::new(kind, fabric)));
        phb.add_memory(arena.real, Box::new(arena.cells));
        arena.start(|_| phb, phb, |_| ());
        let complaints = phb.complaints();
        assert!(complaints.is_empty(), "the driver's start: {complaints:?}");
        Self {
            phb,
            arena,
            buffers: [vec![0; 512], vec![0; 512]],
        }
    }

    fn cell(&self, real: u64) -> Option<&'static ioda::BeU64> {
        let offset = real.checked_sub(self.arena.real)?;
        self.arena.cells.get((offset / 8) as usize)
    }
}

const fn index(who: Who) -> usize {
    match who {
        Who::Edu => EDU,
        Who::Behind => BEHIND,
    }
}

impl Side for Model {
    fn regs(&self) -> &dyn RegIo {
        self.phb
    }
    fn xscom(&self) -> &dyn XscomIo {
        self.phb
    }
    fn load(&mut self, real: u64) -> u64 {
        MmioIo::read32(self.phb, real).into()
    }
    fn store(&mut self, real: u64, value: u32) {
        MmioIo::write32(self.phb, real, value);
    }
    fn fill(&mut self, who: Who, bus: u64) {
        for slot in 0..512 {
            self.dma_in(who, bus + 8 * slot as u64, slot);
        }
    }
    fn dma_in(&mut self, who: Who, bus: u64, slot: usize) {
        let real = self.phb.dma_read(index(who), bus).ok();
        let cell = real.and_then(|real| self.cell(real));
        self.buffers[who as usize][slot] = cell.map_or(0, |cell| cell.load());
    }
    fn dma_out(&mut self, who: Who, bus: u64, slot: usize) {
        let real = self.phb.dma_write(index(who), bus).ok();
        if let Some(cell) = real.and_then(|real| self.cell(real)) {
            cell.store(self.buffers[who as usize][slot]);
        }
    }
    fn raise(&mut self) {
        let (is_enabled, address, data) = self.phb.with_fabric(|fabric| {
            let edu = fabric.device(EDU);
            let address = u64::from(edu.get(MSI + 8, 4)) << 32 | u64::from(edu.get(MSI + 4, 4));
            (edu.get(MSI + 2, 2) & 1 != 0, address, edu.get(MSI + 12, 2))
        });
        if is_enabled {
            // A refusal is seen by what does not come.
            let _ = self.phb.message(EDU, address, data);
        } else {
            self.phb.pull_intx(0);
        }
    }
    fn lower(&mut self) {}
    fn admit(&mut self, _: Admission) {
        // What the model delivers waits until it is looked at, as a presentation controller would have it.
    }
    fn accept(&mut self) -> u64 {
        let deliveries = self.phb.deliveries();
        deliveries
            .first()
            .filter(|delivery| delivery.server == ppc64::power::pir())
            .map_or(0, |delivery| {
                u64::from(delivery.irq) << 8 | u64::from(delivery.priority)
            })
    }
}
