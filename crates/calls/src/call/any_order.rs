//! Whatever comes, in whatever order: dials at most once, always ends, one outcome, then only facts.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::stories::{outbound_that_retries, plan};
use super::*;
use crate::fact::{SoundTrouble, Speaker};
use crate::keys::Strokes;
use crate::outcome::OutcomeKind;
use crate::plan::Leg;
use crate::sip_outcome::{DialFailure, NotSent};
use crate::sound::{HopSecond, SoundSecond};
use crate::tools::ToolCall;

fn text() -> String {
    "something".into()
}

fn asks(call: ToolCall) -> Input {
    Input::Agent(AgentEvent::Asks { id: text(), call })
}

fn with_target(mut plan: CallPlan) -> CallPlan {
    plan.profile.transfer = serde_json::from_str(r#"{"targets":{"sales":"+551130000001"}}"#).unwrap();
    plan
}

fn any_input() -> impl Strategy<Value = Input> {
    let failures = prop_oneof![
        Just(DialFailure::Sip { code: 486, text: text() }),
        Just(DialFailure::Sip { code: 503, text: text() }),
        Just(DialFailure::Server { code: "canceled".into(), message: text() }),
        Just(DialFailure::Server { code: "not_found".into(), message: text() }),
        Just(DialFailure::Server { code: "internal".into(), message: text() }),
        Just(DialFailure::NotSent { cause: NotSent::Unreachable, detail: text() }),
        Just(DialFailure::ReplyLost { detail: text() }),
    ];
    prop_oneof![
        Just(Input::Room(RoomEvent::Joined { took_ms: 1 })),
        Just(Input::Room(RoomEvent::JoinFailed { failure: RoomFailure::Auth, detail: text() })),
        prop::sample::select(vec![RoomLoss::Room, RoomLoss::Server, RoomLoss::TakenOver])
            .prop_map(|loss| Input::Room(RoomEvent::Lost { detail: text(), loss })),
        Just(Input::Room(RoomEvent::Reconnecting)),
        Just(Input::Room(RoomEvent::Resumed)),
        Just(Input::Room(RoomEvent::Rejoined { away_ms: 1 })),
        Just(Input::Room(RoomEvent::Deleted { took_ms: 1 })),
        Just(Input::Room(RoomEvent::DeleteFailed { detail: text() })),
        Just(Input::Agent(AgentEvent::Created { agent_call_id: text(), took_ms: 1 })),
        Just(Input::Agent(AgentEvent::CreateFailed { failure: AgentFailure::Error, detail: text() })),
        Just(Input::Agent(AgentEvent::Connected { took_ms: 1 })),
        Just(Input::Agent(AgentEvent::ConnectFailed { detail: text() })),
        Just(Input::Agent(AgentEvent::HangUp { detail: text() })),
        Just(Input::Agent(AgentEvent::Heard)),
        Just(Input::Agent(AgentEvent::CalledTool { tool: text() })),
        prop::sample::select(vec!["1", "12w3#", "not a key"])
            .prop_map(|digits| { asks(ToolCall::SendDigits(Strokes::read(digits))) }),
        prop::sample::select(vec!["sales", "nobody"])
            .prop_map(|to| asks(ToolCall::TransferCall(Ok(to.into())))),
        Just(Input::Leg(LegEvent::KeyNotSent { detail: text() })),
        Just(Input::Leg(LegEvent::TransferAccepted)),
        Just(Input::Leg(LegEvent::TransferFailed { sip_status: Some(603), detail: text() })),
        any::<bool>().prop_map(|clean| Input::Agent(AgentEvent::Closed { clean, detail: text() })),
        Just(Input::Agent(AgentEvent::WhyEnded(WhyAgentEnded::HungUp))),
        Just(Input::Leg(LegEvent::ClaimOurs)),
        Just(Input::Leg(LegEvent::ClaimTaken { detail: text() })),
        Just(Input::Leg(LegEvent::ClaimFailed { detail: text() })),
        Just(Input::Leg(LegEvent::Dialed)),
        failures.prop_map(|failure| Input::Leg(LegEvent::DialFailed(failure))),
        Just(Input::Leg(LegEvent::CallerJoined { identity: text() })),
        Just(Input::Leg(LegEvent::InRoom)),
        Just(Input::Leg(LegEvent::Ringing)),
        Just(Input::Leg(LegEvent::Active)),
        prop::sample::select(vec!["1", "#", "22", "x", ""])
            .prop_map(|digit| Input::Leg(LegEvent::Dtmf { digit: digit.into() })),
        Just(Input::Leg(LegEvent::Left { why: LegEnd::HungUp, detail: text() })),
        Just(Input::Sound(SoundEvent::CalleeHeard)),
        Just(Input::Sound(SoundEvent::FirstAgentAudio)),
        Just(Input::Sound(SoundEvent::Flushed { dropped_ms: 7, tail_ms: None })),
        Just(Input::Sound(SoundEvent::PlayedOut)),
        any_second().prop_map(|second| Input::Sound(SoundEvent::Second(second))),
        prop::sample::select(vec![Speaker::Callee, Speaker::Agent])
            .prop_map(|by| Input::Agent(AgentEvent::Said { by, text: text() })),
        Just(Input::OutcomeStored(Ok(()))),
        Just(Input::OutcomeStored(Err(NotStored::Failed(text())))),
        Just(Input::OutcomeStored(Err(NotStored::AnotherIsThere(text())))),
        Just(Input::Drain),
        Just(Input::Tick),
    ]
}

fn any_second() -> impl Strategy<Value = SoundSecond> {
    let hop = (0u32..60, 0u32..60);
    let hop = hop.prop_map(|(frames, silent)| HopSecond { frames, silent, ..HopSecond::default() });
    let packets = prop::option::of(1u32..60).prop_map(Option::unwrap_or_default);
    (packets, hop.clone(), hop).prop_map(|(packets, room_to_agent, queue_to_room)| SoundSecond {
        packets,
        room_to_agent,
        queue_to_room,
        ..SoundSecond::default()
    })
}

#[derive(Default)]
struct Tally {
    dials: u32,
    claims_that_permit: u32,
    /// Without what is asked for again.
    outcomes: Vec<Ending>,
    ended: bool,
    /// While it dialed.
    rang: bool,
    joined: bool,
    /// When it was told to stop, and when it asked for the end of what rang or talked.
    drained: Option<Instant>,
    closed: Option<Instant>,
    deletions: u32,
    finishes: u32,
    /// What was told of the sound.
    troubles: Vec<SoundTrouble>,
    healed: Vec<SoundTrouble>,
    /// A transfer that was asked for and whose result has not come, and until when it is waited for.
    transferring: Option<Instant>,
}

impl Tally {
    /// What ends a transfer: its result, its cap, the callee's own end, or that we must stop.
    fn follow(&mut self, input: &Input, drain_for: Duration, now: Instant) {
        let result = matches!(
            input,
            Input::Leg(LegEvent::TransferAccepted | LegEvent::TransferFailed { .. } | LegEvent::Left { .. })
                | Input::Room(RoomEvent::Lost { .. })
        );
        let must_stop = self.drained.is_some_and(|drained| now >= drained + drain_for);
        self.transferring = self.transferring.filter(|cap| !result && !must_stop && now < *cap);
    }

    fn drain(&mut self, call: &mut Call, now: Instant) {
        while let Some(effect) = call.poll_effect() {
            assert!(self.finishes == 0 || matches!(effect, Effect::Record(_)), "{effect:?} after the end");
            match effect {
                Effect::Dial => self.dials += 1,
                Effect::ClaimDial { failed_before_dial: None } => self.claims_that_permit += 1,
                Effect::WriteOutcome(ending) if !self.outcomes.contains(&ending) => {
                    self.outcomes.push(ending)
                }
                Effect::Record(Fact::Ending { .. }) => self.ended = true,
                Effect::Record(fact) => self.hear(&fact),
                Effect::CloseAgent => self.closed = self.closed.or(Some(now)),
                Effect::DeleteRoom => {
                    self.deletions += 1;
                    assert!(self.transferring.is_none(), "a person in the midst of a transfer is hung up on");
                }
                Effect::Transfer { ring, .. } => {
                    assert!(self.transferring.is_none(), "two transfers at once");
                    self.transferring = Some(now + ring + TRANSFER_REPLY);
                }
                Effect::Finish => self.finishes += 1,
                _ => {}
            }
        }
    }

    fn hear(&mut self, fact: &Fact) {
        let trouble = match fact {
            Fact::NoPackets { .. } => SoundTrouble::NoPackets,
            Fact::OnlySilence { .. } => SoundTrouble::OnlySilence,
            Fact::OneWayAudio { .. } => SoundTrouble::OneWayAudio,
            Fact::NotTranscribed { .. } => SoundTrouble::NotTranscribed,
            Fact::SoundHealed { trouble, .. } => {
                assert!(self.troubles.contains(trouble), "{trouble:?} heals and was never told");
                assert!(!self.healed.contains(trouble), "{trouble:?} heals twice");
                return self.healed.push(*trouble);
            }
            _ => return,
        };
        assert!(
            !self.ended && !self.troubles.contains(&trouble),
            "{trouble:?} is told once, while they talk"
        );
        self.troubles.push(trouble);
    }
}

/// Plays `inputs` with pauses, then nothing but ticks until the call has nothing to wait for.
fn live(plan: &CallPlan, room: Room, bounds: Bounds, inputs: Vec<(Input, u64)>) -> (Call, Tally) {
    let mut now = Instant::now();
    let limits = Limits {
        claim_by: Some(now + Duration::from_secs(90)),
        dial_until: bounds.open_for.map(|open_for| now + open_for),
        drain_for: bounds.drain_for,
    };
    let mut call = Call::new(plan, room, limits, now);
    let mut tally = Tally::default();
    tally.drain(&mut call, now);
    for (input, pause_ms) in inputs {
        let then = now + Duration::from_millis(pause_ms);
        // Woken as a loop would wake it, however often.
        for _ in 0..1_000 {
            let Some(wake) = call.poll_timeout().filter(|wake| *wake <= then) else { break };
            now = now.max(wake);
            tally.follow(&Input::Tick, bounds.drain_for, now);
            call.handle(Input::Tick, now);
            tally.drain(&mut call, now);
        }
        now = then;
        if input == Input::Drain {
            tally.drained = tally.drained.or(Some(now));
        }
        tally.joined |= matches!(input, Input::Room(RoomEvent::Joined { .. }));
        tally.rang |= input == Input::Leg(LegEvent::Ringing) && tally.dials == 1 && !tally.ended;
        tally.follow(&input, bounds.drain_for, now);
        call.handle(input, now);
        tally.drain(&mut call, now);
    }
    for _ in 0..10_000 {
        let Some(wake) = call.poll_timeout() else { break };
        now = now.max(wake);
        tally.follow(&Input::Tick, bounds.drain_for, now);
        call.handle(Input::Tick, now);
        tally.drain(&mut call, now);
    }
    (call, tally)
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    open_for: Option<Duration>,
    drain_for: Duration,
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    let open_for = prop::option::of((0u64..60).prop_map(Duration::from_secs));
    let drain_for = prop::sample::select(vec![0, 15, 105]).prop_map(Duration::from_secs);
    (open_for, drain_for).prop_map(|(open_for, drain_for)| Bounds { open_for, drain_for })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_outbound_call_dials_at_most_once_and_always_ends(
        inputs in prop::collection::vec((any_input(), 0u64..20_000), 0..60),
        bounds in any_bounds(),
    ) {
        let claimed = inputs.iter().any(|(input, _)| *input == Input::Leg(LegEvent::ClaimOurs));
        let not_sent = |input: &Input| {
            matches!(input, Input::Leg(LegEvent::DialFailed(DialFailure::NotSent { .. })))
        };
        let was_sent = !inputs.iter().any(|(input, _)| not_sent(input));
        let (call, tally) = live(&with_target(outbound_that_retries()), Room::Own("room".into()), bounds, inputs);
        prop_assert!(call.is_over());
        prop_assert_eq!(tally.finishes, 1);
        prop_assert!(tally.dials <= 1 && tally.outcomes.len() <= 1 && tally.claims_that_permit <= 1);
        prop_assert!(tally.dials == 0 || (claimed && tally.claims_that_permit == 1 && tally.outcomes.len() == 1));
        let again = tally.outcomes.iter().any(|ending| ending.retryable);
        prop_assert!(!(again && was_sent && tally.rang), "what rang is not tried again by itself");
        prop_assert!(tally.outcomes.is_empty() || claimed, "only the holder of the claim writes an outcome");
        prop_assert!(bounds.open_for != Some(Duration::ZERO) || tally.dials == 0, "after hours");
        let put_off = tally.outcomes.iter().any(|ending| ending.outcome == OutcomeKind::Deferred);
        prop_assert!(!(put_off && tally.dials > 0), "what is put off has not rung");
        if let (Some(drained), Some(closed)) = (tally.drained, tally.closed) {
            // A claim's reply, and then a doubt, may still come before the end.
            let longest = bounds.drain_for.max(CLAIM_CAP) + DOUBT_CAP + LAST_WORDS_CAP;
            prop_assert!(closed <= drained + longest, "told to stop, it went on for {:?}", closed - drained);
        }
    }

    #[test]
    fn an_inbound_call_never_dials_and_ends_once_its_room_is_lost(
        inputs in prop::collection::vec((any_input(), 0u64..20_000), 0..60),
        bounds in any_bounds(),
    ) {
        let mut inputs = inputs;
        inputs.push((Input::Room(RoomEvent::Lost { detail: text(), loss: RoomLoss::Server }), 0));
        let (call, tally) = live(&plan(Leg::Inbound), Room::Shared("room".into()), bounds, inputs);
        prop_assert!(call.is_over());
        prop_assert_eq!((tally.dials, tally.claims_that_permit, tally.finishes), (0, 0, 1));
        prop_assert!(tally.outcomes.len() <= 1);
        prop_assert!(tally.joined || tally.deletions == 0, "a room of others is not deleted from outside");
    }
}
