//! The witness: stands beside the phone, the store and the queues, and says when a promise is broken.

mod phone;

use std::collections::{BTreeMap, HashMap, HashSet};

use calls::ids::{AttemptId, CallKey};
use calls::outcome::OutcomeKind;
use calls::settle::Follow;
use calls::trigger::RefusalCode;

use crate::store::{AttemptFolder, Document, Outcome};
use crate::world::World;

/// What a settler does that is seen outside.
pub const TELLS: &str = "tells upstream";

/// What is true of an attempt, whoever knows it.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    invites: u32,
    rings: u32,
    /// Its INVITE came to a 5xx and nothing rang.
    trunk_error: bool,
    /// Terminal events that upstream was told, each kind once.
    told: HashSet<String>,
}

/// A promise that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, if it is one attempt's.
    pub attempt: Option<AttemptId>,
    /// What.
    pub what: String,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Witness {
    attempts: HashMap<AttemptId, Truth>,
    rings: HashMap<CallKey, u32>,
    /// The highest attempt that a letter of a given-up call names as next.
    given_up: HashMap<CallKey, u32>,
    /// The attempt from which on nobody rings any more: a person was told so.
    hung_up: HashMap<CallKey, u32>,
    /// Attempts that had a turn in the pace of their country.
    turns: HashSet<AttemptId>,
    /// Attempts for which a message was sent again.
    sent: HashSet<AttemptId>,
    duplicates: HashSet<String>,
    /// Acknowledged, for the sake of this attempt.
    acknowledged: HashMap<String, AttemptId>,
    refused: HashSet<String>,
    violations: Vec<Violation>,
    /// How often things happened, for the curious.
    pub tally: BTreeMap<&'static str, u64>,
    /// Phones that rang twice.
    pub double_rings: u64,
    /// Messages that nobody has any more.
    pub lost: u64,
    /// Rooms, legs, tasks, agents, open attempts at the end of the day.
    pub left_over: u64,
}

impl Witness {
    /// Has any promise been broken?
    pub fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    /// All that were seen.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// A promise was broken.
    pub fn violated(&mut self, attempt: Option<AttemptId>, what: String) {
        self.violations.push(Violation { attempt, what });
    }

    /// A delivery was found to be a duplicate and acknowledged.
    pub fn duplicate(&mut self, message_id: &str) {
        self.duplicates.insert(message_id.to_owned());
        self.count("duplicates");
    }

    /// A delivery was acknowledged, because this attempt goes on without it.
    pub fn acknowledges(&mut self, message_id: &str, attempt: AttemptId) {
        self.acknowledged.insert(message_id.to_owned(), attempt);
    }

    /// For the sake of which attempt a message was acknowledged last.
    pub fn acknowledged(&self, message_id: &str) -> Option<&AttemptId> {
        self.acknowledged.get(message_id)
    }

    /// A person who hung up was told that neither this attempt rings nor any after it.
    pub fn nobody_rings(&mut self, id: &AttemptId) {
        let from = self.hung_up.entry(id.key.clone()).or_insert(id.number);
        *from = (*from).min(id.number);
    }

    /// This attempt may begin, as far as its country's pace goes.
    pub fn had_turn(&mut self, id: &AttemptId) {
        self.turns.insert(id.clone());
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The message was acknowledged as a duplicate, or became a letter.
    pub fn has_place(&self, message_id: &str) -> bool {
        self.duplicates.contains(message_id) || self.refused.contains(message_id)
    }

    fn truth(&mut self, id: &AttemptId) -> &mut Truth {
        self.attempts.entry(id.clone()).or_default()
    }
}

impl World {
    /// A document is put. What is there already stays, so only the first one counts.
    pub(crate) fn watch_put(&mut self, id: &AttemptId, document: &Document) {
        let folder = self.store.attempt(id);
        match document {
            Document::Job(job) if folder.is_none_or(|folder| folder.job.is_none()) => {
                self.witness.count("attempts");
                if job.plan.profile.calls_per_second.is_some() && !self.witness.turns.contains(id) {
                    self.violated(id, "it begins without a turn in its country's pace");
                }
                self.watch_under_way(id, job);
                if self.witness.hung_up.get(&id.key).is_some_and(|from| id.number > *from) {
                    self.violated(id, "it is claimed after a person was told that nobody rings");
                }
                if id.number > 1 {
                    self.witness.count("attempts after the first");
                    self.watch_claim_of_another(id);
                }
            }
            Document::Outcome(outcome) if folder.is_none_or(|folder| folder.outcome.is_none()) => {
                self.witness.count(outcome.says.outcome.as_str());
                self.watch_outcome(id, outcome);
            }
            Document::Next(next) if folder.is_none_or(|folder| folder.next.is_none()) => {
                if folder.is_none_or(|folder| folder.outcome.is_none()) {
                    self.violated(id, "next.json before outcome.json");
                }
                self.watch_next(id, *next);
            }
            _ => {}
        }
    }

    /// What `next.json` says was done must have been done.
    fn watch_next(&mut self, id: &AttemptId, next: Follow) {
        let following = AttemptId::new(id.key.clone(), id.number + 1);
        let done = match next {
            Follow::Nothing => true,
            Follow::DeadLetter => self.witness.given_up.get(&id.key).is_some_and(|next| *next > id.number),
            Follow::Attempt(_) | Follow::Deferred => self.witness.sent.contains(&following),
        };
        if !done {
            self.violated(id, format!("next.json says {next}, and it was not done"));
        }
    }

    /// A call's message is sent again, for this attempt.
    pub(crate) fn watch_sent_again(&mut self, id: &AttemptId) {
        self.witness.sent.insert(id.clone());
        if self.store.calls.get(&id.key).is_none_or(|call| call.message.is_none()) {
            self.violated(id, "its message is put back, and message.json does not exist");
        }
        let follows_nothing = |before: &u32| {
            let folder = self.store.attempt(&AttemptId::new(id.key.clone(), *before));
            !folder.and_then(AttemptFolder::outcome).is_some_and(may_follow)
        };
        // To wait for hours, a turn or a place uses no attempt up.
        if let Some(before) = (1..id.number).find(follows_nothing) {
            self.violated(id, format!("its message is sent, and attempt {before} has not come to that"));
        }
    }

    fn watch_claim_of_another(&mut self, id: &AttemptId) {
        for before in 1..id.number {
            let before = AttemptId::new(id.key.clone(), before);
            let outcome = self.store.attempt(&before).and_then(|folder| folder.outcome());
            if !outcome.is_some_and(may_follow) {
                let what =
                    format!("it is claimed, and the outcome of attempt {} does not allow it", before.number);
                self.violated(id, what);
            }
        }
        let counted = (1..=id.number).filter(|number| !self.was_deferred(&id.key, *number)).count();
        let most = self.settling.max_attempts + self.upstream.redrives(&id.key);
        if u32::try_from(counted).is_ok_and(|counted| counted > most) {
            self.violated(id, format!("{counted} attempts, {most} are allowed"));
        }
    }

    fn was_deferred(&self, key: &CallKey, number: u32) -> bool {
        let outcome =
            self.store.attempt(&AttemptId::new(key.clone(), number)).and_then(|folder| folder.outcome());
        outcome.is_some_and(|outcome| outcome.says.outcome == OutcomeKind::Deferred)
    }

    /// Only who holds the dial claim says how it ended, but for `unknown`.
    fn watch_outcome(&mut self, id: &AttemptId, outcome: &Outcome) {
        let Some(claim) = self.store.attempt(id).and_then(|folder| folder.dial()).cloned() else {
            return self.violated(id, "an outcome without a dial claim");
        };
        if let Some(decision) = &claim.decision {
            if decision.outcome.outcome != outcome.says.outcome {
                self.violated(id, "an outcome that is not what was decided");
            }
            return;
        }
        if claim.by == outcome.by {
            return;
        }
        let past = self.clock.wall() > claim.deadline;
        if !(past || self.ecs.has_stopped(&claim.task)) {
            self.violated(id, "settled by somebody else while its task lives");
        }
        if claim.failed.is_none() && outcome.says.outcome != OutcomeKind::Unknown {
            self.violated(id, "an outcome by who does not hold the dial claim");
        }
    }

    /// Upstream is told how an attempt ended.
    pub(crate) fn watch_told_by_task(&mut self, id: &AttemptId) {
        let outcome = self.store.attempt(id).and_then(|folder| folder.outcome());
        if let Some(kind) = outcome.map(|outcome| outcome.says.outcome) {
            self.watch_told(id, kind.as_str());
        }
    }

    /// A settler tells upstream, or deletes what is left: by then its outcome must stand. What a task left that never
    /// dialed may go before: nothing rings by its claim.
    pub(crate) fn watch_settler_acts(&mut self, id: &AttemptId, what: &str) {
        let folder = self.store.attempt(id);
        let never_dialed = folder.and_then(AttemptFolder::dial).is_some_and(|claim| claim.failed.is_some());
        let tidies = never_dialed && what != TELLS;
        if !tidies && folder.is_none_or(|folder| folder.outcome.is_none()) {
            self.violated(id, format!("a settler {what} before the outcome is written"));
        }
    }

    /// At most one distinct terminal event.
    pub(crate) fn watch_told(&mut self, id: &AttemptId, terminal: &str) {
        let told = &mut self.witness.truth(id).told;
        told.insert(terminal.to_owned());
        if told.len() > 1 {
            self.violated(id, "upstream is told of two different ends");
        }
    }

    /// A message is laid to the dead letters.
    pub(crate) fn watch_letter(
        &mut self,
        id: &AttemptId,
        code: RefusalCode,
        original: &str,
        saw_message: bool,
    ) {
        self.note(id, || format!("dead letter of {original}: {code}"));
        self.witness.count("dead letters");
        self.witness.refused.insert(original.to_owned());
        let gives_up = matches!(code, RefusalCode::ReceivesExhausted | RefusalCode::AttemptsExhausted);
        if !gives_up {
            if saw_message {
                self.violated(id, format!("refused as {code} after its identity was claimed"));
            }
            return;
        }
        let next = self.witness.given_up.entry(id.key.clone()).or_default();
        *next = (*next).max(id.number);
        if id.number > 1 {
            let before = AttemptId::new(id.key.clone(), id.number - 1);
            let folder = self.store.attempt(&before);
            let settled = folder.is_some_and(|folder| folder.dial.is_some() && folder.outcome.is_some());
            if !settled {
                self.violated(&before, "given up, and its dial claim is still to be had");
            }
        }
    }
}

fn may_follow(outcome: &Outcome) -> bool {
    let says = &outcome.says;
    says.outcome != OutcomeKind::Unknown && (says.retryable || says.outcome == OutcomeKind::Deferred)
}
