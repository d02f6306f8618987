//! Whatever a refused message holds, its dead letter carries attributes that SQS takes: a refusal never fails for its
//! own attributes.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bad_input::{Change, changed, files, within};
use calls::ids::AttemptId;
use calls::routing::DeadLetter;
use calls::trigger::{Refusal, RefusalCode, TriggerCall, call_key};
use cloud::queue::attributes::{Attribute, Content, LONGEST_MESSAGE, MOST};
use cloud::queue::dead_letter::attributes;
use jiff::Timestamp;

const CORPUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../calls/tests/__fuzz__/any_bytes_are_a_call_or_a_refusal/corpus");

const WORDS: &[&[u8]] = &[
    b"\\u0000",
    b"\\u001b[2J",
    b"\\ufffe",
    b"\\uffff",
    b"\\ud800",
    b"\"callId\":",
    b"\"\"",
    b"null",
    b"[",
    b"{\"a\":",
    b"\xff",
    b"\x01",
    b"\"metadata\":",
    b"\"phoneNumbers\":",
    b"\"order\":",
];

/// SendMessage, MessageAttributeValue: at most ten; names of letters, digits, `_`, `-` and `.`; no value empty; the
/// characters of XML 1.0; all of it counted into the message's size.
fn check(attributes: &[Attribute], body_bytes: usize) {
    assert!(attributes.len() <= MOST);
    for attribute in attributes {
        let Content::Text(text) = &attribute.content else { panic!("{}: not a text", attribute.name) };
        assert!(!text.is_empty(), "{} is empty", attribute.name);
        assert!(!attribute.name.is_empty() && attribute.name.bytes().all(|b| b.is_ascii_alphanumeric()));
        let taken =
            |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
        assert!(text.chars().all(taken), "{}: {text:?}", attribute.name);
    }
    let size = body_bytes + attributes.iter().map(Attribute::size).sum::<usize>();
    assert!(size <= LONGEST_MESSAGE.max(body_bytes), "{size} bytes");
    let names: Vec<_> = attributes.iter().map(|attribute| &attribute.name).collect();
    assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "{names:?}");
}

fn letter(
    refusal: Refusal,
    key: calls::ids::CallKey,
    message_id: &str,
    call_id: Option<String>,
) -> DeadLetter {
    let original_message_id = message_id.to_owned();
    DeadLetter { refusal, attempt: AttemptId::new(key, 1), original_message_id, call_id, tracking: None }
}

fn judge(body: &[u8]) {
    let Err(unusable) = TriggerCall::read(body) else { return };
    let code = unusable.refusal.code;
    let key = call_key(&unusable.tracking, "m-1");
    let letter = letter(unusable.refusal, key, "m-1", unusable.call_id);
    let attributes = within((64 << 10) + 16 * body.len(), || {
        attributes(&letter, Vec::new(), body.len(), Timestamp::UNIX_EPOCH, "0.1.0")
    });
    check(&attributes, body.len());
    let value = |name: &str| attributes.iter().find(|a| a.name == name).and_then(Attribute::as_text);
    assert_eq!(value("RefusalCode"), Some(code.as_str()), "without its code a letter tells nobody anything");
    assert_eq!(value("OcgCallKey").map(str::len), Some(32));
}

#[test]
fn every_refused_message_is_a_letter_that_sqs_takes() {
    let corpus = files(CORPUS);
    corpus.iter().for_each(|body| judge(body));
    let run = bolero::check!().with_test_time(Duration::from_secs(6)).with_type::<(u8, Vec<Change>)>();
    run.for_each(|(which, changes)| {
        judge(&changed(&corpus[usize::from(*which) % corpus.len()], changes, WORDS))
    });
}

#[test]
fn whatever_the_texts_of_a_refusal_its_attributes_fit() {
    let run = bolero::check!().with_test_time(Duration::from_secs(3));
    run.with_type::<(u8, String, Option<String>, Option<String>, String, u32)>().for_each(
        |(code, detail, path, call_id, message_id, body_bytes)| {
            let code = RefusalCode::ALL[usize::from(*code) % RefusalCode::ALL.len()];
            let key = calls::ids::CallKey::from_ids(None, None, message_id);
            let refusal = Refusal::new(code, detail.clone(), path.clone());
            let body_bytes = *body_bytes as usize % (LONGEST_MESSAGE + 1);
            let letter = letter(refusal, key, message_id, call_id.clone());
            check(&attributes(&letter, Vec::new(), body_bytes, Timestamp::UNIX_EPOCH, "0"), body_bytes);
        },
    );
}

#[test]
fn an_id_of_a_megabyte_leaves_its_letter_the_code() {
    let body = |id: &str| format!(r#"{{"messageType":"TRIGGER_CALL","callId":"{id}"}}"#);
    for id in ["x".repeat(LONGEST_MESSAGE - 600), "\\u0000".repeat(LONGEST_MESSAGE / 6 - 200)] {
        judge(body(&id).as_bytes());
    }
}
