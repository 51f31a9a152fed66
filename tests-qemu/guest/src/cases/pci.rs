//! PCI
use crate::suite::cases;
cases!("pci":);
