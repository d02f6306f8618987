//! What becomes of an attempt: every one that was claimed is followed by something, exactly once.
//!
//! ```text
//! Loading ─▶ what does the folder say?
//!    │  next.json there ──────────────────────────────────────────────────────────────▶ Closing ─▶ Settled
//!    │  outcome.json there ─────────────────────────────────▶ Tidying ─▶ Following ─▶ NotingNext ─▶ Closing
//!    │  dial.json, by a settler ───────▶ WritingOutcome ───────▲
//!    │  dial.json, by a task that is gone ▶ WritingOutcome ────┤ (unknown, or failed before its dial)
//!    │  job.json, and its task is gone ─▶ TakingDial ─▶ WritingOutcome
//!    └─ anything else is not ours to settle yet ─▶ NotYet
//! ```
//!
//! Whoever settles an attempt without an outcome first takes its dial claim, and with it the right of every task to
//! ring. A claim that a task holds is never taken from it: then nobody knows whether it rang, and the outcome says so
//! *before* anything is done about it. Each step can be repeated by whoever finds it half done (contract: call
//! folder, "Claims").
//! At any time at most one effect waits for its answer.

#[cfg(test)]
mod any_order;
mod seen;
mod step;
#[cfg(test)]
mod stories;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::ids::{AttemptId, CallKey};
use crate::outcome::Outcome;
use crate::routing::Claim;
use crate::trigger::Refusal;
pub use seen::{AttemptSeen, DialSeen, Folder, JobSeen, task_of};
use step::State;

/// What follows an attempt. On the wire `nothing`, `attempt 2`, `deferred`, `dead letter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Follow {
    /// The call has ended.
    Nothing,
    /// A new attempt was asked for.
    Attempt(u32),
    /// The message was put back for the call hours.
    Deferred,
    /// The message went to the dead letters; the call has ended.
    DeadLetter,
}

impl Follow {
    /// Has the call ended with this?
    pub fn ends_the_call(self) -> bool {
        matches!(self, Self::Nothing | Self::DeadLetter)
    }
}

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Attempt(number) => write!(f, "attempt {number}"),
            Self::Deferred => f.write_str("deferred"),
            Self::DeadLetter => f.write_str("dead letter"),
        }
    }
}

/// A text that names nothing that could follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what follows is nothing, attempt <n>, deferred or dead letter")]
pub struct BadFollow;

impl FromStr for Follow {
    type Err = BadFollow;
    fn from_str(text: &str) -> Result<Self, BadFollow> {
        match text {
            "nothing" => Ok(Self::Nothing),
            "deferred" => Ok(Self::Deferred),
            "dead letter" => Ok(Self::DeadLetter),
            other => {
                let number = other.strip_prefix("attempt ").ok_or(BadFollow)?;
                number.parse().map(Self::Attempt).map_err(|_| BadFollow)
            }
        }
    }
}

impl TryFrom<String> for Follow {
    type Error = BadFollow;
    fn try_from(text: String) -> Result<Self, BadFollow> {
        text.parse()
    }
}

impl From<Follow> for String {
    fn from(follow: Follow) -> Self {
        follow.to_string()
    }
}

/// What a settler writes into the dial claim that it takes; whoever finds it half done carries it out again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The outcome to be written.
    pub outcome: Outcome,
    /// What follows.
    pub next: Follow,
}

/// Why an attempt is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// ECS says that this task of the attempt is STOPPED.
    Stopped {
        /// Its ARN, as it stands in claims.
        task: String,
        /// Stop code and reason, a sentence.
        detail: String,
    },
    /// Nobody told of it: it was found open.
    Swept,
}

impl Cause {
    /// Why a sweep looks at an attempt whose `task` would have to say how it ended ([`task_of`]). `stopped`: the tasks
    /// that ECS, asked after the folder was looked at, knows as STOPPED, and why.
    pub fn found(task: Option<&str>, stopped: &BTreeMap<String, String>) -> Self {
        let found = task.and_then(|task| stopped.get_key_value(task));
        found.map_or(Self::Swept, |(task, detail)| Self::Stopped {
            task: task.clone(),
            detail: detail.clone(),
        })
    }
}

/// What a deployment decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts at one call, those that were put off for the call hours not counted.
    pub max_attempts: u32,
    /// The second attempt begins so long after the first; each further one four times later.
    pub first_delay: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: 3, first_delay: Duration::from_secs(30) }
    }
}

/// The longest that SQS holds a message back (Amazon SQS developer guide, "delay queues").
pub const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// A mark in `open/` that no message ever came to is removed after this.
pub const FORSAKEN_AFTER: Duration = Duration::from_secs(60 * 60);
/// An attempt whose message is still in the queue is not reported as stuck before this: queues keep a message for
/// four days.
pub const STUCK_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// Verifiers of tokens allow a minute after `inviteBy`, and the dial itself takes a moment: so long after it a leg may
/// still come up, and make its room anew.
pub const DIAL_MAY_LEAVE: Duration = Duration::from_secs(90);
/// So long after its deadline nothing is left of a call that could be hung up or ended.
pub const TIDY_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers to effects; each says to which.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// To [`Effect::LoadFolder`].
    Folder(Result<Folder, String>),
    /// To [`Effect::TakeDial`] and [`Effect::PutOutcome`].
    Claimed(Claim),
    /// To everything else but [`Effect::Record`] and [`Effect::Finish`].
    Done(Result<(), String>),
}

/// What settling wants done. Paths, shapes and addresses are the shell's business: it has the folder that it loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look what the call folder of this key holds.
    LoadFolder(CallKey),
    /// Take `dial.json` with this decision: nobody rings by it.
    TakeDial(AttemptId, Box<Decision>),
    /// Write `outcome.json`, if there is none.
    PutOutcome(AttemptId, Box<Outcome>),
    /// Delete the room that the attempt's dial claim names, which hangs up whoever is in it.
    DeleteRoom(AttemptId, String),
    /// End the agent's call that the claim names, if its vendor still has it.
    EndAgent(AttemptId, String),
    /// Tell upstream how the attempt ended. Best effort: it is answered in any case.
    Tell(AttemptId, Box<Outcome>),
    /// Send the call's message again, for this attempt, not before the delay is over.
    SendAttempt {
        /// The attempt that is to be made.
        attempt: AttemptId,
        /// [`LONGEST_DELAY`] at most.
        delay: Duration,
    },
    /// Send the call's message to the dead letters. Upstream is told, too.
    SendDeadLetter {
        /// The attempt that would come next, should a person send it again.
        attempt: AttemptId,
        /// Why.
        refusal: Refusal,
    },
    /// Write `next.json`; one that is there stays.
    PutNext(AttemptId, Follow),
    /// Give the attempt's place among its country's calls back, and delete `open/<key>-a<n>`.
    DeleteOpen(AttemptId),
    /// Delete an `open/<key>-a<n>` that no message ever came to.
    DeleteForsaken(AttemptId),
    /// Something happened.
    Record(Fact),
    /// The end.
    Finish(Settled),
}

/// How settling ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing of the attempt is left over; this followed. `None`: there never was one.
    Done(Option<Follow>),
    /// The line is closed and upstream told, but a dial may still be on its way: to be looked at again after this.
    Again(Duration),
    /// It is not this cause that settles it: its task may live, or its message is still in the queue.
    NotYet,
    /// Its message is nowhere any more, and a person has to look.
    Stuck(String),
    /// Something did not work; to be tried again.
    Retry(String),
}

/// The settling of one attempt. [`new`](Self::new), then [`poll_effect`](Self::poll_effect) until nothing comes,
/// [`handle`](Self::handle) with the answer, and so on until [`Effect::Finish`].
#[derive(Debug)]
pub struct Settling {
    attempt: AttemptId,
    cause: Cause,
    policy: Policy,
    now: Timestamp,
    /// Somebody else wrote the outcome just before us.
    lost: bool,
    reloads: u8,
    state: State,
    effects: VecDeque<Effect>,
}

impl Settling {
    /// Looks at an attempt; `now` is wall-clock time.
    pub fn new(attempt: AttemptId, cause: Cause, policy: Policy, now: Timestamp) -> Self {
        let effects = VecDeque::new();
        let mut settling =
            Self { attempt, cause, policy, now, lost: false, reloads: 0, state: State::Over, effects };
        settling.state = settling.load();
        settling
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

    /// The attempt that this is about.
    pub fn attempt(&self) -> &AttemptId {
        &self.attempt
    }

    /// [`Effect::Finish`] was given.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_follows_is_written_in_words() {
        for (follow, text) in [
            (Follow::Nothing, "\"nothing\""),
            (Follow::Attempt(2), "\"attempt 2\""),
            (Follow::Deferred, "\"deferred\""),
            (Follow::DeadLetter, "\"dead letter\""),
        ] {
            assert_eq!(serde_json::to_string(&follow).unwrap(), text);
            assert_eq!(serde_json::from_str::<Follow>(text).unwrap(), follow);
        }
        assert!("attempt".parse::<Follow>().is_err());
        assert!("attempt x".parse::<Follow>().is_err());
    }

    #[test]
    fn a_sweep_asks_about_the_task_whose_word_is_awaited_and_about_no_other() {
        let (holder, launched) = (Some(("t1", false)), Some("t2"));
        assert_eq!(task_of(false, holder, launched), Some("t1"));
        assert_eq!(task_of(false, None, launched), Some("t2"));
        assert_eq!(task_of(true, holder, launched), None);
        assert_eq!(task_of(false, Some(("t1", true)), launched), None, "nobody dials by a decision");
        let stopped = BTreeMap::from([("t1".to_owned(), "killed".to_owned())]);
        let cause = Cause::Stopped { task: "t1".to_owned(), detail: "killed".to_owned() };
        assert_eq!(Cause::found(Some("t1"), &stopped), cause);
        assert_eq!(Cause::found(Some("t2"), &stopped), Cause::Swept);
        assert_eq!(Cause::found(None, &stopped), Cause::Swept);
    }
}
