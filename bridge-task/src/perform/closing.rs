//! The last things: the room, the outcome, what must be flushed.

use std::time::Duration;

use calls::call::{Input, NotStored, RoomEvent, TIDY_CAP};
use calls::fact::Fact;
use calls::outcome::{Ending, Outcome, OutcomeKind};
use cloud::call_folder::Claimed;

use super::Hands;
use crate::clock;

/// A join that is on its way when the room is to be deleted is waited for: it would make the room anew.
const JOIN_CAP: Duration = Duration::from_secs(3);
/// How long the server may still be at our last try to bring a lost websocket back: that makes the room anew.
const LAST_TRY: Duration = Duration::from_secs(1);
/// How long the agent's vendor may take to hear that the call is over.
const GOODBYE_CAP: Duration = Duration::from_secs(1);
/// How long giving the place among the country's calls back may take.
const PLACE_CAP: Duration = Duration::from_secs(2);
/// How long the facts and recordings may take at the end.
const FLUSH_CAP: Duration = Duration::from_secs(15);

impl Hands {
    /// Deletes our room, which hangs up whoever is in it, and leaves it. Tried for as long as the call waits
    /// for it.
    pub(super) fn delete_room(&mut self) {
        let joining = self.joining.take().filter(|_| self.room.is_none());
        let room = self.room.take();
        let (livekit, name) = (self.livekit.clone(), self.job.room.clone());
        self.spawn(async move {
            let started = clock::now();
            if let Some(mut joining) = joining
                && tokio::time::timeout(JOIN_CAP, &mut joining).await.is_err()
            {
                joining.abort();
            }
            let within = TIDY_CAP.saturating_sub(JOIN_CAP);
            let leave = async {
                match &room {
                    Some(room) => room.leave().await,
                    None => true,
                }
            };
            let (mut deleted, left_in_order) = tokio::join!(livekit.delete_room(&name, within), leave);
            if !left_in_order {
                tokio::time::sleep(LAST_TRY).await;
                deleted = livekit.delete_room(&name, within.saturating_sub(LAST_TRY)).await;
            }
            Input::Room(match deleted {
                Ok(()) => RoomEvent::Deleted { took_ms: clock::ms_since(started) },
                Err(error) => RoomEvent::DeleteFailed { detail: error.to_string() },
            })
        });
    }

    /// Writes the outcome; somebody else's stays. Asked again, it finds an earlier try of ours by its owner.
    pub(super) fn write_outcome(&mut self, ending: Ending) {
        // Put off until the callee's next call hours: as it should be.
        let as_it_should = [OutcomeKind::Answered, OutcomeKind::NotAnswered, OutcomeKind::Deferred];
        self.ends_as_business = as_it_should.contains(&ending.outcome);
        let number = self.job.attempt.number;
        let outcome = Outcome::new(ending, number, self.started_at, clock::wall(), env!("CARGO_PKG_VERSION"));
        let outcome = self.known.complete(outcome, self.job.plan.profile.prices.as_ref(), self.job.alone);
        if let Some(cost) = outcome.cost.clone().filter(|_| !self.cost_told) {
            self.cost_told = true;
            self.record(Fact::Cost(cost));
        }
        let reports = self.job.reports.clone();
        let (folders, attempt) = (self.job.folders.clone(), self.job.attempt.clone());
        let owner = self.outcome_owner.clone();
        let profile = &self.job.plan.profile;
        let place_in = profile.max_concurrent_calls.map(|_| profile.country.clone());
        self.spawn(async move {
            Input::OutcomeStored(match folders.claim_outcome(&attempt, &owner, &outcome).await {
                Ok(Claimed::Ours) => {
                    reports.outcome(&outcome);
                    // The next call to this country need not wait until this one is settled.
                    if let Some(country) = place_in {
                        let _ =
                            tokio::time::timeout(PLACE_CAP, folders.leave_place(&attempt, &country)).await;
                    }
                    Ok(())
                }
                Ok(Claimed::Theirs(other)) => {
                    Err(NotStored::AnotherIsThere(format!("there is one already: {}", other.outcome)))
                }
                Err(error) => Err(NotStored::Failed(error.to_string())),
            })
        });
    }

    /// Leaves, and flushes what is left; `true` if the call was carried through.
    pub async fn finish(mut self) -> bool {
        if let Some(room) = self.room.take() {
            room.leave().await;
        }
        if let Some(closing) = self.closing_socket.take() {
            // A vendor that does not listen any more finds out by itself.
            let _ = tokio::time::timeout(GOODBYE_CAP, closing).await;
        }
        let stored = match tokio::time::timeout(FLUSH_CAP, &mut self.recorder).await {
            Ok(Ok(stored)) => stored.map_err(|error| format!("{error:#}")),
            Ok(Err(panic)) => Err(panic.to_string()),
            Err(_) => Err(format!("it took more than {} s", FLUSH_CAP.as_secs())),
        };
        if let Err(detail) = stored {
            self.record(Fact::RecordingNotStored { detail });
        }
        self.record(self.known.sound_totals());
        let left_out = self.facts.left_out();
        if left_out > 0 {
            tracing::error!(detail = format!("{left_out} came too fast to be kept"), "facts left out");
        }
        if let Err(error) = self.facts.close(FLUSH_CAP).await {
            tracing::error!(detail = %error, "facts not written");
        }
        self.carried_through
    }
}
