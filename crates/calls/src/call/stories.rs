//! What calls live through, told in virtual time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod before_the_dial;
mod dialing;
mod endings;
mod keys;
mod leaving;
mod rejoining;
mod sound;
mod tools;
mod transfer;

use std::time::{Duration, Instant};

use super::*;
use crate::fact::Fact;
use crate::outcome::{EndReason, Ending, OutcomeKind, Reason};
use crate::phone::PhoneNumber;
use crate::plan::{CallPlan, Leg};
use crate::profile::CountryProfile;
use crate::sip_outcome::{DialFailure, NotSent};
use crate::trigger::Tracking;

pub(super) fn plan(leg: Leg) -> CallPlan {
    let profile: CountryProfile = serde_json::from_str(
        r#"{"v":1,"country":"BR","prefixes":["+55"],"agent":{"voice":"Ana"},
            "livekit":{"url":"wss://lk.example","trunkId":"ST_1","callerId":"+551130000000"},
            "dial":{"ringSeconds":30,"maxCallSeconds":600}}"#,
    )
    .unwrap();
    CallPlan {
        call_id: "c-1".into(),
        leg,
        profile,
        system_prompt: "You are kind.".into(),
        greeting_message: None,
        tracking: Tracking::default(),
    }
}

pub(super) fn outbound() -> CallPlan {
    plan(Leg::Outbound { to: PhoneNumber::parse("+5511987654321").unwrap() })
}

/// The profile allows another attempt where the trunk failed.
pub(super) fn outbound_that_retries() -> CallPlan {
    let mut plan = outbound();
    plan.profile.dial.retry_trunk_errors = true;
    plan
}

fn own() -> Room {
    Room::Own("room".into())
}

fn claim_by(claim_by: Instant) -> Limits {
    Limits { claim_by: Some(claim_by), ..Limits::default() }
}

/// A call, its clock and everything it asked for so far.
struct Story {
    call: Call,
    start: Instant,
    now: Instant,
    wishes: Vec<Effect>,
}

impl Story {
    fn of(plan: &CallPlan) -> Self {
        Self::in_room(plan, own())
    }

    fn in_room(plan: &CallPlan, room: Room) -> Self {
        Self::within(plan, room, |_| Limits::default())
    }

    fn within(plan: &CallPlan, room: Room, limits: impl FnOnce(Instant) -> Limits) -> Self {
        let start = Instant::now();
        let call = Call::new(plan, room, limits(start), start);
        let mut story = Self { call, start, now: start, wishes: vec![] };
        story.listen();
        story
    }

    fn outbound() -> Self {
        Self::of(&outbound())
    }

    fn listen(&mut self) {
        while let Some(effect) = self.call.poll_effect() {
            self.wishes.push(effect);
        }
    }

    /// Something happens now.
    fn then(mut self, input: Input) -> Self {
        self.call.handle(input, self.now);
        self.listen();
        self
    }

    /// Time passes; the call is woken whenever it wants to be.
    fn after(mut self, seconds: f64) -> Self {
        let until = self.now + Duration::from_secs_f64(seconds);
        while let Some(wake) = self.call.poll_timeout().filter(|wake| *wake <= until) {
            self.now = self.now.max(wake);
            self.call.handle(Input::Tick, self.now);
            self.listen();
        }
        self.now = until;
        self
    }

    fn leg(self, event: LegEvent) -> Self {
        self.then(Input::Leg(event))
    }
    fn agent(self, event: AgentEvent) -> Self {
        self.then(Input::Agent(event))
    }
    fn room(self, event: RoomEvent) -> Self {
        self.then(Input::Room(event))
    }
    fn sound(self, event: SoundEvent) -> Self {
        self.then(Input::Sound(event))
    }

    fn prepared(self) -> Self {
        self.room(RoomEvent::Joined { took_ms: 40 })
            .agent(AgentEvent::Created { agent_call_id: "a-1".into(), took_ms: 200 })
    }

    fn dialing(self) -> Self {
        self.prepared().leg(LegEvent::ClaimOurs).leg(LegEvent::Dialing)
    }

    fn talking(self) -> Self {
        self.dialing()
            .after(1.0)
            .leg(LegEvent::Ringing)
            .after(4.0)
            .leg(LegEvent::Active)
            .leg(LegEvent::Dialed)
            .agent(AgentEvent::Connected { took_ms: 3 })
            .sound(SoundEvent::CalleeHeard)
    }

    /// The agent is heard from every now and then.
    fn talks_on(mut self, seconds: f64) -> Self {
        for _ in 0..24 {
            self = self.agent(AgentEvent::Heard).after(seconds / 24.0);
        }
        self
    }

    fn tidied(self) -> Self {
        self.room(RoomEvent::Deleted { took_ms: 4 }).then(Input::OutcomeStored(Ok(())))
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.wishes.iter().filter(|effect| wanted(effect)).count()
    }
    fn wished(&self, effect: &Effect) -> bool {
        self.wishes.contains(effect)
    }
    fn position(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.wishes.iter().position(wanted).expect("wished for")
    }
    fn recorded(&self, wanted: impl Fn(&Fact) -> bool) -> bool {
        self.count(|effect| matches!(effect, Effect::Record(fact) if wanted(fact))) > 0
    }

    fn ending(&self) -> &Ending {
        let mut endings = self.wishes.iter().filter_map(|effect| match effect {
            Effect::WriteOutcome(ending) => Some(ending),
            _ => None,
        });
        let ending = endings.next().expect("an outcome");
        assert!(endings.all(|again| again == ending), "one outcome, however often it is asked for");
        ending
    }

    fn over(self) -> Self {
        assert!(self.call.is_over(), "still {:?}", self.call);
        assert_eq!(self.count(|effect| *effect == Effect::Finish), 1);
        assert!(self.wished(&Effect::DeleteRoom));
        self
    }
}

#[test]
fn room_and_agent_are_made_ready_at_the_same_time_and_nothing_rings_before_both_are() {
    let story = Story::outbound();
    assert!(story.wished(&Effect::JoinRoom) && story.wished(&Effect::CreateAgent));
    let story = story.agent(AgentEvent::Created { agent_call_id: "a".into(), took_ms: 1 });
    assert_eq!(story.count(|effect| matches!(effect, Effect::ClaimDial { .. })), 0);
    let story = story.room(RoomEvent::Joined { took_ms: 1 });
    assert!(story.wished(&Effect::ClaimDial { failed_before_dial: None }));
    assert!(!story.wished(&Effect::Dial));
    assert!(story.leg(LegEvent::ClaimOurs).wished(&Effect::Dial));
}

#[test]
fn the_agent_is_connected_at_the_answer_and_not_before() {
    let story = Story::outbound().dialing().leg(LegEvent::Ringing);
    assert!(!story.wished(&Effect::ConnectAgent));
    let story = story.after(3.0).leg(LegEvent::Active).leg(LegEvent::Dialed);
    assert_eq!(story.count(|effect| *effect == Effect::ConnectAgent), 1);
    assert!(story.wished(&Effect::Audio(AudioCommand::Open)));
    assert!(story.recorded(|fact| *fact == Fact::Answered { after_ms: 3000 }));
}

#[test]
fn a_callee_who_hangs_up_ends_the_call_and_the_room() {
    let story = Story::outbound()
        .talking()
        .talks_on(60.0)
        .leg(LegEvent::Left { why: LegEnd::HungUp, detail: "CLIENT_INITIATED".into() });
    let story = story.tidied().over();
    let ending = story.ending();
    assert_eq!((ending.outcome, ending.end_reason), (OutcomeKind::Answered, Some(EndReason::CalleeHangup)));
    assert_eq!((ending.answer_delay_seconds, ending.duration_seconds), (Some(5.0), Some(60.0)));
    assert!(story.recorded(|fact| *fact == Fact::BridgeActive));
    let position = |wanted: Effect| story.position(|effect| *effect == wanted);
    assert!(position(Effect::CloseAgent) < position(Effect::DeleteRoom));
}

#[test]
fn a_leg_that_is_taken_or_lost_is_no_hang_up() {
    for (why, reason) in [(LegEnd::Removed, EndReason::Operator), (LegEnd::Lost, EndReason::MediaLost)] {
        let story = Story::outbound().talking().leg(LegEvent::Left { why, detail: String::new() });
        assert_eq!(story.tidied().over().ending().end_reason, Some(reason));
    }
}

#[test]
fn a_leg_that_is_taken_while_it_rings_is_nobodys_refusal() {
    let taken = LegEvent::Left { why: LegEnd::Removed, detail: "PARTICIPANT_REMOVED".into() };
    let canceled = DialFailure::Server { code: "canceled".into(), message: String::new() };
    // Room and reply tell of it in any order.
    for news in
        [[taken.clone(), LegEvent::DialFailed(canceled.clone())], [LegEvent::DialFailed(canceled), taken]]
    {
        let [first, second] = news;
        let story = Story::outbound().dialing().leg(LegEvent::Ringing).after(5.0).leg(first).leg(second);
        let story = story.tidied().over();
        let ending = story.ending();
        assert_eq!((ending.outcome, ending.reason), (OutcomeKind::Failed, Some(Reason::Drained)));
        assert!(!ending.retryable);
    }
}

#[test]
fn an_agent_that_hangs_up_is_heard_to_its_last_word() {
    let story = Story::outbound()
        .talking()
        .agent(AgentEvent::HangUp { detail: "hangUp".into() })
        .sound(SoundEvent::PlayedOut);
    assert!(!story.wished(&Effect::DeleteRoom), "more may still come while its socket is open");
    let story = story.agent(AgentEvent::Closed { clean: true, detail: "1000".into() });
    assert!(!story.wished(&Effect::DeleteRoom), "what came last is still being played");
    let story = story.after(1.5).sound(SoundEvent::PlayedOut).after(0.29);
    assert!(!story.wished(&Effect::DeleteRoom), "the line is behind us");
    let story = story.after(0.01).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::AgentHangup));
}

#[test]
fn an_agent_that_just_closes_is_asked_why_while_its_last_words_play() {
    let closed = || {
        let story =
            Story::outbound().talking().agent(AgentEvent::Closed { clean: true, detail: "1000".into() });
        assert!(
            story.wished(&Effect::AskWhyAgentEnded) && story.wished(&Effect::Audio(AudioCommand::PlayOut))
        );
        story
    };
    let told =
        closed().agent(AgentEvent::WhyEnded(WhyAgentEnded::HungUp)).after(1.0).sound(SoundEvent::PlayedOut);
    let told = told.after(0.3);
    assert_eq!(told.tidied().over().ending().end_reason, Some(EndReason::AgentHangup));
    let untold = closed().sound(SoundEvent::PlayedOut).after(2.0);
    assert_eq!(untold.tidied().over().ending().end_reason, Some(EndReason::AgentClosed));
}

#[test]
fn last_words_have_a_cap() {
    let story = Story::outbound().talking().agent(AgentEvent::HangUp { detail: String::new() }).after(4.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.sound(SoundEvent::PlayedOut);
    assert!(story.after(0.1).wished(&Effect::DeleteRoom), "its tail is within the cap");
}

#[test]
fn an_agent_that_dies_leaves_nobody_in_silence() {
    let story =
        Story::outbound().talking().agent(AgentEvent::Closed { clean: false, detail: "reset".into() });
    assert!(story.wished(&Effect::DeleteRoom), "at once");
    assert_eq!(story.tidied().over().ending().end_reason, Some(EndReason::AgentClosed));
}

#[test]
fn barge_in_counts_only_when_something_was_thrown_away() {
    let story = Story::outbound()
        .talking()
        .sound(SoundEvent::Flushed { dropped_ms: 1200, tail_ms: Some(12) })
        .sound(SoundEvent::Flushed { dropped_ms: 0, tail_ms: Some(3) })
        .leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() })
        .tidied()
        .over();
    assert_eq!(story.ending().barge_ins, 1);
}

#[test]
fn the_longest_call_ends_by_our_clock() {
    let story = Story::outbound().talking().talks_on(600.0);
    assert!(story.wished(&Effect::DeleteRoom));
    assert_eq!(story.tidied().over().ending().end_reason, Some(EndReason::MaxDuration));
}

#[test]
fn answered_is_latched_whatever_the_leg_says_later() {
    let story =
        Story::outbound().talking().leg(LegEvent::Ringing).leg(LegEvent::Active).leg(LegEvent::Dialed);
    assert_eq!(story.count(|effect| *effect == Effect::ConnectAgent), 1);
    assert!(!story.wished(&Effect::DeleteRoom));
}

#[test]
fn an_inbound_caller_is_greeted_without_any_dial_claim() {
    let story = Story::of(&plan(Leg::Inbound)).room(RoomEvent::Joined { took_ms: 30 }).after(3600.0);
    assert!(!story.wished(&Effect::CreateAgent), "an agent call made now would expire");
    let story = story.leg(LegEvent::CallerJoined { identity: "sip_1".into() });
    assert!(story.wished(&Effect::CreateAgent));
    let story = story.leg(LegEvent::Active);
    assert!(story.wished(&Effect::Audio(AudioCommand::Open)) && !story.wished(&Effect::ConnectAgent));
    let story = story.agent(AgentEvent::Created { agent_call_id: "a".into(), took_ms: 1 });
    assert!(story.wished(&Effect::ConnectAgent));
    let story =
        story.after(9.0).leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() }).tidied().over();
    assert_eq!(story.count(|effect| matches!(effect, Effect::ClaimDial { .. } | Effect::Dial)), 0);
    assert_eq!(story.ending().end_reason, Some(EndReason::CalleeHangup));
}
