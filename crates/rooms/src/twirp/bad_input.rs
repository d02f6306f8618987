//! Whatever answers a dial in LiveKit's place: an error with a meaning, within bounded memory, and no longer than a
//! person reads.

use std::time::Duration;

use ::bad_input::{Change, changed, within};
use calls::outcome::OutcomeKind;
use calls::sip_outcome::{DialFailure, Phase, classify};
use livekit_protocol::SipParticipantInfo;
use prost::Message as _;

use super::*;
use crate::rooms::RoomList;
use crate::sip::dial_failure;

const ANSWERS: &[&[u8]] = &[
    br#"{"code":"resource_exhausted","msg":"twirp error unknown: INVITE failed: sip status: 486: Busy Here","meta":{"sip_status_code":"486","sip_status":"Busy Here"}}"#,
    br#"{"code":"unauthenticated","msg":"invalid token: x"}"#,
    br#"{"code":"canceled","msg":"sip request timed out (0 intermediate responses)","meta":{}}"#,
    br#"{"code":"not_found","msg":"requested sip trunk does not exist","meta":{"sip_status_code":"404","sip_status":"+5511912345678"}}"#,
    br#"{"code":"internal","msg":"a\u0000b\u001b[2J\ud83d\ude00","meta":{"x":"y"}}"#,
    br#"{"code":null,"msg":7,"meta":[]}"#,
    br#"{"msg":"no code"}"#,
    b"<html><body>502 Bad Gateway</body></html>",
    b"\xff\xfe\x00",
    b"",
];

const WORDS: &[&[u8]] = &[
    b"null",
    b"1e999",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"[[[[[[[[[[[[[[[[",
    b"\"code\":",
    b"\"msg\":",
    b"\"meta\":{",
    b"\"sip_status_code\":",
    b"\"sip_status\":",
    b"\"700\"",
    b"\"-1\"",
    b"\"99999999999\"",
    b"sip status: ",
    b"+5511912345678",
];

/// Of masked numbers a character may be three bytes.
const LONGEST: usize = 8 * LONGEST_SENTENCE;

fn judge(status: u16, body: &[u8]) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let failure = within((64 << 10) + 32 * body.len(), || dial_failure(refusal(status, body)));
    assert!(failure.to_string().len() <= LONGEST, "{failure}");
    if let DialFailure::Sip { code, .. } = failure {
        assert!((100..700).contains(&code));
    }
    for phase in [Phase::Dialing, Phase::Ringing] {
        let verdict = classify(&failure, phase, false);
        assert!(matches!(verdict.outcome, OutcomeKind::NotAnswered | OutcomeKind::Failed));
        assert!(phase == Phase::Dialing || !verdict.retryable, "what rang is never tried again: {failure}");
    }
}

#[test]
fn any_answer_to_a_dial_has_a_meaning() {
    for body in ANSWERS {
        judge(500, body);
        judge(401, body);
    }
    let run = bolero::check!().with_test_time(Duration::from_secs(5)).with_type::<(u16, u8, Vec<Change>)>();
    run.for_each(|(status, which, changes)| {
        judge(100 + status % 500, &changed(ANSWERS[usize::from(*which) % ANSWERS.len()], changes, WORDS));
    });
}

#[test]
fn any_bytes_in_a_good_answer_are_a_reply_or_an_error() {
    // Of two bytes each, an entry of a list unpacks to some hundreds.
    bolero::check!().with_test_time(Duration::from_secs(2)).for_each(|bytes: &[u8]| {
        within((64 << 10) + 1024 * bytes.len(), || {
            let _ = SipParticipantInfo::decode(bytes);
            let _ = RoomList::decode(bytes);
        });
    });
}

#[test]
fn the_largest_answers_take_bounded_memory() {
    let deep = "[".repeat(MAX_REPLY_BYTES);
    let long = format!(
        r#"{{"code":"{0}","msg":"{0}","meta":{{"sip_status":"{0}"}}}}"#,
        "9".repeat(MAX_REPLY_BYTES / 4)
    );
    let many: String = (0..40_000).map(|n| format!("\"{n}\":\"{n}\",")).collect();
    let many = format!(r#"{{"code":"internal","meta":{{{many}"sip_status_code":"486"}}}}"#);
    for body in [deep, long, many] {
        judge(429, body.as_bytes());
    }
    let rooms = [0x0a, 0x00].repeat(MAX_REPLY_BYTES / 2);
    // An empty room is two bytes there, two empty texts here, and for a moment once and a half as many: lists grow.
    within(40 * MAX_REPLY_BYTES, || {
        assert_eq!(RoomList::decode(rooms.as_slice()).map(|list| list.rooms.len()), Ok(MAX_REPLY_BYTES / 2))
    });
}
