//! What a call waited for before anybody answered.

use calls::fact::{Fact, TaskPhases};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Attempt;

const TASK_STARTS: &str = "task starts";

/// A stretch of an attempt's time before the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// What was waited for.
    pub name: &'static str,
    /// When it began.
    #[serde(skip)]
    pub from: Timestamp,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// The phases of an attempt, one after the other, from the message (`since`, for the first attempt) to the answer or
/// the end. Only what there are facts of; a phase that has not ended yet is left out.
pub fn phases(since: Option<Timestamp>, attempt: &Attempt) -> Vec<Phase> {
    let first = attempt.facts.first().map(|(at, _)| *at);
    let ended = attempt.find(|fact| matches!(fact, Fact::Ending { .. }));
    let ended = ended.or_else(|| attempt.outcome.as_ref().map(|outcome| outcome.ended_at));
    let ended = ended.filter(|_| attempt.answered_at().is_none());
    let has_rung = attempt.find(|fact| matches!(fact, Fact::Ringing { .. })).is_some();
    // Each ends with its milestone. One that is missing is skipped: its time goes to the next one that is there.
    let milestones = [
        (
            "message waits",
            attempt.find(|fact| matches!(fact, Fact::TaskLaunched { .. } | Fact::AttemptClaimed { .. })),
        ),
        (TASK_STARTS, attempt.find(|fact| matches!(fact, Fact::JobTaken { .. }))),
        (
            "room and agent",
            attempt.find(|fact| matches!(fact, Fact::Dialing { .. } | Fact::WaitingForCaller { .. })),
        ),
        ("dial", attempt.find(|fact| matches!(fact, Fact::Ringing { .. } | Fact::CallerJoined { .. }))),
        ("ringing", attempt.answered_at()),
        (if has_rung { "ringing" } else { "until its end" }, ended),
    ];
    let Some(mut from) = since.or(first) else { return Vec::new() };
    let mut phases = Vec::new();
    for (name, until) in milestones {
        let Some(until) = until.filter(|until| *until >= from) else { continue };
        let whole = Phase { name, from, seconds: until.duration_since(from).as_secs_f64() };
        match attempt.facts.iter().find_map(|(_, fact)| told_by_ecs(fact)) {
            Some(told) if name == TASK_STARTS => phases.extend(in_steps(whole, told)),
            _ => phases.push(whole),
        }
        from = until;
    }
    phases
}

fn told_by_ecs(fact: &Fact) -> Option<&TaskPhases> {
    match fact {
        Fact::TaskPhases(phases) => Some(phases),
        _ => None,
    }
}

/// The start of a task in the steps that ECS tells of, as far as they go; what is left is its process's.
fn in_steps(whole: Phase, told: &TaskPhases) -> Vec<Phase> {
    let steps = [("finding a place", told.provisioning_ms), ("pulling the image", told.pull_ms)];
    let (mut phases, mut left) = (Vec::new(), whole);
    for (name, ms) in steps {
        let Some(seconds) = ms.map(|ms| (ms as f64 / 1000.0).min(left.seconds)) else { continue };
        phases.push(Phase { name, from: left.from, seconds });
        left.from += SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
        left.seconds -= seconds;
    }
    phases.push(left);
    phases
}
