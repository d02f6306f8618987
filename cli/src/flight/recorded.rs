//! The six recorded calls of `examples/flights`: what their README answers, the findings say, and a page and a redacted
//! export are made of each.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use telemetry::flight::Findings;

use super::folder::Flight;
use super::html;
use super::redact::{Redaction, Words};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights")
}

/// Each recorded call with its answers to the three questions.
fn recorded() -> Vec<(String, Flight, [String; 3])> {
    let readme = std::fs::read_to_string(examples().join("README.md")).unwrap();
    let of_each: Vec<_> = readme.split("\n## ").skip(1).collect();
    let read = |text: &&str| {
        let name = text.lines().next().unwrap().trim().to_owned();
        let answers: Vec<String> = text
            .lines()
            .filter_map(|line| Some(line.strip_prefix("- ")?.split_once("? ")?.1.to_owned()))
            .collect();
        let flight = Flight::on_disk(&examples().join(&name), true).unwrap();
        (name, flight, answers.try_into().unwrap())
    };
    of_each.iter().map(read).collect()
}

/// The words in bold: those that an answer stands or falls with.
fn in_bold(answer: &str) -> Vec<&str> {
    answer.split("**").skip(1).step_by(2).collect()
}

#[test]
fn the_findings_say_what_the_answers_say() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 6);
    for (name, flight, answers) in recorded {
        assert_eq!(flight.not_understood, 0, "{name}");
        let findings = Findings::of(&flight.attempts);
        let wrong = findings.what_went_wrong();
        let said = [&findings.why_it_ended, &findings.both_heard, &wrong];
        for (said, answer) in said.into_iter().zip(&answers) {
            let wanted = in_bold(answer);
            assert!(!wanted.is_empty(), "{name}: no word of {answer:?} is bold");
            for words in wanted {
                assert!(
                    said.to_lowercase().contains(&words.to_lowercase()),
                    "{name}: {words:?} is not in {said:?}"
                );
            }
        }
    }
}

#[test]
fn a_page_is_made_of_each_with_no_number_and_nothing_from_the_network_in_it() {
    for (name, flight, _) in recorded() {
        let page = html::page(&flight, true);
        is_well_formed(&page);
        assert!(!page.contains("{{"), "{name}: a part is missing");
        let numbers = ["5511987654", "551140000000", "551140040001"];
        assert!(numbers.iter().all(|number| !page.contains(number)), "{name} shows a number");
        for secret in ["key-of-nobody", "joinUrl", "wss://", "ws://", "Bearer", "api_key"] {
            assert!(!page.contains(secret), "{name} shows {secret}");
        }
        let from_elsewhere = [
            "src=",
            "href=",
            "url(",
            "@import",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "http://",
            "https://",
        ];
        for from in from_elsewhere {
            assert!(!page.contains(from), "{name}: the page may not ask for {from}");
        }
        let data = page.split_once(r#"id="data">"#).unwrap().1.split_once("</script>").unwrap().0;
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let was_answered = flight.last().unwrap().answered_at().is_some();
        assert_eq!(data["recording"]["peakMs"].is_u64(), was_answered, "{name}");
        assert_eq!(data["answered"].is_i64(), was_answered, "{name}");
    }
}

#[test]
fn an_export_of_each_is_read_as_the_call_itself() {
    for (name, flight, _) in recorded() {
        let redaction = Redaction::drawn(&flight);
        let files = flight.files.iter().filter(|(path, _)| !super::folder::is_recording(path));
        let files =
            files.map(|(path, bytes)| (redaction.path(path), redaction.file(bytes, Words::Kept).into()));
        let again = Flight::of(redaction.key().to_owned(), files.collect()).unwrap();
        for (path, bytes) in &again.files {
            let text = String::from_utf8_lossy(bytes);
            let digits: Vec<&str> =
                text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 8).collect();
            assert!(digits.is_empty(), "{name}/{path}: {digits:?}");
            assert!(!text.contains(&flight.key[..8]), "{name}/{path} has the call's key");
        }
        let count =
            |flight: &Flight| flight.attempts.iter().map(|attempt| attempt.facts.len()).collect::<Vec<_>>();
        assert_eq!((count(&again), again.not_understood), (count(&flight), 0), "{name}");
        let [first, second] = [&flight, &again].map(|flight| Findings::of(&flight.attempts));
        assert_eq!((first.verdict, first.both_heard), (second.verdict, second.both_heard), "{name}");
    }
}

/// Every element that is opened is closed, in order (WHATWG HTML §13.1.2: void elements are not).
fn is_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "input", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").unwrap();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let name = rest[..end].split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
        rest = &rest[end + 1..];
        if let Some(raw @ ("script" | "style")) = open.last().copied() {
            let close = format!("</{raw}>");
            rest = &rest[rest.find(&close).unwrap()..];
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

/// Whatever somebody says, it stays text.
#[test]
fn what_is_said_ends_no_script() {
    let said = r#"{"v":1,"at":"2026-07-21T12:00:01Z","fact":"said","by":"callee","text":"</script><script>alert(1)</script><!-- {{script}}"}"#;
    let answered = r#"{"v":1,"at":"2026-07-21T12:00:00Z","fact":"answered","afterMs":1}"#;
    let facts = format!("{answered}\n{said}\n");
    let files = [("a1/facts/aaaaaa-0001.jsonl".to_owned(), facts.into())].into();
    let page = html::page(&Flight::of("key".to_owned(), files).unwrap(), true);
    is_well_formed(&page);
    assert_eq!(page.matches("</script>").count(), 4);
    assert!(page.contains("<\\/script>") && !page.contains("<!--") && page.contains("{{script}}"));
}
