//! `examples/call-history/` shows one event for each status; what we send is held to them here.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::{EndReason, Outcome, OutcomeKind};
use calls::phone::PhoneNumber;
use calls::plan::{CallPlan, Leg};
use calls::profile::CountryProfile;
use calls::trigger::{Refusal, RefusalCode, Tracking, TriggerCall};
use jiff::Timestamp;
use serde_json::{Value, json};
use telemetry::call_history::About;

const MESSAGE: &str = include_str!("../../../examples/messages/br-appointment.json");

fn at() -> Timestamp {
    "2026-07-21T12:00:01.120Z".parse().unwrap()
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
        call_id: "demo-br-0001".to_owned(),
        leg: Leg::Outbound { to: PhoneNumber::try_from("+5511987654321".to_owned()).unwrap() },
        profile: CountryProfile::from_value(profile).unwrap(),
        system_prompt: "You confirm an appointment.".to_owned(),
        greeting_message: None,
        tracking: tracking(),
    }
}

fn attempt() -> AttemptId {
    AttemptId::new(CallKey::from_ids(None, None, "demo-br-0001"), 1)
}

fn about() -> About {
    About::attempt(&attempt(), &plan(), Some("call-0123abcd-a1-456def"))
}

fn outcome(outcome: OutcomeKind) -> Outcome {
    Outcome {
        v: 1,
        outcome,
        reason: None,
        end_reason: None,
        sip_status: None,
        detail: None,
        retryable: false,
        answer_delay_seconds: None,
        first_agent_audio_seconds: None,
        duration_seconds: None,
        barge_ins: 0,
        callee_audio_seconds: 0.0,
        agent_audio_seconds: 0.0,
        agent_call_id: None,
        attempt: 1,
        started_at: at(),
        ended_at: at(),
        version: "0.1.0".to_owned(),
    }
}

/// Puts the difference before whoever changed one of both.
fn is_the_sample(event: &Value) {
    let status = event["metadata"]["status"].as_str().unwrap();
    let name = if event["metadata"]["metadataJson"].as_str().unwrap().contains("refused") { "refused" } else { status };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/call-history/{name}.json"));
    let sample = std::fs::read_to_string(&file).unwrap_or_default();
    let shown = format!("{}\n", serde_json::to_string_pretty(event).unwrap());
    assert_eq!(sample, shown, "{} should be:\n{shown}", file.display());
}

#[test]
fn the_dial_is_told_with_where_and_whom() {
    let dialing = Fact::Dialing {
        to: PhoneNumber::try_from("+5511987654321".to_owned()).unwrap().masked(),
        trunk: "ST_1".to_owned(),
        ring_seconds: 30,
    };
    is_the_sample(&about().event(at(), &dialing).unwrap());
}

#[test]
fn the_answer_is_told_with_its_delay() {
    is_the_sample(&about().event(at(), &Fact::Answered { after_ms: 7315 }).unwrap());
}

#[test]
fn the_bridge_is_told() {
    is_the_sample(&about().event(at(), &Fact::BridgeActive).unwrap());
}

#[test]
fn an_answered_call_that_ended() {
    let ended = Outcome {
        end_reason: Some(EndReason::AgentHangup),
        duration_seconds: Some(48.190_000_000_3),
        agent_call_id: Some("4d3c8f0e-0000-4000-8000-000000000000".to_owned()),
        ..outcome(OutcomeKind::Answered)
    };
    is_the_sample(&about().ended(at(), &ended).unwrap());
}

#[test]
fn a_call_that_was_not_answered() {
    let busy = Outcome {
        reason: Some("busy".to_owned()),
        sip_status: Some(486),
        detail: Some("The callee is on the phone.".to_owned()),
        ..outcome(OutcomeKind::NotAnswered)
    };
    is_the_sample(&about().ended(at(), &busy).unwrap());
}

#[test]
fn a_system_error() {
    let failed = Outcome {
        reason: Some("no-sip-service".to_owned()),
        detail: Some("No SIP node took the call: none runs, or it uses another Redis.".to_owned()),
        retryable: true,
        ..outcome(OutcomeKind::Failed)
    };
    let event = about().ended(at(), &failed).unwrap();
    assert!(!event["metadata"]["metadataJson"].as_str().unwrap().contains("sipStatus"), "none is invented");
    is_the_sample(&event);
}

#[test]
fn a_refusal_has_no_attempt() {
    let path = Some("metadata.phoneNumbers[0].order".to_owned());
    let refusal = Refusal::new(RefusalCode::BadField, "metadata.phoneNumbers[0].order must be a whole number", path);
    is_the_sample(&About::refused(&attempt().key, Some("demo-br-0001"), &tracking()).refusal(at(), &refusal));
}

#[test]
fn what_was_put_off_has_not_ended_and_other_facts_are_ours() {
    assert_eq!(about().ended(at(), &outcome(OutcomeKind::Deferred)), None);
    assert_eq!(about().event(at(), &Fact::OutcomeWritten), None);
}

#[test]
fn an_event_told_twice_is_recognised_and_another_attempts_is_not() {
    let told = |about: &About, at| about.event(at, &Fact::BridgeActive).unwrap()["id"].clone();
    let later = "2026-07-21T12:00:09Z".parse().unwrap();
    assert_eq!(told(&about(), at()), told(&about(), later));
    let second = About::attempt(&AttemptId::new(attempt().key, 2), &plan(), None);
    assert_ne!(told(&about(), at()), told(&second, at()));
    assert_ne!(told(&about(), at()), about().event(at(), &Fact::Answered { after_ms: 1 }).unwrap()["id"]);
}
