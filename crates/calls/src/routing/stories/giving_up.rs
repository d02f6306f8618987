//! Messages that have been tried long enough.

use super::super::world::{World, at, body, call, last_time, profiles, put_back};
use super::super::*;

#[test]
fn the_last_time_a_message_that_was_never_claimed_becomes_a_dead_letter() {
    let mut world = World { profiles: profiles(r#"{"v":1,"country":"BR"}"#), ..World::new() };
    assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Refused(RefusalCode::ReceivesExhausted));
    assert!(world.folder.attempts.is_empty() && world.ending.is_none());
    assert_eq!(world.letters[0].attempt.number, 1);
    assert!(world.letters[0].refusal.detail.contains("livekit.url"));
}

#[test]
fn the_last_time_a_claimed_call_is_settled_so_that_no_task_can_dial_it() {
    let mut world = World { breaks: vec!["launch"], ..World::new() };
    assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Refused(RefusalCode::ReceivesExhausted));
    let seen = &world.folder.attempts[&1];
    assert!(seen.dial && seen.next.is_some() && !world.open);
    assert_eq!(world.letters[0].attempt.number, 2, "sent again, it is a new attempt");
    let ending = world.ending.as_ref().unwrap();
    assert_eq!(
        (ending.outcome, ending.reason_text().as_deref()),
        (crate::outcome::OutcomeKind::Failed, Some("refused"))
    );
    // And that letter, sent again when the cause is mended, is dialed.
    world.breaks.clear();
    assert_eq!(world.receive(put_back("m-2", body("i-1", "+5511912345678"), "2")), Verdict::Done);
    assert_eq!(world.launches, 1);
}

#[test]
fn giving_up_stops_before_a_task_that_has_the_dial_claim() {
    let mut world = World { breaks: vec!["launch"], races: ["dial"].into(), ..World::new() };
    assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Done);
    assert!(world.letters.is_empty() && world.ending.is_none());
}

#[test]
fn what_could_not_be_started_until_its_deadline_is_given_up_and_not_forgotten() {
    let mut world = World { breaks: vec!["launch"], ..World::new() };
    assert!(matches!(world.receive(call("m-1")), Verdict::Retry(_)));
    world.breaks.clear();
    // Half a minute before the deadline: Fargate may take longer to start it.
    world.folder.attempts.get_mut(&1).unwrap().claim_by = Some(at("2026-07-21T12:00:30Z"));
    assert_eq!(world.receive(call("m-1")), Verdict::Refused(RefusalCode::ReceivesExhausted));
    assert_eq!(world.launches, 0);
    let seen = &world.folder.attempts[&1];
    assert!(seen.dial && seen.next.is_some() && !world.open, "no task can dial for it any more");
    assert_eq!(world.letters[0].attempt.number, 2, "sent again, it is a new attempt");
}

#[test]
fn giving_up_never_happens_blindly_nor_behind_a_launched_task() {
    for step in ["load", "launched"] {
        let mut world = World { breaks: vec![step], ..World::new() };
        assert!(matches!(world.receive(last_time(call("m-1"))), Verdict::Retry(_)), "{step}");
        assert!(world.letters.is_empty() && world.folder.attempts.values().all(|seen| !seen.dial));
    }
}

#[test]
fn the_last_time_a_message_that_could_not_be_claimed_is_not_given_up_for_its_call_may_be_there_or_not() {
    let mut world = World { breaks: vec!["message"], ..World::new() };
    assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Retry("message failed".into()));
    assert!(world.folder.attempts.is_empty() && world.letters.is_empty() && world.ending.is_none());
    world.breaks.clear();
    let once_more = Delivery { receive_count: 21, ..call("m-1") };
    assert_eq!(world.receive(once_more), Verdict::Done);
    assert_eq!((world.launches, world.letters.len()), (1, 0));
}

#[test]
fn giving_up_half_done_is_left_to_the_settler() {
    for step in ["dial", "outcome", "letter", "next", "close"] {
        let mut world = World { breaks: vec!["launch", step], ..World::new() };
        assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Retry(format!("{step} failed")));
        if step != "dial" {
            world.breaks.clear();
            assert_eq!(world.receive(last_time(call("m-1"))), Verdict::Done, "{step}");
            assert_eq!(world.launches, 0, "{step}");
        }
    }
}
