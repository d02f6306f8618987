//! What [`calls::routing`] wants of the call folder, done. Every router has the same hands for this.

use std::collections::BTreeMap;

use calls::ids::AttemptId;
use calls::outcome::{Ending, Outcome};
use calls::plan::{CallPlan, Leg};
use calls::routing::{Claim, Effect, Input, StoredMessage};
use jiff::Timestamp;

use super::documents::{Back, ByDay, Decision, DialClaim, Follow, Job, Launched, Message, Next, Open, V};
use super::{CallFolders, Claimed, StoreError, draw_nonce};

/// What a router puts on what it writes.
#[derive(Clone, Debug, Default)]
pub struct Signature {
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The attributes that came with the message at hand.
    pub attributes: BTreeMap<String, String>,
}

impl CallFolders {
    /// Does what the effect asks of the call folder, and answers it.
    ///
    /// # Errors
    /// Gives the effect back if it asks for something else.
    pub async fn route(&self, effect: Effect, signature: &Signature) -> Result<Input, Effect> {
        let at = Timestamp::now();
        Ok(match effect {
            Effect::LoadFolder(key) => {
                Input::Folder(self.look(&key).await.map(|standing| (&standing).into()).map_err(text))
            }
            Effect::PutOpen(attempt) => {
                Input::Stored(self.open_attempt(&attempt, &Open { v: V, at }).await.map(drop).map_err(text))
            }
            Effect::PutMessage(key, message) => {
                Input::Claimed(claim(self.claim_message(&key, &as_document(message, signature)).await))
            }
            Effect::PutJob { attempt, plan, deadline } => {
                self.put_job(&attempt, *plan, deadline, signature).await
            }
            Effect::PutLaunched { attempt, task } => {
                Input::Stored(self.note_launched(&attempt, &Launched { v: V, task, at }).await.map_err(text))
            }
            Effect::TakeDial(attempt, ending) => {
                let outcome = outcome(&attempt, &ending, at, signature);
                let decision = Decision { outcome, next: Follow::DeadLetter };
                let dial = DialClaim::decided(&signature.name, at, decision);
                Input::Claimed(claim(self.claim_dial(&attempt, &dial).await))
            }
            Effect::NoteBack { attempt, nth, message_id } => {
                let noted = self.note_back(&attempt, nth, &message_id, &Back { v: V, at }).await;
                Input::Stored(noted.map_err(text))
            }
            Effect::PutOutcome(attempt, ending) => {
                let outcome = outcome(&attempt, &ending, at, signature);
                Input::Claimed(claim(self.claim_outcome(&attempt, &draw_nonce(), &outcome).await))
            }
            Effect::PutNext(attempt) => {
                let next = Next { v: V, next: Follow::DeadLetter, at };
                Input::Stored(self.claim_next(&attempt, &next).await.map(drop).map_err(text))
            }
            Effect::DeleteOpen(attempt) => {
                Input::Stored(self.close_attempt(&attempt).await.map(drop).map_err(text))
            }
            other => return Err(other),
        })
    }

    async fn put_job(
        &self,
        attempt: &AttemptId,
        plan: CallPlan,
        deadline: Timestamp,
        signature: &Signature,
    ) -> Input {
        let job = Job {
            v: V,
            owner: draw_nonce(),
            plan,
            attempt: attempt.number,
            made_by: signature.name.clone(),
            made_at: Timestamp::now(),
            deadline,
            traceparent: signature.attributes.get("traceparent").cloned(),
        };
        let claim = claim(self.claim_job(attempt, &job).await);
        if claim == Claim::Ours {
            self.note_by_day(&attempt.key, &pointer(attempt, &job)).await;
        }
        Input::Claimed(claim)
    }
}

fn as_document(message: StoredMessage, signature: &Signature) -> Message {
    Message {
        v: V,
        owner: draw_nonce(),
        sqs_message_id: Some(message.message_id),
        since: message.sent_at,
        body: String::from_utf8_lossy(&message.body).into_owned(),
        attributes: signature.attributes.clone(),
    }
}

fn outcome(attempt: &AttemptId, ending: &Ending, at: Timestamp, signature: &Signature) -> Outcome {
    Outcome::new(ending.clone(), attempt.number, at, at, &signature.version)
}

fn pointer(attempt: &AttemptId, job: &Job) -> ByDay {
    let to = match &job.plan.leg {
        Leg::Outbound { to } => Some(to),
        Leg::Inbound => None,
    };
    ByDay {
        v: V,
        key: attempt.key.clone(),
        at: job.made_at,
        call_id: job.plan.call_id.clone(),
        country: job.plan.profile.country.clone(),
        masked_number: to.map(|to| to.masked()),
        number_sha256: to.map(|to| to.sha256()),
        campaign_id: job.plan.tracking.campaign_id.clone(),
        customer_id: job.plan.tracking.customer_id.clone(),
    }
}

pub(super) fn claim<T>(claimed: Result<Claimed<T>, StoreError>) -> Claim {
    match claimed {
        Ok(Claimed::Ours) => Claim::Ours,
        Ok(Claimed::Theirs(_)) => Claim::Theirs,
        Err(error) => Claim::Failed(text(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn text(error: StoreError) -> String {
    error.to_string()
}
