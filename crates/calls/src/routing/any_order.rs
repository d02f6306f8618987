//! Any answers in any order: what must hold all the same.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::folder::Stand;
use super::world::{NOON, at, body, brazil, key, noted};
use super::*;
use crate::settle::Follow;

fn any_seen() -> impl Strategy<Value = AttemptSeen> {
    (any::<[bool; 5]>(), any::<Option<bool>>(), prop::option::of(prop::sample::select(vec!["m-1", "m-2"])))
        .prop_map(|([job, late, launched, dial, next], outcome, put_back)| AttemptSeen {
            job,
            claim_by: (job && late).then(|| at(NOON)),
            launched,
            dial,
            outcome,
            next: next.then_some(Follow::Attempt(2)),
            put_back: put_back.map_or_else(Arc::default, |message| noted(3, message)),
        })
}

fn any_folder() -> impl Strategy<Value = Folder> {
    let message = (prop::sample::select(vec!["m-1", "m-2"]), any_body())
        .prop_map(|(id, body)| StoredMessage { message_id: id.to_owned(), body, sent_at: at(NOON) });
    (prop::option::of(message), prop::collection::btree_map(1..4_u32, any_seen(), 0..3))
        .prop_map(|(message, attempts)| Folder { message, attempts })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let good = body("i-1", "+5511912345678");
    let alone = key().as_str().as_bytes().to_vec();
    prop::sample::select(vec![
        good,
        alone,
        body("", "+5511912345678"),
        body("i-1", "+56912345678"),
        body("i-1", "abc"),
        b"{".to_vec(),
    ])
}

fn any_delivery() -> impl Strategy<Value = Delivery> {
    let count = prop::sample::select(vec![1, 19, 20, 21]);
    let attempt = prop::option::of(prop::sample::select(vec!["1", "2", "3", "0", "x"]));
    let put_back = prop::option::of(1..6_u32);
    (any_body(), any::<bool>(), attempt, put_back, count).prop_map(
        |(body, marked, attempt, put_back, receive_count)| Delivery {
            message_id: "m-1".to_owned(),
            body,
            call_key: marked.then(|| key().as_str().to_owned()),
            attempt: attempt.map(str::to_owned),
            put_back,
            receive_count,
            sent_at: at("2026-07-21T11:00:00Z"),
        },
    )
}

fn failed() -> Result<(), String> {
    Err("failed".to_owned())
}

fn any_place() -> impl Strategy<Value = Place> {
    let full = Place::NotNow { why: NotNow::TooManyCalls, wait: Duration::from_secs(20) };
    prop::sample::select(vec![Place::Taken, full])
}

fn any_input() -> impl Strategy<Value = Input> {
    let result = || any::<bool>().prop_map(|works| if works { Ok(()) } else { failed() });
    prop_oneof![
        any_folder().prop_map(|folder| Input::Folder(Ok(folder))),
        Just(Input::Folder(Err("failed".to_owned()))),
        any::<bool>().prop_map(|some| Input::Profiles(Ok(Arc::new(if some {
            brazil()
        } else {
            Profiles::default()
        })))),
        Just(Input::Profiles(Err("failed".to_owned()))),
        prop::sample::select(vec![Claim::Ours, Claim::Theirs, Claim::Failed("failed".to_owned())])
            .prop_map(Input::Claimed),
        result().prop_map(|result| Input::Launched(result.map(|()| "task".to_owned()))),
        result().prop_map(Input::Stored),
        result().prop_map(Input::LetterSent),
        result().prop_map(Input::PutBack),
        any_place().prop_map(|place| Input::Place(Ok(place))),
        Just(Input::Place(Err("failed".to_owned()))),
    ]
}

/// The answers that fit an effect, chosen by `pick` and `folder`.
fn fitting(effect: &Effect, pick: u8, folder: &Folder) -> Option<Input> {
    let works = !pick.is_multiple_of(5);
    let result = || if works { Ok(()) } else { failed() };
    let claim = match pick % 4 {
        0 => Claim::Failed("failed".to_owned()),
        1 => Claim::Theirs,
        _ => Claim::Ours,
    };
    Some(match effect {
        Effect::LoadFolder(_) => Input::Folder(result().map(|()| folder.clone())),
        Effect::LoadProfiles { .. } => Input::Profiles(result().map(|()| Arc::new(brazil()))),
        Effect::PutMessage(..) | Effect::PutJob { .. } | Effect::TakeDial(..) | Effect::PutOutcome(..) => {
            Input::Claimed(claim)
        }
        Effect::Launch(_) => Input::Launched(result().map(|()| "task".to_owned())),
        Effect::PutOpen(_)
        | Effect::NoteBack { .. }
        | Effect::PutLaunched { .. }
        | Effect::PutNext(_)
        | Effect::DeleteOpen(_) => Input::Stored(result()),
        Effect::TakePlace { .. } => Input::Place(result().map(|()| {
            let full = Place::NotNow { why: NotNow::TooManyCalls, wait: Duration::from_secs(20) };
            if pick.is_multiple_of(2) { full } else { Place::Taken }
        })),
        Effect::PutBack { .. } => Input::PutBack(result()),
        Effect::SendDeadLetter(_) => Input::LetterSent(result()),
        Effect::Record(_) | Effect::Finish(_) => return None,
    })
}

/// Counts what may happen once only, and watches the end.
#[derive(Default)]
struct Tally {
    launches: u32,
    letters: u32,
    claims: u32,
    put_back: u32,
    verdict: Option<Verdict>,
    last: Option<Effect>,
}

impl Tally {
    fn drain(&mut self, routing: &mut Routing) {
        while let Some(effect) = routing.poll_effect() {
            if self.verdict.is_some() {
                assert!(
                    matches!(effect, Effect::Record(_)),
                    "nothing but facts after the verdict: {effect:?}"
                );
                continue;
            }
            match &effect {
                Effect::Launch(_) => self.launches += 1,
                Effect::SendDeadLetter(_) => self.letters += 1,
                Effect::PutMessage(..) | Effect::PutJob { .. } => self.claims += 1,
                Effect::PutBack { .. } => self.put_back += 1,
                Effect::Finish(verdict) => self.verdict = Some(verdict.clone()),
                _ => {}
            }
            if !matches!(effect, Effect::Record(_)) {
                self.last = Some(effect);
            }
        }
        assert_eq!(self.verdict.is_some(), routing.is_over());
        assert!(self.launches <= 1 && self.letters <= 1 && self.put_back <= 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_begins_unless_every_attempt_before_it_allows_another(
        folder in any_folder(), attempt in 1..6_u32
    ) {
        let outcomes: Vec<_> = (1..attempt).map(|n| folder.attempts.get(&n).and_then(|seen| seen.outcome)).collect();
        if matches!(folder.stand(attempt), Stand::ToBeClaimed | Stand::ToBeLaunched) {
            prop_assert!(outcomes.iter().all(|outcome| *outcome == Some(true)), "{outcomes:?}");
        }
    }

    #[test]
    fn any_inputs_in_any_order(delivery in any_delivery(), inputs in prop::collection::vec(any_input(), 0..40)) {
        let policy = Policy { max_age: Some(Duration::from_secs(60 * 60 * 2)), ..Policy::default() };
        let mut routing = Routing::new(delivery, policy, at(NOON));
        let mut tally = Tally::default();
        tally.drain(&mut routing);
        for input in inputs {
            routing.handle(input);
            tally.drain(&mut routing);
        }
    }

    #[test]
    fn answered_effects_always_come_to_a_verdict(
        delivery in any_delivery(),
        folders in prop::collection::vec(any_folder(), 1..6),
        picks in prop::collection::vec(any::<u8>(), 1..40),
        strict in any::<bool>(),
    ) {
        let max_age = strict.then_some(Duration::from_secs(60));
        let receive_count = delivery.receive_count;
        let mut routing = Routing::new(delivery, Policy { max_age, ..Policy::default() }, at(NOON));
        let mut tally = Tally::default();
        let mut ours_to_settle = false;
        let mut seen = Folder::default();
        for step in 0.. {
            tally.drain(&mut routing);
            if tally.verdict.is_some() {
                break;
            }
            prop_assert!(step < 60, "no verdict: {routing:?}");
            let effect = tally.last.clone().unwrap();
            ours_to_settle |= matches!(effect, Effect::TakeDial(..));
            if let Effect::PutJob { attempt, .. } | Effect::Launch(attempt) | Effect::TakeDial(attempt, _) = &effect {
                let allows = |number| seen.attempts.get(&number).and_then(|before| before.outcome) == Some(true);
                prop_assert!((1..attempt.number).all(allows), "{effect:?} after {seen:?}");
            }
            let answer = fitting(&effect, picks[step % picks.len()], &folders[step % folders.len()]).unwrap();
            if let Input::Folder(Ok(folder)) = &answer {
                seen = folder.clone();
            }
            routing.handle(answer);
        }
        // Given up at the last delivery, or when nothing can be started in time any more.
        let is_late = seen.attempts.keys().any(|attempt| seen.is_too_late(*attempt, at(NOON)));
        match tally.verdict.clone().unwrap() {
            Verdict::Refused(RefusalCode::ReceivesExhausted) => {
                prop_assert!((receive_count >= 20 || is_late) && tally.letters == 1);
            }
            Verdict::Refused(_) => {
                prop_assert_eq!((tally.letters, tally.launches, tally.claims), (1, 0, 0), "a refusal leaves no claim");
            }
            Verdict::Done => prop_assert!(tally.letters == 0),
            Verdict::Deferred => prop_assert_eq!((tally.letters, tally.launches, tally.put_back), (0, 0, 1)),
            Verdict::Retry(_) => {}
        }
        prop_assert!(!ours_to_settle || receive_count >= 20 || is_late);
    }
}
