//! How each way out is put into words.

use std::time::Instant;

use super::state::{State, Talk};
use super::{CLAIM_CAP, Call, Effect, TIDY_CAP};
use crate::outcome::{EndReason, Ending, OutcomeKind, Reason};
use crate::sip_outcome::DialVerdict;

impl Ending {
    /// A system error; `retryable` only when it is certain that nothing rang.
    pub(super) fn failed(reason: Reason, detail: &str, retryable: bool) -> Self {
        Self {
            reason: Some(reason),
            detail: Some(detail.to_owned()),
            retryable,
            ..Self::of(OutcomeKind::Failed)
        }
    }

    /// Nothing rang, and nothing shall before the callee's next call hours.
    fn deferred(country: &str) -> Self {
        Self {
            detail: Some(format!("outside the call hours of {country}")),
            ..Self::of(OutcomeKind::Deferred)
        }
    }

    pub(super) fn not_answered(reason: Reason, detail: &str) -> Self {
        Self { reason: Some(reason), detail: Some(detail.to_owned()), ..Self::of(OutcomeKind::NotAnswered) }
    }

    pub(super) fn dialed(verdict: &DialVerdict, detail: &str) -> Self {
        Self {
            reason: Some(verdict.reason),
            sip_status: verdict.sip_status,
            detail: Some(detail.to_owned()),
            retryable: verdict.retryable,
            ..Self::of(verdict.outcome)
        }
    }

    fn answered(talk: &Talk, reason: EndReason, now: Instant) -> Self {
        Self {
            end_reason: Some(reason),
            detail: talk.detail.clone(),
            answer_delay_seconds: Some(talk.answer_delay.as_secs_f64()),
            first_agent_audio_seconds: talk.first_agent_audio.map(|after| after.as_secs_f64()),
            duration_seconds: Some(now.saturating_duration_since(talk.answered).as_secs_f64()),
            barge_ins: talk.barge_ins,
            ..Self::of(OutcomeKind::Answered)
        }
    }
}

impl Call {
    /// Failed before anything was dialed: say so in the claim first, so that nobody else dials it either.
    /// An inbound call has no claim to take.
    pub(super) fn give_up(&mut self, ending: Ending, now: Instant) -> State {
        if !self.is_outbound() {
            return self.close(Some(ending), None, now);
        }
        let why = ending.detail.clone().or_else(|| ending.reason_text()).unwrap_or_default();
        self.want(Effect::ClaimDial { failed_before_dial: Some(why) });
        State::GivingUp { ending, until: now + CLAIM_CAP }
    }

    /// Too late, or too early, in the callee's day to ring: whoever puts the message back decides until when.
    pub(super) fn defer(&mut self, now: Instant) -> State {
        let ending = Ending::deferred(&self.plan.profile.country);
        self.give_up(ending, now)
    }

    pub(super) fn hang_up(&mut self, talk: &Talk, reason: EndReason, now: Instant) -> State {
        let leg_until = talk.leg_may_return.then_some(now + TIDY_CAP);
        self.close(Some(Ending::answered(talk, reason, now)), leg_until, now)
    }
}
