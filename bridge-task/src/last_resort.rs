//! When the call cannot be carried on as it should: the person is not left on the line, and the attempt not
//! without an outcome.

use std::time::Duration;

use calls::call::{Input, LegEvent, Room, RoomEvent, RoomLoss};
use calls::cost::Meter;
use calls::ids::{AttemptId, Nonce};
use calls::outcome::{EndReason, Ending, Outcome, OutcomeKind, Reason};
use calls::phone::MaskedText;
use calls::plan::{CallPlan, Leg};
use cloud::call_folder::{CallFolders, Claimed, StoreError, draw_nonce};
use cloud::profiles::Credentials;
use jiff::Timestamp;

use crate::hard_limit::HardLimit;
use crate::job::Job;
use crate::known::Known;
use crate::overdue::Overdue;
use crate::reports::Reports;
use crate::{clock, leg};

/// How long hanging up may take when everything else has failed.
const HANG_UP_CAP: Duration = Duration::from_secs(5);
/// How long saying how it ended may take then.
const TELL_CAP: Duration = Duration::from_secs(10);

/// All that is needed to hang up and to say so, beside the call itself. It follows what the call hears of.
pub struct LastResort {
    livekit: rooms::Livekit,
    room: Room,
    /// Nobody else's call is in it: not so in a room whose name somebody chose, unless we are in it.
    room_is_ours: bool,
    attempt: Attempt,
    outcome_owner: Nonce,
    known: Known,
    standing: Standing,
    credentials: Credentials,
}

/// An attempt, and where it is written about.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which.
    pub id: AttemptId,
    /// Where its folder is.
    pub folders: CallFolders,
    /// What was to be dialed, or waited for.
    pub plan: CallPlan,
    /// What this process is called in a claim.
    pub task: String,
    /// When it took the attempt up.
    pub started_at: Timestamp,
    /// Who else is told of it.
    pub reports: Reports,
    /// It has a task of its own: this process may end when the call is over.
    pub alone: bool,
}

/// What this process may write about the attempt, and what it has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The permission to ring is nobody's, as far as we know.
    Unclaimed,
    /// The outcome is ours to write.
    Ours,
    /// Ours, and the callee answered.
    Answered,
    /// Somebody else's.
    Theirs,
}

impl Standing {
    fn first(leg: &Leg) -> Self {
        match leg {
            Leg::Outbound { .. } => Self::Unclaimed,
            // Nothing is dialed, so nobody has to be asked.
            Leg::Inbound => Self::Ours,
        }
    }

    fn after(self, input: &Input) -> Self {
        match (self, input) {
            (Self::Unclaimed, Input::Leg(LegEvent::ClaimOurs)) => Self::Ours,
            (Self::Unclaimed, Input::Leg(LegEvent::ClaimTaken { .. })) => Self::Theirs,
            (Self::Ours, Input::Leg(LegEvent::Active | LegEvent::Dialed)) => Self::Answered,
            (standing, _) => standing,
        }
    }
}

impl LastResort {
    /// For a job that begins. `outcome_owner` is the nonce with which the call itself writes its outcome:
    /// what it managed to write stays.
    pub fn new(job: &Job, room: Room, livekit: rooms::Livekit, outcome_owner: Nonce, known: Known) -> Self {
        let room_is_ours = matches!(room, Room::Own(_));
        let standing = Standing::first(&job.plan.leg);
        Self {
            livekit,
            room,
            room_is_ours,
            attempt: Attempt::of(job),
            outcome_owner,
            known,
            standing,
            credentials: job.credentials.clone(),
        }
    }

    /// Notes what the call is about to hear.
    pub fn follow(&mut self, input: &Input) {
        self.standing = self.standing.after(input);
        match (&self.room, input) {
            (Room::Shared(_), Input::Room(RoomEvent::Joined { .. })) => self.room_is_ours = true,
            (Room::Shared(_), Input::Room(RoomEvent::Lost { loss: RoomLoss::TakenOver, .. })) => {
                self.room_is_ours = false;
            }
            _ => {}
        }
    }

    /// Deletes the room, which hangs up whoever is in it.
    pub async fn hang_up(&self, within: Duration) {
        if !self.room_is_ours {
            return;
        }
        if let Err(error) = self.livekit.delete_room(self.room.name(), within).await {
            tracing::error!(detail = %error, "the line may stay open until its time limit");
        }
    }

    /// Ends a call that is dialed now, should it neither ring out nor be answered by itself. It needs nothing of the
    /// call's own thread, and ends with what is returned.
    pub fn hard_limit_of_ringing(&self) -> Option<HardLimit> {
        let ring = Duration::from_secs(self.attempt.plan.profile.dial.ring_seconds.into());
        self.hard_limit(leg::INVITE_WITHIN.unsigned_abs() + ring, false)
    }

    /// The same for a call that was answered now, should it not have ended some time after the longest call.
    pub fn hard_limit_of_talking(&self) -> Option<HardLimit> {
        self.hard_limit(Duration::from_secs(self.attempt.plan.profile.dial.max_call_seconds.into()), true)
    }

    fn hard_limit(&self, longest: Duration, was_answered: bool) -> Option<HardLimit> {
        let overdue = Overdue {
            was_answered,
            room: self.room_is_ours.then(|| self.room.name().to_owned()),
            attempt: self.attempt.clone(),
            credentials: self.credentials.clone(),
            outcome_owner: self.outcome_owner.clone(),
            known: self.known.clone(),
        };
        HardLimit::after(longest, move || overdue.end())
    }

    /// After a mistake of ours that broke the call: hangs up, and leaves the outcome that is ours to leave.
    pub async fn after_a_panic(&self) {
        tracing::error!(detail = "this program broke; the callee is hung up", "bridge error");
        self.hang_up(HANG_UP_CAP).await;
        self.tell_that_it_broke().await;
    }

    async fn tell_that_it_broke(&self) {
        let detail = "the bridge broke";
        let ending = match self.standing {
            Standing::Theirs => return,
            Standing::Unclaimed => return self.attempt.failed_before_dial(detail).await,
            Standing::Answered => Ending {
                end_reason: Some(EndReason::BridgeError),
                ..self.known.answered(Ending::of(OutcomeKind::Answered), clock::now())
            },
            // It rings, or will: the dial is on its way, and may bring up its leg in a new room of that name. Whoever
            // settles what is unknown deletes the room once more when no dial can come any more.
            Standing::Ours if self.attempt.plan.leg != Leg::Inbound => {
                Ending { reason: Some(Reason::Unknown), ..Ending::of(OutcomeKind::Unknown) }
            }
            Standing::Ours => Ending { reason: Some(Reason::BridgeError), ..Ending::of(OutcomeKind::Failed) },
        };
        let outcome = self.attempt.outcome_of(&self.known, ending, detail);
        self.attempt.write(&self.outcome_owner, &outcome).await;
    }
}

impl Attempt {
    /// The attempt that a job is for, taken up now.
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.attempt.clone(),
            folders: job.folders.clone(),
            plan: job.plan.clone(),
            task: job.task.clone(),
            started_at: clock::wall(),
            reports: job.reports.clone(),
            alone: job.alone,
        }
    }

    /// Nothing was dialed, and nothing will be: takes the permission to ring, so that nobody else uses it, and
    /// says that the attempt may be tried again. Somebody else's claim or outcome stays.
    pub async fn failed_before_dial(&self, detail: &str) {
        if self.plan.leg != Leg::Inbound {
            let now = clock::wall();
            let claim = leg::claim_without_dial(&self.task, now, MaskedText::of(detail).into());
            let claiming = tokio::time::timeout(TELL_CAP, self.folders.claim_dial(&self.id, &claim)).await;
            if !matches!(claiming, Ok(Ok(Claimed::Ours))) {
                tracing::warn!(detail = %self.id, "the permission to ring is not ours, so no outcome is written");
                return;
            }
        }
        let ending = Ending {
            reason: Some(Reason::BridgeError),
            retryable: self.plan.leg != Leg::Inbound,
            ..Ending::of(OutcomeKind::Failed)
        };
        self.write(&draw_nonce(), &self.outcome(ending, detail)).await;
    }

    /// What to write about an attempt that ends so now, of which nothing is known but that it has a task.
    pub fn outcome(&self, ending: Ending, detail: &str) -> Outcome {
        let ending = Ending { detail: Some(MaskedText::of(detail).into()), ..ending };
        let version = env!("CARGO_PKG_VERSION");
        let outcome = Outcome::new(ending, self.id.number, self.started_at, clock::wall(), version);
        let prices = self.plan.profile.prices.as_ref();
        let cost = |prices| Meter::of_task(self.started_at).cost(prices, self.alone, outcome.ended_at);
        Outcome { cost: prices.map(cost), ..outcome }
    }

    /// The same of a call that showed this much.
    pub fn outcome_of(&self, known: &Known, ending: Ending, detail: &str) -> Outcome {
        known.complete(self.outcome(ending, detail), self.plan.profile.prices.as_ref(), self.alone)
    }

    async fn write(&self, owner: &Nonce, outcome: &Outcome) {
        let writing = self.folders.claim_outcome(&self.id, owner, outcome);
        let written: Result<Claimed<Outcome>, StoreError> = match tokio::time::timeout(TELL_CAP, writing)
            .await
        {
            Ok(written) => written,
            Err(_) => return tracing::error!(detail = "the store does not answer", "outcome not written"),
        };
        match written {
            Ok(Claimed::Ours) => {
                tracing::info!(detail = %outcome.outcome, "outcome written");
                self.report(outcome).await;
            }
            Ok(Claimed::Theirs(other)) => {
                tracing::warn!(detail = %other.outcome, "there is an outcome already");
            }
            Err(error) => tracing::error!(detail = %error, "outcome not written"),
        }
    }

    /// Reports what stands in the folder: the call itself may have written its outcome before it broke.
    async fn report(&self, written: &Outcome) {
        let reading = tokio::time::timeout(TELL_CAP, self.folders.outcome(&self.id)).await;
        let there = reading.ok().and_then(Result::ok).flatten();
        self.reports.outcome(there.as_ref().unwrap_or(written));
    }
}

#[cfg(test)]
mod tests;
