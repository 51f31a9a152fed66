//! Runs Bulkhead under QEMU with test partitions.

