//! What must hold after each call, and what devices try.

use super::wiring::One;
use super::{Mistake, RAM_BASES, RAM_BYTES, Run};
use crate::machine::{FUNCTIONS, function_of};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use chacha20::rand_core::Rng;
use ioda::{Freeze, PeNumber, Rid};
use lpar::Lpar;
use lpar::mmio::Mmio;
use lpar_pci::Bridges;
use papr_abi::PteIndex;

/// Bridges of the fabric, from the root port on.
const BRIDGES: usize = 5;
/// The bit of the command register that lets a function master the bus.
const MASTER: u32 = 1 << 2;
/// The real page number of an entry of the page table.
const PAGE: u64 = 0x0fff_ffff_ffff_f000;

impl Run {
    /// Remembers what no partition may change.
    pub(super) fn note_fixed(&mut self) {
        let mut fixed = Vec::new();
        let machine = self.shared.machine.lock();
        for bridge in 0..BRIDGES {
            fixed.push((bridge, 0x18, machine.model().config(bridge, 0x18, 4)));
            fixed.push((bridge, 0x20, machine.model().config(bridge, 0x20, 4)));
        }
        for index in FUNCTIONS.into_iter().filter_map(function_of) {
            for at in [0x10, 0x18, 0x1c] {
                fixed.push((index, at, machine.model().config(index, at, 4)));
            }
        }
        drop(machine);
        self.fixed = fixed;
    }

    pub(super) fn check_all(&mut self) -> Result<(), String> {
        self.check_model()?;
        self.check_config()?;
        self.check_page_tables()?;
        for function in 0..self.functions.len() {
            self.check_dma(function)?;
        }
        self.check_messages()?;
        self.check_model()
    }

    fn check_model(&self) -> Result<(), String> {
        match self.shared.machine.lock().model().complaints().first() {
            Some(complaint) => Err(format!("the model complains: {complaint}")),
            None => Ok(()),
        }
    }

    fn check_config(&self) -> Result<(), String> {
        let machine = self.shared.machine.lock();
        for (index, at, want) in &self.fixed {
            let got = machine.model().config(*index, *at, 4);
            if got != *want {
                return Err(format!(
                    "register {at:#x} of function {index} became {got:#x}, was {want:#x}"
                ));
            }
        }
        Ok(())
    }

    /// Every page that a partition's page table leads to is its memory or its device's registers.
    fn check_page_tables(&mut self) -> Result<(), String> {
        for (number, lpar) in self.lpars.iter().enumerate() {
            for index in 0..16 * 8 {
                let Ok((v, r)) = lpar.hpt.read(PteIndex(index)) else {
                    continue;
                };
                if v & 1 == 0 {
                    continue;
                }
                let real = r & PAGE;
                let base = RAM_BASES[number];
                let is_ram = real.wrapping_sub(base) < RAM_BYTES;
                let is_own = self.functions.iter().enumerate().any(|(function, owned)| {
                    owned.lpar == number && self.registers_of(function, real)
                });
                if !is_ram && !is_own {
                    return Err(format!(
                        "page table entry {index} of partition {number} leads to {real:#x}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether `real` is in a BAR of the function, as the fabric has it.
    fn registers_of(&self, function: usize, real: u64) -> bool {
        let pe = self.functions[function].pe;
        // The segment's owner on the bridge, which is no table of `lpar`'s.
        self.shared.machine.lock().model().segment_pe(real) == Some(pe)
    }

    /// What a device reaches is what its owner mapped, at the pages that were ever touched and some others.
    fn check_dma(&mut self, function: usize) -> Result<(), String> {
        let owned = &self.functions[function];
        let (window, lpar, pe) = (owned.window, owned.lpar, owned.pe);
        let last = (window.bytes >> window.page_shift) - 1;
        let mut pages = alloc::vec![0, 1, 2, 511, last - 1, last];
        let touched: Vec<u64> = owned.pages.keys().copied().collect();
        for _ in 0..6 {
            pages.extend(self.choose(&touched));
        }
        for page in pages {
            for permission in [1, 2] {
                let address = window.bus_base + (page << window.page_shift) + 8;
                let want = self.functions[function].pages.get(&page);
                let want = want
                    .filter(|(_, allowed)| allowed & permission != 0)
                    .map(|(page, _)| RAM_BASES[lpar] + page + 8);
                let got = self.reach(FUNCTIONS[function], address, permission);
                self.thaw(pe)?;
                if got != want {
                    return Err(format!(
                        "function {function} of partition {lpar} reaches {got:x?} at {address:#x} ({permission}), not {want:x?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn reach(&mut self, rid: Rid, address: u64, permission: u64) -> Option<u64> {
        self.summary.transactions += 1;
        let machine = self.shared.machine.lock();
        // Under its id, whether its owner lets it master the bus or not.
        let got = if permission == 1 {
            machine.model().read(rid, None, address)
        } else {
            machine.model().write(rid, None, address)
        };
        drop(machine);
        self.summary.granted += u64::from(got.is_ok());
        got.ok()
    }

    fn thaw(&self, pe: PeNumber) -> Result<(), String> {
        let mut machine = self.shared.machine.lock();
        let reserved = machine.ioda().caps().reserved_pe;
        for pe in [pe, reserved] {
            if machine.ioda().freeze_state(pe) != Freeze::empty() {
                machine
                    .ioda()
                    .thaw(pe, Freeze::all())
                    .map_err(|error| format!("{pe}: {error}"))?;
            }
        }
        Ok(())
    }

    /// The message that a function is told to send raises its owner's interrupt or none.
    fn check_messages(&mut self) -> Result<(), String> {
        /// The MSI capability: PCI Express comes first.
        const EXPRESS_BYTES: usize = 60;
        const MSI: usize = 0x40 + EXPRESS_BYTES;
        for (function, rid) in FUNCTIONS.into_iter().enumerate() {
            let Some(index) = function_of(rid) else {
                continue;
            };
            let machine = self.shared.machine.lock();
            let get = |at, bytes| machine.model().config(index, MSI + at, bytes);
            let address = u64::from(get(8, 4)) << 32 | u64::from(get(4, 4));
            let data = get(12, 2);
            drop(machine);
            if address != 0 && !self.send(function, address, data)? {
                return Err(format!(
                    "function {function} was told to send {address:#x}, {data:#x}, and may not"
                ));
            }
        }
        Ok(())
    }

    /// A function sends a message: whatever comes of it is an interrupt of its own. Whether it was taken.
    fn send(&mut self, function: usize, address: u64, data: u32) -> Result<bool, String> {
        self.summary.transactions += 1;
        let machine = self.shared.machine.lock();
        let sent = machine
            .model()
            .message(FUNCTIONS[function], None, address, data);
        let came = machine.model().deliveries();
        let block = self.functions[function].block;
        let own = block.first.0..block.first.0 + u32::from(block.count);
        let foreign = came.iter().find(|delivery| !own.contains(&delivery.irq));
        let owner = 8 + 8 * self.functions[function].lpar as u32;
        let astray = came.iter().find(|delivery| delivery.server != owner);
        for delivery in &came {
            machine.irqs().eoi(ioda::Irq(delivery.irq));
        }
        let _ = machine.model().deliveries();
        drop(machine);
        self.summary.granted += u64::from(sent.is_ok());
        if let Some(delivery) = foreign.or(astray) {
            return Err(format!(
                "function {function} raises {:#x} at thread {:#x}, which is not its owner's",
                delivery.irq, delivery.server
            ));
        }
        self.thaw(self.functions[function].pe)?;
        Ok(sent.is_ok())
    }

    /// An RTAS call changes no configuration of the other partition's functions.
    pub(super) fn rtas_apart(&mut self, lpar: usize) -> Result<(), String> {
        let before = self.config_of(1 - lpar);
        self.rtas(lpar);
        if self.config_of(1 - lpar) == before {
            Ok(())
        } else {
            Err(format!(
                "a call of partition {lpar} changed a function of the other"
            ))
        }
    }

    /// A partition starts anew: its functions are silent and its windows lead nowhere until it sets them up again.
    pub(super) fn restart(&mut self, lpar: usize) -> Result<(), String> {
        let is_forgotten = self.mistake == Some(Mistake::LeavesFunctionsRunning);
        let accesses: &[_] = if is_forgotten {
            &[]
        } else {
            &self.accesses[lpar]
        };
        let caller = &self.lpars[lpar];
        // Its drivers are at work.
        for function in &caller.pci {
            let written = function.access.write(4, 2, MASTER | 2);
            written.map_err(|error| format!("a function does not answer: {error:?}"))?;
        }
        lpar_pci::quiesce(caller, accesses, One(self.shared).all());
        caller.reset();
        caller.hpt.clear();
        for (function, owned) in self.functions.iter_mut().enumerate() {
            if owned.lpar != lpar {
                continue;
            }
            owned.pages.clear();
            let index = function_of(FUNCTIONS[function]).ok_or("no function")?;
            let command = self.shared.registers.0.config(index, 4, 2);
            if command & MASTER != 0 {
                return Err(format!(
                    "function {function} masters the bus after its owner's restart"
                ));
            }
        }
        Ok(())
    }

    /// A function of partition `from` goes to the other, neither running: nothing of what its owner had set up stays.
    pub(super) fn move_one(&mut self, from: usize) -> Result<(), String> {
        let to = 1 - from;
        self.restart(from)?;
        self.restart(to)?;
        let held = self.accesses[from].len() as u64;
        if held == 0 {
            return Ok(());
        }
        let place = self.below(held) as usize;
        let access = self.accesses[from].remove(place);
        let function = Arc::clone(&self.lpars[from].pci[place]);
        let location = function.location.as_str();
        let mut functions = self.functions.iter();
        let owned = functions.position(|owned| owned.liobn == function.liobn);
        let owned = owned.ok_or("a function is not known")?;
        // Others would be reset too, where nothing resets it alone; the hypervisor refuses then.
        if function.recovery.is_some() {
            let renewed = access.renew(&mut |_| ());
            renewed.map_err(|_| format!("{location}: it does not come back from its reset"))?;
        }
        let moved = self
            .owners
            .transfer(One(self.shared).all(), access, super::lpid(to));
        moved.map_err(|error| format!("{location}: {error:?}"))?;
        self.accesses[to].push(access);
        let registers = self.accesses.clone().map(|accesses| {
            let mut ranges = Vec::new();
            let own = accesses.iter();
            own.for_each(|access| access.add_registers(&mut ranges));
            Mmio::new(ranges, RAM_BYTES)
        });
        let [left, right] = registers.map(|mmio| mmio.map_err(|error| format!("{error:?}")));
        let (kept, all) = if from == 0 {
            (left?, right?)
        } else {
            (right?, left?)
        };
        let removed = self.lpars[from].devices.get_mut().remove(location, kept);
        let removed = removed.ok_or("its owner has not had it")?;
        let Lpar { ram, devices, .. } = &mut self.lpars[to];
        let inserted = devices.get_mut().insert(removed, all, ram);
        inserted.map_err(|error| format!("{error:?}"))?;
        self.functions[owned].lpar = to;
        self.summary.moves += 1;
        let owner = self.owners.iter().nth(owned);
        if owner.is_none_or(|owner| owner.lpid != super::lpid(to)) {
            return Err(format!("{location} is not its new owner's"));
        }
        Ok(())
    }

    fn config_of(&self, lpar: usize) -> Vec<u32> {
        let machine = self.shared.machine.lock();
        let own = self
            .functions
            .iter()
            .zip(FUNCTIONS)
            .filter(|(owned, _)| owned.lpar == lpar);
        let indices = own.filter_map(|(_, rid)| function_of(rid));
        let words = indices.flat_map(|index| (0..256).step_by(4).map(move |at| (index, at)));
        words
            .map(|(index, at)| machine.model().config(index, at, 4))
            .collect()
    }

    /// A device tries something: memory or messages, its own places, the others' and any.
    pub(super) fn hostile(&mut self) -> Result<(), String> {
        let function = self.below(self.functions.len() as u64) as usize;
        let target = self.below(self.functions.len() as u64) as usize;
        let (window, block) = (self.functions[target].window, self.functions[target].block);
        if self.below(3) == 0 {
            let any = self.rng.next_u64();
            let address = self
                .choose(&[block.address32.into(), block.address64, any])
                .unwrap_or(0);
            let data = u32::from(block.data) + self.below(6) as u32;
            return self.send(function, address, data).map(|_| ());
        }
        let address = match self.below(3) {
            0 => self.rng.next_u64() >> self.below(40),
            _ => window.bus_base + (self.below(window.bytes) & !7),
        };
        if address >> 16 == 0xffff || address >> 60 == 1 || address >> 60 == 9 {
            return Ok(());
        }
        let permission = 1 + self.below(2);
        let got = self.reach(FUNCTIONS[function], address, permission);
        let base = RAM_BASES[self.functions[function].lpar];
        let pe = self.functions[function].pe;
        self.thaw(pe)?;
        match got {
            Some(real) if real.wrapping_sub(base) >= RAM_BYTES => {
                Err(format!("function {function} reaches {real:#x}"))
            }
            _ => Ok(()),
        }
    }
}
