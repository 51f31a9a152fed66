//! The partition's PCI functions: configuration space that remembers, and messages.

use super::WINDOWS;
use super::fakes::{BUIDS, FIRST_MSIS, LSIS, MSIS, Machine, part};
use lpar::machine::Failed;
use lpar::pci::{
    Buid, ConfigError, MsiAddress, MsiKind, PciAccess, PciFunction, PciFunctionConfig, PciIds,
};
use papr_abi::{Irq, Liobn};
use std::sync::OnceLock;

/// The way to one of the functions of a machine.
#[derive(Debug)]
pub(super) struct Function {
    number: usize,
    machine: OnceLock<&'static Machine>,
}

impl Machine {
    /// The partition's functions: one with messages of both kinds and a level-sensitive interrupt, one with MSI alone.
    #[must_use]
    pub fn functions(&'static self) -> Vec<PciFunction> {
        [(Some(Irq(LSIS[0])), 1, 5), (None, 64, 0)]
            .into_iter()
            .enumerate()
            .map(|(number, (lsi, msi_capability, msix_capability))| {
                PciFunction::new(PciFunctionConfig {
                    buid: Buid(BUIDS[number]),
                    location: format!("phb{number}/00.0/00.0"),
                    ids: PciIds::default(),
                    bars: vec![],
                    lsi,
                    first_msi: Irq(FIRST_MSIS[number]),
                    reserved_msis: MSIS,
                    msi_capability,
                    msix_capability,
                    liobn: Liobn(WINDOWS[number].liobn as u32),
                    window_start: WINDOWS[number].first,
                    window_bytes: WINDOWS[number].pages << WINDOWS[number].shift,
                    access: &self.functions[number],
                    recovery: None,
                })
            })
            .collect()
    }
}

impl Function {
    /// Function `number` of a machine that it is yet to join.
    pub(super) const fn new(number: usize) -> Self {
        Self {
            number,
            machine: OnceLock::new(),
        }
    }

    /// Makes it one of `machine`.
    pub(super) fn join(&self, machine: &'static Machine) {
        self.machine.get_or_init(|| machine);
    }

    fn machine(&self) -> &'static Machine {
        self.machine.get().expect("set when it was made")
    }

    fn check(&self, offset: u16, bytes: u8) -> Result<(), ConfigError> {
        assert!(matches!(bytes, 1 | 2 | 4));
        assert!(offset < 4096 && offset.is_multiple_of(bytes.into()));
        let inner = self.machine().lock();
        if inner.is_broken(part::BRIDGE) {
            return Err(ConfigError::Hardware);
        }
        if inner.is_broken(part::FUNCTIONS) {
            return Err(ConfigError::Absent);
        }
        Ok(())
    }
}

impl PciAccess for Function {
    fn read(&self, offset: u16, bytes: u8) -> Result<u32, ConfigError> {
        self.check(offset, bytes)?;
        let inner = self.machine().lock();
        let byte = |at: u16| {
            inner
                .config
                .get(&(self.number, at))
                .copied()
                .unwrap_or(0xee)
        };
        // The upper bytes are no part of what was asked for.
        Ok((offset..offset + 4)
            .rev()
            .fold(0, |value, at| value << 8 | u32::from(byte(at))))
    }
    fn write(&self, offset: u16, bytes: u8, value: u32) -> Result<(), ConfigError> {
        self.check(offset, bytes)?;
        assert!(bytes == 4 || value < 1 << (8 * bytes));
        let mut inner = self.machine().lock();
        for (at, byte) in (offset..offset + u16::from(bytes)).zip(value.to_le_bytes()) {
            inner.config.insert((self.number, at), byte);
        }
        Ok(())
    }
    fn program_msi(
        &self,
        kind: MsiKind,
        _: MsiAddress,
        first: Irq,
        count: u32,
    ) -> Result<(), Failed> {
        assert_eq!(first.0, FIRST_MSIS[self.number]);
        assert!(count > 0 && count <= MSIS);
        assert!(kind == MsiKind::MsiX || count.is_power_of_two() && first.0.is_multiple_of(count));
        let mut inner = self.machine().lock();
        if inner.is_broken(part::BRIDGE) {
            inner.programmed[self.number] = None;
            return Err(Failed);
        }
        inner.programmed[self.number] = Some((kind as u32, first.0, count));
        Ok(())
    }
    fn release_msi(&self) {
        self.machine().lock().programmed[self.number] = None;
    }
}
