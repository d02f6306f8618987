#![allow(clippy::unwrap_used)]
use calls::cost::{Item, Price, Prices};
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
        alone: true,
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
async fn a_call_that_broke_has_cost_what_it_used_and_one_that_never_began_its_task() {
    let folder = tempfile::tempdir().unwrap();
    let mut resort = resort(folder.path(), outbound());
    let price = Some(Price { per_minute: 0.06, minimum_seconds: 60, round_up_to_seconds: 1 });
    let prices = Prices { currency: "USD".to_owned(), task: price, trunk: price, ..Prices::default() };
    resort.attempt.plan.profile.prices = Some(prices);
    let ending = Ending::of(OutcomeKind::Answered);
    let items =
        |outcome: Outcome| outcome.cost.unwrap().lines.iter().map(|line| line.item).collect::<Vec<_>>();
    assert_eq!(items(resort.attempt.outcome(ending.clone(), "broke")), [Item::Task]);
    let job = Fact::JobTaken { country: "BR".to_owned(), to: None, room: "r".to_owned() };
    resort.known.note(&job, clock::now(), clock::wall());
    resort.known.note(&Fact::Answered { after_ms: 1 }, clock::now(), clock::wall());
    let outcome = resort.attempt.outcome_of(&resort.known, ending.clone(), "broke");
    assert_eq!(items(outcome), [Item::Task, Item::Trunk]);
    resort.attempt.alone = false;
    assert_eq!(items(resort.attempt.outcome_of(&resort.known, ending, "broke")), [Item::Trunk]);
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
    assert!(resort.attempt.folders.claim_outcome(&id, &resort.outcome_owner, &busy).await.unwrap().is_ours());
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
