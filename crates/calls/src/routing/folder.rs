//! What routing sees of a call folder, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::settle::Follow;

/// A task takes so long at most from RunTask's answer to its dial claim (Fargate's own start included).
const START_TAKES: SignedDuration = SignedDuration::from_secs(60);

/// `message.json`: the message that made this call, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The queue's id of it.
    pub message_id: String,
    /// The message.
    pub body: Vec<u8>,
    /// When it was sent: its age counts from here.
    pub sent_at: Timestamp,
}

/// A call folder. A folder that does not exist is an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The identity's claim.
    pub message: Option<StoredMessage>,
    /// By number, from 1.
    pub attempts: BTreeMap<u32, AttemptSeen>,
}

/// What there is of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptSeen {
    /// `job.json` exists.
    pub job: bool,
    /// The job's deadline for taking the dial claim.
    pub claim_by: Option<Timestamp>,
    /// `launched.json` exists.
    pub launched: bool,
    /// `dial.json` exists.
    pub dial: bool,
    /// `outcome.json` exists; inside: whether another attempt may follow (retryable or deferred).
    pub outcome: Option<bool>,
    /// `next.json`.
    pub next: Option<Follow>,
    /// `back/`. Shared: a call that waits for its country has hundreds of notes there.
    pub put_back: Arc<PutBacks>,
}

/// `back/<n>-<message id>.json`: what was put back, and is only to be acknowledged should it come again. A note is
/// written when its put-back has been sent. So each stands for a message that is still to come: of that number, or of
/// a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutBacks {
    deliveries: BTreeSet<String>,
    last: u32,
}

impl PutBacks {
    /// This delivery was put back, as the call's `nth` put-back.
    pub fn note(&mut self, nth: u32, message_id: &str) {
        self.deliveries.insert(message_id.to_owned());
        self.last = self.last.max(nth);
    }

    /// The delivery of this message was put back.
    pub fn holds(&self, message_id: &str) -> bool {
        self.deliveries.contains(message_id)
    }

    /// The number of the last put-back; 0: there was none.
    pub fn last(&self) -> u32 {
        self.last
    }
}

/// Where an attempt stands for a delivery that continues it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// A task or the settler has it.
    OutOfOurHands,
    /// Claimed, but nobody knows of a task.
    ToBeLaunched,
    /// Not claimed yet, and it may be.
    ToBeClaimed,
    /// An attempt before it is not settled: this one may not begin, and is not ours to end either.
    TooEarly,
}

impl Folder {
    /// Some attempt was claimed.
    pub(super) fn has_job(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.job)
    }

    /// This delivery was put back, and its successor sent.
    pub(super) fn was_put_back(&self, message_id: &str) -> bool {
        self.attempts.values().any(|attempt| attempt.put_back.holds(message_id))
    }

    /// How often this call was put back.
    pub(super) fn times_put_back(&self) -> u32 {
        self.attempts.values().map(|attempt| attempt.put_back.last()).max().unwrap_or(0)
    }

    /// The newest attempt there is.
    pub(super) fn last_attempt(&self) -> Option<u32> {
        self.attempts.keys().next_back().copied()
    }

    /// A task that is started for `attempt` only now could no longer take its dial claim in time.
    pub(super) fn is_too_late(&self, attempt: u32, now: Timestamp) -> bool {
        let claim_by = self.attempts.get(&attempt).and_then(|seen| seen.claim_by);
        claim_by.is_some_and(|claim_by| claim_by.duration_since(now) < START_TAKES)
    }

    /// Where `attempt` stands. It may go on only when *every* attempt before it allows another: a marked
    /// message may name any number, and one answered attempt anywhere before it is the end of the call.
    pub(super) fn stand(&self, attempt: u32) -> Stand {
        let nothing = AttemptSeen::default();
        let seen = self.attempts.get(&attempt).unwrap_or(&nothing);
        if seen.next.is_some() || seen.outcome.is_some() || seen.dial || (seen.job && seen.launched) {
            return Stand::OutOfOurHands;
        }
        // A person may have said that nothing follows, whatever the outcome allowed.
        if self.attempts.range(..attempt).any(|(_, before)| before.next == Some(Follow::Nothing)) {
            return Stand::OutOfOurHands;
        }
        let outcome_of = |number| self.attempts.get(&number).and_then(|before| before.outcome);
        match (1..attempt).map(outcome_of).find(|outcome| *outcome != Some(true)) {
            Some(Some(_)) => Stand::OutOfOurHands,
            Some(None) => Stand::TooEarly,
            None if seen.job => Stand::ToBeLaunched,
            None => Stand::ToBeClaimed,
        }
    }
}
