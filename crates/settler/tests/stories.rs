//! Attempts that are settled, in call folders as they lie in a store.

#![allow(clippy::unwrap_used)]

mod world;

use std::time::Duration;

use calls::fact::Fact;
use calls::outcome::OutcomeKind;
use calls::settle::{Cause, Follow, Settled};
use serde_json::Value;
use world::{BODY, World, ago, attempt};

const ENOUGH: Duration = Duration::from_secs(30);

fn stopped() -> Cause {
    Cause::Stopped { task: "task".to_owned(), detail: "TaskFailedToStart: no image".to_owned() }
}

fn attribute<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message["MessageAttributes"][name]["StringValue"].as_str()
}

#[tokio::test]
async fn a_task_that_stopped_before_its_dial_leads_to_another_attempt_and_a_late_task_finds_the_claim_taken()
{
    let world = World::new().await;
    let id = attempt(1);
    world.open(&id, ago(0)).await;
    world.message().await;
    world.launched(&id, ago(-3)).await;
    assert_eq!(world.settler.settle(&id, Cause::Swept).await, Settled::NotYet, "it may be starting");
    assert_eq!(
        world.settler.settle(&id, stopped()).await,
        Settled::Done(Some(Follow::Attempt(2))),
        "nothing rang"
    );
    let sent = world.sent("trigger");
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert_eq!((sent[0]["MessageBody"].as_str(), sent[0]["DelaySeconds"].as_u64()), (Some(BODY), Some(30)));
    assert_eq!(attribute(&sent[0], "OcgCallKey"), Some(id.key.as_str()));
    assert_eq!(attribute(&sent[0], "OcgAttempt"), Some("2"));
    assert!(world.folders.dial_claim(&id).await.unwrap().unwrap().decision.is_some());
    assert_eq!(world.folders.open_attempts().await.unwrap(), []);
    // News of the same task again, and the sweep: it is done.
    assert_eq!(world.settler.settle(&id, stopped()).await, Settled::Done(Some(Follow::Attempt(2))));
    assert_eq!(world.sent("trigger").len(), 1);
    let told = world.sent("history");
    assert!(
        told.len() == 1 && told[0]["MessageBody"].as_str().unwrap().contains("SIP_CALL_FAILED"),
        "{told:#?}"
    );
    let facts = world.folders.facts(&id).await.unwrap();
    let why = |fact: &Fact| matches!(fact, Fact::TaskStopped { detail, .. } if detail.contains("no image"));
    assert!(facts.iter().any(|line| why(&line.fact)), "{facts:#?}");
    assert!(facts.iter().any(|line| matches!(&line.fact, Fact::Settled { next } if next == "attempt 2")));
}

#[tokio::test]
async fn after_the_last_attempt_the_message_is_a_dead_letter_with_the_last_reason_and_upstream_knows() {
    let world = World::new().await;
    world.message().await;
    for number in 1..=3 {
        world.open(&attempt(number), ago(0)).await;
        world.launched(&attempt(number), ago(-3)).await;
        let followed = world.settler.settle(&attempt(number), stopped()).await;
        let wanted = if number < 3 { Follow::Attempt(number + 1) } else { Follow::DeadLetter };
        assert_eq!(followed, Settled::Done(Some(wanted)));
    }
    let delays: Vec<_> =
        world.sent("trigger").iter().map(|sent| sent["DelaySeconds"].as_u64().unwrap()).collect();
    assert_eq!(delays, [30, 120]);
    let letters = world.sent("dead");
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let of = |name| attribute(&letters[0], name);
    assert_eq!(
        (letters[0]["MessageBody"].as_str(), of("RefusalCode")),
        (Some(BODY), Some("attempts_exhausted"))
    );
    assert!(of("RefusalDetail").unwrap().contains("no image"), "{letters:#?}");
    assert_eq!(
        (of("OcgAttempt"), of("OriginalMessageId"), of("trace")),
        (Some("4"), Some("m-1"), Some("t-1"))
    );
    let told = world.sent("history");
    assert_eq!(told.len(), 4, "one an attempt, and one for the call");
    assert!(told[3]["MessageBody"].as_str().unwrap().contains("attempts-exhausted"), "{told:#?}");
}

#[tokio::test]
async fn what_may_have_rung_is_unknown_and_never_sent_again() {
    let world = World::new().await;
    let id = attempt(1);
    // Longer ago than anything of it could be left.
    world.open(&id, ago(50)).await;
    world.message().await;
    world.launched(&id, ago(46)).await;
    world.dialed(&id, ago(48)).await;
    let swept = world.settler.sweep(ENOUGH).await;
    assert_eq!((swept.open, swept.settled, swept.problems.len()), (1, 1, 0), "{swept:#?}");
    let outcome = world.folders.outcome(&id).await.unwrap().unwrap();
    assert_eq!((outcome.outcome, outcome.retryable), (OutcomeKind::Unknown, false));
    assert!(world.sent("trigger").is_empty() && world.sent("dead").is_empty());
    assert_eq!(world.sent("history").len(), 1);
    assert_eq!(world.folders.open_attempts().await.unwrap(), []);
}

#[tokio::test]
async fn a_room_that_cannot_be_deleted_keeps_the_attempt_open_and_upstream_is_not_told_before() {
    let world = World::new().await;
    let id = attempt(1);
    world.open(&id, ago(1)).await;
    world.message().await;
    world.launched(&id, ago(-3)).await;
    world.dialed(&id, ago(1)).await;
    // Nobody has put the country's keys into the environment.
    let settled = world.settler.settle(&id, stopped()).await;
    let Settled::Retry(why) = settled else { panic!("{settled:?}") };
    assert!(why.contains("LIVEKIT_API_KEY_BR"), "{why}");
    assert!(world.folders.outcome(&id).await.unwrap().is_some(), "written before anything is done about it");
    assert_eq!(world.folders.open_attempts().await.unwrap(), [id]);
    assert!(world.sent("history").is_empty());
}

#[tokio::test]
async fn the_sweep_leaves_a_call_that_runs_alone_and_says_for_how_long_it_is_open() {
    let world = World::new().await;
    let id = attempt(1);
    world.open(&id, ago(0)).await;
    world.message().await;
    world.launched(&id, ago(-3)).await;
    world.dialed(&id, ago(-1)).await;
    let swept = world.settler.sweep(ENOUGH).await;
    assert_eq!((swept.open, swept.waiting, swept.settled), (1, 1, 0), "{swept:#?}");
    assert_eq!(world.folders.open_attempts().await.unwrap(), [id]);
}

#[tokio::test]
async fn a_mark_that_no_message_came_to_goes_after_an_hour_and_not_before() {
    let world = World::new().await;
    world.open(&attempt(1), ago(0)).await;
    assert_eq!(world.settler.sweep(ENOUGH).await.waiting, 1);
    world.open(&attempt(1), ago(2)).await;
    assert_eq!(world.settler.sweep(ENOUGH).await.settled, 1);
    assert_eq!(world.folders.open_attempts().await.unwrap(), []);
}

#[tokio::test]
async fn a_place_whose_attempt_is_open_no_more_is_given_back() {
    let world = World::new().await;
    world.open(&attempt(1), ago(0)).await;
    for number in [1, 2] {
        assert!(world.folders.take_place(&attempt(number), "BR", 5).await.unwrap());
    }
    assert_eq!(world.settler.sweep(ENOUGH).await.places_given_back, 1);
    assert_eq!(world.folders.places().await.unwrap(), [("BR".to_owned(), attempt(1))]);
}

#[tokio::test]
async fn a_message_that_is_nowhere_any_more_is_reported() {
    let world = World::new().await;
    world.open(&attempt(1), ago(6 * 24)).await;
    world.message().await;
    let swept = world.settler.sweep(ENOUGH).await;
    assert_eq!((swept.stuck, swept.settled), (1, 0), "{swept:#?}");
}
