//! What becomes of attempts, one story each. Time is an argument.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::outcome::{Ending, OutcomeKind, Reason};

mod left_behind;

const TASK: &str = "arn:aws:ecs:eu-central-1:123456789012:task/calls/t1";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn attempt(number: u32) -> AttemptId {
    AttemptId::new(CallKey::from_ids(None, None, "i-1"), number)
}

fn stopped() -> Cause {
    Cause::Stopped { task: TASK.to_owned(), detail: "TaskFailedToStart: CannotPullContainerError".to_owned() }
}

fn job() -> Option<JobSeen> {
    Some(JobSeen { made_at: at("2026-07-21T12:00:00Z"), deadline: at("2026-07-21T16:00:00Z") })
}

pub(super) fn dial(task: &str) -> DialSeen {
    DialSeen {
        task: task.to_owned(),
        room: Some("call-1".to_owned()),
        agent_call_id: Some("agent-1".to_owned()),
        invite_by: at("2026-07-21T12:00:30Z"),
        deadline: at("2026-07-21T12:20:00Z"),
        failed_before_dial: None,
        decision: None,
    }
}

pub(super) fn outcome(kind: OutcomeKind, retryable: bool) -> Outcome {
    let ending = Ending { retryable, ..Ending::of(kind) };
    Outcome::new(ending, 1, at("2026-07-21T12:00:00Z"), at("2026-07-21T12:01:00Z"), "test")
}

/// A call folder in memory, and what was done.
#[derive(Default)]
struct World {
    folder: Folder,
    /// Effects in order, without facts; the folder's own by their document.
    done: Vec<String>,
    sent: Vec<(AttemptId, Duration)>,
    refusal: Option<Refusal>,
    facts: Vec<Fact>,
    /// Who takes the dial claim just before us.
    raced: Option<DialSeen>,
    /// Who writes the outcome just before us.
    raced_outcome: Option<Outcome>,
    breaks: Option<&'static str>,
}

impl World {
    fn of(seen: AttemptSeen) -> Self {
        let open = Some(at("2026-07-21T12:00:00Z"));
        let seen = AttemptSeen { open, ..seen };
        let folder = Folder { message: true, attempts: [(1, seen)].into() };
        Self { folder, ..Self::default() }
    }

    fn settle(&mut self, number: u32, cause: Cause, now: &str) -> Settled {
        let mut settling = Settling::new(attempt(number), cause, Policy::default(), at(now));
        loop {
            match settling.poll_effect().expect("it waits for something") {
                Effect::Record(fact) => self.facts.push(fact),
                Effect::Finish(settled) => return settled,
                effect => {
                    let answer = self.perform(effect);
                    settling.handle(answer);
                }
            }
        }
    }

    fn seen(&mut self, attempt: &AttemptId) -> &mut AttemptSeen {
        self.folder.attempts.entry(attempt.number).or_default()
    }

    fn perform(&mut self, effect: Effect) -> Input {
        let (name, answer) = match effect {
            Effect::LoadFolder(_) => return Input::Folder(Ok(self.folder.clone())),
            Effect::TakeDial(id, decision) => {
                if let Some(raced) = self.raced.take() {
                    self.seen(&id).dial = Some(raced);
                }
                let seen = self.seen(&id);
                let is_ours = seen.dial.is_none();
                if is_ours {
                    let decision = Some(*decision);
                    seen.dial =
                        Some(DialSeen { decision, room: None, agent_call_id: None, ..dial("settler") });
                }
                ("dial", Input::Claimed(if is_ours { Claim::Ours } else { Claim::Theirs }))
            }
            Effect::PutOutcome(id, outcome) => {
                if let Some(raced) = self.raced_outcome.take() {
                    self.seen(&id).outcome = Some(raced);
                }
                let seen = self.seen(&id);
                assert!(seen.dial.is_some(), "no outcome without a dial claim");
                let is_ours = seen.outcome.is_none();
                seen.outcome.get_or_insert(*outcome);
                ("outcome", Input::Claimed(if is_ours { Claim::Ours } else { Claim::Theirs }))
            }
            Effect::DeleteRoom(..) => ("room", Input::Done(Ok(()))),
            Effect::EndAgent(..) => ("agent", Input::Done(Ok(()))),
            Effect::Tell(..) => ("tell", Input::Done(Ok(()))),
            Effect::SendAttempt { attempt, delay } => {
                self.sent.push((attempt, delay));
                ("send", Input::Done(Ok(())))
            }
            Effect::SendDeadLetter { refusal, .. } => {
                self.refusal = Some(refusal);
                ("letter", Input::Done(Ok(())))
            }
            Effect::PutNext(id, next) => {
                self.seen(&id).next.get_or_insert(next);
                ("next", Input::Done(Ok(())))
            }
            Effect::DeleteOpen(id) => {
                assert!(self.seen(&id).next.is_some(), "open/ goes after next.json");
                self.seen(&id).open = None;
                ("close", Input::Done(Ok(())))
            }
            Effect::DeleteForsaken(id) => {
                self.seen(&id).open = None;
                ("forsaken", Input::Done(Ok(())))
            }
            Effect::Record(_) | Effect::Finish(_) => unreachable!("handled by settle"),
        };
        self.done.push(name.to_owned());
        match self.breaks {
            Some(breaks) if breaks == name => Input::Done(Err("broke".to_owned())),
            _ => answer,
        }
    }
}

#[test]
fn a_call_that_ended_in_its_own_way_is_followed_by_nothing() {
    let outcome = Some(outcome(OutcomeKind::Answered, false));
    let mut world = World::of(AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial(TASK)),
        outcome,
        ..AttemptSeen::default()
    });
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Nothing)));
    assert_eq!(world.done, ["next", "close"], "its task has told upstream itself");
}

#[test]
fn a_task_that_never_started_is_followed_by_another_attempt_after_a_while() {
    let mut world = World::of(AttemptSeen { job: job(), launched: true, ..AttemptSeen::default() });
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Attempt(2))));
    assert_eq!(world.done, ["dial", "outcome", "tell", "send", "next", "close"]);
    assert_eq!(world.sent, [(attempt(2), Duration::from_secs(30))]);
    let outcome = world.folder.attempts[&1].outcome.clone().unwrap();
    assert!(outcome.retryable && outcome.detail.unwrap().contains("CannotPullContainerError"));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::TaskStopped { .. })));
}

#[test]
fn the_last_attempt_becomes_a_dead_letter_that_says_why() {
    let retryable =
        || AttemptSeen { outcome: Some(outcome(OutcomeKind::Failed, true)), ..AttemptSeen::default() };
    let mut world = World::of(retryable());
    world.folder.attempts.insert(2, retryable());
    world.folder.attempts.insert(3, AttemptSeen { job: job(), launched: true, ..AttemptSeen::default() });
    assert_eq!(world.settle(3, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::DeadLetter)));
    assert_eq!(world.done, ["dial", "outcome", "tell", "letter", "next", "close"]);
    let refusal = world.refusal.unwrap();
    assert_eq!(refusal.code.as_str(), "attempts_exhausted");
    assert!(
        refusal.detail.contains("3 attempts") && refusal.detail.contains("CannotPull"),
        "{}",
        refusal.detail
    );
}

#[test]
fn an_attempt_that_was_put_off_for_the_call_hours_does_not_count() {
    let mut world = World::of(AttemptSeen {
        outcome: Some(outcome(OutcomeKind::Deferred, false)),
        ..AttemptSeen::default()
    });
    let failed = outcome(OutcomeKind::Failed, true);
    for number in 2..=3 {
        world
            .folder
            .attempts
            .insert(number, AttemptSeen { outcome: Some(failed.clone()), ..AttemptSeen::default() });
    }
    assert_eq!(
        world.settle(3, Cause::Swept, "2026-07-21T12:02:00Z"),
        Settled::Done(Some(Follow::Attempt(4)))
    );
    assert_eq!(world.sent, [(attempt(4), Duration::from_secs(120))], "the second that counts");
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Deferred)));
    assert_eq!(world.sent[1], (attempt(2), Duration::ZERO));
}

#[test]
fn nobody_knows_whether_it_rang_so_that_is_written_before_anything_is_done() {
    let mut world = World::of(AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial(TASK)),
        ..AttemptSeen::default()
    });
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Nothing)));
    assert_eq!(world.done, ["outcome", "room", "agent", "tell", "next", "close"]);
    let outcome = world.folder.attempts[&1].outcome.clone().unwrap();
    assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Unknown, Some("unknown")));
    assert!(!outcome.retryable && world.sent.is_empty());
}

#[test]
fn a_dial_that_may_still_be_on_its_way_is_hung_up_once_more_before_the_attempt_is_closed() {
    let held = AttemptSeen { job: job(), launched: true, dial: Some(dial(TASK)), ..AttemptSeen::default() };
    let mut world = World::of(held);
    let again = Settled::Again(Duration::from_secs(60));
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:01:00Z"), again);
    assert_eq!(world.done, ["outcome", "room", "agent", "tell"]);
    world.done.clear();
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Nothing)));
    assert_eq!(world.done, ["room", "agent", "tell", "next", "close"]);
}

#[test]
fn a_room_that_cannot_be_deleted_keeps_the_attempt_open_and_is_deleted_the_next_time() {
    let mut world = World::of(AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial(TASK)),
        ..AttemptSeen::default()
    });
    world.breaks = Some("room");
    assert!(matches!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Retry(_)));
    assert!(world.folder.attempts[&1].open.is_some());
    world.breaks = None;
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T12:03:00Z"), Settled::Done(Some(Follow::Nothing)));
    assert_eq!(world.done, ["outcome", "room", "room", "agent", "tell", "next", "close"]);
}

#[test]
fn only_the_task_that_holds_the_claim_is_settled_by_its_own_stop() {
    let held = AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial("another task")),
        ..AttemptSeen::default()
    };
    let mut world = World::of(held);
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::NotYet);
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T12:20:00Z"), Settled::NotYet);
    assert!(world.done.is_empty());
    // Its deadline is past: anyone may.
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T12:20:01Z"), Settled::Done(Some(Follow::Nothing)));
}

#[test]
fn a_message_that_is_still_in_the_queue_is_left_alone_and_reported_once_no_queue_can_have_it() {
    let mut world = World::of(AttemptSeen { job: job(), ..AttemptSeen::default() });
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-24T12:00:00Z"), Settled::NotYet);
    assert!(matches!(world.settle(1, Cause::Swept, "2026-07-27T12:00:00Z"), Settled::Stuck(_)));
    assert!(world.done.is_empty());
}

#[test]
fn the_sweep_waits_for_the_jobs_deadline() {
    let mut world = World::of(AttemptSeen { job: job(), launched: true, ..AttemptSeen::default() });
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T16:00:00Z"), Settled::NotYet);
    assert_eq!(
        world.settle(1, Cause::Swept, "2026-07-21T16:00:01Z"),
        Settled::Done(Some(Follow::Attempt(2)))
    );
}

#[test]
fn a_task_that_takes_the_claim_just_before_us_keeps_it() {
    let mut world = World::of(AttemptSeen { job: job(), launched: true, ..AttemptSeen::default() });
    world.raced = Some(dial("another task"));
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::NotYet);
    assert_eq!(world.done, ["dial"]);
}

#[test]
fn another_settlers_decision_is_carried_out_as_it_stands_there() {
    let decision = Decision { outcome: outcome(OutcomeKind::Failed, true), next: Follow::DeadLetter };
    let taken = DialSeen { decision: Some(decision), room: None, agent_call_id: None, ..dial("router") };
    let mut world = World::of(AttemptSeen { job: job(), dial: Some(taken), ..AttemptSeen::default() });
    assert_eq!(
        world.settle(1, Cause::Swept, "2026-07-21T12:02:00Z"),
        Settled::Done(Some(Follow::DeadLetter))
    );
    assert_eq!(world.done, ["outcome", "tell", "letter", "next", "close"]);
}

#[test]
fn a_message_that_a_router_gave_up_gets_its_letter_with_the_routers_reason() {
    let mut given_up = outcome(OutcomeKind::Failed, true);
    given_up.reason = Some(Reason::Refused.as_str().to_owned());
    given_up.detail = Some("receives_exhausted: given up at delivery 20: RunTask failed".to_owned());
    let decision = Decision { outcome: given_up, next: Follow::DeadLetter };
    let taken = DialSeen { decision: Some(decision), ..dial("router") };
    let mut world = World::of(AttemptSeen { job: job(), dial: Some(taken), ..AttemptSeen::default() });
    world.settle(1, Cause::Swept, "2026-07-21T12:02:00Z");
    assert_eq!(world.refusal.unwrap().code.as_str(), "receives_exhausted");
}

#[test]
fn who_comes_second_with_an_outcome_tells_nobody() {
    let mut world = World::of(AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial(TASK)),
        ..AttemptSeen::default()
    });
    world.raced_outcome = Some(outcome(OutcomeKind::Unknown, false));
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::NotYet);
    assert_eq!(world.done, ["outcome"]);
    // A task that came to its own end after all is followed as it says.
    let mut world = World::of(AttemptSeen {
        job: job(),
        launched: true,
        dial: Some(dial(TASK)),
        ..AttemptSeen::default()
    });
    world.raced_outcome = Some(outcome(OutcomeKind::Answered, false));
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Nothing)));
    assert_eq!(world.done, ["outcome", "next", "close"]);
}

#[test]
fn what_is_settled_already_is_only_closed() {
    let mut world = World::of(AttemptSeen { next: Some(Follow::Attempt(2)), ..AttemptSeen::default() });
    assert_eq!(
        world.settle(1, Cause::Swept, "2026-07-21T12:02:00Z"),
        Settled::Done(Some(Follow::Attempt(2)))
    );
    assert_eq!(world.done, ["close"]);
}

#[test]
fn a_mark_that_no_message_came_to_goes_after_an_hour() {
    let mut world = World::of(AttemptSeen::default());
    world.folder.message = false;
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T13:00:00Z"), Settled::NotYet);
    assert_eq!(world.settle(1, Cause::Swept, "2026-07-21T13:00:01Z"), Settled::Done(None));
    assert_eq!(world.done, ["forsaken"]);
}

#[test]
fn a_task_of_somebody_else_is_none_of_ours() {
    let mut world = World::default();
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(None));
    assert!(world.done.is_empty());
}

#[test]
fn delays_grow_and_stay_within_what_the_queue_can_hold() {
    let retryable =
        AttemptSeen { outcome: Some(outcome(OutcomeKind::Failed, true)), ..AttemptSeen::default() };
    let delay = |number: u32| {
        let mut world = World::default();
        world.folder.attempts = (1..=number).map(|n| (n, retryable.clone())).collect();
        let policy = Policy { max_attempts: 100, ..Policy::default() };
        let mut settling = Settling::new(attempt(number), Cause::Swept, policy, at("2026-07-21T12:02:00Z"));
        loop {
            match settling.poll_effect().unwrap() {
                Effect::Finish(settled) => panic!("{settled:?}"),
                Effect::Record(_) => {}
                Effect::SendAttempt { delay, .. } => return delay.as_secs(),
                effect => settling.handle(world.perform(effect)),
            }
        }
    };
    assert_eq!([1, 2, 3, 4, 40].map(delay), [30, 120, 480, 900, 900]);
}
