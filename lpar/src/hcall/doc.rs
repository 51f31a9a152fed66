//! What is published of the table of hcalls: `docs/hcalls.md` for people and
//! `ibm,hypertas-functions` for guests.

use super::HCALLS;
use core::fmt;

/// Returns the strings of `ibm,hypertas-functions`, in the order of the table, each once.
pub fn function_sets() -> impl Iterator<Item = &'static str> {
    let sets = || HCALLS.iter().map(|entry| entry.row.function_set);
    sets()
        .enumerate()
        .filter(move |&(place, set)| !set.is_empty() && !sets().take(place).any(|s| s == set))
        .map(|(_, set)| set)
}

const HEAD: &str = "\
# Hcalls

Made from the table `HCALLS` in `lpar/src/hcall/mod.rs` by
`cargo run -p lpar --example hcalls > docs/hcalls.md`; a test fails when it is stale.

The token is r3 of `sc 1`; any other is answered with H_FUNCTION. Arguments, outputs and errors of an
hcall are the documentation of its type (`cargo doc -p lpar`, module `hcall`). A critical hcall is
bounded and takes no lock that another partition can hold long. The function set is the string of
`ibm,hypertas-functions` that announces it.

| token | hcall | class | function set |
|---|---|---|---|
";

/// The text of `docs/hcalls.md`.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl fmt::Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for entry in HCALLS {
            let row = entry.row;
            let set = match row.function_set {
                "" => "none",
                set => set,
            };
            let class = match row.class {
                super::Class::Critical => "critical",
                super::Class::Normal => "normal",
            };
            writeln!(f, "| {:#06x} | {} | {class} | {set} |", row.token, row.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn docs_hcalls_md_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hcalls.md");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            text == Markdown.to_string(),
            "docs/hcalls.md is stale: cargo run -p lpar --example hcalls > docs/hcalls.md"
        );
    }

    #[test]
    fn each_function_set_is_named_once_and_none_is_forgotten() {
        let sets: Vec<_> = function_sets().collect();
        let all: BTreeSet<_> = HCALLS.iter().map(|entry| entry.row.function_set).collect();
        assert_eq!(sets.len(), sets.iter().collect::<BTreeSet<_>>().len());
        assert!(sets.iter().all(|set| all.contains(set) && !set.is_empty()));
        assert_eq!(sets.len(), all.iter().filter(|set| !set.is_empty()).count());
        assert_eq!(sets[0], "hcall-pft");
    }

    #[test]
    fn names_are_unique_and_tokens_found() {
        let names: BTreeSet<_> = HCALLS.iter().map(|entry| entry.row.name).collect();
        assert_eq!(names.len(), HCALLS.len());
        for entry in HCALLS {
            let found = crate::hcall::find(entry.row.token).unwrap();
            assert_eq!(found.row.name, entry.row.name);
            assert!(crate::hcall::find(entry.row.token + 1).is_none());
        }
    }
}
