//! `docs/events.md` shows what the code decides, not a memory of it.

#[path = "../examples/events_page.rs"]
#[allow(dead_code, reason = "an example has a main of its own")]
mod events_page;

const PAGE: &str = include_str!("../../../docs/events.md");

#[test]
fn the_page_of_events_says_what_becomes_of_each_fact() {
    let page = events_page::page();
    let differs = PAGE.lines().zip(page.lines()).find(|(is, should)| is != should);
    assert!(
        PAGE == page,
        "docs/events.md is not what the code says: cargo run --example events_page > docs/events.md\n{differs:#?}"
    );
}

#[test]
fn every_fact_is_explained() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 60, "{} rows", rows.len());
    let unexplained: Vec<&&str> = rows
        .iter()
        .filter(|row| row.split('|').nth(2).is_none_or(|meaning| meaning.trim().is_empty()))
        .collect();
    assert!(unexplained.is_empty(), "without a meaning: {unexplained:#?}");
}
