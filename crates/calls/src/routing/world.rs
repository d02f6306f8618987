//! The hands for tests: a call folder in memory, and deliveries.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::profile::CountryProfile;
use crate::settle::Follow;

pub(super) const NOON: &str = "2026-07-21T12:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn body(id: &str, number: &str) -> Vec<u8> {
    format!(
        r#"{{"messageType":"TRIGGER_CALL","id":"{id}","metadata":{{"phoneNumbers":[{{"number":"{number}"}}],
        "subject":{{"prompt":{{"text":"Be kind."}}}}}}}}"#
    )
    .into_bytes()
}

pub(super) fn call(message_id: &str) -> Delivery {
    delivery(message_id, body("i-1", "+5511912345678"))
}

pub(super) fn delivery(message_id: &str, body: Vec<u8>) -> Delivery {
    Delivery {
        message_id: message_id.to_owned(),
        body,
        call_key: None,
        attempt: None,
        put_back: None,
        receive_count: 1,
        sent_at: at("2026-07-21T11:59:59Z"),
    }
}

pub(super) fn put_back(message_id: &str, body: Vec<u8>, attempt: &str) -> Delivery {
    let call_key = Some(key().as_str().to_owned());
    Delivery { call_key, attempt: Some(attempt.to_owned()), ..delivery(message_id, body) }
}

/// `back/` with one note.
pub(super) fn noted(nth: u32, message_id: &str) -> Arc<PutBacks> {
    let mut put_backs = PutBacks::default();
    put_backs.note(nth, message_id);
    Arc::new(put_backs)
}

/// Its last delivery before it is given up.
pub(super) fn last_time(delivery: Delivery) -> Delivery {
    Delivery { receive_count: Policy::default().max_receives, ..delivery }
}

pub(super) fn key() -> CallKey {
    CallKey::from_ids(None, None, "i-1")
}

pub(super) fn brazil() -> Profiles {
    profiles(
        r#"{"v":1,"country":"BR","agent":{"voice":"Ana"},"livekit":{"url":"ws://h","trunkId":"ST_1","callerId":"+5511"}}"#,
    )
}

pub(super) fn profiles(text: &str) -> Profiles {
    Profiles::new([CountryProfile::from_json(text)]).unwrap()
}

/// The world around one or several deliveries: a call folder, tasks, dead letters, and what breaks.
#[derive(Default)]
pub(super) struct World {
    pub(super) folder: Folder,
    /// The folder is this key's; any other key has none.
    pub(super) other_key: bool,
    pub(super) open: bool,
    pub(super) launches: u32,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) fresh_reads: u32,
    /// Read past the cache.
    pub(super) newer: Option<Profiles>,
    pub(super) profiles: Profiles,
    /// Effects that fail from now on, by their name.
    pub(super) breaks: Vec<&'static str>,
    /// Claims that somebody else wins just before us, by their name.
    pub(super) races: VecDeque<&'static str>,
    pub(super) facts: Vec<Fact>,
    pub(super) ending: Option<Ending>,
    pub(super) policy: Policy,
    /// What is answered to who asks for a place; taken, if nothing.
    pub(super) not_now: Option<Place>,
    /// What was put back, and for how long.
    pub(super) put_back: Vec<(AttemptId, Duration)>,
}

impl World {
    pub(super) fn new() -> Self {
        Self { profiles: brazil(), ..Self::default() }
    }

    pub(super) fn receive(&mut self, delivery: Delivery) -> Verdict {
        let mut routing = Routing::new(delivery, self.policy, at(NOON));
        loop {
            let Some(effect) = routing.poll_effect() else { panic!("it waits for nothing: {routing:?}") };
            match effect {
                Effect::Finish(verdict) => {
                    assert!(routing.is_over() && routing.poll_effect().is_none());
                    return verdict;
                }
                Effect::Record(fact) => self.facts.push(fact),
                effect => {
                    let answer = self.perform(effect);
                    assert!(routing.poll_effect().is_none(), "one effect at a time");
                    routing.handle(answer);
                }
            }
        }
    }

    fn broken(&self, name: &'static str) -> Result<(), String> {
        if self.breaks.contains(&name) { Err(format!("{name} failed")) } else { Ok(()) }
    }

    fn attempt(&mut self, id: &AttemptId) -> &mut AttemptSeen {
        self.folder.attempts.entry(id.number).or_default()
    }

    /// Put-if-absent: `there` says whether it was, `put` writes it.
    fn claim(&mut self, name: &'static str, there: bool, put: impl FnOnce(&mut Self)) -> Input {
        if let Err(detail) = self.broken(name) {
            return Input::Claimed(Claim::Failed(detail));
        }
        let raced = self.races.front() == Some(&name) && self.races.pop_front().is_some();
        if !there {
            put(self);
        }
        Input::Claimed(if there || raced { Claim::Theirs } else { Claim::Ours })
    }

    fn perform(&mut self, effect: Effect) -> Input {
        match effect {
            Effect::LoadFolder(asked) => {
                let folder =
                    if self.other_key && asked != key() { Folder::default() } else { self.folder.clone() };
                Input::Folder(self.broken("load").map(|()| folder))
            }
            Effect::LoadProfiles { fresh } => {
                self.fresh_reads += u32::from(fresh);
                if fresh && let Some(newer) = self.newer.take() {
                    self.profiles = newer;
                }
                Input::Profiles(self.broken("profiles").map(|()| Arc::new(self.profiles.clone())))
            }
            Effect::PutOpen(_) => Input::Stored(self.broken("open").map(|()| self.open = true)),
            Effect::PutMessage(_, message) => {
                assert!(self.open, "open/ comes before message.json");
                let there = self.folder.message.is_some();
                self.claim("message", there, |world| world.folder.message = Some(message))
            }
            Effect::TakePlace { .. } => {
                assert!(
                    self.folder.message.is_some() && self.open,
                    "a place is taken by what is claimed and open"
                );
                Input::Place(self.broken("place").map(|()| self.not_now.unwrap_or(Place::Taken)))
            }
            Effect::PutBack { attempt, nth, delay } => {
                assert_eq!(nth, self.folder.times_put_back() + 1, "put-backs are numbered");
                assert!(self.folder.message.is_some(), "nothing is put back before message.json exists");
                Input::PutBack(self.broken("put back").map(|()| self.put_back.push((attempt, delay))))
            }
            Effect::NoteBack { attempt, nth, message_id } => {
                assert!(!self.put_back.is_empty(), "the note comes after the message");
                Input::Stored(self.broken("note back").map(|()| {
                    Arc::make_mut(&mut self.attempt(&attempt).put_back).note(nth, &message_id);
                }))
            }
            Effect::PutJob { attempt, deadline, .. } => {
                assert!(
                    self.folder.message.is_some() && self.open,
                    "message.json and open/ come before job.json"
                );
                self.deadline = Some(deadline);
                let there = self.attempt(&attempt).job;
                self.claim("job", there, |world| {
                    let seen = world.attempt(&attempt);
                    (seen.job, seen.claim_by) = (true, Some(deadline));
                })
            }
            Effect::Launch(attempt) => {
                assert!(self.attempt(&attempt).job, "nothing is launched that is not claimed");
                Input::Launched(self.broken("launch").map(|()| {
                    self.launches += 1;
                    "task-1".to_owned()
                }))
            }
            Effect::PutLaunched { attempt, .. } => {
                Input::Stored(self.broken("launched").map(|()| self.attempt(&attempt).launched = true))
            }
            Effect::SendDeadLetter(letter) => {
                Input::LetterSent(self.broken("letter").map(|()| self.letters.push(*letter)))
            }
            Effect::TakeDial(attempt, _) => {
                let there = self.attempt(&attempt).dial;
                self.claim("dial", there, |world| world.attempt(&attempt).dial = true)
            }
            Effect::PutOutcome(attempt, ending) => {
                assert!(self.attempt(&attempt).dial, "only who holds the dial claim writes the outcome");
                let again = ending.retryable;
                self.ending = Some(*ending);
                self.claim("outcome", false, |world| world.attempt(&attempt).outcome = Some(again))
            }
            Effect::PutNext(attempt) => {
                assert!(!self.letters.is_empty(), "next.json is written after what it says was done");
                Input::Stored(
                    self.broken("next").map(|()| self.attempt(&attempt).next = Some(Follow::DeadLetter)),
                )
            }
            Effect::DeleteOpen(attempt) => {
                assert!(self.attempt(&attempt).next.is_some(), "open/ goes after next.json");
                Input::Stored(self.broken("close").map(|()| self.open = false))
            }
            Effect::Record(_) | Effect::Finish(_) => unreachable!("handled by receive"),
        }
    }

    pub(super) fn had(&self, fact: &Fact) -> bool {
        self.facts.contains(fact)
    }
}
