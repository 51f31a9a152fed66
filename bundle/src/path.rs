//! Where a device sits: a stable path that does not depend on bus numbers.

use core::fmt;
use core::str::FromStr;

use crate::format::MAX_HOPS;

/// Path of a PCI function: PHB index, then device and function on each bus from bus 0 of that PHB down.
///
/// Written `phb<index>/<dd>.<f>[/<dd>.<f>...]`, hexadecimal but for the index. The first step is the root port, so a
/// card in a slot is `phb0/00.0/00.0`. A path has 2 to 16 steps: a root port itself belongs to no partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePath {
    phb: u8,
    length: u8,
    /// `device << 3 | function` of each step, zeros after the last.
    steps: [u8; MAX_HOPS],
}

/// Why a text or a list of steps is no [`DevicePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `phb` and an index from 0 to 255.
    Phb,
    /// A step is not two hexadecimal digits up to `1f`, a dot, and a digit up to 7.
    Step,
    /// It names a root port (one step) or a PHB (none).
    RootPort,
    /// It has more than 16 steps.
    TooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phb => "it must begin with `phb` and an index from 0 to 255",
            Self::Step => "each step must be a device 00 to 1f, a dot, and a function 0 to 7",
            Self::RootPort => "it names a root port or a PHB, which no partition can own",
            Self::TooLong => "it has more than 16 steps",
        })
    }
}

impl core::error::Error for PathError {}

impl DevicePath {
    /// Makes a path of a PHB index and the steps, each `device << 3 | function`.
    ///
    /// # Errors
    /// [`PathError::RootPort`] for fewer than 2 steps, [`PathError::TooLong`] for more than 16.
    pub fn new(phb: u8, hops: &[u8]) -> Result<Self, PathError> {
        if hops.len() < 2 {
            return Err(PathError::RootPort);
        }
        let length = u8::try_from(hops.len()).map_err(|_| PathError::TooLong)?;
        let mut steps = [0; MAX_HOPS];
        steps
            .get_mut(..hops.len())
            .ok_or(PathError::TooLong)?
            .copy_from_slice(hops);
        Ok(Self { phb, length, steps })
    }

    /// Returns the index of the PCI host bridge.
    #[must_use]
    pub fn phb(&self) -> u8 {
        self.phb
    }

    /// Returns the steps from bus 0 down, each `device << 3 | function`; the first is the root port.
    #[must_use]
    pub fn hops(&self) -> &[u8] {
        self.steps.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Tells whether `self` is `other` or a bridge above it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.phb == other.phb && other.hops().starts_with(self.hops())
    }
}

impl FromStr for DevicePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('/');
        let index = parts
            .next()
            .and_then(|part| part.strip_prefix("phb"))
            .ok_or(PathError::Phb)?;
        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PathError::Phb);
        }
        let phb = index.parse().map_err(|_| PathError::Phb)?;
        let mut steps = [0; MAX_HOPS];
        let mut length: usize = 0;
        for part in parts {
            *steps.get_mut(length).ok_or(PathError::TooLong)? =
                step(part).ok_or(PathError::Step)?;
            length = length.saturating_add(1);
        }
        Self::new(phb, steps.get(..length).ok_or(PathError::TooLong)?)
    }
}

/// Parses `dd.f`.
fn step(text: &str) -> Option<u8> {
    let [high @ b'0'..=b'1', low, b'.', function @ b'0'..=b'7'] = text.as_bytes() else {
        return None;
    };
    let low = char::from(*low)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())?;
    Some((high - b'0') << 7 | low << 3 | (function - b'0'))
}

impl fmt::Display for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phb{}", self.phb)?;
        self.hops()
            .iter()
            .try_for_each(|hop| write!(f, "/{:02x}.{:x}", hop >> 3, hop & 7))
    }
}

impl fmt::Debug for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_it_was_written() {
        for text in ["phb0/00.0/00.0", "phb255/00.0/1f.7/0a.3"] {
            assert_eq!(
                text.parse::<DevicePath>().expect("a path").to_string(),
                text
            );
        }
        assert_eq!(
            "phb1/00.0/1f.7"
                .parse::<DevicePath>()
                .expect("a path")
                .hops(),
            [0, 0xFF]
        );
    }

    #[test]
    fn malformed_paths_are_refused_with_the_reason() {
        for (text, error) in [
            ("", PathError::Phb),
            ("phb", PathError::Phb),
            ("phb/00.0/00.0", PathError::Phb),
            ("phb+1/00.0/00.0", PathError::Phb),
            ("phb256/00.0/00.0", PathError::Phb),
            ("PHB0/00.0/00.0", PathError::Phb),
            ("phb0", PathError::RootPort),
            ("phb0/00.0", PathError::RootPort),
            ("phb0/", PathError::Step),
            ("phb0/00.0/", PathError::Step),
            ("phb0/00.0/20.0", PathError::Step),
            ("phb0/00.0/00.8", PathError::Step),
            ("phb0/00.0/0.0", PathError::Step),
            ("phb0/00.0/0g.0", PathError::Step),
            ("phb0/00.0/000.0", PathError::Step),
        ] {
            assert_eq!(text.parse::<DevicePath>(), Err(error), "{text}");
        }
        let long = "phb0".to_owned() + &"/00.0".repeat(17);
        assert_eq!(long.parse::<DevicePath>(), Err(PathError::TooLong));
        assert!("phb0".to_owned().parse::<DevicePath>().is_err());
        assert_eq!(DevicePath::new(0, &[0; 17]), Err(PathError::TooLong));
        assert_eq!(DevicePath::new(0, &[0; 300]), Err(PathError::TooLong));
    }

    #[test]
    fn a_bridge_contains_what_is_behind_it() {
        let path = |text: &str| text.parse::<DevicePath>().expect("a path");
        let bridge = path("phb0/00.0/00.0");
        assert!(bridge.contains(&bridge));
        assert!(bridge.contains(&path("phb0/00.0/00.0/03.0")));
        assert!(!path("phb0/00.0/00.0/03.0").contains(&bridge));
        assert!(!bridge.contains(&path("phb0/00.0/00.1")));
        assert!(!bridge.contains(&path("phb1/00.0/00.0")));
    }
}
