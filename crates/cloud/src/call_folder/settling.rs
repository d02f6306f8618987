//! What [`calls::settle`] wants of the call folder, done. Every settler has the same hands for this.

use calls::settle::{Effect, Input};
use jiff::Timestamp;

use super::documents::{DialClaim, Next, V};
use super::routing::{claim, text};
use super::{CallFolders, draw_nonce};

impl CallFolders {
    /// Does what the effect asks of the call folder, and answers it. `by` is the settler's name, for people.
    /// [`Effect::LoadFolder`] is not done: who settles keeps what was loaded ([`look_with`](Self::look_with)).
    ///
    /// # Errors
    /// Gives the effect back if it asks for something else.
    pub async fn settle(&self, effect: Effect, by: &str) -> Result<Input, Effect> {
        let at = Timestamp::now();
        Ok(match effect {
            Effect::TakeDial(attempt, decision) => {
                let dial = DialClaim::decided(by, at, *decision);
                Input::Claimed(claim(self.claim_dial(&attempt, &dial).await))
            }
            Effect::PutOutcome(attempt, outcome) => {
                Input::Claimed(claim(self.claim_outcome(&attempt, &draw_nonce(), &outcome).await))
            }
            Effect::PutNext(attempt, next) => {
                let next = Next { v: V, next, at };
                Input::Done(self.claim_next(&attempt, &next).await.map(drop).map_err(text))
            }
            Effect::DeleteOpen(attempt) => {
                Input::Done(self.close_attempt(&attempt).await.map(drop).map_err(text))
            }
            Effect::DeleteForsaken(attempt) => {
                Input::Done(self.remove_open_mark(&attempt).await.map_err(text))
            }
            other => return Err(other),
        })
    }
}
