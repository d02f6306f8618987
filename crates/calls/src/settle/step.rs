//! The steps between the states.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::seen::{AttemptSeen, DialSeen, Folder, JobSeen};
use super::{
    Cause, DIAL_MAY_LEAVE, Decision, Effect, FORSAKEN_AFTER, Follow, Input, LONGEST_DELAY, STUCK_AFTER,
    Settled, Settling, TIDY_FOR,
};
use crate::fact::Fact;
use crate::ids::AttemptId;
use crate::outcome::{Ending, Outcome, OutcomeKind, Reason};
use crate::routing::Claim;
use crate::trigger::{Refusal, RefusalCode};

/// What is waited for.
#[derive(Debug)]
pub(super) enum State {
    /// The folder.
    Loading,
    /// `dial.json`, with our decision in it.
    TakingDial(Plan),
    /// `outcome.json`.
    WritingOutcome(Plan),
    /// The first of what is left of the attempt to be gone, or upstream to be told.
    Tidying(Plan),
    /// The agent's vendor to end its call, or to fail at it: it ends by itself when nobody is in it.
    EndingAgent(Plan),
    /// The message that follows.
    Following(Plan),
    /// `next.json`.
    NotingNext(Follow),
    /// `open/`.
    Closing(Option<Follow>),
    /// Nothing.
    Over,
}

/// How the attempt ended, and what is still to be done about it.
#[derive(Debug)]
pub(super) struct Plan {
    outcome: Box<Outcome>,
    next: Follow,
    /// Which attempt this is, of those that count.
    counted: u32,
    /// What is left of it, the last one first.
    leftovers: Vec<Effect>,
    /// `outcome.json` is there, or is written next; else what is left comes before it.
    is_written: bool,
    /// Until then its phone may still ring, in a room that has to be deleted once more.
    ring_until: Option<Timestamp>,
}

impl Plan {
    fn of(outcome: Outcome, next: Follow, counted: u32) -> Self {
        Self {
            outcome: Box::new(outcome),
            next,
            counted,
            leftovers: Vec::new(),
            is_written: true,
            ring_until: None,
        }
    }
}

/// How often a lost claim may lead back to the folder before it is left to the next time.
const MAX_RELOADS: u8 = 3;

impl Settling {
    pub(super) fn step(&mut self, state: State, input: Input) -> State {
        match (state, input) {
            (State::Loading, Input::Folder(Ok(folder))) => self.decide(&folder),
            (State::Loading, Input::Folder(Err(detail))) => self.retry(detail),
            (State::TakingDial(plan), Input::Claimed(Claim::Ours)) => self.write_outcome(plan),
            (State::WritingOutcome(plan), Input::Claimed(Claim::Ours)) => self.tidy(plan),
            // A task took the claim after all, or somebody else settles it: what do they say?
            (State::TakingDial(_), Input::Claimed(Claim::Theirs)) => self.reload(),
            (State::WritingOutcome(_), Input::Claimed(Claim::Theirs)) => {
                self.lost = true;
                self.reload()
            }
            (State::TakingDial(_) | State::WritingOutcome(_), Input::Claimed(Claim::Failed(detail))) => {
                self.retry(detail)
            }
            (State::Tidying(plan), Input::Done(Ok(()))) => self.tidy(plan),
            (State::EndingAgent(plan), Input::Done(_)) => self.tidy(plan),
            (State::Following(plan), Input::Done(Ok(()))) => self.note_next(plan.next),
            (State::NotingNext(next), Input::Done(Ok(()))) => self.close(next),
            (State::Closing(next), Input::Done(Ok(()))) => {
                if let Some(next) = next {
                    self.record(Fact::Settled { next: next.to_string() });
                }
                self.finish(Settled::Done(next))
            }
            (
                State::Tidying(_) | State::Following(_) | State::NotingNext(_) | State::Closing(_),
                Input::Done(Err(detail)),
            ) => self.retry(detail),
            (state, input) => self.ignore(state, &input),
        }
    }

    pub(super) fn load(&mut self) -> State {
        self.want(Effect::LoadFolder(self.attempt.key.clone()));
        State::Loading
    }

    /// Where does the attempt stand, and is it ours to settle?
    fn decide(&mut self, folder: &Folder) -> State {
        let nothing = AttemptSeen::default();
        let seen = folder.attempts.get(&self.attempt.number).unwrap_or(&nothing);
        let counted = folder.counted(self.attempt.number);
        if let Some(next) = seen.next {
            return self.close(next);
        }
        if let Some(outcome) = &seen.outcome {
            return self.carry_on(outcome.clone(), seen.dial.as_ref(), counted);
        }
        match (&seen.dial, &seen.job) {
            (Some(DialSeen { decision: Some(decision), .. }), _) => {
                let Decision { outcome, next } = decision.clone();
                self.write_outcome(Plan::of(outcome, next, counted))
            }
            (Some(dial), job) => self.of_a_task(dial, job.as_ref(), counted),
            (None, Some(job)) => self.never_dialed(seen, job, counted),
            (None, None) => self.unclaimed(folder.message, seen.open),
        }
    }

    /// A task holds the dial claim and has not said how it ended. Is it gone?
    fn of_a_task(&mut self, dial: &DialSeen, job: Option<&JobSeen>, counted: u32) -> State {
        let is_gone = matches!(&self.cause, Cause::Stopped { task, .. } if *task == dial.task);
        if !is_gone && self.now <= dial.deadline {
            return self.finish(Settled::NotYet);
        }
        self.note_stop();
        let ending = match &dial.failed_before_dial {
            // Nothing rings by this claim, so this much is known.
            Some(why) => Ending { reason: Some(Reason::BridgeError), retryable: true, ..failed(why.clone()) },
            None => Ending {
                reason: Some(Reason::Unknown),
                ..Ending { outcome: OutcomeKind::Unknown, ..failed(self.why_gone("may have rung the phone")) }
            },
        };
        let outcome = self.outcome(ending, job);
        let next = self.follows(&outcome, counted);
        let plan = self.with_leftovers(Plan::of(outcome, next, counted), dial);
        match dial.failed_before_dial {
            // Its outcome may be its task's own, who tidied up and told of it: once it stands, nobody does so again.
            Some(_) => self.tidy(Plan { is_written: false, ..plan }),
            // Written before anything is done about it: whoever comes second tells nobody.
            None => self.write_outcome(plan),
        }
    }

    /// Claimed, and nobody has taken the dial claim. Will its task ever?
    fn never_dialed(&mut self, seen: &AttemptSeen, job: &JobSeen, counted: u32) -> State {
        let is_gone = matches!(self.cause, Cause::Stopped { .. });
        let is_late = self.now > job.deadline;
        let is_lost = seen.launched && is_late;
        if !is_gone && !is_lost {
            return self.in_the_queue(seen.open.unwrap_or(job.made_at).max(job.deadline));
        }
        self.note_stop();
        let detail = self.why_gone("never dialed");
        let ending = Ending { reason: Some(Reason::BridgeError), retryable: true, ..failed(detail) };
        let outcome = self.outcome(ending, Some(job));
        let next = self.follows(&outcome, counted);
        let decision = Decision { outcome: outcome.clone(), next };
        self.want(Effect::TakeDial(self.attempt.clone(), Box::new(decision)));
        State::TakingDial(Plan::of(outcome, next, counted))
    }

    /// Not claimed: its message is in the queue, or never came as far as `message.json`.
    fn unclaimed(&mut self, has_message: bool, open: Option<Timestamp>) -> State {
        match open {
            None => self.finish(Settled::Done(None)),
            Some(since) if !has_message && self.is_past(since, FORSAKEN_AFTER) => {
                self.want(Effect::DeleteForsaken(self.attempt.clone()));
                State::Closing(None)
            }
            Some(_) if !has_message => self.finish(Settled::NotYet),
            Some(since) => self.in_the_queue(since),
        }
    }

    /// The message brings it back, unless it is gone from the queue by now.
    fn in_the_queue(&mut self, since: Timestamp) -> State {
        if !self.is_past(since, STUCK_AFTER) {
            return self.finish(Settled::NotYet);
        }
        let detail = "its message is in no queue any more, and no task has it".to_owned();
        self.record(Fact::Stuck { detail: detail.clone() });
        self.finish(Settled::Stuck(detail))
    }

    /// There is an outcome: what does it ask for?
    fn carry_on(&mut self, outcome: Outcome, dial: Option<&DialSeen>, counted: u32) -> State {
        let decision = dial.and_then(|dial| dial.decision.as_ref());
        // A task tells upstream of its own outcome; of one that a settler wrote, a settler does.
        let is_a_settlers = decision.is_some() || outcome.outcome == OutcomeKind::Unknown;
        if is_a_settlers && self.lost {
            return self.finish(Settled::NotYet);
        }
        let next = decision.map_or_else(|| self.follows(&outcome, counted), |decision| decision.next);
        let mut plan = Plan::of(outcome, next, counted);
        if let (OutcomeKind::Unknown, Some(dial)) = (plan.outcome.outcome, dial) {
            plan = self.with_leftovers(plan, dial);
        }
        if is_a_settlers { self.tell(plan) } else { self.tidy(plan) }
    }

    fn write_outcome(&mut self, plan: Plan) -> State {
        self.want(Effect::PutOutcome(self.attempt.clone(), plan.outcome.clone()));
        State::WritingOutcome(Plan { leftovers: self.and_tell(&plan), is_written: true, ..plan })
    }

    fn tell(&mut self, plan: Plan) -> State {
        let leftovers = self.and_tell(&plan);
        self.tidy(Plan { leftovers, ..plan })
    }

    fn and_tell(&self, plan: &Plan) -> Vec<Effect> {
        let tell = Effect::Tell(self.attempt.clone(), plan.outcome.clone());
        [tell].into_iter().chain(plan.leftovers.iter().cloned()).collect()
    }

    /// What a task that is gone left behind: the line first.
    fn with_leftovers(&self, plan: Plan, dial: &DialSeen) -> Plan {
        if self.is_past(dial.deadline, TIDY_FOR) {
            return plan;
        }
        let agent = dial.agent_call_id.clone().map(|id| Effect::EndAgent(self.attempt.clone(), id));
        let room = dial.room.clone().map(|room| Effect::DeleteRoom(self.attempt.clone(), room));
        let leftovers = agent.into_iter().chain(room).collect();
        let may_ring = plan.outcome.outcome == OutcomeKind::Unknown;
        let ring_until =
            dial.invite_by.saturating_add(SignedDuration::try_from(DIAL_MAY_LEAVE).unwrap_or_default());
        Plan { leftovers, ring_until: ring_until.ok().filter(|_| may_ring), ..plan }
    }

    /// One after the other, then what follows.
    fn tidy(&mut self, mut plan: Plan) -> State {
        match plan.leftovers.pop() {
            Some(agent @ Effect::EndAgent(..)) => {
                self.want(agent);
                State::EndingAgent(plan)
            }
            Some(leftover) => {
                self.want(leftover);
                State::Tidying(plan)
            }
            None if !plan.is_written => self.write_outcome(plan),
            None => self.follow(plan),
        }
    }

    fn follow(&mut self, plan: Plan) -> State {
        if let Some(wait) =
            plan.ring_until.map(|until| until.duration_since(self.now)).filter(|wait| wait.is_positive())
        {
            return self.finish(Settled::Again(wait.unsigned_abs()));
        }
        let following = AttemptId::new(self.attempt.key.clone(), self.attempt.number.saturating_add(1));
        match plan.next {
            Follow::Nothing => return self.note_next(plan.next),
            Follow::Attempt(_) => {
                let delay = self.delay(plan.counted);
                self.want(Effect::SendAttempt { attempt: following, delay });
            }
            // The router holds it until the call hours begin.
            Follow::Deferred => {
                self.want(Effect::SendAttempt { attempt: following, delay: Duration::ZERO });
            }
            Follow::DeadLetter => {
                let refusal = given_up(&plan.outcome, plan.counted);
                self.want(Effect::SendDeadLetter { attempt: following, refusal });
            }
        }
        State::Following(plan)
    }

    fn note_next(&mut self, next: Follow) -> State {
        self.want(Effect::PutNext(self.attempt.clone(), next));
        State::NotingNext(next)
    }

    fn close(&mut self, next: Follow) -> State {
        self.want(Effect::DeleteOpen(self.attempt.clone()));
        State::Closing(Some(next))
    }

    /// May it be tried again, and how often was it?
    fn follows(&self, outcome: &Outcome, counted: u32) -> Follow {
        match outcome.outcome {
            OutcomeKind::Deferred => Follow::Deferred,
            _ if !outcome.retryable => Follow::Nothing,
            _ if counted < self.policy.max_attempts => Follow::Attempt(self.attempt.number.saturating_add(1)),
            _ => Follow::DeadLetter,
        }
    }

    /// After the first attempt the first delay, then four times as long each time.
    fn delay(&self, counted: u32) -> Duration {
        let factor = 4_u32.checked_pow(counted.saturating_sub(1)).unwrap_or(u32::MAX);
        self.policy.first_delay.saturating_mul(factor).min(LONGEST_DELAY)
    }

    fn outcome(&self, ending: Ending, job: Option<&JobSeen>) -> Outcome {
        let started_at = job.map_or(self.now, |job| job.made_at);
        Outcome::new(ending, self.attempt.number, started_at, self.now, env!("CARGO_PKG_VERSION"))
    }

    fn why_gone(&self, what: &str) -> String {
        match &self.cause {
            Cause::Stopped { detail, .. } => format!("its task stopped and {what}: {detail}"),
            Cause::Swept => format!("its task was not heard of by its deadline and {what}"),
        }
    }

    fn note_stop(&mut self) {
        if let Cause::Stopped { task, detail } = self.cause.clone() {
            self.record(Fact::TaskStopped { task, detail });
        }
    }

    fn is_past(&self, since: Timestamp, time: Duration) -> bool {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(since) > time
    }

    fn reload(&mut self) -> State {
        self.reloads += 1;
        if self.reloads > MAX_RELOADS {
            return self.retry("the call folder keeps changing".to_owned());
        }
        self.load()
    }

    fn retry(&mut self, detail: String) -> State {
        self.record(Fact::TryAgain { detail: detail.clone() });
        self.finish(Settled::Retry(detail))
    }

    fn finish(&mut self, settled: Settled) -> State {
        self.want(Effect::Finish(settled));
        State::Over
    }

    fn ignore(&mut self, state: State, input: &Input) -> State {
        let kind = match input {
            Input::Folder(_) => "folder",
            Input::Claimed(_) => "claimed",
            Input::Done(_) => "done",
        };
        self.record(Fact::Ignored { detail: format!("settling does not wait for this: {kind}") });
        state
    }

    fn want(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn record(&mut self, fact: Fact) {
        self.want(Effect::Record(fact));
    }
}

fn failed(detail: String) -> Ending {
    Ending { detail: Some(detail), ..Ending::of(OutcomeKind::Failed) }
}

/// Why the message becomes a dead letter: no attempt is left, or a router gave it up and did not come to the letter.
fn given_up(outcome: &Outcome, counted: u32) -> Refusal {
    let why = outcome.detail.as_deref().or(outcome.reason.as_deref()).unwrap_or("no reason is known");
    if outcome.reason.as_deref() == Some(Reason::Refused.as_str()) {
        return Refusal::new(RefusalCode::ReceivesExhausted, why, None);
    }
    let attempts = if counted == 1 { "attempt".to_owned() } else { format!("{counted} attempts") };
    Refusal::new(
        RefusalCode::AttemptsExhausted,
        format!("after {attempts} before any dial; the last: {why}"),
        None,
    )
}
