//! Calls that may not begin yet.

use std::time::Duration;

use super::super::world::{World, body, call, key, profiles, put_back};
use super::super::*;
use crate::settle::Follow;

const LIMITED: &str = r#"{"v":1,"country":"BR","agent":{"voice":"Ana"},"maxConcurrentCalls":5,"callsPerSecond":0.5,
    "livekit":{"url":"ws://h","trunkId":"ST_1","callerId":"+5511"}}"#;
/// At [`NOON`] it is nine in the morning there.
const AFTERNOONS: &str = r#"{"v":1,"country":"BR","agent":{"voice":"Ana"},"callHours":["mon-fri 13:00-20:00"],
    "timeZone":"America/Sao_Paulo","livekit":{"url":"ws://h","trunkId":"ST_1","callerId":"+5511"}}"#;

#[test]
fn outside_the_call_hours_a_message_is_put_back_as_the_same_call() {
    let mut world = World { profiles: profiles(AFTERNOONS), ..World::new() };
    assert_eq!(world.receive(call("m-1")), Verdict::Deferred);
    assert_eq!(world.put_back, [(AttemptId::new(key(), 1), Duration::from_secs(900))]);
    assert_eq!((world.launches, world.folder.has_job(), world.open), (0, false, true));
    assert!(world.had(&Fact::Deferred { why: NotNow::CallHours, delay_seconds: 900 }));
    // The delivery itself, should it come again, is only acknowledged.
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!(world.put_back.len(), 1);
    // What was put back waits on, or is dialed: no receive and no attempt is used up.
    let back = |id| put_back(id, body("i-1", "+5511912345678"), "1");
    assert_eq!(world.receive(back("m-2")), Verdict::Deferred);
    world.profiles = profiles(LIMITED);
    assert_eq!(world.receive(back("m-3")), Verdict::Done);
    assert_eq!(world.launches, 1);
}

#[test]
fn a_country_that_has_as_many_calls_as_it_may_makes_the_next_one_wait() {
    let full = Place::NotNow { why: NotNow::TooManyCalls, wait: Duration::from_millis(20_400) };
    let mut world = World { profiles: profiles(LIMITED), not_now: Some(full), ..World::new() };
    assert_eq!(world.receive(call("m-1")), Verdict::Deferred);
    assert_eq!(world.put_back, [(AttemptId::new(key(), 1), Duration::from_secs(21))]);
    let again = |id| put_back(id, key().as_str().into(), "1");
    for id in ["m-2", "m-3", "m-4", "m-5", "m-6", "m-7"] {
        assert_eq!(world.receive(again(id)), Verdict::Deferred);
    }
    let delays: Vec<u64> = world.put_back.iter().map(|(_, delay)| delay.as_secs()).collect();
    let longest = [21, 28, 56, 112, 224, 240, 240];
    for (delay, longest) in delays.iter().zip(longest) {
        assert!(
            (longest / 4..=longest + 1).contains(delay),
            "ever more seldom, and not all at once: {delays:?}"
        );
    }
    world.not_now = None;
    assert_eq!(world.receive(put_back("m-8", key().as_str().into(), "1")), Verdict::Done);
    assert_eq!((world.launches, world.folder.attempts[&1].launched), (1, true));
}

#[test]
fn what_cannot_be_put_back_comes_again_and_what_was_put_back_never_ends_the_call() {
    let mut world = World { profiles: profiles(AFTERNOONS), breaks: vec!["put back"], ..World::new() };
    assert_eq!(world.receive(call("m-1")), Verdict::Retry("put back failed".into()));
    world.breaks = vec!["note back"];
    let last = Delivery { receive_count: 20, ..call("m-1") };
    assert_eq!(world.receive(last), Verdict::Retry("note back failed".into()));
    assert!(world.letters.is_empty() && world.ending.is_none());
}

#[test]
fn of_a_put_back_and_its_copies_one_goes_on() {
    let again = |id, nth| Delivery { put_back: Some(nth), ..put_back(id, key().as_str().into(), "1") };
    let mut world = World { profiles: profiles(AFTERNOONS), breaks: vec!["note back"], ..World::new() };
    // The note of the first put-back is lost, so the message is put back a second time.
    assert_eq!(world.receive(call("m-1")), Verdict::Retry("note back failed".into()));
    world.breaks.clear();
    assert_eq!(world.receive(call("m-1")), Verdict::Deferred);
    assert_eq!(world.put_back.len(), 2);
    // Both come. The one goes on as the second put-back, the other finds it noted.
    assert_eq!(world.receive(again("m-2", 1)), Verdict::Deferred);
    assert_eq!(world.receive(again("m-3", 1)), Verdict::Done);
    assert_eq!(world.put_back.len(), 3);
    assert!(world.had(&Fact::DuplicateDelivery));
    // What the settler or a person sends has no number and is as good as the newest.
    assert_eq!(world.receive(put_back("m-4", key().as_str().into(), "1")), Verdict::Deferred);
    assert_eq!(world.receive(again("m-5", 2)), Verdict::Done, "overtaken by the third");
    world.profiles = profiles(LIMITED);
    assert_eq!(world.receive(again("m-6", 3)), Verdict::Done);
    assert_eq!(world.launches, 1);
}

#[test]
fn after_nothing_follows_nothing_whatever_the_outcome_allowed() {
    let mut world = World::new();
    let ended = AttemptSeen {
        job: true,
        dial: true,
        outcome: Some(true),
        next: Some(Follow::Nothing),
        ..AttemptSeen::default()
    };
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    world.folder.attempts.insert(1, ended);
    assert_eq!(world.receive(put_back("m-2", body("i-1", "+5511912345678"), "2")), Verdict::Done);
    assert_eq!(world.launches, 1, "a person said that nothing follows");
}
