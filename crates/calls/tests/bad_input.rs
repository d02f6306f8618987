//! Any bytes at all as a message: a call, or a refusal with a code and a path, within bounded memory.
//!
//! `cargo test` replays the corpus and changes it at random; `cargo bolero` fuzzes the same targets (CONTRIBUTING.md).

#![allow(clippy::unwrap_used)]

use std::sync::Once;
use std::time::Duration;

use bad_input::{Change, changed, files, within};
use calls::ids::CallKey;
use calls::plan::{NoPlan, plan};
use calls::profile::{CountryProfile, Profiles};
use calls::trigger::{RefusalCode, TriggerCall, call_key};

const CORPUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/__fuzz__/any_bytes_are_a_call_or_a_refusal/corpus");

/// What the messages are made of, and what breaks readers of JSON.
const WORDS: &[&[u8]] = &[
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"\"messageType\":",
    b"\"TRIGGER_CALL\"",
    b"\"metadata\":",
    b"\"phoneNumbers\":[",
    b"\"number\":",
    b"\"order\":",
    b"\"subject\":",
    b"\"prompt\":",
    b"\"text\":",
    b"\"callId\":",
    b"\"id\":",
    b"\"+5511912345678\"",
    b"340282366920938463463374607431768211456",
];

/// What reading and refusing take at all; most of it are the expressions that judge a number.
const MEMORY_AT_LEAST: usize = 1 << 20;
/// The worst there is: a list of empty objects, three bytes each, which all have a place in the message.
const MEMORY_PER_BYTE: usize = 64;

/// What is known of numbers is unpacked when a country's first one is met, once for each thread, and stays: megabytes,
/// but no message has them on its account.
fn know_all_countries() {
    thread_local!(static KNOWN: Once = const { Once::new() });
    KNOWN.with(|known| known.call_once(|| {
        for code in 1..1000 {
            let number = format!(r#"{{"number":"+{code}5511912345"}}"#);
            let message = format!(
                r#"{{"messageType":"TRIGGER_CALL","metadata":{{"subject":{{"prompt":{{"text":"p"}}}},"phoneNumbers":[{number}]}}}}"#
            );
            let _ = TriggerCall::read(message.as_bytes());
        }
    }));
}

/// What must hold of every message.
fn judge(bytes: &[u8]) {
    know_all_countries();
    let read = within(MEMORY_AT_LEAST + bytes.len() * MEMORY_PER_BYTE, || TriggerCall::read(bytes));
    let again = TriggerCall::read(bytes);
    assert_eq!(read, again, "the same bytes are the same call, or the same refusal");
    match read {
        Ok(call) => {
            let digits = call.to.as_e164().strip_prefix('+').unwrap();
            assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()));
            assert!(call.to_path.starts_with("metadata.phoneNumbers["), "{}", call.to_path);
            assert!(!call.system_prompt.trim().is_empty());
            assert!(call.call_id.is_none_or(|id| !id.is_empty()), "events always carry an id");
            assert_eq!(call_key(&call.tracking, "m").as_str().len(), 32);
        }
        Err(unusable) => {
            let refusal = unusable.refusal;
            use RefusalCode::*;
            let has_path = match refusal.code {
                NotJson | NotAnObject => false,
                WrongMessageType | MissingPrompt | NoPhoneNumbers | InvalidPhoneNumber | BadField => true,
                other => panic!("{other} is no code of the message's own"),
            };
            assert_eq!(refusal.path.is_some(), has_path, "{refusal:?}");
            let path = refusal.path.unwrap_or_default();
            assert!(path.len() <= 64 && refusal.detail.len() <= 256, "{path}: {}", refusal.detail);
            assert!(!refusal.detail.is_empty() && !refusal.detail.chars().any(char::is_control));
        }
    }
}

#[test]
fn any_bytes_are_a_call_or_a_refusal() {
    bolero::check!().with_test_time(Duration::from_secs(2)).for_each(judge);
}

#[test]
fn changed_messages_are_a_call_or_a_refusal() {
    let corpus = files(CORPUS);
    bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<(u8, Vec<Change>)>().for_each(
        |(which, changes)| {
            judge(&changed(&corpus[usize::from(*which) % corpus.len()], changes, WORDS));
        },
    );
}

/// SQS takes a MiB; committing them would be a waste.
#[test]
fn the_largest_messages_are_read_or_refused_within_bounded_memory() {
    const MOST: usize = 1 << 20;
    let filled = |before: &str, piece: &str, after: &str| {
        let room = MOST - before.len() - after.len();
        let text = format!("{before}{}{after}", piece.repeat(room / piece.len()));
        assert!(text.len() <= MOST && text.len() > MOST - piece.len());
        text.into_bytes()
    };
    let head = r#"{"messageType":"TRIGGER_CALL","metadata":{"subject":{"prompt":{"text":"p"}},"#;
    let numbers = format!(r#"{head}"phoneNumbers":["#);
    let refused = |bytes: Vec<u8>, code| {
        judge(&bytes);
        assert_eq!(TriggerCall::read(&bytes).unwrap_err().refusal.code, code);
    };
    refused(filled("", "[", ""), RefusalCode::NotJson);
    refused(filled("", "{\"a\":", ""), RefusalCode::NotJson);
    refused(filled("", " ", ""), RefusalCode::NotJson);
    refused(filled("", "\u{feff}", ""), RefusalCode::NotJson);
    refused(filled("[", "0,", "0]"), RefusalCode::NotAnObject);
    refused(filled("{", "\"\\u0041\":0,", "\"a\":0}"), RefusalCode::WrongMessageType);
    refused(filled(&numbers, "{},", "{}]}}"), RefusalCode::NoPhoneNumbers);
    refused(filled(&numbers, "null,", "0]}}"), RefusalCode::BadField);
    refused(filled(&numbers, "{\"number\":1},", "{}]}}"), RefusalCode::InvalidPhoneNumber);
    refused(filled(&format!("{numbers}{{\"number\":"), "5", "}]}}"), RefusalCode::InvalidPhoneNumber);
    refused(filled(&format!("{numbers}{{\"number\":\"+"), "5", "\"}]}}"), RefusalCode::InvalidPhoneNumber);
    let keys: String = (0..80_000).map(|n| format!("\"{n}\":0,")).collect();
    refused(format!("{{{keys}\"id\":0}}").into_bytes(), RefusalCode::WrongMessageType);

    let dialed = r#""phoneNumbers":[{"number":"+5511912345678"}],"#;
    for (before, piece, after) in [
        (format!("{head}{dialed}\"fullName\":\""), "\\ud83d\\ude00", "\"}}"),
        (format!("{head}{dialed}\"x\":["), "{\"y\":[{}]},", "0]}}"),
        (format!("{head}{dialed}\"voiceId\":\"v\"}},\"id\":"), "9", "}"),
    ] {
        let bytes = filled(&before, piece, after);
        judge(&bytes);
        assert!(TriggerCall::read(&bytes).is_ok(), "{before}");
    }
}

#[test]
fn what_is_no_number_is_refused_and_no_number_goes_to_another_country() {
    let refused = |number: &str, profiles: &Profiles| {
        let message = format!(
            r#"{{"messageType":"TRIGGER_CALL","metadata":{{"subject":{{"prompt":{{"text":"p"}}}},"phoneNumbers":[{{"number":{number}}}]}}}}"#
        );
        let read = TriggerCall::read(message.as_bytes()).map_err(|unusable| unusable.refusal);
        read.and_then(|call| match plan(&call, profiles, &CallKey::from_sqs_message("m")) {
            Err(NoPlan::Refused(refusal)) => Err::<(), _>(refusal),
            other => panic!("{number}: {other:?}"),
        })
        .unwrap_err()
        .code
    };
    let brazil = CountryProfile::from_json(include_str!("../../../examples/profiles/br.json"));
    let brazil = Profiles::new([brazil]).unwrap();
    use RefusalCode::{BadField, InvalidPhoneNumber, NoProfileForPrefix};
    for (number, code) in [
        (r#""+56912345678""#, NoProfileForPrefix),
        (r#""++56912345678""#, InvalidPhoneNumber),
        (r#""abc""#, InvalidPhoneNumber),
        (r#""+5511912345678\nBYE""#, InvalidPhoneNumber),
        (r#""+5511\u0000912345678""#, InvalidPhoneNumber),
        ("true", BadField),
    ] {
        assert_eq!(refused(number, &brazil), code, "{number}");
    }
}
