//! From a console log with a dump to a [`Map`]. The log is not trusted: it may be cut, damaged or invented.

use crate::{
    Bar, Dma, Found, Function, M64, Map, Messages, Owner, Partition, Phb, Role, Segments, Stage,
};
use ioda::{DmaModel, PeNumber};
use map_dump::{FunctionRole, M64Owner, Record};
use pci::Place;
use std::fmt::Display;
use thiserror::Error;

/// What the hypervisor writes before each of its lines.
const CONSOLE: &str = "bulkhead| ";

/// Why a log gives no map.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// There is no dump in it.
    #[error(
        "the log has no line `map1 begin`. Remedy: boot with the word `bulkhead.map` in the boot arguments, as `cargo xtask run --map` does"
    )]
    None,
    /// It ends before the dump does.
    #[error("line {0}: the log ends before the dump's last line, `map1 end`")]
    Cut(usize),
    /// This line, from 1, is wrong.
    #[error("line {0}: {1}")]
    Line(usize, Problem),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Problem(String);

fn bad<T>(problem: impl Display) -> Result<T, Problem> {
    Err(Problem(problem.to_string()))
}

/// Fails with `problem` unless `good`.
fn ensure(good: bool, problem: impl FnOnce() -> String) -> Result<(), Problem> {
    if good { Ok(()) } else { bad(problem()) }
}

impl Map {
    /// Reads the first dump in `log`, which may be a whole console log.
    ///
    /// # Errors
    /// [`DumpError`], with the line's number in the log: for what is missing or malformed, and for what no bridge can
    /// be set to, like a segment of two endpoints.
    pub fn from_dump(log: &str) -> Result<Self, DumpError> {
        let mut map = Self {
            stage: Stage::Running,
            partitions: Vec::new(),
            phbs: Vec::new(),
        };
        let mut count = 0u32;
        let mut last = 0;
        for (number, line) in (1..).zip(log.lines()) {
            last = number;
            let line = line.trim_end();
            let line = line.strip_prefix(CONSOLE).unwrap_or(line);
            let Some(parsed) = Record::parse(line) else {
                continue;
            };
            if count == 0 && parsed != Ok(Record::Begin) {
                continue;
            }
            let at = |problem| DumpError::Line(number, problem);
            let record = parsed.map_err(|error| at(Problem(error.to_string())))?;
            if let Record::End { lines } = record {
                ensure(lines == count, || {
                    format!("the dump had {lines} lines, {count} of them are in the log")
                })
                .map_err(at)?;
                return Ok(map);
            }
            map.add(&record, count).map_err(at)?;
            count += 1;
        }
        Err(if count == 0 {
            DumpError::None
        } else {
            DumpError::Cut(last)
        })
    }

    fn add(&mut self, record: &Record<'_>, count: u32) -> Result<(), Problem> {
        match *record {
            Record::Begin => ensure(count == 0, || "a dump begins in a dump".into()),
            Record::End { .. } => Ok(()),
            Record::Partition { lpid, name } => {
                let known = |other: &Partition| other.lpid == lpid || other.name == name;
                ensure(!self.partitions.iter().any(known), || {
                    format!("there is a partition {lpid} or one called {name} already")
                })?;
                self.partitions.push(Partition {
                    lpid,
                    name: name.to_owned(),
                });
                Ok(())
            }
            Record::Phb {
                phb,
                generation,
                pes,
                reserved,
                rids,
                dma,
                msis,
                first_msi,
                m32,
            } => {
                ensure(self.phbs.iter().all(|other| other.index < phb), || {
                    format!("bridge {phb} is out of order, or twice")
                })?;
                ensure(reserved.0 < pes, || {
                    format!("PE {} of {pes} PEs cannot be", reserved.0)
                })?;
                ensure(m32.segments != 0 && m32.segments <= 4096, || {
                    format!("{} segments cannot be", m32.segments)
                })?;
                let few = match dma {
                    DmaModel::SharedSlots { count, .. } => count <= 128,
                    DmaModel::PerPe { windows } => windows <= 16,
                };
                ensure(few, || "so many DMA windows cannot be".into())?;
                self.phbs.push(Phb {
                    index: phb,
                    generation,
                    pes,
                    reserved,
                    rids,
                    dma,
                    msis,
                    m32_segments: m32.segments,
                    m64_windows: 0,
                    first_msi: Some(first_msi),
                    m32: Some(m32),
                    m64_area: None,
                    functions: Vec::new(),
                    segments: Vec::new(),
                    m64: Vec::new(),
                    windows: Vec::new(),
                    messages: Vec::new(),
                    wires: Vec::new(),
                });
                Ok(())
            }
            Record::Function { path, owner, .. } => {
                if let Owner::Partition(lpid) = owner {
                    let is_known = self.partitions.iter().any(|known| known.lpid == lpid);
                    ensure(is_known, || format!("there is no partition {lpid}"))?;
                }
                self.phb(path.phb())?.add_function(record)
            }
            Record::M64Area { phb, .. }
            | Record::Bar { phb, .. }
            | Record::Segments { phb, .. }
            | Record::M64 { phb, .. }
            | Record::Dma { phb, .. }
            | Record::Msi { phb, .. }
            | Record::Lsi { phb, .. } => self.phb(phb)?.add(record),
        }
    }

    fn phb(&mut self, index: u8) -> Result<&mut Phb, Problem> {
        // Only the last: a bridge's lines come together.
        self.phbs
            .last_mut()
            .filter(|phb| phb.index == index)
            .ok_or_else(|| Problem(format!("these are not the lines of bridge {index}")))
    }
}

impl Phb {
    fn check_pe(&self, pe: PeNumber) -> Result<(), Problem> {
        ensure(pe.0 < self.pes, || {
            format!("PE {} is none of the bridge's {}", pe.0, self.pes)
        })
    }

    fn add_function(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        let Record::Function {
            path,
            bdf,
            id,
            class,
            pe,
            owner,
            role,
        } = *record
        else {
            return Ok(());
        };
        self.check_pe(pe)?;
        for other in &self.functions {
            let found = other.found.as_ref();
            ensure(
                other.path != path && found.is_none_or(|found| found.bdf != bdf),
                || format!("there is a function at {path} or {bdf} already"),
            )?;
            let shared = pe != self.reserved && found.is_some_and(|found| found.pe == pe);
            ensure(!shared || other.owner == owner, || {
                format!("PE {} has functions of two owners", pe.0)
            })?;
        }
        let is_partitions = matches!(owner, Owner::Partition(_));
        ensure(!is_partitions || pe != self.reserved, || {
            format!("a partition's function in PE {}, which is nobody's", pe.0)
        })?;
        let below = match role {
            FunctionRole::Device => None,
            FunctionRole::Bridge {
                first,
                last,
                memory,
                prefetch,
            } => Some((first, last, memory, prefetch)),
        };
        self.functions.push(Function {
            path,
            owner,
            role: if below.is_some() {
                Role::Bridge
            } else {
                Role::Device
            },
            found: Some(Found {
                bdf,
                id,
                class,
                pe,
                bars: Vec::new(),
                below,
            }),
            want: None,
        });
        Ok(())
    }

    fn add(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        match *record {
            Record::M64Area {
                real,
                bytes,
                windows,
                ..
            } => {
                range(real, bytes)?;
                ensure(windows <= 64 && self.m64_area.is_none(), || {
                    "one area of at most 64 windows can be".into()
                })?;
                self.m64_area = Some((real, bytes));
                self.m64_windows = windows;
            }
            Record::Bar {
                bdf,
                bar,
                pci,
                real,
                bytes,
                place,
                ..
            } => {
                range(pci, bytes)?;
                range(real, bytes)?;
                ensure(bar < 6, || format!("BAR {bar} cannot be"))?;
                if let Place::M64(window) = place {
                    ensure(window.0 < self.m64_windows, || {
                        format!("there is no 64-bit window {}", window.0)
                    })?;
                }
                let found = self
                    .functions
                    .last_mut()
                    .and_then(|last| last.found.as_mut());
                let found = found
                    .filter(|found| found.bdf == bdf)
                    .ok_or_else(|| Problem(format!("it does not follow its function {bdf}")))?;
                ensure(found.bars.iter().all(|other| other.index < bar), || {
                    format!("BAR {bar} is out of order, or twice")
                })?;
                found.bars.push(Bar {
                    index: bar,
                    pci,
                    real,
                    bytes,
                    place,
                });
            }
            Record::Segments {
                first, count, pe, ..
            } => {
                self.check_pe(pe)?;
                let end = u32::from(first) + u32::from(count);
                ensure(count != 0 && end <= u32::from(self.m32_segments), || {
                    format!(
                        "segments {first} to {end} are not within {}",
                        self.m32_segments
                    )
                })?;
                let meets = |other: &&Segments| {
                    u32::from(other.first) < end
                        && u32::from(first) < u32::from(other.first) + u32::from(other.count)
                };
                if let Some(other) = self.segments.iter().find(meets) {
                    return bad(format!("some of them are PE {}'s already", other.pe.0));
                }
                self.segments.push(Segments { first, count, pe });
            }
            Record::M64 {
                window,
                base,
                bytes,
                owner,
                ..
            } => self.add_m64(window.0, base, bytes, owner)?,
            Record::Dma {
                pe,
                tve,
                base,
                bytes,
                page_shift,
                ..
            } => self.add_dma(Dma {
                pe,
                tve,
                base,
                bytes,
                page_shift,
            })?,
            Record::Msi {
                pe, first, count, ..
            } => {
                self.check_pe(pe)?;
                let offset = first.checked_sub(self.first_msi.unwrap_or(0));
                let end = offset.and_then(|offset| offset.checked_add(count.into()));
                ensure(
                    count != 0 && end.is_some_and(|end| end <= u32::from(self.msis)),
                    || "the bridge has no such interrupts".into(),
                )?;
                let meets = |other: &&Messages| {
                    u64::from(other.first) < u64::from(first) + u64::from(count)
                        && u64::from(first) < u64::from(other.first) + u64::from(other.count)
                };
                if let Some(other) = self.messages.iter().find(meets) {
                    return bad(format!("some of them are PE {}'s already", other.pe.0));
                }
                self.messages.push(Messages { pe, first, count });
            }
            Record::Lsi { pe, irq, .. } => {
                self.check_pe(pe)?;
                ensure(self.wires.iter().all(|(_, other)| *other != irq), || {
                    format!("wire {irq:#x} is somebody's already")
                })?;
                self.wires.push((pe, irq));
            }
            _ => {}
        }
        Ok(())
    }

    fn add_m64(
        &mut self,
        window: u8,
        base: u64,
        bytes: u64,
        owner: M64Owner,
    ) -> Result<(), Problem> {
        range(base, bytes)?;
        ensure(window < self.m64_windows, || {
            format!("there is no 64-bit window {window}")
        })?;
        let (start, length) = self.m64_area.unwrap_or_default();
        // Both ranges were checked not to wrap.
        ensure(base >= start && base - start + bytes <= length, || {
            "it is not in the area of 64-bit windows".into()
        })?;
        match owner {
            M64Owner::SegmentIsPe => {}
            M64Owner::Single(pe) => self.check_pe(pe)?,
            M64Owner::Segments(pes) => pes.into_iter().try_for_each(|pe| self.check_pe(pe))?,
        }
        for other in &self.m64 {
            ensure(other.window != window, || {
                format!("window {window} is open already")
            })?;
            let meets = other.base < base + bytes && base < other.base + other.bytes;
            ensure(!meets, || format!("it meets window {}", other.window))?;
        }
        self.m64.push(M64 {
            window,
            base,
            bytes,
            owner,
        });
        Ok(())
    }

    fn add_dma(&mut self, new: Dma) -> Result<(), Problem> {
        self.check_pe(new.pe)?;
        range(new.base, new.bytes)?;
        ensure(new.page_shift < 64, || "such pages cannot be".into())?;
        let end = new.base + new.bytes;
        let is_good = match self.dma {
            DmaModel::SharedSlots { count, slot_shift } => {
                let first = new.base >> slot_shift;
                first == u64::from(new.tve) && end.div_ceil(1 << slot_shift) <= count.into()
            }
            DmaModel::PerPe { windows } => {
                let first = u32::from(new.pe.0) * u32::from(windows);
                (first..first + u32::from(windows)).contains(&new.tve.into())
            }
        };
        ensure(is_good, || {
            format!("window {} of PE {} cannot be there", new.tve, new.pe.0)
        })?;
        let shift = match self.dma {
            DmaModel::SharedSlots { slot_shift, .. } => Some(slot_shift),
            DmaModel::PerPe { .. } => None,
        };
        for other in &self.windows {
            let meets = match shift {
                // What a slot's window leaves of it is nobody else's.
                Some(shift) => {
                    other.base >> shift < end.div_ceil(1 << shift)
                        && new.base >> shift < (other.base + other.bytes).div_ceil(1 << shift)
                }
                None => other.tve == new.tve,
            };
            ensure(!meets, || {
                format!("it meets window {} of PE {}", other.tve, other.pe.0)
            })?;
        }
        self.windows.push(new);
        Ok(())
    }
}

/// Fails for a range that is empty or wraps.
fn range(base: u64, bytes: u64) -> Result<(), Problem> {
    ensure(bytes != 0 && base.checked_add(bytes).is_some(), || {
        format!("{bytes:#x} bytes from {base:#x} cannot be")
    })
}
