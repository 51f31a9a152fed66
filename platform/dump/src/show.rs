//! Writing a line.

use crate::record::{FunctionRole, Generation, M64Owner, Owner, PREFIX, Record};
use core::fmt;
use ioda::{DmaModel, M64Window, RidRule};
use pci::{Place, Window};

struct ShowWindow(Window);

impl fmt::Display for ShowWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.bytes {
            0 => f.write_str("closed"),
            bytes => write!(f, "{:#x}+{bytes:#x}", self.0.base),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ioda1 => "ioda1",
            Self::Ioda2 => "ioda2",
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Hypervisor => f.write_str("hypervisor"),
            Self::Partition(lpid) => lpid.fmt(f),
        }
    }
}

impl fmt::Display for M64Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(pe) => write!(f, "single:{}", pe.0),
            Self::SegmentIsPe => f.write_str("segment-is-pe"),
            Self::Segments(pes) => {
                f.write_str("segments:")?;
                for (index, pe) in pes.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { "," }, pe.0)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX} ")?;
        match self {
            Self::Begin => f.write_str("begin"),
            Self::Partition { lpid, name } => write!(f, "partition lpid={lpid} name={name}"),
            Self::Phb {
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
                write!(
                    f,
                    "phb phb={phb} kind={generation} pes={pes} reserved={} ",
                    reserved.0
                )?;
                match rids {
                    RidRule::AnySet => f.write_str("rids=any ")?,
                    RidRule::OneSelection { max_bus_shift } => {
                        write!(f, "rids=aligned:{max_bus_shift} ")?;
                    }
                }
                match dma {
                    DmaModel::PerPe { windows } => write!(f, "dma=per-pe:{windows} ")?,
                    DmaModel::SharedSlots { count, slot_shift } => {
                        write!(f, "dma=slots:{count}:{slot_shift} ")?;
                    }
                }
                write!(
                    f,
                    "msis={msis} first-msi={first_msi:#x} m32-real={:#x} m32-pci={:#x} m32-shift={} m32-segments={}",
                    m32.real, m32.pci, m32.segment_shift, m32.segments
                )
            }
            Self::M64Area {
                phb,
                real,
                bytes,
                windows,
            } => write!(
                f,
                "m64-area phb={phb} real={real:#x} bytes={bytes:#x} windows={windows}"
            ),
            Self::Function {
                path,
                bdf,
                id: (vendor, device),
                class,
                pe,
                owner,
                role,
            } => {
                let kind = match role {
                    FunctionRole::Device => "function",
                    FunctionRole::Bridge { .. } => "bridge",
                };
                write!(
                    f,
                    "{kind} path={path} bdf={bdf} id={vendor:04x}:{device:04x} class={class:06x} pe={} owner={owner}",
                    pe.0
                )?;
                match role {
                    FunctionRole::Device => Ok(()),
                    FunctionRole::Bridge {
                        first,
                        last,
                        memory,
                        prefetch,
                    } => write!(
                        f,
                        " buses={first:02x}-{last:02x} memory={} prefetch={}",
                        ShowWindow(*memory),
                        ShowWindow(*prefetch)
                    ),
                }
            }
            Self::Bar {
                phb,
                bdf,
                bar,
                pci,
                real,
                bytes,
                place,
            } => {
                write!(
                    f,
                    "bar phb={phb} bdf={bdf} bar={bar} pci={pci:#x} real={real:#x} bytes={bytes:#x} place="
                )?;
                match place {
                    Place::M32 => f.write_str("m32"),
                    Place::M64(M64Window(window)) => write!(f, "m64:{window}"),
                }
            }
            Self::Segments {
                phb,
                first,
                count,
                pe,
            } => write!(
                f,
                "segments phb={phb} first={first} count={count} pe={}",
                pe.0
            ),
            Self::M64 {
                phb,
                window,
                base,
                bytes,
                owner,
            } => write!(
                f,
                "m64 phb={phb} window={} base={base:#x} bytes={bytes:#x} map={owner}",
                window.0
            ),
            Self::Dma {
                phb,
                pe,
                tve,
                base,
                bytes,
                page_shift,
            } => write!(
                f,
                "dma phb={phb} pe={} tve={tve} base={base:#x} bytes={bytes:#x} page-shift={page_shift}",
                pe.0
            ),
            Self::Msi {
                phb,
                pe,
                first,
                count,
            } => write!(
                f,
                "msi phb={phb} pe={} first={first:#x} count={count}",
                pe.0
            ),
            Self::Lsi { phb, pe, irq } => write!(f, "lsi phb={phb} pe={} irq={irq:#x}", pe.0),
            Self::End { lines } => write!(f, "end lines={lines}"),
        }
    }
}
