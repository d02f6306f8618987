#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use calls::outcome::{EndReason, Ending};

use super::*;
use crate::examples;

fn attempt() -> AttemptId {
    "0123456789abcdef0123456789abcdef-a1".parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_784_635_200_000 + ms).unwrap()
}

fn of(process: Process, facts: &[(i64, Fact)], end: i64) -> BTreeMap<String, SpanData> {
    let mut trace = Trace::begin(process, &attempt(), None, at(0));
    facts.iter().for_each(|(ms, fact)| trace.note(at(*ms), fact));
    trace.take(at(end)).into_iter().map(|span| (span.name.to_string(), span)).collect()
}

fn lasts(span: &SpanData) -> (i64, i64) {
    let ms = |time: SystemTime| Timestamp::try_from(time).unwrap().as_millisecond() - at(0).as_millisecond();
    (ms(span.start_time), ms(span.end_time))
}

fn dialing() -> Fact {
    examples::facts().into_iter().find(|fact| matches!(fact, Fact::Dialing { .. })).unwrap()
}

fn ending() -> Fact {
    Fact::Ending { outcome: OutcomeKind::Answered, reason: None, end_reason: Some(EndReason::CalleeHangup) }
}

#[test]
fn a_conversation_is_a_tree_of_its_parts() {
    let spans = of(
        Process::Call,
        &[
            (90, Fact::RoomJoined { took_ms: 80 }),
            (200, Fact::AgentCreated { agent_call_id: "a".to_owned(), took_ms: 180 }),
            (210, dialing()),
            (4000, Fact::Answered { after_ms: 3790 }),
            (4050, Fact::AgentConnected { took_ms: 45 }),
            (9000, Fact::BargeIn { dropped_ms: 700, tail_ms: Some(12) }),
            (60_000, ending()),
            (60_100, Fact::RoomDeleted { took_ms: 90 }),
            (60_150, Fact::OutcomeWritten),
        ],
        60_200,
    );
    let times: BTreeMap<&str, (i64, i64)> =
        spans.iter().map(|(name, span)| (name.as_str(), lasts(span))).collect();
    let wanted = [
        ("call", (0, 60_200)),
        ("connect agent", (4005, 4050)),
        ("create agent", (20, 200)),
        ("delete room", (60_010, 60_100)),
        ("dial", (210, 4000)),
        ("join room", (10, 90)),
        ("talk", (4000, 60_000)),
        ("tidy up", (60_000, 60_150)),
    ];
    assert_eq!(times, BTreeMap::from(wanted));
    let call = &spans["call"];
    assert!(spans.values().all(|span| span.span_context.trace_id() == call.span_context.trace_id()));
    let children = spans.values().filter(|span| span.name != "call");
    assert!(children.clone().all(|span| span.parent_span_id == call.span_context.span_id()));
    assert_eq!(call.events.events.len(), 1);
    assert_eq!(call.events.events[0].name, "barge-in");
}

#[test]
fn the_parts_of_all_processes_hang_together_without_a_word_between_them() {
    let upstreams = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let own = |process| Trace::begin(process, &attempt(), Some(upstreams), at(0)).take(at(1)).remove(0);
    let (route, call, settle) = (own(Process::Route), own(Process::Call), own(Process::Settle));
    assert_eq!(format!("{:016x}", route.parent_span_id), "00f067aa0ba902b7");
    for span in [&call, &settle] {
        assert_eq!(span.parent_span_id, route.span_context.span_id());
        assert_eq!(format!("{:032x}", span.span_context.trace_id()), "4bf92f3577b34da6a3ce929d0e0e4736");
    }
    let requests = Trace::begin(Process::Call, &attempt(), Some(upstreams), at(0)).parent_of_requests();
    let wanted = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", call.span_context.span_id());
    assert_eq!(requests, wanted);
}

#[test]
fn a_dial_that_failed_says_why_and_an_attempt_that_failed_too() {
    let mut trace = Trace::begin(Process::Call, &attempt(), None, at(0));
    trace.note(at(10), &dialing());
    trace.note(at(900), &Fact::DialFailed { sip_status: Some(503), detail: "SIP 503".to_owned() });
    let ending = Ending { sip_status: Some(503), ..Ending::of(OutcomeKind::Failed) };
    trace.outcome(&Outcome::new(ending, 1, at(0), at(950), "0.1.0"));
    let spans = trace.take(at(1000));
    let status = |name: &str| spans.iter().find(|span| span.name == name).unwrap().status.clone();
    assert_eq!(status("dial"), Status::error("SIP 503"));
    assert_eq!(status("call"), Status::error("failed"));
}

#[test]
fn nothing_that_was_said_is_in_a_trace() {
    let mut trace = Trace::begin(Process::Call, &attempt(), None, at(0));
    let said: Vec<Fact> = examples::facts();
    said.iter().for_each(|fact| trace.note(at(5), fact));
    let text = format!("{:?}", trace.take(at(10)));
    for secret in ["Hello?", "Goodbye!", "5511987654321"] {
        assert!(!text.contains(secret), "{secret} is in the trace");
    }
}

#[test]
fn every_span_has_an_id_of_its_own() {
    let mut trace = Trace::begin(Process::Call, &attempt(), None, at(0));
    for second in 0..5 {
        trace.note(at(second), &Fact::RoomDeleted { took_ms: 1 });
    }
    let spans = trace.take(at(10));
    let ids: BTreeSet<_> = spans.iter().map(|span| format!("{:016x}", span.span_context.span_id())).collect();
    assert_eq!(ids.len(), 6);
}
