//! Where a PCI function sits, as manifests, the hypervisor and QEMU's command line name it.

use std::fmt;
use std::str::FromStr;

/// Where a PCI function sits: `phb<index>/<dd>.<f>[/<dd>.<f>...]`, hexadecimal, from bus 0 of that PHB downward.
///
/// The root port is `phbN/00.0`, a card in its slot `phbN/00.0/00.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index of the PCI host bridge.
    pub phb: u8,
    /// (device, function) on each bus from bus 0 down; never empty.
    pub hops: Vec<(u8, u8)>,
}

/// Why a text is no [`Location`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no device location: {problem}; write it like `phb0/00.0/00.0`")]
pub struct LocationError {
    text: String,
    problem: &'static str,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let error = |problem| LocationError {
            text: text.to_owned(),
            problem,
        };
        let mut parts = text.split('/');
        let phb = parts
            .next()
            .and_then(|phb| phb.strip_prefix("phb"))
            .ok_or_else(|| error("it must begin with `phb`"))?;
        let decimal = !phb.is_empty() && phb.bytes().all(|byte| byte.is_ascii_digit());
        let phb = decimal
            .then(|| phb.parse().ok())
            .flatten()
            .ok_or_else(|| error("the PHB's index must be 0 to 255"))?;
        let hop = |part: &str| -> Option<(u8, u8)> {
            let (device, function) = part.split_once('.')?;
            let hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if device.len() != 2 || function.len() != 1 || !hex(device) || !hex(function) {
                return None;
            }
            let (device, function) = (
                u8::from_str_radix(device, 16).ok()?,
                u8::from_str_radix(function, 16).ok()?,
            );
            (device < 32 && function < 8).then_some((device, function))
        };
        let hops = parts
            .map(|part| {
                hop(part).ok_or_else(|| {
                    error("each step must be a device 00 to 1f, a dot, a function 0 to 7")
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if hops.is_empty() {
            return Err(error("it names no function"));
        }
        Ok(Self { phb, hops })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phb{}", self.phb)?;
        self.hops
            .iter()
            .try_for_each(|(device, function)| write!(f, "/{device:02x}.{function:x}"))
    }
}

impl Location {
    /// Returns the location of the bridge above, or `None` for a root port.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.hops.split_last()?;
        (!above.is_empty()).then(|| Self {
            phb: self.phb,
            hops: above.to_vec(),
        })
    }

    /// Returns the name that QEMU knows this function by: `rp0` for a root port, else like `phb0-00.0-00.0`.
    #[must_use]
    pub fn qemu_id(&self) -> String {
        if self.hops.len() == 1 {
            format!("rp{}", self.phb)
        } else {
            self.to_string().replace('/', "-")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_prints_as_it_was_written() {
        for text in ["phb0/00.0", "phb0/00.0/00.0", "phb255/00.0/1f.7/0a.3"] {
            assert_eq!(
                text.parse::<Location>().expect("a location").to_string(),
                text
            );
        }
    }

    #[test]
    fn a_malformed_location_is_refused_with_its_form() {
        for text in [
            "",
            "phb",
            "phb/00.0",
            "phb0",
            "phb0/",
            "phb256/00.0",
            "phb0/0.0",
            "phb0/20.0",
            "phb0/00.8",
            "phb+1/00.0",
        ] {
            let error = text.parse::<Location>().expect_err(text).to_string();
            assert!(
                error.starts_with(&format!("`{text}` is no device location: ")),
                "{error}"
            );
            assert!(error.ends_with("write it like `phb0/00.0/00.0`"), "{error}");
        }
    }
}
