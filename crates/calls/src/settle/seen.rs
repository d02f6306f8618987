//! What settling sees of a call folder.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Decision, Follow};
use crate::outcome::{Outcome, OutcomeKind};

/// A call folder. A folder that does not exist is an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// `message.json` exists.
    pub message: bool,
    /// By number, from 1.
    pub attempts: BTreeMap<u32, AttemptSeen>,
}

/// What there is of one attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptSeen {
    /// `open/<key>-a<n>` exists, since then, or its message was put back then for the last time.
    pub open: Option<Timestamp>,
    /// `job.json`.
    pub job: Option<JobSeen>,
    /// `launched.json` exists.
    pub launched: bool,
    /// `dial.json`.
    pub dial: Option<DialSeen>,
    /// `outcome.json`.
    pub outcome: Option<Outcome>,
    /// `next.json`.
    pub next: Option<Follow>,
}

/// What of `job.json` matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobSeen {
    /// When the attempt was claimed.
    pub made_at: Timestamp,
    /// Until when the attempt's own task may take the dial claim.
    pub deadline: Timestamp,
}

/// What of `dial.json` matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct DialSeen {
    /// The task that holds it.
    pub task: String,
    /// The room to be deleted.
    pub room: Option<String>,
    /// The agent's call to be ended.
    pub agent_call_id: Option<String>,
    /// After this its dial may not leave any more.
    pub invite_by: Timestamp,
    /// From then on anyone may settle the attempt.
    pub deadline: Timestamp,
    /// The task took it only to say why it never dialed.
    pub failed_before_dial: Option<String>,
    /// A settler took it, and decided this.
    pub decision: Option<Decision>,
}

impl Folder {
    /// The attempts up to `number` that count: those that were put off for the call hours do not.
    pub(super) fn counted(&self, number: u32) -> u32 {
        let was_deferred = |seen: &AttemptSeen| {
            seen.outcome.as_ref().is_some_and(|outcome| outcome.outcome == OutcomeKind::Deferred)
        };
        let deferred = self.attempts.range(..number).filter(|(_, seen)| was_deferred(seen)).count();
        number.saturating_sub(u32::try_from(deferred).unwrap_or(u32::MAX)).max(1)
    }
}

/// Who would have to say how an attempt ended: who holds its dial claim, else who was launched for it. `dial`: who holds
/// it, and whether a decision stands in it; what has ended or is decided waits for nobody's word.
pub fn task_of<'a>(
    has_outcome: bool,
    dial: Option<(&'a str, bool)>,
    launched: Option<&'a str>,
) -> Option<&'a str> {
    match dial {
        _ if has_outcome => None,
        Some((_, true)) => None,
        Some((task, false)) => Some(task),
        None => launched,
    }
}
