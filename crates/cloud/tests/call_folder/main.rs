//! The call folder over a directory, and over a store that misbehaves as object stores do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test that starts itself as a process tells it where the folder is"
)]

mod facts;
mod flaky;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use calls::ids::{AttemptId, CallKey, Nonce};
use calls::outcome::Outcome;
use calls::phone::PhoneNumber;
use calls::plan::CallPlan;
use cloud::call_folder::documents::{Back, ByDay, DialClaim, Follow, Job, Launched, Message, Next, Open, V};
use cloud::call_folder::{CallFolders, Claimed, Recording, StoreError, draw_nonce, paths};
use flaky::{Flaky, Put};
use jiff::Timestamp;
use serde_json::json;

const AT: &str = "2026-07-21T12:00:00Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn attempt() -> AttemptId {
    AttemptId::new(CallKey::from_sqs_message("m"), 1)
}

fn dial_claim(owner: Nonce) -> DialClaim {
    DialClaim {
        v: V,
        owner,
        task: "task-1".to_owned(),
        room: Some("room".to_owned()),
        callee_identity: Some("callee".to_owned()),
        agent_call_id: None,
        invite_by: at() + Duration::from_secs(30),
        deadline: at() + Duration::from_secs(1000),
        failed_before_dial: None,
        decision: None,
    }
}

fn message() -> Message {
    Message {
        v: V,
        owner: draw_nonce(),
        sqs_message_id: Some("sqs-1".to_owned()),
        since: at(),
        body: "{\"é\": 1}\n".to_owned(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
    }
}

fn job() -> Job {
    let plan = CallPlan {
        call_id: "c".to_owned(),
        leg: calls::plan::Leg::Inbound,
        profile: calls::profile::CountryProfile::from_json(
            r#"{"v":1,"country":"BR","livekit":{"url":"wss://a.example","trunkId":"ST_1","callerId":"+551130000000"},"agent":{"voice":"V"}}"#,
        )
        .unwrap(),
        system_prompt: "p".to_owned(),
        greeting_message: None,
        tracking: calls::trigger::Tracking::default(),
    };
    Job {
        v: V,
        owner: draw_nonce(),
        plan,
        attempt: 1,
        made_by: "me".to_owned(),
        made_at: at(),
        deadline: at(),
        traceparent: None,
    }
}

fn outcome() -> Outcome {
    let json = json!({
        "v": 1, "outcome": "not-answered", "reason": "busy", "sipStatus": 486, "retryable": false,
        "bargeIns": 0, "calleeAudioSeconds": 0.0, "agentAudioSeconds": 0.0, "attempt": 1,
        "startedAt": AT, "endedAt": AT, "version": "0.1.0",
    });
    serde_json::from_value(json).unwrap()
}

fn in_directory() -> (tempfile::TempDir, CallFolders) {
    let folder = tempfile::tempdir().unwrap();
    let folders = CallFolders::in_directory(&folder.path().join("calls-here")).unwrap();
    (folder, folders)
}

fn file(folder: &tempfile::TempDir, path: &object_store::path::Path) -> std::path::PathBuf {
    folder.path().join("calls-here").join(path.as_ref())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_tasks_that_claim_exactly_one_gets_it() {
    let (_folder, folders) = in_directory();
    for round in 0..20 {
        let attempt = AttemptId::new(CallKey::from_sqs_message("m"), round + 1);
        let claims = (0..16).map(|_| {
            let (folders, attempt) = (folders.clone(), attempt.clone());
            tokio::spawn(async move {
                let owner = draw_nonce();
                (owner.clone(), folders.claim_dial(&attempt, &dial_claim(owner)).await.unwrap())
            })
        });
        let mut winners = Vec::new();
        let mut seen = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            match claim.await.unwrap() {
                (owner, Claimed::Ours) => winners.push(owner),
                (_, Claimed::Theirs(there)) => seen.push(there.owner),
            }
        }
        assert_eq!((winners.len(), seen.len()), (1, 15));
        assert!(seen.iter().all(|owner| *owner == winners[0]), "everybody sees the same winner");
    }
}

/// Not a test of its own: what the next test starts as a process.
#[tokio::test]
async fn one_process_that_claims() {
    let Some(folder) = std::env::var_os("OCG_TEST_CALLS") else { return };
    let folders = CallFolders::in_directory(Path::new(&folder)).unwrap();
    for number in 1..=50 {
        let attempt = AttemptId::new(CallKey::from_sqs_message("m"), number);
        if folders.claim_dial(&attempt, &dial_claim(draw_nonce())).await.unwrap().is_ours() {
            println!("ours {number}.");
        }
    }
}

#[test]
fn of_many_processes_that_claim_exactly_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_process_that_claims", "--nocapture"])
            .env("OCG_TEST_CALLS", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..3).map(|_| start()).collect();
    let mut printed = String::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        printed.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    for number in 1..=50 {
        assert_eq!(printed.matches(&format!("ours {number}.")).count(), 1, "{number}");
    }
}

#[tokio::test]
async fn our_own_nonce_there_means_an_earlier_try_got_through() {
    let (_folder, folders) = in_directory();
    let claim = dial_claim(draw_nonce());
    assert!(folders.claim_dial(&attempt(), &claim).await.unwrap().is_ours());
    assert!(folders.claim_dial(&attempt(), &claim).await.unwrap().is_ours(), "the same claim again");
    let other = dial_claim(draw_nonce());
    assert_eq!(folders.claim_dial(&attempt(), &other).await.unwrap(), Claimed::Theirs(claim.clone()));
    assert_eq!(folders.dial_claim(&attempt()).await.unwrap(), Some(claim));
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_is_read_back() {
    let store = Flaky::with([Put::GetsThroughAndFails]);
    let folders = CallFolders::over(store.clone());
    assert!(folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await.unwrap().is_ours());
    assert_eq!(store.puts(), 2, "put, then refused, then read");
}

#[tokio::test(start_paused = true)]
async fn refused_and_nothing_there_is_put_again() {
    let store = Flaky::with([Put::SaysExists, Put::SaysExists, Put::Fails]);
    let folders = CallFolders::over(store.clone());
    assert!(folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await.unwrap().is_ours());
    assert_eq!(store.puts(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_down_is_given_up_after_a_while() {
    let folders = CallFolders::over(Flaky::down());
    let started = tokio::time::Instant::now();
    let failed = folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await;
    assert!(matches!(failed, Err(StoreError::Unavailable { .. })), "{failed:?}");
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn half_written_or_unknown_documents_are_try_again_later_never_a_guess() {
    let (folder, folders) = in_directory();
    let there = file(&folder, &paths::dial(&attempt()));
    std::fs::create_dir_all(there.parent().unwrap()).unwrap();
    for (text, is_version) in [
        ("", false),
        ("{\"v\":1,\"own", false),
        ("[]", true),
        ("{\"v\":2,\"owner\":\"x\"}", true),
        ("{\"owner\":\"x\"}", true),
    ] {
        std::fs::write(&there, text).unwrap();
        let claimed = folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await;
        let read = folders.dial_claim(&attempt()).await;
        if is_version {
            assert!(matches!(claimed, Err(StoreError::UnknownVersion { .. })), "{text}: {claimed:?}");
            assert!(matches!(read, Err(StoreError::UnknownVersion { .. })), "{text}: {read:?}");
        } else {
            assert!(matches!(claimed, Err(StoreError::Unreadable { .. })), "{text}: {claimed:?}");
            assert!(matches!(read, Err(StoreError::Unreadable { .. })), "{text}: {read:?}");
        }
        assert_eq!(std::fs::read_to_string(&there).unwrap(), text, "nothing was overwritten");
    }
}

#[tokio::test]
async fn what_a_killed_writer_left_beside_a_document_harms_nobody() {
    let (folder, folders) = in_directory();
    let there = file(&folder, &paths::dial(&attempt()));
    std::fs::create_dir_all(there.parent().unwrap()).unwrap();
    for n in 1..4 {
        std::fs::write(there.with_file_name(format!("dial.json#{n}")), "{\"half").unwrap();
    }
    assert_eq!(folders.look(&attempt().key).await.unwrap().attempts[0].dial, None);
    assert!(folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await.unwrap().is_ours());
    assert!(!folders.claim_dial(&attempt(), &dial_claim(draw_nonce())).await.unwrap().is_ours());
}

#[tokio::test]
async fn a_calls_life_leaves_what_was_promised() {
    let (folder, folders) = in_directory();
    let id = attempt();
    assert_eq!(folders.look(&id.key).await.unwrap(), Default::default());

    assert!(folders.open_attempt(&id, &Open { v: V, at: at() }).await.unwrap());
    let message = message();
    assert!(folders.claim_message(&id.key, &message).await.unwrap().is_ours());
    let job = job();
    assert!(folders.claim_job(&id, &job).await.unwrap().is_ours());
    folders.note_launched(&id, &Launched { v: V, task: "arn".to_owned(), at: at() }).await.unwrap();
    folders.note_launched(&id, &Launched { v: V, task: "later".to_owned(), at: at() }).await.unwrap();
    let claim = dial_claim(draw_nonce());
    assert!(folders.claim_dial(&id, &claim).await.unwrap().is_ours());
    let not_yet = folders.close_attempt(&id).await;
    assert!(matches!(not_yet, Err(StoreError::NotSettled { .. })), "{not_yet:?}");
    assert_eq!(folders.open_attempts().await.unwrap(), std::slice::from_ref(&id));

    let owner = draw_nonce();
    assert!(folders.claim_outcome(&id, &owner, &outcome()).await.unwrap().is_ours());
    assert!(folders.claim_outcome(&id, &owner, &outcome()).await.unwrap().is_ours(), "the same claim again");
    let second = folders.claim_outcome(&id, &draw_nonce(), &outcome()).await.unwrap();
    assert_eq!(second, Claimed::Theirs(outcome()), "exactly one, although it says the same");
    let next = Next { v: V, next: Follow::Nothing, at: at() };
    assert!(folders.claim_next(&id, &next).await.unwrap().is_ours());
    folders.note_back(&id, 1, "sqs-9", &Back { v: V, at: at() }).await.unwrap();
    assert_eq!(folders.close_attempt(&id).await.unwrap(), next);
    assert_eq!(folders.close_attempt(&id).await.unwrap(), next, "can be repeated");
    assert!(!folders.open_attempt(&id, &Open { v: V, at: at() }).await.unwrap(), "never opened again");
    assert_eq!(folders.open_attempts().await.unwrap(), []);

    let standing = folders.look(&id.key).await.unwrap();
    assert_eq!(standing.message, Some(message));
    assert!(standing.has_ended() && standing.was_put_back("sqs-9") && !standing.was_put_back("sqs-8"));
    let last = standing.last_attempt().unwrap();
    assert_eq!(last.job.as_ref(), Some(&job));
    assert_eq!(last.launched.as_ref().unwrap().task, "arn", "the first note stays");
    assert_eq!((last.dial.as_ref(), last.outcome.as_ref()), (Some(&claim), Some(&outcome())));
    assert_eq!(last.open, None);

    let stored = std::fs::read_to_string(file(&folder, &paths::next(&id))).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    assert_eq!((&stored["v"], &stored["next"], &stored["at"]), (&json!(1), &json!("nothing"), &json!(AT)));
    let stored = std::fs::read_to_string(file(&folder, &paths::dial(&id))).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        (&stored["inviteBy"], &stored["calleeIdentity"]),
        (&json!("2026-07-21T12:00:30Z"), &json!("callee"))
    );
}

#[tokio::test]
async fn attempts_are_seen_in_order_of_their_numbers() {
    let (_folder, folders) = in_directory();
    for number in [10, 2, 1] {
        let id = AttemptId::new(attempt().key, number);
        let _ = folders.claim_job(&id, &Job { attempt: number, ..job() }).await.unwrap();
    }
    let standing = folders.look(&attempt().key).await.unwrap();
    assert_eq!(standing.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 10]);
}

#[tokio::test]
async fn recordings_of_any_size_arrive_whole() {
    let (folder, folders) = in_directory();
    let local = folder.path().join("local.ogg");
    for bytes in [0, 1000, 8 << 20, (8 << 20) + 1, 20 << 20] {
        let content: Vec<u8> = (0..bytes).map(|i: usize| ((i * 31) >> 3) as u8).collect();
        std::fs::write(&local, &content).unwrap();
        folders.put_recording(&attempt(), Recording::Callee, &local).await.unwrap();
        let there = file(&folder, &paths::recording(&attempt(), "callee.opus"));
        assert!(std::fs::read(there).unwrap() == content, "{bytes} bytes");
    }
    let missing = folders.put_recording(&attempt(), Recording::Agent, &folder.path().join("none")).await;
    assert!(matches!(missing, Err(StoreError::Unavailable { .. })), "{missing:?}");
}

#[tokio::test]
async fn the_pointer_by_day_has_no_number_in_it() {
    let (folder, folders) = in_directory();
    let key = attempt().key;
    let pointer = ByDay {
        v: V,
        key: key.clone(),
        at: at(),
        call_id: "c".to_owned(),
        country: "BR".to_owned(),
        masked_number: Some(PhoneNumber::try_from("+5511987655678".to_owned()).unwrap().masked()),
        number_sha256: Some("00".to_owned()),
        campaign_id: None,
        customer_id: None,
    };
    folders.note_by_day(&key, &pointer).await;
    let there = file(&folder, &paths::by_day(&key, at()));
    assert!(there.ends_with(format!("by-day/2026-07-21/120000-{key}.json")));
    assert_eq!(serde_json::from_str::<ByDay>(&std::fs::read_to_string(there).unwrap()).unwrap(), pointer);
}
