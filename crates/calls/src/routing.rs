//! One message's way: read, claim, launch, refuse, try again.
//!
//! ```text
//! Loading ─▶ Planning ─▶ Opening ─▶ ClaimingMessage ─▶ TakingPlace ─▶ ClaimingJob ─▶ Launching ─▶ NotingLaunch ─▶ Done
//!    ▲  │       │                        │ theirs          │ not now       │ theirs       ▲
//!    └──┼───────┼────────────────────────┴─────────────────┼───────────────┘              │
//!       │       │                                          └▶ PuttingBack ─▶ NotingBack ─▶ Deferred
//!       ├───────┼─▶ Refusing ─▶ Refused                                                   │
//!       ├───────┼─ a job without a launch ────────────────────────────────────────────────┘
//!       └─ already done, or a duplicate ─▶ Done          anything that fails ─▶ Retry, the last time GivingUp
//! ```
//!
//! A call that may not begin yet (call hours, pace of its country) is put back as a new message of the same identity:
//! neither a receive nor an attempt is used up by that.
//!
//! Before the message is claimed it can be refused, and a refusal leaves no claim. After that it never is:
//! it is continued or settled. Whatever one delivery leaves undone, the next one finds in the call folder.
//! At any time at most one effect waits for its answer.

mod again;
mod folder;
mod giving_up;
mod identity;
mod pace;
mod step;

#[cfg(test)]
mod any_order;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::fact::{Fact, NotNow};
use crate::ids::{AttemptId, CallKey};
use crate::outcome::Ending;
use crate::plan::CallPlan;
use crate::profile::Profiles;
use crate::trigger::Tracking;
use crate::trigger::{Refusal, RefusalCode, TriggerCall, Unusable};
pub use again::try_again_after;
pub use folder::{AttemptSeen, Folder, PutBacks, StoredMessage};
use identity::Identity;
use step::State;

/// A message as the queue delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The queue's id of the message; the same at every delivery of it.
    pub message_id: String,
    /// The message.
    pub body: Vec<u8>,
    /// Attribute `OcgCallKey`, on messages that we put back and on dead letters.
    pub call_key: Option<String>,
    /// Attribute `OcgAttempt`, likewise.
    pub attempt: Option<String>,
    /// Attribute `OcgPutBack`, on what a router put back: which put-back of the call it is, 1, 2, 3 …
    pub put_back: Option<u32>,
    /// How often it was delivered, this time included: 1, 2, 3 …
    pub receive_count: u32,
    /// When it was sent to this queue.
    pub sent_at: Timestamp,
}

/// What a deployment decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Older messages are refused as expired; `None`: age does not matter.
    pub max_age: Option<Duration>,
    /// At this delivery a message that fails once more is given up by us. The queue's own limit must be
    /// higher, or it would move the message without a reason.
    pub max_receives: u32,
    /// From the attempt's claim on: so long a task may be started for it, and take the dial claim. Later nobody is
    /// called for it any more, so it is longer than all tries to start one.
    pub claim_within: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_age: None, max_receives: 20, claim_within: Duration::from_secs(4 * 60 * 60) }
    }
}

/// Answers to effects; each says to which.
#[derive(Clone, Debug)]
pub enum Input {
    /// To [`Effect::LoadFolder`]: what is there, or why that is not known.
    Folder(Result<Folder, String>),
    /// To [`Effect::LoadProfiles`]; an error when nothing usable was ever read.
    Profiles(Result<Arc<Profiles>, String>),
    /// To [`Effect::PutMessage`], [`Effect::PutJob`], [`Effect::TakeDial`], [`Effect::PutOutcome`].
    Claimed(Claim),
    /// To [`Effect::Launch`]: the task's name, or why there is none.
    Launched(Result<String, String>),
    /// To [`Effect::PutOpen`], [`Effect::NoteBack`], [`Effect::PutLaunched`], [`Effect::PutNext`],
    /// [`Effect::DeleteOpen`].
    Stored(Result<(), String>),
    /// To [`Effect::SendDeadLetter`].
    LetterSent(Result<(), String>),
    /// To [`Effect::TakePlace`].
    Place(Result<Place, String>),
    /// To [`Effect::PutBack`].
    PutBack(Result<(), String>),
}

/// May one more call to its country begin?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has a place among those that are under way.
    Taken,
    /// Not before `wait` is over.
    NotNow {
        /// Too many at once, or too many a second.
        why: NotNow,
        /// How long to wait.
        wait: Duration,
    },
}

/// What became of a put-if-absent, after reading back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Ours,
    /// Somebody else's was there first.
    Theirs,
    /// It could not be found out; it may or may not be ours.
    Failed(String),
}

/// What routing wants done. Paths and shapes are the call folder's business.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look what the call folder of this key holds.
    LoadFolder(CallKey),
    /// Get the profiles; `fresh`: past the cache, as far as that is allowed.
    LoadProfiles {
        /// A number would be refused otherwise.
        fresh: bool,
    },
    /// Create `open/<key>-a<n>`; one that is there is fine.
    PutOpen(AttemptId),
    /// Claim the identity: `message.json`.
    PutMessage(CallKey, StoredMessage),
    /// Take a place for this attempt among the calls of its country, whose profile limits them. An attempt that has
    /// one keeps it.
    TakePlace {
        /// Which attempt.
        attempt: AttemptId,
        /// ISO 3166-1 alpha-2.
        country: String,
        /// At most so many at once.
        at_once: Option<u32>,
        /// At most so many begin in a second.
        per_second: Option<f64>,
    },
    /// Send the call's message again, for this attempt, not before the delay is over.
    PutBack {
        /// The attempt that may not begin yet.
        attempt: AttemptId,
        /// Which put-back of the call this is, from 1: its attribute `OcgPutBack`.
        nth: u32,
        /// Fifteen minutes at most.
        delay: Duration,
    },
    /// Write `back/<n>-<message id>.json`: this delivery was put back, and is only acknowledged should it come again;
    /// so is every put-back before the `nth`.
    NoteBack {
        /// Which attempt.
        attempt: AttemptId,
        /// Which put-back of the call it was.
        nth: u32,
        /// The queue's id of this delivery.
        message_id: String,
    },
    /// Claim the attempt: `job.json`.
    PutJob {
        /// Which attempt.
        attempt: AttemptId,
        /// What will be dialed.
        plan: Box<CallPlan>,
        /// Until when its task must have taken the dial claim.
        deadline: Timestamp,
    },
    /// Start a task for this attempt. That a task for it was started before counts as success.
    Launch(AttemptId),
    /// Write `launched.json`; one that is there is fine.
    PutLaunched {
        /// Which attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
    },
    /// Send the message, body untouched, to where refused messages go.
    SendDeadLetter(Box<DeadLetter>),
    /// Take `dial.json` with the decision that this attempt is given up so, and that no task can dial.
    TakeDial(AttemptId, Box<Ending>),
    /// Write `outcome.json` of an attempt whose dial claim we hold.
    PutOutcome(AttemptId, Box<Ending>),
    /// Write `next.json`: a dead letter.
    PutNext(AttemptId),
    /// Give the attempt's place among its country's calls back, and delete `open/<key>-a<n>`.
    DeleteOpen(AttemptId),
    /// Something happened.
    Record(Fact),
    /// The end: what to tell the queue. Nothing but facts comes after it.
    Finish(Verdict),
}

/// What a dead letter says beside its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why.
    pub refusal: Refusal,
    /// The call, and the attempt that would come next: sent again, the letter continues the same call.
    pub attempt: AttemptId,
    /// The queue's id of the refused message.
    pub original_message_id: String,
    /// The id that upstream knows, if it could be read.
    pub call_id: Option<String>,
    /// For telling upstream; nothing if `metadata` could not be read.
    pub tracking: Option<Tracking>,
}

/// How a delivery ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge: a task has it, or nothing is left to do.
    Done,
    /// Acknowledge: it is with the dead letters.
    Refused(RefusalCode),
    /// Acknowledge: another message of the same identity comes later.
    Deferred,
    /// Do not acknowledge: the queue delivers it again.
    Retry(String),
}

/// The way of one delivery. [`new`](Self::new), then [`poll_effect`](Self::poll_effect) until nothing comes,
/// [`handle`](Self::handle) with the answer, and so on until [`Effect::Finish`].
#[derive(Debug)]
pub struct Routing {
    delivery: Delivery,
    policy: Policy,
    now: Timestamp,
    read: Result<TriggerCall, Box<Unusable>>,
    identity: Identity,
    /// How often the call was put back before.
    times_put_back: u32,
    reloads: u8,
    state: State,
    effects: VecDeque<Effect>,
}

impl Routing {
    /// Takes a delivery up; `now` is wall-clock time.
    pub fn new(delivery: Delivery, policy: Policy, now: Timestamp) -> Self {
        let read = TriggerCall::read(&delivery.body);
        let identity = Identity::of(&delivery, &read);
        let effects = VecDeque::new();
        let mut routing = Self {
            delivery,
            policy,
            now,
            read,
            identity,
            times_put_back: 0,
            reloads: 0,
            state: State::Over,
            effects,
        };
        routing.state = routing.begin();
        routing
    }

    /// Hands in an answer. Total: what the state does not wait for becomes a fact.
    pub fn handle(&mut self, input: Input) {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = self.step(state, input);
    }

    /// The next wish; drain to `None` before the next [`handle`](Self::handle).
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The attempt that this is about, as far as is known by now: for log lines.
    pub fn attempt(&self) -> AttemptId {
        AttemptId::new(self.identity.key.clone(), self.identity.attempt.unwrap_or(1))
    }

    /// The verdict was given.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}
