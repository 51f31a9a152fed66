//! The programs: what each does to a bridge, and what it looks at.

mod config;
mod dma;
mod interrupts;
mod mmio;
mod registers;
mod resets;

use super::bench::Bench;
use super::compare;
use super::gaps::EXPECTED;
use cases::Case;

/// Makes cases of programs.
macro_rules! programs {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        /// The programs, by what they are about.
        pub(crate) const CASES: &[&[Case]] = &[$(&[$(Case {
            name: concat!("against_qemu::", stringify!($module), "::", stringify!($name)),
            run: || compare(concat!(stringify!($module), "::", stringify!($name)), $module::$name),
        }),*],)* &[Case {
            name: "against_qemu::each_disagreement_has_its_program",
            run: each_disagreement_has_its_program,
        }]];
    };
}

programs! {
    registers: started, values_of_the_start, tables_keep_what_they_are_given, indexes_step, error_bits, freeze_bits;
    config: widths, narrow_writes, absent_functions, wrong_endpoint, bar_sizes, a_function_bus_0_has_not;
    mmio: a_device_register, a_segment_of_another, a_frozen_segment, an_unclaimed_address, windows_off, root_port_windows,
        a_64_bit_window, a_small_64_bit_window;
    dma: a_mapped_page, permissions, bounds, two_levels, larger_pages, no_window, bypass, a_change_without_a_kill,
        a_requester_moves, an_invalid_owner, no_owners, a_refusal_freezes, not_a_master, a_frozen_endpoint,
        behind_a_conventional_bridge;
    interrupts: a_message, the_entry_says_who, a_foreign_message, masked_and_pending, end_of_interrupt, changes_in_memory,
        past_the_end, a_short_table, short_entries, while_nothing_is_admitted, messages_off, a_wide_message, forced, the_lock, a_wire;
    resets: secondary_bus, perst, logic_held, fence, sync_of_reads;
}

/// A row of the table whose program does not exist would be looked at by nobody.
fn each_disagreement_has_its_program() {
    for expected in EXPECTED {
        let mut names = CASES.iter().copied().flatten().map(|case| case.name);
        assert!(
            names.any(|name| name.strip_prefix("against_qemu::") == Some(expected.program)),
            "there is no program {}",
            expected.program
        );
    }
}
