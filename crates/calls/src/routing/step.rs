//! The steps between the states.

use std::sync::Arc;

use super::folder::{Folder, Stand, StoredMessage};
use super::giving_up::GivingUp;
use super::identity::Mark;
use super::{Claim, DeadLetter, Effect, Input, Place, Routing, Verdict};
use crate::fact::Fact;
use crate::plan::{CallPlan, Leg, NoPlan, plan, shown_id};
use crate::profile::Profiles;
use crate::trigger::{Refusal, RefusalCode, TriggerCall};

/// What is waited for.
#[derive(Debug)]
pub(super) enum State {
    /// The folder.
    Loading,
    /// The profiles, the second time past the cache.
    Planning { subject: Subject, fresh: bool },
    /// `open/`.
    Opening { subject: Subject, plan: Box<CallPlan> },
    /// `message.json`.
    ClaimingMessage { plan: Box<CallPlan> },
    /// A place among the calls of its country.
    TakingPlace { plan: Box<CallPlan> },
    /// The message that comes again later.
    PuttingBack,
    /// `back/`.
    NotingBack,
    /// `job.json`.
    ClaimingJob,
    /// The task.
    Launching,
    /// `launched.json`.
    NotingLaunch,
    /// The dead letter of a message that can never work.
    Refusing(Refusal),
    /// The last step but one of each: we give the message up.
    GivingUp(GivingUp, Refusal),
    /// Nothing.
    Over,
}

/// What is to be planned.
#[derive(Debug)]
pub(super) struct Subject {
    trigger: TriggerCall,
    /// The identity has yet to be claimed with this.
    to_claim: Option<StoredMessage>,
}

/// How often a lost claim may lead back to the folder before it is left to the next delivery.
const MAX_RELOADS: u8 = 3;

impl Routing {
    pub(super) fn begin(&mut self) -> State {
        match &self.read {
            Err(unusable) if !self.identity.may_have_a_folder(&self.read) => {
                let refusal = unusable.refusal.clone();
                self.refuse(refusal)
            }
            _ => self.load(),
        }
    }

    pub(super) fn step(&mut self, state: State, input: Input) -> State {
        match (state, input) {
            (State::Loading, Input::Folder(Ok(folder))) => self.decide(&folder),
            // Without the folder nobody knows whether a task runs: not even giving up is safe.
            (State::Loading, Input::Folder(Err(detail))) => self.retry(detail),
            (State::Planning { subject, fresh }, Input::Profiles(Ok(profiles))) => {
                self.make_plan(subject, fresh, &profiles)
            }
            (State::Planning { subject, .. }, Input::Profiles(Err(detail))) => {
                self.again(detail, subject.is_claimed())
            }
            (State::Opening { subject, plan }, Input::Stored(Ok(()))) => self.claim(subject, plan),
            (State::Opening { subject, .. }, Input::Stored(Err(detail))) => {
                self.again(detail, subject.is_claimed())
            }
            (State::ClaimingMessage { plan }, Input::Claimed(Claim::Ours)) => self.begin_now_or_later(plan),
            (State::TakingPlace { plan }, Input::Place(Ok(Place::Taken))) => self.put_job(plan),
            (State::TakingPlace { .. }, Input::Place(Ok(Place::NotNow { why, wait }))) => {
                self.put_back(why, wait)
            }
            (State::TakingPlace { .. }, Input::Place(Err(detail)))
            | (State::PuttingBack, Input::PutBack(Err(detail))) => self.again(detail, true),
            (State::PuttingBack, Input::PutBack(Ok(()))) => {
                let message_id = self.delivery.message_id.clone();
                let nth = self.next_put_back();
                self.want(Effect::NoteBack { attempt: self.attempt(), nth, message_id });
                State::NotingBack
            }
            (State::NotingBack, Input::Stored(Ok(()))) => self.finish(Verdict::Deferred),
            // The other message is on its way: this one may come again, but not end the call.
            (State::NotingBack, Input::Stored(Err(detail))) => self.retry(detail),
            (State::ClaimingJob, Input::Claimed(Claim::Ours)) => {
                self.record(Fact::AttemptClaimed {
                    attempt: self.attempt().number,
                    waited_ms: Some(self.waited_ms()),
                });
                self.launch()
            }
            (State::ClaimingMessage { .. } | State::ClaimingJob, Input::Claimed(Claim::Theirs)) => {
                self.reload()
            }
            // Nobody knows whether there is a call: given up, its letter could continue one without a message.
            (State::ClaimingMessage { .. }, Input::Claimed(Claim::Failed(detail))) => self.retry(detail),
            (State::ClaimingJob, Input::Claimed(Claim::Failed(detail))) => self.again(detail, true),
            (State::Launching, Input::Launched(Ok(task))) => {
                self.record(Fact::TaskLaunched { task: task.clone() });
                self.want(Effect::PutLaunched { attempt: self.attempt(), task });
                State::NotingLaunch
            }
            (State::Launching, Input::Launched(Err(detail))) => self.again(detail, true),
            (State::NotingLaunch, Input::Stored(Ok(()))) => self.finish(Verdict::Done),
            // The task runs; the next delivery finds that out. Giving up here would take the dial from it.
            (State::NotingLaunch, Input::Stored(Err(detail))) => self.retry(detail),
            (State::Refusing(refusal), Input::LetterSent(Ok(()))) => self.refused(&refusal),
            (State::Refusing(_), Input::LetterSent(Err(detail))) => self.retry(detail),
            (State::GivingUp(step, refusal), input) => self.give_up_further(step, refusal, input),
            (state, input) => self.ignore(state, &input),
        }
    }

    /// What is the folder's message to this delivery, and where does its attempt stand?
    fn decide(&mut self, folder: &Folder) -> State {
        if !self.identity.settle(folder, &self.delivery) {
            return self.load();
        }
        self.times_put_back = folder.times_put_back();
        if folder.was_put_back(&self.delivery.message_id) || self.is_overtaken() {
            return self.nothing_to_do();
        }
        let Some(stored) = &folder.message else {
            // Somebody else's claim was seen a moment ago: a folder without it is no ground for a refusal.
            let contradicts = self.reloads > 0;
            return if contradicts {
                self.retry("the call folder contradicts itself".to_owned())
            } else {
                self.take_up()
            };
        };
        let is_marked = self.identity.mark == Mark::Counts;
        if !is_marked && stored.message_id != self.delivery.message_id && folder.has_job() {
            self.record(Fact::DuplicateMessage);
            return self.finish(Verdict::Done);
        }
        let attempt = self.identity.attempt.or(folder.last_attempt().filter(|_| is_marked)).unwrap_or(1);
        self.identity.attempt = Some(attempt);
        match folder.stand(attempt) {
            Stand::OutOfOurHands => {
                // What is noted of it is noted where there is something: an attempt begins with its claim.
                self.identity.attempt = Some(attempt.min(folder.last_attempt().unwrap_or(attempt)));
                self.nothing_to_do()
            }
            // Its task would find that it may not dial any more, and nobody would be told.
            Stand::ToBeLaunched if folder.is_too_late(attempt, self.now) => {
                self.note_again(stored);
                self.give_up("no task could be started before the job's deadline")
            }
            Stand::ToBeLaunched => {
                self.note_again(stored);
                self.launch()
            }
            Stand::ToBeClaimed => match TriggerCall::read(&stored.body) {
                Ok(trigger) => {
                    self.note_again(stored);
                    self.load_profiles(Subject { trigger, to_claim: None }, false)
                }
                Err(unusable) => self
                    .again(format!("the stored message cannot be read: {}", unusable.refusal.detail), true),
            },
            // Given up, it becomes a letter for this same attempt and takes no claim: an outcome of an attempt
            // that may not begin would permit the one after it.
            Stand::TooEarly => {
                self.again(format!("attempt {attempt} cannot begin: one before it is not settled"), false)
            }
        }
    }

    /// No message.json: this is the first that is heard of this call.
    fn take_up(&mut self) -> State {
        self.identity.attempt = Some(1);
        match &self.read {
            Ok(trigger) => {
                let message = StoredMessage {
                    message_id: self.delivery.message_id.clone(),
                    body: self.delivery.body.clone(),
                    sent_at: self.delivery.sent_at,
                };
                let subject = Subject { trigger: trigger.clone(), to_claim: Some(message) };
                self.load_profiles(subject, false)
            }
            Err(unusable) => {
                let refusal = unusable.refusal.clone();
                self.refuse(refusal)
            }
        }
    }

    fn make_plan(&mut self, subject: Subject, fresh: bool, profiles: &Arc<Profiles>) -> State {
        let plan = match plan(&subject.trigger, profiles, &self.identity.key) {
            Ok(plan) => Box::new(plan),
            Err(NoPlan::BrokenProfile { detail }) => return self.again(detail, subject.is_claimed()),
            Err(NoPlan::Refused(_)) if !fresh => return self.load_profiles(subject, true),
            // A claimed message is never refused, not for a profile that has gone since.
            Err(NoPlan::Refused(refusal)) if subject.is_claimed() => return self.again(refusal.detail, true),
            Err(NoPlan::Refused(refusal)) => return self.refuse(refusal),
        };
        if !subject.is_claimed() {
            if let Some(refusal) = self.too_old() {
                return self.refuse(refusal);
            }
            if let Leg::Outbound { to } = &plan.leg {
                let (call_id, country) = (plan.call_id.clone(), plan.profile.country.clone());
                self.record(Fact::MessageAccepted { call_id, to: to.masked(), country });
            }
        }
        self.want(Effect::PutOpen(self.attempt()));
        State::Opening { subject, plan }
    }

    /// Since the message was sent; 0 where clocks differ.
    fn waited_ms(&self) -> u64 {
        u64::try_from(self.now.duration_since(self.delivery.sent_at).as_millis()).unwrap_or(0)
    }

    fn too_old(&self) -> Option<Refusal> {
        let age = self.now.duration_since(self.delivery.sent_at).unsigned_abs();
        let is_past = self.now > self.delivery.sent_at;
        let limit = self.policy.max_age.filter(|limit| is_past && age > *limit)?;
        let detail = format!("the message is {} s old, {} s are allowed", age.as_secs(), limit.as_secs());
        Some(Refusal::new(RefusalCode::Expired, detail, None))
    }

    fn claim(&mut self, subject: Subject, plan: Box<CallPlan>) -> State {
        match subject.to_claim {
            Some(message) => {
                self.want(Effect::PutMessage(self.identity.key.clone(), message));
                State::ClaimingMessage { plan }
            }
            None => self.begin_now_or_later(plan),
        }
    }

    pub(super) fn put_job(&mut self, plan: Box<CallPlan>) -> State {
        let within =
            jiff::SignedDuration::try_from(self.policy.claim_within).unwrap_or(jiff::SignedDuration::MAX);
        let deadline = self.now.saturating_add(within).unwrap_or(jiff::Timestamp::MAX);
        self.want(Effect::PutJob { attempt: self.attempt(), plan, deadline });
        State::ClaimingJob
    }

    fn launch(&mut self) -> State {
        self.want(Effect::Launch(self.attempt()));
        State::Launching
    }

    fn load(&mut self) -> State {
        self.want(Effect::LoadFolder(self.identity.key.clone()));
        State::Loading
    }

    /// Somebody was faster: what did they leave?
    fn reload(&mut self) -> State {
        self.reloads += 1;
        if self.reloads > MAX_RELOADS {
            return self.retry("the call folder keeps changing".to_owned());
        }
        self.load()
    }

    fn load_profiles(&mut self, subject: Subject, fresh: bool) -> State {
        self.want(Effect::LoadProfiles { fresh });
        State::Planning { subject, fresh }
    }

    /// It is one of ours on its way for the first time, or one that was here before.
    fn note_again(&mut self, stored: &StoredMessage) {
        let is_new = self.delivery.receive_count <= 1 && stored.message_id != self.delivery.message_id;
        self.record(if is_new {
            Fact::Continued { attempt: self.attempt().number }
        } else {
            Fact::DuplicateDelivery
        });
    }

    pub(super) fn nothing_to_do(&mut self) -> State {
        self.record(Fact::DuplicateDelivery);
        self.finish(Verdict::Done)
    }

    fn refuse(&mut self, refusal: Refusal) -> State {
        self.send_letter(&refusal, self.identity.attempt.unwrap_or(1));
        State::Refusing(refusal)
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) -> State {
        self.record(Fact::MessageRefused {
            code: refusal.code.as_str().to_owned(),
            path: refusal.path.clone(),
            detail: refusal.detail.clone(),
        });
        self.finish(Verdict::Refused(refusal.code))
    }

    pub(super) fn send_letter(&mut self, refusal: &Refusal, attempt: u32) {
        let (call_id, tracking, has_metadata) = match &self.read {
            Ok(trigger) => (trigger.call_id.as_ref(), &trigger.tracking, true),
            Err(unusable) => (unusable.call_id.as_ref(), &unusable.tracking, unusable.has_metadata),
        };
        let shown = shown_id(call_id.map(String::as_str), tracking, &self.identity.key);
        let letter = DeadLetter {
            refusal: refusal.clone(),
            attempt: crate::ids::AttemptId::new(self.identity.key.clone(), attempt),
            original_message_id: self.delivery.message_id.clone(),
            call_id: Some(shown).filter(|shown| shown != self.identity.key.as_str()),
            tracking: has_metadata.then(|| tracking.clone()),
        };
        self.want(Effect::SendDeadLetter(Box::new(letter)));
    }

    /// It did not work this time. The last time we give the message up ourselves, with a reason on it.
    fn again(&mut self, detail: String, is_claimed: bool) -> State {
        if self.delivery.receive_count < self.policy.max_receives {
            return self.retry(detail);
        }
        if is_claimed {
            return self.give_up(&detail);
        }
        let refusal = self.exhausted(&detail);
        self.refuse(refusal)
    }

    pub(super) fn retry(&mut self, detail: String) -> State {
        self.record(Fact::TryAgain { detail: detail.clone() });
        self.finish(Verdict::Retry(detail))
    }

    fn finish(&mut self, verdict: Verdict) -> State {
        self.want(Effect::Finish(verdict));
        State::Over
    }

    pub(super) fn ignore(&mut self, state: State, input: &Input) -> State {
        let kind = match input {
            Input::Folder(_) => "folder",
            Input::Profiles(_) => "profiles",
            Input::Claimed(_) => "claimed",
            Input::Launched(_) => "launched",
            Input::Stored(_) => "stored",
            Input::LetterSent(_) => "letter sent",
            Input::Place(_) => "place",
            Input::PutBack(_) => "put back",
        };
        self.record(Fact::Ignored { detail: format!("routing does not wait for this: {kind}") });
        state
    }

    pub(super) fn want(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn record(&mut self, fact: Fact) {
        self.want(Effect::Record(fact));
    }
}

impl Subject {
    /// `message.json` exists: this can no longer be refused.
    const fn is_claimed(&self) -> bool {
        self.to_claim.is_none()
    }
}
