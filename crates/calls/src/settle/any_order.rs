//! Any folder and any answers in any order: what must hold all the same.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::stories::{at, attempt, dial, outcome};
use super::*;
use crate::outcome::OutcomeKind;

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let kinds = prop::sample::select(OutcomeKind::ALL);
    // Only what failed may be tried again.
    (kinds, any::<bool>()).prop_map(|(kind, again)| outcome(kind, again && kind == OutcomeKind::Failed))
}

fn any_follow() -> impl Strategy<Value = Follow> {
    prop::sample::select(vec![Follow::Nothing, Follow::Attempt(2), Follow::Deferred, Follow::DeadLetter])
}

fn any_dial() -> impl Strategy<Value = DialSeen> {
    let decision =
        prop::option::of((any_outcome(), prop::sample::select(vec![Follow::Nothing, Follow::DeadLetter])));
    (any::<[bool; 2]>(), decision).prop_map(|([ours, failed], decision)| DialSeen {
        failed_before_dial: failed.then(|| "why".to_owned()),
        decision: decision.map(|(outcome, next)| Decision { outcome, next }),
        ..dial(if ours { "task" } else { "another" })
    })
}

fn any_seen() -> impl Strategy<Value = AttemptSeen> {
    let parts = (
        any::<[bool; 3]>(),
        prop::option::of(any_dial()),
        prop::option::of(any_outcome()),
        prop::option::weighted(0.2, any_follow()),
    );
    parts.prop_map(|([open, job, launched], dial, outcome, next)| AttemptSeen {
        open: open.then(|| at("2026-07-21T12:00:00Z")),
        job: job
            .then(|| JobSeen { made_at: at("2026-07-21T12:00:00Z"), deadline: at("2026-07-21T16:00:00Z") }),
        launched,
        dial,
        outcome,
        next,
    })
}

fn any_folder() -> impl Strategy<Value = Folder> {
    (any::<bool>(), prop::collection::btree_map(1..4_u32, any_seen(), 0..4))
        .prop_map(|(message, attempts)| Folder { message, attempts })
}

fn any_cause() -> impl Strategy<Value = Cause> {
    let stopped = Cause::Stopped { task: "task".to_owned(), detail: "why".to_owned() };
    prop::sample::select(vec![Cause::Swept, stopped])
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let times =
        ["2026-07-21T12:01:00Z", "2026-07-21T13:30:00Z", "2026-07-21T17:00:00Z", "2026-08-01T12:00:00Z"];
    prop::sample::select(times.map(at).to_vec())
}

/// One settling over a folder that stays as it is, but for what is done to it; `picks` say what breaks or is lost.
fn settle(mut folder: Folder, cause: Cause, now: Timestamp, picks: &[u8]) -> (Folder, Vec<Effect>, Settled) {
    let mut settling = Settling::new(attempt(1), cause, Policy::default(), now);
    let (mut done, mut picks) = (Vec::new(), picks.iter().copied());
    for _ in 0..60 {
        let effect = settling.poll_effect().expect("it waits for something");
        let pick = picks.next().unwrap_or(1);
        let seen = folder.attempts.entry(1).or_default();
        let claim = |there: bool| match (pick % 7, there) {
            (0, _) => Claim::Failed("failed".to_owned()),
            (_, true) => Claim::Theirs,
            (_, false) => Claim::Ours,
        };
        let result = || if pick.is_multiple_of(7) { Err("failed".to_owned()) } else { Ok(()) };
        let answer = match &effect {
            Effect::Record(_) => continue,
            Effect::Finish(settled) => return (folder, done, settled.clone()),
            Effect::LoadFolder(_) => Input::Folder(result().map(|()| folder.clone())),
            Effect::TakeDial(_, decision) => {
                let claim = claim(seen.dial.is_some());
                if claim == Claim::Ours {
                    seen.dial = Some(DialSeen { decision: Some((**decision).clone()), ..dial("settler") });
                }
                Input::Claimed(claim)
            }
            Effect::PutOutcome(_, outcome) => {
                let claim = claim(seen.outcome.is_some());
                if claim == Claim::Ours {
                    seen.outcome = Some((**outcome).clone());
                }
                Input::Claimed(claim)
            }
            Effect::PutNext(_, next) => {
                let result = result();
                if result.is_ok() {
                    seen.next.get_or_insert(*next);
                }
                Input::Done(result)
            }
            Effect::DeleteOpen(_) | Effect::DeleteForsaken(_) => {
                let result = result();
                if result.is_ok() {
                    seen.open = None;
                }
                Input::Done(result)
            }
            _ => Input::Done(result()),
        };
        done.push(effect);
        settling.handle(answer);
    }
    panic!("no end: {settling:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_may_have_rung_is_never_sent_again_and_every_step_comes_after_the_one_before(
        folder in any_folder(), cause in any_cause(), now in any_time(), picks in prop::collection::vec(any::<u8>(), 0..30)
    ) {
        let before = folder.attempts.get(&1).cloned().unwrap_or_default();
        let (after, done, settled) = settle(folder, cause.clone(), now, &picks);
        let seen = &after.attempts[&1];
        let sends = |effect: &Effect| matches!(effect, Effect::SendAttempt { .. } | Effect::SendDeadLetter { .. });
        if done.iter().any(sends) {
            let outcome = seen.outcome.as_ref().expect("nothing is sent before the outcome is written");
            let by_decision = seen.dial.as_ref().is_some_and(|dial| dial.decision.is_some());
            prop_assert!(outcome.retryable || outcome.outcome == OutcomeKind::Deferred || by_decision);
        }
        // A claim that a task holds is settled only once that task is gone.
        let held = before.dial.as_ref().filter(|dial| dial.decision.is_none() && before.outcome.is_none());
        if let (Some(held), true) = (held, before.next.is_none()) {
            let is_gone = matches!(&cause, Cause::Stopped { task, .. } if *task == held.task) || now > held.deadline;
            let touched = done.iter().any(|effect| !matches!(effect, Effect::LoadFolder(_)));
            prop_assert!(is_gone || !touched, "{done:?}");
        }
        if let Settled::Done(Some(_)) = settled {
            prop_assert!(seen.next.is_some() && seen.open.is_none());
        }
        let wrote = done.iter().filter(|effect| matches!(effect, Effect::PutOutcome(..))).count();
        prop_assert!(before.outcome.is_none() || wrote == 0, "one outcome an attempt");
    }

    #[test]
    fn whatever_was_left_half_done_is_carried_to_its_end_by_who_comes_next(
        folder in any_folder(), cause in any_cause(), now in any_time(), picks in prop::collection::vec(any::<u8>(), 0..30)
    ) {
        let (half, _, settled) = settle(folder, cause.clone(), now, &picks);
        if !matches!(settled, Settled::Retry(_)) {
            return Ok(());
        }
        let (whole, _, settled) = settle(half, cause, now, &[]);
        prop_assert!(!matches!(settled, Settled::Retry(_)), "{settled:?}");
        if matches!(settled, Settled::Done(_)) {
            prop_assert!(whole.attempts[&1].open.is_none());
        }
    }
}
