//! One of each fact, as it may come: for the page of events, and for tests that go through all of them.

use calls::cost::{Cost, CostLine, Item};
use calls::fact::{Fact, NotNow, SoundTrouble, Speaker, TaskPhases};
use calls::outcome::{EndReason, OutcomeKind};
use calls::phone::{MaskedText, PhoneNumber};
use calls::sound::{HopSecond, SoundSecond};

/// One of each, in the order in which they are declared.
///
/// # Panics
/// Never: its phone number is one.
pub fn facts() -> Vec<Fact> {
    [routing(), before_the_dial(), dialing(), talking(), sound(), asked_for(), ending()].concat()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn routing() -> Vec<Fact> {
    vec![
        Fact::MessageAccepted { call_id: text("appointment-7"), to: number(), country: text("BR") },
        Fact::MessageRefused {
            code: text("invalid_phone_number"),
            path: Some(text("/metadata/phoneNumbers/0")),
            detail: text("not a number that can be dialed: it has too few digits"),
        },
        Fact::DuplicateMessage,
        Fact::DuplicateDelivery,
        Fact::Continued { attempt: 2 },
        Fact::AttemptClaimed { attempt: 1, waited_ms: Some(840) },
        Fact::TaskLaunched { task: text("arn:aws:ecs:…:task/ocg-prod/…") },
        Fact::ProfilesStale { age_seconds: 75, detail: text("the parameter store does not answer") },
        Fact::TryAgain { detail: text("RunTask: no capacity") },
        Fact::Deferred { why: NotNow::CallHours, delay_seconds: 900 },
        Fact::TaskPhases(TaskPhases {
            provisioning_ms: Some(9_400),
            pull_ms: Some(2_700),
            process_ms: Some(650),
        }),
        Fact::TaskStopped {
            task: text("arn:aws:ecs:…:task/ocg-prod/…"),
            detail: text("EssentialContainerExited (bridge: exit code 137)"),
        },
        Fact::Settled { next: text("nothing") },
        Fact::Stuck { detail: text("its message is in no queue any more, and no task has it") },
    ]
}

fn before_the_dial() -> Vec<Fact> {
    vec![
        Fact::JobTaken { country: text("BR"), to: Some(number()), room: text("call-0123abcd-a1-9f2c4e") },
        Fact::AgentCreated { agent_call_id: text("5f0c…"), took_ms: 310 },
        Fact::AgentAskedToWait { status: 429, wait_ms: 2_000 },
        Fact::AgentCreateFailed { detail: text("the agent vendor has no credit left (HTTP 402)") },
        Fact::RoomJoined { took_ms: 95 },
        Fact::RoomJoinFailed { detail: text("LiveKit cannot be reached") },
        Fact::WaitingForCaller { room: text("inbound-br") },
        Fact::DialClaimed,
        Fact::Duplicate { detail: text("task … holds the dial claim") },
        Fact::DialClaimFailed { detail: text("the call folder does not answer") },
    ]
}

fn dialing() -> Vec<Fact> {
    vec![
        Fact::Dialing { to: number(), trunk: text("ST_…"), ring_seconds: 30 },
        Fact::DialNotSent { detail: text("inviteBy is over") },
        Fact::Ringing { after_ms: 1_200 },
        Fact::DialReplyLost { detail: text("the connection broke") },
        Fact::DialFailed { sip_status: Some(486), detail: text("busy (SIP 486)") },
        Fact::CallerJoined { identity: MaskedText::of("sip_+5511987654321") },
        Fact::Answered { after_ms: 6_300 },
    ]
}

fn talking() -> Vec<Fact> {
    vec![
        Fact::AgentConnected { took_ms: 60 },
        Fact::AgentStarted,
        Fact::BridgeActive,
        Fact::FirstAgentAudio { after_answer_ms: 180 },
        Fact::AgentState { state: text("speaking") },
        Fact::Said { by: Speaker::Callee, text: text("Hello?") },
        Fact::BargeIn { dropped_ms: 1_400, tail_ms: Some(9) },
    ]
}

fn sound() -> Vec<Fact> {
    let hop = HopSecond { frames: 50, ..HopSecond::default() };
    let heard = HopSecond { silent: 20, level_dbfs: Some(-24), ..hop };
    vec![
        Fact::SoundSecond(SoundSecond {
            packets: 49,
            trunk_to_room: HopSecond { lost: 1, recovered: 1, ..heard },
            room_to_agent: heard,
            agent_to_queue: hop,
            queue_to_room: hop,
            queued_ms: 60,
            jitter_ms: Some(1.5),
            reported_lost: 2,
            round_trip_ms: Some(24.5),
        }),
        Fact::NoPackets { after_answer_ms: 5_000 },
        Fact::OnlySilence { after_answer_ms: 15_000 },
        Fact::OneWayAudio { after_answer_ms: 10_000 },
        Fact::NotTranscribed { after_answer_ms: 20_000 },
        Fact::SoundHealed { trouble: SoundTrouble::NoPackets, after_answer_ms: 8_000 },
    ]
}

fn asked_for() -> Vec<Fact> {
    vec![
        Fact::AgentMessageIgnored { detail: text("a message of the unknown type weather") },
        Fact::Dtmf { digit: text("5") },
        Fact::KeysSent { keys: 4 },
        Fact::TransferAsked { to: text("sales") },
        Fact::Transferred { to: text("sales"), took_ms: 2_300 },
        Fact::TransferFailed { to: text("sales"), sip_status: Some(603), detail: text("declined (SIP 603)") },
        Fact::ToolFailed { tool: text("transferCall"), detail: text("there is nobody of that name") },
        Fact::RoomReconnecting,
        Fact::RoomResumed,
        Fact::RoomRejoined { away_ms: 4_100 },
        Fact::CalleeBack { after_ms: 700 },
    ]
}

fn ending() -> Vec<Fact> {
    let line =
        |item, used_seconds, billed_seconds, amount| CostLine { item, used_seconds, billed_seconds, amount };
    vec![
        Fact::AgentHangUp { detail: text("Goodbye!") },
        Fact::AgentClosed { clean: false, detail: text("its socket ended without a word") },
        Fact::AgentSilent { silent_seconds: 30 },
        Fact::AgentLoops { tool: text("weather"), calls: 11 },
        Fact::PlayingOut { queued_ms: 900 },
        Fact::CalleeGone { detail: text("hung up") },
        Fact::RoomLost { detail: text("LiveKit was away for 30 s") },
        Fact::MaxDuration,
        Fact::Draining,
        Fact::Ending {
            outcome: OutcomeKind::Answered,
            reason: None,
            end_reason: Some(EndReason::CalleeHangup),
        },
        Fact::RoomDeleted { took_ms: 40 },
        Fact::RoomDeleteFailed { detail: text("LiveKit does not answer") },
        Fact::Cost(Cost {
            currency: text("USD"),
            total: 0.115,
            lines: vec![line(Item::Trunk, 61.8, 120.0, 0.06), line(Item::Agent, 62.1, 66.0, 0.055)],
        }),
        Fact::AgentBilled { seconds: 66.0 },
        Fact::OutcomeWritten,
        Fact::OutcomeNotWritten { detail: text("the call folder does not answer") },
        Fact::SoundTotals {
            callee_audio_seconds: 21.4,
            agent_audio_seconds: 30.2,
            callee_concealed_seconds: 0.3,
            agent_concealed_seconds: 0.0,
        },
        Fact::RecordingNotStored { detail: text("the bucket does not answer") },
        Fact::Ignored { detail: text("a key that was pressed after the end") },
    ]
}

#[expect(clippy::expect_used, reason = "a constant")]
fn number() -> calls::phone::MaskedNumber {
    PhoneNumber::parse("+5511987654321").expect("a number").masked()
}

#[cfg(test)]
mod tests {
    use strum::VariantNames as _;

    use super::*;

    #[test]
    fn there_is_one_of_each_in_their_order() {
        let name = |fact: &Fact| {
            serde_json::to_value(fact).ok().and_then(|fact| Some(fact["fact"].as_str()?.to_owned()))
        };
        let names: Vec<String> = facts().iter().filter_map(name).collect();
        assert_eq!(names, Fact::VARIANTS);
    }
}
