//! Any text at all from the agent's websocket: understood or ignored, within bounded memory, and no line of a log is
//! longer or odder for it. (What is no UTF-8 is refused by the websocket itself.)

#![allow(clippy::unwrap_used)]

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use agents::{Agent, Event, Transcripts};
use bad_input::{Change, changed, files, within};
use calls::profile::CountryProfile;
use calls::tools::ToolCall;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/__fuzz__/any_text_is_an_event/corpus");

const WORDS: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"\\u202e",
    b"\x1b",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"\"type\":",
    b"\"transcript\"",
    b"\"hang_up\"",
    b"\"role\":",
    b"\"user\"",
    b"\"text\":",
    b"\"delta\":",
    b"\"ordinal\":",
    b"\"final\":true",
    b"\"toolName\":",
    b"\"parameters\":",
    b"\"sendDigits\"",
    b"\"transferCall\"",
    b"\"digits\":\"12w#\"",
    b"\"to\":\"sales\"",
    b"\"reason\":",
    b"+5511912345678",
];

/// A word of the vendor's in a fact: as many characters, and what masking a number in them adds.
const LONGEST_LINE: usize = 48;

/// Reading JSON takes a multiple of it, but what is longer than 64 kB is not read at all.
const MEMORY_AT_LEAST: usize = 16 << 10;
const MEMORY_PER_BYTE: usize = 64;

fn agent() -> Agent {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let profile = r#"{"v":1,"country":"BR","livekit":{"url":"wss://livekit.invalid","trunkId":"ST_1","callerId":"+551130000000"},
        "agent":{"voice":"v"}}"#;
    Agent::for_profile(&CountryProfile::from_json(profile).unwrap().agent).unwrap()
}

fn judge(agent: &Agent, bytes: &[u8]) -> Event {
    let text = String::from_utf8_lossy(bytes);
    let event =
        within(MEMORY_AT_LEAST + text.len().min(64 << 10) * MEMORY_PER_BYTE, || agent.decode_text(&text));
    let line = match &event {
        Event::Ignored { kind } => Some(kind),
        Event::State(state) => Some(state),
        Event::HangUp { detail } => detail.as_ref(),
        Event::ToolCall { tool, .. } => Some(tool),
        _ => None,
    };
    if let Event::ToolCall { tool, parameters, .. } = &event
        && let Some(ToolCall::SendDigits(Ok(strokes))) = ToolCall::of(tool, parameters)
    {
        assert!((1..=32).contains(&strokes.keys()), "{strokes:?}");
    }
    if let Some(line) = line {
        assert!(line.chars().count() <= LONGEST_LINE && !line.chars().any(char::is_control), "{line:?}");
    }
    event
}

#[test]
fn any_text_is_an_event() {
    let agent = AssertUnwindSafe(agent());
    bolero::check!().with_test_time(Duration::from_secs(2)).for_each(|bytes: &[u8]| {
        judge(&agent, bytes);
    });
}

#[test]
fn changed_messages_are_events_and_what_was_said_stays_bounded() {
    let (agent, corpus) = (AssertUnwindSafe(agent()), files(CORPUS));
    let run = bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<Vec<(u8, Vec<Change>)>>();
    run.for_each(|messages| {
        let mut transcripts = Transcripts::default();
        for (which, changes) in messages {
            let bytes = changed(&corpus[usize::from(*which) % corpus.len()], changes, WORDS);
            if let Event::Transcript { role, text, ordinal, is_final } = judge(&agent, &bytes)
                && let Some(said) = transcripts.take(role, &text, ordinal, is_final)
            {
                assert!(!said.text.trim().is_empty() && said.text.len() <= 16 << 10);
            }
        }
        assert!(transcripts.take_open().len() <= 32);
    });
}

#[test]
fn messages_of_a_megabyte_are_not_even_read() {
    let agent = agent();
    for (before, piece, after) in [
        ("", "[", ""),
        ("{\"type\":\"pong\",\"x\":[", "{},", "0]}"),
        ("{\"type\":\"transcript\",\"role\":\"user\",\"ordinal\":1,\"text\":\"", "\\u0041", "\"}"),
    ] {
        let text = format!("{before}{}{after}", piece.repeat((1 << 20) / piece.len()));
        let event = within(MEMORY_AT_LEAST, || agent.decode_text(&text));
        assert_eq!(event, Event::Ignored { kind: "a text message of more than 64 kB".to_owned() });
    }
}

#[test]
fn the_largest_transcripts_that_are_read_take_no_more_than_a_few_megabytes_together() {
    let agent = agent();
    let mut transcripts = Transcripts::default();
    let said = "á".repeat(31 << 10);
    within(6 << 20, || {
        for ordinal in 0..2000 {
            let text = format!(
                r#"{{"type":"transcript","role":"agent","delta":"{said}","ordinal":{}}}"#,
                ordinal % 50
            );
            let Event::Transcript { role, text, ordinal, is_final } = agent.decode_text(&text) else {
                panic!("none")
            };
            let _ = transcripts.take(role, &text, ordinal, is_final);
        }
    });
}
