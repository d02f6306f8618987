//! When the call cannot be carried on as it should: the person is not left on the line, and the attempt not
//! without an outcome.

use std::time::Duration;

use calls::call::{Input, LegEvent, Room, RoomEvent, RoomLoss};
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
    /// This process may end when the call is over.
    alone: bool,
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
            alone: job.alone,
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
            alone: self.alone,
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
        let outcome = self.known.complete(self.attempt.outcome(ending, detail));
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

    /// What to write about an attempt that ends so now.
    pub fn outcome(&self, ending: Ending, detail: &str) -> Outcome {
        let ending = Ending { detail: Some(MaskedText::of(detail).into()), ..ending };
        Outcome::new(ending, self.id.number, self.started_at, clock::wall(), env!("CARGO_PKG_VERSION"))
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::fact::Fact;
    use calls::ids::CallKey;
    use calls::phone::PhoneNumber;
    use calls::secret::Secret;

    use super::*;
    use crate::reports::{Stand, Ways};

    fn resort(folder: &std::path::Path, leg: Leg) -> LastResort {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let standing = Standing::first(&leg);
        let plan = crate::reports::tests::plan(leg);
        let (key, secret) = (Secret::new("key"), Secret::new("hush"));
        let id = AttemptId::new(CallKey::from_sqs_message("m"), 1);
        let reports = Reports::start(Ways::default(), &id, &plan, None);
        let attempt = Attempt {
            id,
            folders: CallFolders::in_directory(folder).unwrap(),
            plan,
            task: "test".into(),
            started_at: clock::wall(),
            reports,
        };
        LastResort {
            livekit: rooms::Livekit::new("ws://127.0.0.1:9", &key, &secret).unwrap(),
            room: Room::Own("room".into()),
            room_is_ours: true,
            attempt,
            outcome_owner: draw_nonce(),
            known: Known::default(),
            standing,
            credentials: Credentials {
                livekit_api_key: key,
                livekit_api_secret: secret.clone(),
                agent_api_key: secret,
            },
            alone: false,
        }
    }

    fn outbound() -> Leg {
        Leg::Outbound { to: PhoneNumber::parse("+5511987654321").unwrap() }
    }

    async fn breaks_after(leg: Leg, heard: &[LegEvent]) -> (Option<Outcome>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut resort = resort(folder.path(), leg);
        for event in heard {
            resort.follow(&Input::Leg(event.clone()));
        }
        resort.tell_that_it_broke().await;
        let Attempt { folders, id, .. } = &resort.attempt;
        let claim = folders.dial_claim(id).await.unwrap();
        (folders.outcome(id).await.unwrap(), claim.is_some_and(|claim| claim.failed_before_dial.is_some()))
    }

    #[tokio::test]
    async fn a_call_that_breaks_is_written_as_far_as_it_had_come() {
        use LegEvent::{Active, ClaimOurs, Dialed, Ringing};
        let (outcome, gave_up) = breaks_after(outbound(), &[]).await;
        let outcome = outcome.unwrap();
        assert!(gave_up && outcome.retryable && outcome.outcome == OutcomeKind::Failed);

        let (outcome, gave_up) = breaks_after(outbound(), &[ClaimOurs, Ringing]).await;
        let outcome = outcome.unwrap();
        assert!(!gave_up && !outcome.retryable && outcome.outcome == OutcomeKind::Unknown);
        assert_eq!(outcome.reason.as_deref(), Some("unknown"));

        for answer in [Active, Dialed] {
            let (outcome, _) = breaks_after(outbound(), &[ClaimOurs, answer, Ringing]).await;
            let outcome = outcome.unwrap();
            assert_eq!((outcome.outcome, outcome.reason.as_ref()), (OutcomeKind::Answered, None));
            assert_eq!(outcome.end_reason, Some(EndReason::BridgeError));
        }
        let (outcome, gave_up) = breaks_after(Leg::Inbound, &[Active]).await;
        assert!(!gave_up && outcome.unwrap().outcome == OutcomeKind::Answered);
    }

    #[tokio::test]
    async fn what_was_known_of_a_call_that_broke_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut resort = resort(folder.path(), outbound());
        resort.follow(&Input::Leg(LegEvent::ClaimOurs));
        resort.follow(&Input::Leg(LegEvent::Active));
        let known = resort.known.clone();
        known.agent_created("agent-7");
        known.note(&Fact::Answered { after_ms: 2500 }, clock::now() - Duration::from_secs(30), clock::wall());
        known.note(&Fact::FirstAgentAudio { after_answer_ms: 800 }, clock::now(), clock::wall());
        known.note(&Fact::BargeIn { dropped_ms: 100, tail_ms: None }, clock::now(), clock::wall());
        (0..75).for_each(|_| known.to_agent.count(&[1000; 320], 0));
        resort.tell_that_it_broke().await;
        let outcome = resort.attempt.folders.outcome(&resort.attempt.id).await.unwrap().unwrap();
        assert_eq!(outcome.end_reason, Some(EndReason::BridgeError));
        assert_eq!(outcome.agent_call_id.as_deref(), Some("agent-7"));
        assert_eq!((outcome.answer_delay_seconds, outcome.first_agent_audio_seconds), (Some(2.5), Some(0.8)));
        assert_eq!((outcome.barge_ins, outcome.callee_audio_seconds), (1, 1.5));
        assert!(outcome.duration_seconds.is_some_and(|seconds| (30.0..35.0).contains(&seconds)));
    }

    #[tokio::test]
    async fn upstream_is_told_what_stands_in_the_folder_and_nothing_of_somebody_elses_call() {
        let folder = tempfile::tempdir().unwrap();
        let stand = Stand::that_fails(0).await;
        let mut resort = resort(folder.path(), outbound());
        let Attempt { id, plan, .. } = resort.attempt.clone();
        let ways = Ways { call_history: Some(stand.queue()), ..Ways::default() };
        resort.attempt.reports = Reports::start(ways, &id, &plan, None);
        resort.follow(&Input::Leg(LegEvent::ClaimTaken { detail: "task b".into() }));
        resort.tell_that_it_broke().await;
        // The call wrote how it ended, and broke before it said so.
        let busy = Ending { reason: Some(Reason::Busy), ..Ending::of(OutcomeKind::NotAnswered) };
        let busy = resort.attempt.outcome(busy, "busy");
        assert!(
            resort.attempt.folders.claim_outcome(&id, &resort.outcome_owner, &busy).await.unwrap().is_ours()
        );
        resort.standing = Standing::Ours;
        resort.tell_that_it_broke().await;
        resort.attempt.reports.close().await;
        let told = stand.taken();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("CALL_NOT_ANSWERED") && told[0].contains("busy"), "{told:?}");
    }

    #[test]
    fn a_room_that_somebody_named_is_deleted_only_by_who_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut resort = resort(folder.path(), Leg::Inbound);
        (resort.room, resort.room_is_ours) = (Room::Shared("desk".into()), false);
        resort.follow(&Input::Room(RoomEvent::Joined { took_ms: 1 }));
        assert!(resort.room_is_ours);
        let (detail, loss) = (String::new(), RoomLoss::TakenOver);
        resort.follow(&Input::Room(RoomEvent::Lost { detail, loss }));
        assert!(!resort.room_is_ours);
    }

    #[tokio::test]
    async fn what_is_somebody_elses_is_left_alone() {
        let taken = LegEvent::ClaimTaken { detail: "task b".into() };
        assert_eq!(breaks_after(outbound(), &[taken]).await, (None, false));

        let folder = tempfile::tempdir().unwrap();
        let resort = resort(folder.path(), outbound());
        let Attempt { folders, id, .. } = &resort.attempt;
        let theirs = leg::claim_without_dial("another", clock::wall(), "first".into());
        assert!(folders.claim_dial(id, &theirs).await.unwrap().is_ours());
        resort.attempt.failed_before_dial("late").await;
        assert_eq!(folders.outcome(id).await.unwrap(), None);
    }
}
