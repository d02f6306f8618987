//! `examples/call-history/` shows one event for each status; what we send is held to them here.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey, Nonce, room_name};
use calls::outcome::{EndReason, Ending, Outcome, OutcomeKind};
use calls::phone::PhoneNumber;
use calls::plan::{CallPlan, Leg};
use calls::profile::CountryProfile;
use calls::trigger::{Refusal, RefusalCode, Tracking, TriggerCall};
use jiff::Timestamp;
use serde_json::{Value, json};
use telemetry::call_history::About;

const MESSAGE: &str = include_str!("../../../examples/messages/br-appointment.json");

/// A time of the day on which the message came.
fn at(time: &str) -> Timestamp {
    format!("2026-07-21T{time}Z").parse().unwrap()
}

/// What the message says for `metadata.callId`, and the number with the lowest order.
const CALL_ID: &str = "demo-call-br-0001";

fn number() -> PhoneNumber {
    PhoneNumber::parse("+5511912345678").unwrap()
}

fn tracking() -> Tracking {
    TriggerCall::read(MESSAGE.as_bytes()).unwrap().tracking
}

fn plan() -> CallPlan {
    let profile = json!({
        "country": "BR", "provider": "twilio",
        "livekit": { "url": "wss://livekit.example", "trunkId": "ST_1", "callerId": "+551140000000" },
        "agent": { "voice": "voice" },
    });
    CallPlan {
        call_id: CALL_ID.to_owned(),
        leg: Leg::Outbound { to: number() },
        profile: CountryProfile::from_value(profile).unwrap(),
        system_prompt: "You confirm an appointment.".to_owned(),
        greeting_message: None,
        tracking: tracking(),
    }
}

fn attempt() -> AttemptId {
    let Tracking { organization_id, tenant_id, .. } = tracking();
    AttemptId::new(CallKey::from_ids(organization_id.as_deref(), tenant_id.as_deref(), "demo-br-0001"), 1)
}

fn about() -> About {
    let room = room_name(&attempt(), &Nonce("456defffffffffffffffffffffffffff".to_owned()));
    About::attempt(&attempt(), &plan(), Some(&room))
}

fn outcome(outcome: OutcomeKind) -> Outcome {
    Outcome::new(Ending::of(outcome), 1, at("12:00:00"), at("12:01:00"), "0.1.0")
}

/// Puts the difference before whoever changed one of both. The order of fields means nothing.
fn is_the_sample(name: &str, event: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/call-history/{name}.json"));
    let sample = std::fs::read_to_string(&file).unwrap_or_default();
    let shown = serde_json::to_string_pretty(event).unwrap();
    let parsed = serde_json::from_str(&sample).unwrap_or_default();
    assert_eq!(understood(&parsed), understood(event), "{} should be:\n{shown}", file.display());
}

/// The event, with what its `metadataJson` holds in its place: on the wire that is a text.
fn understood(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(text) = event["metadata"]["metadataJson"].as_str() {
        event["metadata"]["metadataJson"] = serde_json::from_str(text).unwrap();
    }
    event
}

/// `examples/call-history/<status>.json`
fn is_the_sample_of_its_status(event: &Value) {
    is_the_sample(event["metadata"]["status"].as_str().unwrap(), event);
}

#[test]
fn the_dial_is_told_with_where_and_whom() {
    let dialing = Fact::Dialing { to: number().masked(), trunk: "ST_1".to_owned(), ring_seconds: 30 };
    is_the_sample_of_its_status(&about().event(at("12:00:01.120"), &dialing).unwrap());
}

#[test]
fn the_answer_is_told_with_its_delay() {
    is_the_sample_of_its_status(
        &about().event(at("12:00:08.435"), &Fact::Answered { after_ms: 7315 }).unwrap(),
    );
}

#[test]
fn the_bridge_is_told() {
    is_the_sample_of_its_status(&about().event(at("12:00:08.950"), &Fact::BridgeActive).unwrap());
}

#[test]
fn an_answered_call_that_ended() {
    let ended = Outcome {
        end_reason: Some(EndReason::AgentHangup),
        duration_seconds: Some(48.190_000_000_3),
        agent_call_id: Some("4d3c8f0e-0000-4000-8000-000000000000".to_owned()),
        ..outcome(OutcomeKind::Answered)
    };
    is_the_sample_of_its_status(&about().ended(at("12:00:56.625"), &ended).unwrap());
}

#[test]
fn a_call_that_was_not_answered() {
    let busy = Outcome {
        reason: Some("busy".to_owned()),
        sip_status: Some(486),
        detail: Some("The callee is on the phone.".to_owned()),
        ..outcome(OutcomeKind::NotAnswered)
    };
    is_the_sample_of_its_status(&about().ended(at("12:00:09.301"), &busy).unwrap());
}

#[test]
fn a_system_error() {
    let failed = Outcome {
        reason: Some("no-sip-service".to_owned()),
        detail: Some("No SIP node took the call: none runs, or it uses another Redis.".to_owned()),
        retryable: true,
        ..outcome(OutcomeKind::Failed)
    };
    let event = about().ended(at("12:00:04.020"), &failed).unwrap();
    assert!(!event["metadata"]["metadataJson"].as_str().unwrap().contains("sipStatus"), "none is invented");
    is_the_sample_of_its_status(&event);
}

#[test]
fn a_refusal_has_no_attempt() {
    let path = Some("metadata.phoneNumbers[0].order".to_owned());
    let refusal =
        Refusal::new(RefusalCode::BadField, "metadata.phoneNumbers[0].order must be a whole number", path);
    let about = About::refused(&attempt().key, Some(CALL_ID), &tracking());
    is_the_sample("refused", &about.refusal(at("12:00:00.400"), &refusal));
}

#[test]
fn what_was_put_off_has_not_ended_and_other_facts_are_ours() {
    assert_eq!(about().ended(at("12:00:01.120"), &outcome(OutcomeKind::Deferred)), None);
    assert_eq!(about().event(at("12:00:01.120"), &Fact::OutcomeWritten), None);
}

#[test]
fn an_event_told_twice_is_recognised_and_another_attempts_is_not() {
    let told = |about: &About, at| about.event(at, &Fact::BridgeActive).unwrap()["id"].clone();
    let later = at("12:00:09");
    assert_eq!(told(&about(), at("12:00:01.120")), told(&about(), later));
    let second = About::attempt(&AttemptId::new(attempt().key, 2), &plan(), None);
    assert_ne!(told(&about(), at("12:00:01.120")), told(&second, at("12:00:01.120")));
    assert_ne!(
        told(&about(), at("12:00:01.120")),
        about().event(at("12:00:01.120"), &Fact::Answered { after_ms: 1 }).unwrap()["id"]
    );
}
