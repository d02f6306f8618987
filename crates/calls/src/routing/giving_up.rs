//! The end of a message that has been tried long enough: claim, outcome, letter, `next.json`, `open/`.

use super::step::State;
use super::{Claim, Effect, Input, Routing};
use crate::outcome::{Ending, OutcomeKind, Reason};
use crate::trigger::{Refusal, RefusalCode};

/// How far giving up has come. A claimed call is settled in this order; one that never was, is only a letter.
#[derive(Clone, Copy, Debug)]
pub(super) enum GivingUp {
    Mark,
    Dial,
    Outcome,
    Letter,
    Next,
    Open,
}

impl Routing {
    /// Ends a claimed attempt that no task has: the dial claim is taken first, so that none ever will.
    pub(super) fn give_up(&mut self, detail: &str) -> State {
        let refusal = self.exhausted(detail);
        // What is left half done is found by its mark.
        self.want(Effect::PutOpen(self.attempt()));
        State::GivingUp(GivingUp::Mark, refusal)
    }

    pub(super) fn exhausted(&self, detail: &str) -> Refusal {
        let detail = format!("given up at delivery {}: {detail}", self.delivery.receive_count);
        Refusal::new(RefusalCode::ReceivesExhausted, detail, None)
    }

    /// Claim with the decision, outcome, letter, `next.json`, `open/`: in this order each step can be
    /// repeated by the settler, who finds the decision in `dial.json`.
    pub(super) fn give_up_further(&mut self, step: GivingUp, refusal: Refusal, input: Input) -> State {
        let attempt = self.attempt();
        let next = match (step, input) {
            (GivingUp::Mark, Input::Stored(Ok(()))) => {
                self.want(Effect::TakeDial(attempt, Box::new(given_up(&refusal))));
                GivingUp::Dial
            }
            // A task or a settler was faster: theirs to end.
            (GivingUp::Dial, Input::Claimed(Claim::Theirs)) => return self.nothing_to_do(),
            (GivingUp::Dial, Input::Claimed(Claim::Ours)) => {
                self.want(Effect::PutOutcome(attempt, Box::new(given_up(&refusal))));
                GivingUp::Outcome
            }
            (GivingUp::Outcome, Input::Claimed(Claim::Ours | Claim::Theirs)) => {
                self.send_letter(&refusal, attempt.number.saturating_add(1));
                GivingUp::Letter
            }
            (GivingUp::Letter, Input::LetterSent(Ok(()))) => {
                self.want(Effect::PutNext(attempt));
                GivingUp::Next
            }
            (GivingUp::Next, Input::Stored(Ok(()))) => {
                self.want(Effect::DeleteOpen(attempt));
                GivingUp::Open
            }
            (GivingUp::Open, Input::Stored(Ok(()))) => return self.refused(&refusal),
            (GivingUp::Dial | GivingUp::Outcome, Input::Claimed(Claim::Failed(detail)))
            | (GivingUp::Letter, Input::LetterSent(Err(detail)))
            | (GivingUp::Mark | GivingUp::Next | GivingUp::Open, Input::Stored(Err(detail))) => {
                return self.retry(detail);
            }
            (step, input) => return self.ignore(State::GivingUp(step, refusal), &input),
        };
        State::GivingUp(next, refusal)
    }
}

/// No INVITE left, so a person who sends the dead letter again may have a new attempt.
fn given_up(refusal: &Refusal) -> Ending {
    Ending {
        outcome: OutcomeKind::Failed,
        reason: Some(Reason::Refused),
        end_reason: None,
        sip_status: None,
        detail: Some(format!("{}: {}", refusal.code, refusal.detail)),
        retryable: true,
        answer_delay_seconds: None,
        first_agent_audio_seconds: None,
        duration_seconds: None,
        barge_ins: 0,
    }
}
