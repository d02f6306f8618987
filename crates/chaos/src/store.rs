//! The object store with all call folders: keeps what it acknowledged, honours put-if-absent, and lies about
//! everything else. An acknowledgement may be lost, a write may come through after its sender has given it up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calls::ids::{AttemptId, CallKey};
use calls::outcome::OutcomeKind;
use calls::plan::CallPlan;
use calls::routing::{AttemptSeen, Folder, PutBacks, StoredMessage};
use calls::settle::{self, Decision, DialSeen, Follow, JobSeen};
use jiff::Timestamp;

use crate::clock::{Ms, SECOND};
use crate::event::Event;
use crate::places::PlaceFile;
use crate::weather::Service;
use crate::world::{Pid, World};

/// How long one document is tried to be put or read.
pub const TRY_FOR: Ms = 10 * SECOND;
/// The pause between two tries.
pub const PAUSE: Ms = SECOND;

/// Drawn for one claim: who holds it.
pub type Owner = u64;

/// A document to be put if it is absent.
#[derive(Clone, Debug)]
pub enum Document {
    /// `open/<key>-a<n>`.
    Open,
    /// `message.json`.
    Message(StoredMessage),
    /// `job.json`.
    Job(Job),
    /// `launched.json`.
    Launched(String),
    /// `dial.json`.
    Dial(Box<DialClaim>),
    /// `outcome.json`.
    Outcome(Outcome),
    /// `next.json`.
    Next(Follow),
    /// `back/n<nth>-<message id>.json`.
    Back(u32, String),
}

/// `job.json`.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is dialed.
    pub plan: Box<CallPlan>,
    /// When.
    pub made_at: Timestamp,
    /// Until when the dial claim may be taken by the attempt's task.
    pub deadline: Timestamp,
}

/// `dial.json`.
#[derive(Clone, Debug)]
pub struct DialClaim {
    /// Whose process wrote it.
    pub by: Pid,
    /// The task, as ECS calls it; a settler's name otherwise.
    pub task: String,
    /// The room of that task.
    pub room: Option<String>,
    /// The agent's call.
    pub agent_call: Option<String>,
    /// The dial may not leave later.
    pub invite_by: Timestamp,
    /// Anybody may settle it later.
    pub deadline: Timestamp,
    /// Nothing rings by this claim: its task failed before.
    pub failed: Option<String>,
    /// Nothing rings by this claim: a settler, or a router that gave up, decided so.
    pub decision: Option<Decision>,
}

impl DialClaim {
    /// Nobody rings by it: whoever settles the attempt has decided what becomes of it.
    pub fn decided(by: Pid, task: String, at: Timestamp, decision: Decision) -> Self {
        let (invite_by, deadline, decision) = (at, at, Some(decision));
        Self { by, task, room: None, agent_call: None, invite_by, deadline, failed: None, decision }
    }
}

/// `outcome.json`.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whose process wrote it.
    pub by: Pid,
    /// How it ended.
    pub says: Box<calls::outcome::Outcome>,
}

/// A document and who put it.
#[derive(Clone, Debug)]
pub struct Held<T> {
    owner: Owner,
    /// What stands there.
    pub is: T,
}

/// All documents of one attempt.
#[derive(Clone, Debug, Default)]
pub struct AttemptFolder {
    /// `job.json`.
    pub job: Option<Held<Job>>,
    /// `launched.json`.
    pub launched: Option<Held<String>>,
    /// `dial.json`.
    pub dial: Option<Held<Box<DialClaim>>>,
    /// `outcome.json`.
    pub outcome: Option<Held<Outcome>>,
    /// `next.json`.
    pub next: Option<Held<Follow>>,
    /// Deliveries that were put back.
    pub back: Arc<PutBacks>,
    /// When the last of them was.
    pub back_at: Option<Ms>,
}

/// All documents of one call.
#[derive(Clone, Debug, Default)]
pub struct CallFolder {
    /// `message.json`.
    pub message: Option<Held<StoredMessage>>,
    /// By number.
    pub attempts: BTreeMap<u32, AttemptFolder>,
}

/// The store.
#[derive(Debug, Default)]
pub struct Store {
    /// `calls/`.
    pub calls: HashMap<CallKey, CallFolder>,
    /// `open/`, since when.
    pub open: BTreeMap<AttemptId, Ms>,
    /// `pace/<CC>/`, since when.
    pub places: BTreeMap<PlaceFile, Ms>,
    /// How many attempts were claimed.
    pub attempts: u64,
}

/// What a put came to, for who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is ours: by this put or by an earlier try of it.
    Ours,
    /// Somebody else's stands there.
    Theirs,
    /// Nobody knows: to be tried again with the same owner.
    Trouble,
}

impl AttemptFolder {
    fn seen(&self) -> AttemptSeen {
        let may_follow =
            |outcome: &Outcome| outcome.says.retryable || outcome.says.outcome == OutcomeKind::Deferred;
        AttemptSeen {
            job: self.job.is_some(),
            claim_by: self.job.as_ref().map(|job| job.is.deadline),
            launched: self.launched.is_some(),
            dial: self.dial.is_some(),
            outcome: self.outcome().map(may_follow),
            next: self.next.as_ref().map(|next| next.is),
            put_back: Arc::clone(&self.back),
        }
    }

    fn seen_by_settler(&self, open: Option<Timestamp>) -> settle::AttemptSeen {
        settle::AttemptSeen {
            open,
            job: self.job.as_ref().map(|job| JobSeen { made_at: job.is.made_at, deadline: job.is.deadline }),
            launched: self.launched.is_some(),
            dial: self.dial().map(|claim| DialSeen {
                task: claim.task.clone(),
                room: claim.room.clone(),
                agent_call_id: claim.agent_call.clone(),
                invite_by: claim.invite_by,
                deadline: claim.deadline,
                failed_before_dial: claim.failed.clone(),
                decision: claim.decision.clone(),
            }),
            outcome: self.outcome().map(|outcome| (*outcome.says).clone()),
            next: self.next.as_ref().map(|next| next.is),
        }
    }

    /// The dial claim of this attempt.
    pub fn dial(&self) -> Option<&DialClaim> {
        self.dial.as_ref().map(|held| &*held.is)
    }

    /// The task that was launched for it.
    pub fn launched(&self) -> Option<&str> {
        self.launched.as_ref().map(|held| held.is.as_str())
    }

    /// Its outcome.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref().map(|held| &held.is)
    }
}

impl Store {
    /// One call's folder, as routing sees it.
    pub fn look(&self, key: &CallKey) -> Folder {
        let Some(call) = self.calls.get(key) else { return Folder::default() };
        Folder {
            message: call.message.as_ref().map(|message| message.is.clone()),
            attempts: call.attempts.iter().map(|(number, attempt)| (*number, attempt.seen())).collect(),
        }
    }

    /// One call's folder, as settling sees it. `wall` tells the calendar's time of a time of the day.
    pub fn look_to_settle(&self, key: &CallKey, wall: impl Fn(Ms) -> Timestamp) -> settle::Folder {
        let mut folder = settle::Folder::default();
        if let Some(call) = self.calls.get(key) {
            folder.message = call.message.is_some();
            for (number, attempt) in &call.attempts {
                let open = self.open.get(&AttemptId::new(key.clone(), *number)).copied();
                let open = open.map(|since| wall(since.max(attempt.back_at.unwrap_or(0))));
                folder.attempts.insert(*number, attempt.seen_by_settler(open));
            }
        }
        let from = AttemptId::new(key.clone(), 0);
        for (id, since) in self.open.range(from..).take_while(|(id, _)| id.key == *key) {
            let seen = folder.attempts.entry(id.number).or_default();
            seen.open = seen.open.or(Some(wall(*since)));
        }
        folder
    }

    /// One attempt's folder.
    pub fn attempt(&self, id: &AttemptId) -> Option<&AttemptFolder> {
        self.calls.get(&id.key)?.attempts.get(&id.number)
    }

    fn put(&mut self, id: &AttemptId, document: &Document, owner: Owner, now: Ms) -> bool {
        if let Document::Open = document {
            if self.attempt(id).is_some_and(|attempt| attempt.next.is_some()) {
                return false;
            }
            self.open.entry(id.clone()).or_insert(now);
            return true;
        }
        let call = self.calls.entry(id.key.clone()).or_default();
        if let Document::Message(message) = document {
            return put_if_absent(&mut call.message, owner, message);
        }
        let attempt = call.attempts.entry(id.number).or_default();
        match document {
            Document::Job(job) => {
                self.attempts += u64::from(attempt.job.is_none());
                put_if_absent(&mut attempt.job, owner, job)
            }
            Document::Launched(task) => put_if_absent(&mut attempt.launched, owner, task),
            Document::Dial(claim) => put_if_absent(&mut attempt.dial, owner, claim),
            Document::Outcome(outcome) => put_if_absent(&mut attempt.outcome, owner, outcome),
            Document::Next(next) => put_if_absent(&mut attempt.next, owner, next),
            Document::Back(nth, delivery) => {
                Arc::make_mut(&mut attempt.back).note(*nth, delivery);
                attempt.back_at = Some(now);
                true
            }
            Document::Open | Document::Message(_) => false,
        }
    }
}

/// True if `owner` holds it now.
fn put_if_absent<T: Clone>(place: &mut Option<Held<T>>, owner: Owner, document: &T) -> bool {
    place.get_or_insert_with(|| Held { owner, is: document.clone() }).owner == owner
}

impl World {
    /// A put arrives at the store.
    pub fn put(&mut self, id: &AttemptId, document: &Document, owner: Owner) -> Put {
        let now = self.clock.now();
        if self.weather.is_away(Service::Store, now) || self.strikes(self.weather.fails) {
            return Put::Trouble;
        }
        if self.strikes(self.weather.lands_late) {
            let late = Event::LandsLate { id: id.clone(), document: document.clone(), owner };
            let after = self.dice.skewed(SECOND, 120 * SECOND);
            self.clock.after(after, late);
            return Put::Trouble;
        }
        let ours = self.write(id, document, owner);
        if self.strikes(self.weather.reply_lost) {
            return Put::Trouble;
        }
        if ours { Put::Ours } else { Put::Theirs }
    }

    /// What is written counts, whoever hears of it.
    pub fn write(&mut self, id: &AttemptId, document: &Document, owner: Owner) -> bool {
        self.watch_put(id, document);
        let ours = self.store.put(id, document, owner, self.clock.now());
        if self.trace.wants(&id.key) {
            let kept = if ours { "kept" } else { "refused, there is another" };
            self.trace.note(self.clock.wall(), id, format!("store: {} {kept}", document.name()));
        }
        let is_news = matches!(
            document,
            Document::Message(_) | Document::Back(..) | Document::Job(_) | Document::Outcome(_)
        );
        if ours && is_news {
            self.somebody_may_hang_up(&id.key);
        }
        ours
    }

    /// Does the store answer a read?
    pub fn store_reads(&mut self) -> bool {
        let away = self.weather.is_away(Service::Store, self.clock.now());
        !away && !self.strikes(self.weather.fails + self.weather.reply_lost)
    }
}

impl Document {
    fn name(&self) -> String {
        match self {
            Self::Open => "open/".to_owned(),
            Self::Message(message) => format!("message.json of {}", message.message_id),
            Self::Job(_) => "job.json".to_owned(),
            Self::Launched(task) => format!("launched.json: {task}"),
            Self::Dial(claim) => {
                let what = match (&claim.failed, &claim.decision) {
                    (Some(failed), _) => format!("failed before dial: {failed}"),
                    (None, Some(decision)) => format!("decision: {}", decision.next),
                    (None, None) => "permission to ring".to_owned(),
                };
                format!("dial.json of {}, {what}", claim.task)
            }
            Self::Outcome(outcome) => {
                let says = &outcome.says;
                let (reason, detail) = (&says.reason, &says.detail);
                format!("outcome.json: {} {reason:?} {detail:?} retryable {}", says.outcome, says.retryable)
            }
            Self::Next(next) => format!("next.json: {next}"),
            Self::Back(nth, delivery) => format!("back/n{nth}-{delivery}.json"),
        }
    }
}
