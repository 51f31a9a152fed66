//! Fakes of the machine traits and a ready-made partition, for the tests of this crate.
