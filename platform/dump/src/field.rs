//! Reading the fields of a line, which come in a fixed order, each as `key=value`: [`Fields`].

use crate::record::{Generation, M64Owner, Owner};
use core::fmt;
use core::str::SplitAsciiWhitespace;
use ioda::{Bdf, DmaModel, M32Caps, M64Window, PeNumber, Rid, RidRule};
use pci::{Path, Place, Window};

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError<'a> {
    /// There is no such kind of line.
    Kind(&'a str),
    /// This field should come here.
    Missing(&'static str),
    /// This field's value is not of its form, or out of range.
    Value(&'static str, &'a str),
    /// This comes after the last field.
    Extra(&'a str),
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(word) => write!(f, "there is no line `{word}`"),
            Self::Missing(key) => write!(f, "the field `{key}` is missing here"),
            Self::Value(key, value) => write!(f, "`{key}={value}` has no possible value"),
            Self::Extra(word) => write!(f, "`{word}` is too much"),
        }
    }
}

/// The words of a line that were not read yet.
pub(crate) struct Fields<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text.split_ascii_whitespace())
    }

    pub(crate) fn kind(&mut self) -> Result<&'a str, ParseError<'a>> {
        self.0.next().ok_or(ParseError::Kind(""))
    }

    pub(crate) fn finish(mut self) -> Result<(), ParseError<'a>> {
        self.0
            .next()
            .map_or(Ok(()), |word| Err(ParseError::Extra(word)))
    }

    /// Reads the value of `key` by `read`.
    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ParseError<'a>> {
        let word = self.0.next().and_then(|word| word.split_once('='));
        match word {
            Some((found, value)) if found == key => {
                read(value).ok_or(ParseError::Value(key, value))
            }
            _ => Err(ParseError::Missing(key)),
        }
    }

    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
    ) -> Result<T, ParseError<'a>> {
        self.take(key, number)
    }

    pub(crate) fn pe(&mut self, key: &'static str) -> Result<PeNumber, ParseError<'a>> {
        self.number(key).map(PeNumber)
    }

    /// A partition's name, as the bundle has it.
    pub(crate) fn name(&mut self, key: &'static str) -> Result<&'a str, ParseError<'a>> {
        self.take(key, |text| {
            let is_good = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            };
            (!text.is_empty() && text.len() < 32 && text.bytes().all(is_good)).then_some(text)
        })
    }

    pub(crate) fn generation(&mut self, key: &'static str) -> Result<Generation, ParseError<'a>> {
        self.take(key, |text| match text {
            "ioda1" => Some(Generation::Ioda1),
            "ioda2" => Some(Generation::Ioda2),
            _ => None,
        })
    }

    pub(crate) fn rids(&mut self, key: &'static str) -> Result<RidRule, ParseError<'a>> {
        self.take(key, |text| match text.split_once(':') {
            None => (text == "any").then_some(RidRule::AnySet),
            Some(("aligned", shift)) => Some(RidRule::OneSelection {
                max_bus_shift: number(shift).filter(|shift| *shift <= 8)?,
            }),
            Some(_) => None,
        })
    }

    pub(crate) fn dma(&mut self, key: &'static str) -> Result<DmaModel, ParseError<'a>> {
        self.take(key, |text| match text.split_once(':')? {
            ("per-pe", windows) => Some(DmaModel::PerPe {
                windows: number(windows)?,
            }),
            ("slots", rest) => {
                let (count, shift) = rest.split_once(':')?;
                Some(DmaModel::SharedSlots {
                    count: number(count)?,
                    slot_shift: number(shift).filter(|shift| *shift < 64)?,
                })
            }
            _ => None,
        })
    }

    pub(crate) fn m32(&mut self) -> Result<M32Caps, ParseError<'a>> {
        Ok(M32Caps {
            real: self.number("m32-real")?,
            pci: self.number("m32-pci")?,
            segment_shift: self
                .take("m32-shift", |text| number(text).filter(|shift| *shift < 48))?,
            segments: self.number("m32-segments")?,
        })
    }

    pub(crate) fn path(&mut self, key: &'static str) -> Result<Path, ParseError<'a>> {
        self.take(key, |text| text.parse().ok())
    }

    pub(crate) fn bdf(&mut self, key: &'static str) -> Result<Bdf, ParseError<'a>> {
        self.take(key, |text| {
            let (bus, rest) = text.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            Some(Rid::new(
                hex(bus)?,
                hex(device).filter(|device| *device < 32)?,
                hex(function).filter(|function| *function < 8)?,
            ))
        })
    }

    pub(crate) fn id(&mut self, key: &'static str) -> Result<(u16, u16), ParseError<'a>> {
        self.take(key, |text| {
            let (vendor, device) = text.split_once(':')?;
            Some((hex(vendor)?, hex(device)?))
        })
    }

    pub(crate) fn class(&mut self, key: &'static str) -> Result<u32, ParseError<'a>> {
        self.take(key, |text| hex(text).filter(|class| *class < 1 << 24))
    }

    pub(crate) fn owner(&mut self, key: &'static str) -> Result<Owner, ParseError<'a>> {
        self.take(key, |text| match text {
            "nobody" => Some(Owner::Nobody),
            "hypervisor" => Some(Owner::Hypervisor),
            lpid => number(lpid).map(Owner::Partition),
        })
    }

    pub(crate) fn buses(&mut self, key: &'static str) -> Result<(u8, u8), ParseError<'a>> {
        self.take(key, |text| {
            let (first, last) = text.split_once('-')?;
            Some((hex(first)?, hex(last)?))
        })
    }

    pub(crate) fn window(&mut self, key: &'static str) -> Result<Window, ParseError<'a>> {
        self.take(key, |text| {
            if text == "closed" {
                return Some(Window::default());
            }
            let (base, bytes) = text.split_once('+')?;
            Some(Window {
                base: number(base)?,
                bytes: number(bytes)?,
            })
        })
    }

    pub(crate) fn place(&mut self, key: &'static str) -> Result<Place, ParseError<'a>> {
        self.take(key, |text| match text.split_once(':') {
            None => (text == "m32").then_some(Place::M32),
            Some(("m64", window)) => Some(Place::M64(M64Window(number(window)?))),
            Some(_) => None,
        })
    }

    pub(crate) fn m64_owner(&mut self, key: &'static str) -> Result<M64Owner, ParseError<'a>> {
        self.take(key, |text| match text.split_once(':') {
            None => (text == "segment-is-pe").then_some(M64Owner::SegmentIsPe),
            Some(("single", pe)) => Some(M64Owner::Single(PeNumber(number(pe)?))),
            Some(("segments", list)) => {
                let mut pes = [PeNumber(0); 8];
                let mut words = list.split(',');
                for pe in &mut pes {
                    *pe = PeNumber(number(words.next()?)?);
                }
                words.next().is_none().then_some(M64Owner::Segments(pes))
            }
            Some(_) => None,
        })
    }
}

/// A number, decimal or hexadecimal after `0x`, without a sign.
fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => hex::<u64>(digits)?,
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        None => return None,
    };
    T::try_from(number).ok()
}

/// Hexadecimal digits alone.
fn hex<T: TryFrom<u64>>(text: &str) -> Option<T> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    T::try_from(u64::from_str_radix(text, 16).ok()?).ok()
}
