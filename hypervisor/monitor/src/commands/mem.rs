//! `mem`.

use super::Size;
use crate::command::{Problem, Request};
use crate::page::Page;

pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let memory = request.facts.memory();
    page.line(format_args!(
        "hypervisor: {} KiB, of its heap {} KiB used",
        memory.own >> 10,
        memory.heap >> 10
    ));
    page.line(format_args!("partitions: {}", Size(memory.lent)));
    page.line(format_args!("free: {} MiB", memory.free >> 20));
    request.facts.partitions(&mut |partition| {
        page.line(format_args!(
            "  {:#014x} to {:#014x} {}",
            partition.memory_at,
            partition.memory_at.saturating_add(partition.memory_bytes),
            partition.name
        ));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;

    #[test]
    fn memory_is_told_with_whose_it_is() {
        assert_eq!(
            answer("mem", ""),
            "hypervisor: 9000 KiB, of its heap 30 KiB used\n\
             partitions: 1536 MiB\n\
             free: 500 MiB\n\
             \x20 0x000040000000 to 0x000080000000 linux\n\
             \x20 0x000080000000 to 0x0000a0000000 db\n"
        );
    }
}
