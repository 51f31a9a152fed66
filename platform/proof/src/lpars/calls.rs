//! What partitions ask: hcalls and RTAS calls, good ones, bad ones and nonsense.

use super::{RAM_BYTES, Run};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use chacha20::rand_core::Rng;
use lpar::hcall::{self, Args, HCALLS};
use lpar::pci::CONFIG_ADDRESS;
use lpar::rtas::CALLS;
use papr_abi::{GuestRealAddr, token};

/// Where a partition keeps lists and argument blocks; the rest of its memory is for devices.
const LIST: u64 = 0x8000;
const BLOCK: u64 = 0x9000;
/// The RTAS calls that have to do with devices.
const OFTEN: [&str; 8] = [
    "ibm,write-pci-config",
    "ibm,write-pci-config",
    "ibm,read-pci-config",
    "ibm,change-msi",
    "ibm,change-msi",
    "ibm,change-msi",
    "ibm,set-xive",
    "ibm,query-interrupt-source-number",
];
const SUCCESS: i64 = 0;
const PARAMETER: i64 = -4;

impl Run {
    /// Makes an hcall, and its first output.
    fn call(&mut self, lpar: usize, token: u64, args: &[u64]) -> (i64, Args) {
        let mut regs: Args = [0; 9];
        regs.iter_mut().zip(args).for_each(|(reg, arg)| *reg = *arg);
        let caller = &self.lpars[lpar];
        let (status, _) = hcall::serve(caller, &caller.vcpus[0], token, &mut regs);
        if status == SUCCESS {
            self.summary.done += 1;
        } else {
            self.summary.refused += 1;
        }
        (status, regs)
    }

    /// A window's name: its own mostly, the other's, or none.
    fn liobn(&mut self) -> (u64, Option<usize>) {
        let index = self.below(self.functions.len() as u64) as usize;
        match self.below(10) {
            0 => (self.rng.next_u64(), None),
            1 => (u64::from(self.functions[index].liobn.0) | 1 << 32, None),
            _ => (self.functions[index].liobn.0.into(), Some(index)),
        }
    }

    /// A bus address: in the window at an edge, or beside it.
    fn ioba(&mut self, function: Option<usize>) -> u64 {
        let Some(function) = function else {
            return self.rng.next_u64();
        };
        let window = self.functions[function].window;
        let pages = window.bytes >> window.page_shift;
        let page = self
            .choose(&[0, 1, 2, 3, 511, pages / 2, pages - 2, pages - 1])
            .unwrap_or(0);
        let base = window.bus_base + (page << window.page_shift);
        match self.below(10) {
            0 => window.bus_base.wrapping_sub(0x1000),
            1 => window.bus_base + window.bytes,
            2 => base | 1 << 60,
            _ => base + self.below(0x1000),
        }
    }

    /// An entry: a page of the caller, one beyond its memory, or anything; and permissions.
    fn tce(&mut self) -> u64 {
        let page = self.below(RAM_BYTES >> 12) << 12;
        let place = match self.below(8) {
            0 => RAM_BYTES,
            1 => 0x4_0000_0000,
            2 => self.rng.next_u64() & !0xfff,
            _ => page,
        };
        place | self.below(4) | if self.below(8) == 0 { 0xffc } else { 0 }
    }

    /// What a good entry makes of a page: `None` clears it.
    fn target(tce: u64) -> Result<Option<(u64, u64)>, ()> {
        // Between page number and permissions nothing may stand.
        let (page, permission) = (tce & !3, tce & 3);
        match permission {
            0 => Ok(None),
            _ if page & 0xfff == 0 && page < RAM_BYTES => Ok(Some((page, permission))),
            _ => Err(()),
        }
    }

    /// The page of the caller's own window that `ioba` is in.
    fn page_of(&self, lpar: usize, function: Option<usize>, ioba: u64) -> Option<(usize, u64)> {
        let function = function?;
        let owned = &self.functions[function];
        let offset = ioba.checked_sub(owned.window.bus_base)?;
        (owned.lpar == lpar && offset < owned.window.bytes)
            .then(|| (function, offset >> owned.window.page_shift))
    }

    fn set_page(&mut self, function: usize, page: u64, target: Option<(u64, u64)>) {
        let pages = &mut self.functions[function].pages;
        match target {
            Some(target) => pages.insert(page, target),
            None => pages.remove(&page),
        };
    }

    /// H_PUT_TCE and its kin: answered as the specification says, which takes over what they do.
    pub(super) fn translate(&mut self, lpar: usize) -> Result<(), String> {
        let (liobn, function) = self.liobn();
        let ioba = self.ioba(function);
        let place = self.page_of(lpar, function, ioba);
        match self.below(4) {
            0 => self.put_many(lpar, liobn, ioba, place),
            1 => self.stuff(lpar, liobn, ioba, place),
            _ => {
                let tce = self.tce();
                let (status, _) = self.call(lpar, token::H_PUT_TCE, &[liobn, ioba, tce]);
                let want = match (place, Self::target(tce)) {
                    (Some((function, page)), Ok(target)) => {
                        self.set_page(function, page, target);
                        SUCCESS
                    }
                    _ => PARAMETER,
                };
                same("H_PUT_TCE", status, want, &[liobn, ioba, tce])?;
                self.get(lpar, liobn, ioba, place)
            }
        }
    }

    fn get(
        &mut self,
        lpar: usize,
        liobn: u64,
        ioba: u64,
        place: Option<(usize, u64)>,
    ) -> Result<(), String> {
        let (status, regs) = self.call(lpar, token::H_GET_TCE, &[liobn, ioba]);
        let want = place.map(|(function, page)| {
            let target = self.functions[function].pages.get(&page);
            target.map_or(0, |(page, permission)| page | permission)
        });
        match (status, want) {
            (SUCCESS, Some(want)) if regs[0] == want => Ok(()),
            // What permits nothing may be told with the page that it was put with.
            (SUCCESS, Some(0)) if regs[0] & 3 == 0 => Ok(()),
            (PARAMETER, None) => Ok(()),
            _ => Err(format!(
                "H_GET_TCE of {liobn:#x} at {ioba:#x} gives {status}, {:#x}, not {want:x?}",
                regs[0]
            )),
        }
    }

    fn put_many(
        &mut self,
        lpar: usize,
        liobn: u64,
        ioba: u64,
        place: Option<(usize, u64)>,
    ) -> Result<(), String> {
        let count = self.choose(&[1, 2, 3, 512, 513, 0]).unwrap_or(1);
        let shown = count.min(512);
        let tces: Vec<u64> = (0..shown)
            .map(|_| match self.below(300) {
                0 => self.tce(),
                _ => (self.below(RAM_BYTES >> 12) << 12) | self.below(4),
            })
            .collect();
        for (at, tce) in (LIST..).step_by(8).zip(&tces) {
            let _ = self.lpars[lpar].ram.store(GuestRealAddr(at), 8, *tce);
        }
        let (status, _) = self.call(lpar, token::H_PUT_TCE_INDIRECT, &[liobn, ioba, LIST, count]);
        let targets: Result<Vec<_>, ()> = tces.into_iter().map(Self::target).collect();
        let fits = place.is_some_and(|(function, page)| {
            let window = self.functions[function].window;
            page + count <= window.bytes >> window.page_shift
        });
        let want = (1..=512).contains(&count) && fits && targets.is_ok();
        self.agree("H_PUT_TCE_INDIRECT", status, want, &[liobn, ioba, count])?;
        if let (true, Some((function, page)), Ok(targets)) = (want, place, targets) {
            for (page, target) in (page..).zip(targets) {
                self.set_page(function, page, target);
            }
        }
        Ok(())
    }

    fn stuff(
        &mut self,
        lpar: usize,
        liobn: u64,
        ioba: u64,
        place: Option<(usize, u64)>,
    ) -> Result<(), String> {
        let count = self.choose(&[1, 2, 512, 513, 0, u64::MAX]).unwrap_or(1);
        let tce = if self.below(3) == 0 { self.tce() } else { 0 };
        let (status, _) = self.call(lpar, token::H_STUFF_TCE, &[liobn, ioba, tce, count]);
        let fits = place.is_some_and(|(function, page)| {
            let window = self.functions[function].window;
            page.checked_add(count)
                .is_some_and(|end| end <= window.bytes >> window.page_shift)
        });
        let want = (1..=512).contains(&count) && fits && Self::target(tce).is_ok();
        self.agree("H_STUFF_TCE", status, want, &[liobn, ioba, tce, count])?;
        if let (true, Some((function, first)), Ok(target)) = (want, place, Self::target(tce)) {
            for page in first..first + count {
                self.set_page(function, page, target);
            }
        }
        Ok(())
    }

    /// Whether it succeeded is what must be; with a count of none either is fine, and nothing is done.
    fn agree(&self, call: &str, status: i64, want: bool, args: &[u64]) -> Result<(), String> {
        let count = args.last().copied().unwrap_or(0);
        if (status == SUCCESS) == want || count == 0 {
            Ok(())
        } else {
            Err(format!(
                "{call} {args:x?} gives {status}, and should {}",
                if want { "succeed" } else { "fail" }
            ))
        }
    }

    /// H_ENTER of a page of memory or registers, its own, the other's or nobody's.
    pub(super) fn map_page(&mut self, lpar: usize) -> Result<(), String> {
        let group = self.below(16) * 8;
        let theirs: Vec<u64> = self
            .lpars
            .iter()
            .flat_map(|lpar| lpar.mmio.ranges())
            .map(|range| range.start.0)
            .collect();
        let page = match self.below(5) {
            0 => self.below(RAM_BYTES >> 12) << 12,
            1 => RAM_BYTES + (self.below(4) << 12),
            2 => self.rng.next_u64() & 0x000f_ffff_ffff_f000,
            _ => self.choose(&theirs).unwrap_or(0) + (self.below(18) << 12),
        };
        // 0x28: guarded and not cached, as registers need; 0x10: memory.
        let wimg = self.choose(&[0x28, 0x10, 0x20, 0x38]).unwrap_or(0);
        let (v, r) = (self.rng.next_u64() & !0x7f | 1, page | wimg | 2);
        let (status, _) = self.call(lpar, token::H_ENTER, &[0, group, v & !4, r]);
        let is_ram = page < RAM_BYTES;
        let is_own = self.lpars[lpar].mmio.ranges().iter().any(|range| {
            page.checked_sub(range.start.0)
                .is_some_and(|at| at < range.bytes)
        });
        if status == SUCCESS && !is_ram && !is_own {
            return Err(format!(
                "H_ENTER maps {page:#x}, which is not partition {lpar}'s"
            ));
        }
        Ok(())
    }

    /// Any hcall with anything, but for what ends or waits for a processor.
    pub(super) fn any_hcall(&mut self, lpar: usize) {
        let index = self.below(HCALLS.len() as u64) as usize;
        let token = if self.below(12) == 0 {
            self.rng.next_u64()
        } else {
            HCALLS[index].row.token
        };
        let is_plain = !matches!(
            token,
            token::H_RTAS
                | token::H_PUT_TCE
                | token::H_STUFF_TCE
                | token::H_PUT_TCE_INDIRECT
                | token::H_ENTER
        );
        if !is_plain {
            return;
        }
        let mut args = [0; 9];
        for arg in &mut args {
            *arg = match self.below(4) {
                0 => self.rng.next_u64(),
                1 => self.below(RAM_BYTES) & !7,
                2 => self.below(16),
                _ => {
                    let ranges = self.lpars[1 - lpar].mmio.ranges();
                    ranges.first().map_or(0, |range| range.start.0) + self.below(0x100)
                }
            };
        }
        self.call(lpar, token, &args);
    }

    /// A function to ask for: mostly one of partition `lpar`'s own, as only then is much done.
    fn function_for(&mut self, lpar: usize) -> usize {
        let functions = self.functions.iter().enumerate();
        let own: Vec<usize> = functions
            .filter_map(|(number, owned)| (owned.lpar == lpar).then_some(number))
            .collect();
        let any = self.below(self.functions.len() as u64) as usize;
        match self.below(4) {
            0 => any,
            _ => self.choose(&own).unwrap_or(any),
        }
    }

    /// An RTAS call: its arguments are functions' names, numbers that mean something, or anything.
    pub(super) fn rtas(&mut self, lpar: usize) {
        let any = self.below(CALLS.len() as u64) as usize;
        let wanted = if self.below(4) == 0 {
            None
        } else {
            self.choose(&OFTEN)
        };
        let found = CALLS.iter().find(|entry| Some(entry.row.name) == wanted);
        let row = found.unwrap_or(&CALLS[any]).row;
        // Ends of the partition and of its time are not asked for, nor is an endpoint stopped: the specification has no
        // word for requesters that are nobody's for a time.
        if matches!(
            row.name,
            "power-off"
                | "system-reboot"
                | "ibm,os-term"
                | "stop-self"
                | "ibm,set-slot-reset"
                | "ibm,slot-error-detail"
        ) {
            return;
        }
        let owned = self.function_for(lpar);
        let buid = self.functions[owned].buid.0;
        let irq = self.functions[owned].block.first.0 + self.below(6) as u32;
        let mut words: Vec<u32> = alloc::vec![row.token(), row.inputs as u32, row.outputs.1 as u32];
        let registers = [
            0x04, 0x04, 0x04, 0x10, 0x14, 0x18, 0x1c, 0x30, 0x3c, 0x3e, 0x48, 0x4c, 0x50, 0x54,
            0x74, 0x7c,
        ];
        for input in 0..row.inputs {
            let word = match (row.name, input) {
                ("ibm,read-pci-config" | "ibm,write-pci-config", 0) => {
                    CONFIG_ADDRESS
                        | self.choose(&registers).unwrap_or(0)
                        | if self.below(12) == 0 { 0x100 } else { 0 }
                }
                (
                    "ibm,read-pci-config"
                    | "ibm,write-pci-config"
                    | "ibm,change-msi"
                    | "ibm,query-interrupt-source-number"
                    | "ibm,set-eeh-option"
                    | "ibm,get-config-addr-info2"
                    | "ibm,read-slot-reset-state2"
                    | "ibm,configure-pe",
                    1,
                ) => (buid >> 32) as u32,
                (_, 2) if row.name.starts_with("ibm,") && row.inputs >= 3 => buid as u32,
                ("ibm,read-pci-config" | "ibm,write-pci-config", 3) => {
                    self.choose(&[1, 2, 4, 4, 4, 3]).unwrap_or(4)
                }
                ("ibm,change-msi", 3) => self.choose(&[1, 3, 4, 0, 2]).unwrap_or(1),
                ("ibm,change-msi", 4) => self.choose(&[1, 2, 4, 0, 8]).unwrap_or(1),
                ("ibm,change-msi", 5) => 1,
                ("ibm,set-xive" | "ibm,get-xive" | "ibm,int-on" | "ibm,int-off", 0) => irq,
                ("ibm,set-xive", 1) => self.below(2) as u32,
                (
                    "ibm,change-msi"
                    | "ibm,query-interrupt-source-number"
                    | "ibm,set-eeh-option"
                    | "ibm,get-config-addr-info2"
                    | "ibm,read-slot-reset-state2"
                    | "ibm,configure-pe",
                    0,
                ) => CONFIG_ADDRESS,
                ("ibm,set-eeh-option", 3) => self.below(5) as u32,
                _ => self.rng.next_u64() as u32,
            };
            words.push(if self.below(20) == 0 {
                self.rng.next_u64() as u32
            } else {
                word
            });
        }
        if self.below(15) == 0 {
            let at = self.below(3) as usize;
            words[at] = self.below(20) as u32;
        }
        let block = match self.below(20) {
            0 => RAM_BYTES - 8,
            1 => self.rng.next_u64(),
            _ => BLOCK,
        };
        for (at, word) in (BLOCK..).step_by(4).zip(&words) {
            let _ = self.lpars[lpar]
                .ram
                .store(GuestRealAddr(at), 4, u64::from(*word));
        }
        self.call(lpar, token::H_RTAS, &[block]);
    }
}

fn same(call: &str, got: i64, want: i64, args: &[u64]) -> Result<(), String> {
    if got == want {
        Ok(())
    } else {
        Err(format!("{call} {args:x?} gives {got}, not {want}"))
    }
}
