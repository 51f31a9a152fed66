//! Whether the tests that a document names exist.
//!
//! A document names a test as `crate::test` in backquotes, whatever the modules between.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

/// Requires that every test that `document` names is one of its crate's; `crates` are the names and folders of all.
///
/// Fails too when it names none: then it is not the document that it is taken for.
pub(crate) fn check(document: &str, crates: &[(String, PathBuf)]) -> Result<()> {
    let named = named(document);
    ensure!(!named.is_empty(), "it names no test as `crate::test`");
    let mut problems = Vec::new();
    for (package, test) in &named {
        let found = crates.iter().find(|(name, _)| name == package);
        let Some((_, folder)) = found else {
            problems.push(format!("`{package}::{test}`: there is no such crate"));
            continue;
        };
        if !has_test(folder, test)? {
            problems.push(format!("`{package}::{test}`: the crate has no such test"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{}", problems.join("\n"))
}

/// Names in backquotes of two parts, the second a sentence: with two underscores at least.
fn named(document: &str) -> BTreeSet<(String, String)> {
    let regex = Regex::new(r"`([a-z0-9-]+)::([a-z0-9]+(?:_[a-z0-9]+){2,})`")
        .expect("a constant that the tests use");
    regex
        .captures_iter(document)
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect()
}

fn has_test(folder: &Path, test: &str) -> Result<bool> {
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?
    {
        let path = entry?.path();
        let found = if path.is_dir() {
            // Another crate's tests are not this one's.
            !path.join("Cargo.toml").exists() && has_test(&path, test)?
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            is_test(&std::fs::read_to_string(&path)?, test)?
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `source` defines the function `test`, and marks it as a test or lists it as a case.
fn is_test(source: &str, test: &str) -> Result<bool> {
    let defined = Regex::new(&format!(r"(?m)^\s*(?:pub(?:\(crate\))? )?fn {test}\("))?;
    let marked = Regex::new(&format!(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*fn {test}\("))?;
    let listed = Regex::new(&format!(r"(?s)cases!\s*[\({{][^)}}]*\b{test}\b"))?;
    let in_table = Regex::new(&format!(r#"\bcase\(\s*"[^"]*",\s*{test}\s*[,)]"#))?;
    let is_run = [marked, listed, in_table]
        .iter()
        .any(|form| form.is_match(source));
    Ok(defined.is_match(source) && is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        #[test]
        fn a_marked_test() {}
        #[test]
        #[ignore = \"slow\"]
        fn a_slow_marked_test() {}
        fn a_listed_test() {}
        fn a_test_in_a_table() {}
        fn a_mere_function() {}
        cases::cases!(
            another, a_listed_test,
        );
        const TABLE: &[Case] = &[case(
            \"table::in_a_table\",
            a_test_in_a_table,
        )];
    ";

    #[test]
    fn tests_are_marked_or_listed() {
        for (name, expected) in [
            ("a_marked_test", true),
            ("a_slow_marked_test", true),
            ("a_listed_test", true),
            ("a_test_in_a_table", true),
            ("a_mere_function", false),
            ("another", false),
            ("marked_test", false),
        ] {
            assert_eq!(is_test(SOURCE, name).expect("a name"), expected, "{name}");
        }
    }

    #[test]
    fn a_document_that_names_a_lost_test_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("src/tests");
        std::fs::create_dir_all(&inner).expect("made");
        std::fs::write(inner.join("some.rs"), SOURCE).expect("written");
        let other = folder.path().join("src/other");
        std::fs::create_dir(&other).expect("made");
        std::fs::write(other.join("Cargo.toml"), "").expect("written");
        std::fs::write(other.join("lib.rs"), "#[test]\nfn of_another_crate() {}").expect("written");
        let crates = [("mine".to_owned(), folder.path().to_owned())];
        check("`mine::a_marked_test`, `lpar::dma`", &crates).expect("it is there");
        for (document, problem) in [
            (
                "`mine::a_lost_test`",
                "`mine::a_lost_test`: the crate has no such test",
            ),
            ("`mine::of_another_crate`", "the crate has no such test"),
            ("`yours::a_marked_test`", "there is no such crate"),
            ("no test", "it names no test"),
        ] {
            let error = check(document, &crates).expect_err(document).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
