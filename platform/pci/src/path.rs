//! Where a function sits, in a form that does not change with bus numbers: [`Path`].

use core::fmt;
use core::str::FromStr;

/// A function's stable location: the bridge's index, then device and function on each bus downward.
///
/// Written `phb<index>/<dd>.<f>[/<dd>.<f>...]`, the index decimal, devices and functions in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    phb: u8,
    depth: u8,
    /// Device in bits 7:3, function in 2:0; zero beyond `depth`.
    steps: [u8; Self::MAX_DEPTH],
}

impl Path {
    /// The most buses that a path can lead through.
    pub const MAX_DEPTH: usize = 16;

    /// The bridge `phb` itself, which is no function yet.
    #[must_use]
    pub const fn root(phb: u8) -> Self {
        Self {
            phb,
            depth: 0,
            steps: [0; Self::MAX_DEPTH],
        }
    }
    /// Function `devfn` (device in bits 7:3) one bus further down; `None` if that is too deep.
    #[must_use]
    pub fn child(mut self, devfn: u8) -> Option<Self> {
        *self.steps.get_mut(usize::from(self.depth))? = devfn;
        self.depth = self.depth.checked_add(1)?;
        Some(self)
    }
    /// The bridge's index.
    #[must_use]
    pub const fn phb(&self) -> u8 {
        self.phb
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phb{}", self.phb)?;
        for step in self.steps.iter().take(self.depth.into()) {
            write!(f, "/{:02x}.{:x}", step >> 3, step & 7)?;
        }
        Ok(())
    }
}

/// The text is no location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParseError;

impl fmt::Display for PathParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a location is phb<index>/<device>.<function>, more of those after each bridge")
    }
}

impl FromStr for Path {
    type Err = PathParseError;

    /// Takes what [`Path`]'s `Display` writes, at least one function long.
    fn from_str(text: &str) -> Result<Self, PathParseError> {
        let mut parts = text.split('/');
        let phb = parts
            .next()
            .and_then(|part| part.strip_prefix("phb"))
            .ok_or(PathParseError)?;
        let mut path = Self::root(phb.parse().map_err(|_| PathParseError)?);
        for part in parts {
            let (device, function) = part.split_once('.').ok_or(PathParseError)?;
            let number = |text: &str, limit: u8| {
                u8::from_str_radix(text, 16)
                    .ok()
                    .filter(|number| *number < limit)
                    .ok_or(PathParseError)
            };
            let devfn = number(device, 32)? << 3 | number(function, 8)?;
            path = path.child(devfn).ok_or(PathParseError)?;
        }
        if path.depth == 0 {
            Err(PathParseError)
        } else {
            Ok(path)
        }
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn a_path_reads_as_it_is_written() {
        let path: Path = "phb1/00.0/1f.7/02.3".parse().expect("good");
        assert_eq!(path.to_string(), "phb1/00.0/1f.7/02.3");
        assert_eq!(
            Path::root(1)
                .child(0)
                .and_then(|p| p.child(0xff))
                .and_then(|p| p.child(0x13)),
            Some(path)
        );
    }

    fn what_is_no_path_is_refused() {
        for bad in [
            "",
            "phb",
            "phb0",
            "phb0/",
            "phb0/20.0",
            "phb0/00.8",
            "phb0/0",
            "phb256/00.0",
            "pci0/00.0",
        ] {
            assert_eq!(bad.parse::<Path>(), Err(PathParseError), "{bad}");
        }
        let deep = format!("phb0{}", "/00.0".repeat(17));
        assert_eq!(deep.parse::<Path>(), Err(PathParseError));
    }

    cases::cases!(a_path_reads_as_it_is_written, what_is_no_path_is_refused,);
}
