//! `docs/migration.md` names tests that there are.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

const PAGE: &str = include_str!("../../../docs/migration.md");

/// Everything in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `name` is a test in this file: a function with a test's attribute, or one inside `proptest!`.
fn is_a_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &&str| line.contains(&format!("fn {name}("));
    let Some(at) = lines.iter().position(is_it) else { return false };
    lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("///"))
        .any(|line| matches!(*line, "#[test]" | "#[tokio::test]"))
}

#[test]
fn what_behaved_badly_has_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for number in 1..=11 {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {number} | ")));
        let tests = row
            .unwrap_or_else(|| panic!("docs/migration.md has no row {number}"))
            .rsplit(" | ")
            .next()
            .unwrap();
        let (mut file, mut found) = (None, 0);
        for word in quoted(tests) {
            if word.ends_with(".rs") {
                let path = root.join(word);
                file = Some(
                    std::fs::read_to_string(&path)
                        .unwrap_or_else(|error| panic!("{number}: {word}: {error}")),
                );
                continue;
            }
            let source = file.as_ref().unwrap_or_else(|| panic!("{number}: {word} is in no file"));
            assert!(is_a_test(source, word), "docs/migration.md, {number}: there is no test {word}");
            found += 1;
        }
        assert!(found > 0, "docs/migration.md, {number}: no test");
    }
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let source = "#[test]\nfn one() {}\nfn two() {}\n#[test]\n#[ignore]\nfn three() {}";
    assert_eq!(
        ["one", "two", "three", "four"].map(|name| is_a_test(source, name)),
        [true, false, true, false]
    );
}
