//! What becomes of one delivery, told as stories.

#![allow(clippy::unwrap_used)]

mod giving_up;
mod later;

use super::step::State;
use super::world::{NOON, World, at, body, call, delivery, key, last_time, noted, profiles, put_back};
use super::*;
use crate::settle::Follow;

#[test]
fn a_message_is_claimed_and_a_task_launched() {
    let mut world = World::new();
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!((world.launches, world.open, world.letters.len()), (1, true, 0));
    let claim_by = Some(at("2026-07-21T16:00:00Z"));
    let seen = AttemptSeen { job: true, claim_by, launched: true, ..AttemptSeen::default() };
    assert_eq!(world.folder.attempts[&1], seen);
    assert_eq!(world.deadline, Some(at("2026-07-21T16:00:00Z")));
    let told: Vec<&Fact> = world.facts.iter().collect();
    assert!(matches!(
        told[..],
        [Fact::MessageAccepted { call_id, country, .. }, Fact::AttemptClaimed { attempt: 1, waited_ms: Some(1000..) }, Fact::TaskLaunched { .. }]
            if call_id == "i-1" && country == "BR"
    ));
}

#[test]
fn a_broken_message_goes_to_the_dead_letters_at_once_and_leaves_no_claim() {
    let mut world = World::new();
    let no_prompt = br#"{"messageType":"TRIGGER_CALL","id":"i-1","metadata":{"callId":"c"}}"#;
    assert_eq!(
        world.receive(delivery("m-1", no_prompt.to_vec())),
        Verdict::Refused(RefusalCode::MissingPrompt)
    );
    assert_eq!((world.folder.message.clone(), world.open, world.launches), (None, false, 0));
    let letter = &world.letters[0];
    assert_eq!(letter.attempt, AttemptId::new(key(), 1));
    assert_eq!((letter.call_id.as_deref(), letter.original_message_id.as_str()), (Some("c"), "m-1"));
    assert!(letter.tracking.is_some());
    assert!(world.had(&Fact::MessageRefused {
        code: "missing_prompt".into(),
        path: Some("metadata.subject.prompt.text".into()),
        detail: letter.refusal.detail.clone(),
    }));
    // Mended, the same id may come again.
    assert_eq!(world.receive(call("m-2")), Verdict::Done);
    assert_eq!(world.launches, 1);
}

#[test]
fn what_is_no_json_is_refused_without_a_look_at_the_store() {
    let mut world = World { breaks: vec!["load"], ..World::new() };
    assert_eq!(world.receive(delivery("m-1", b"{".to_vec())), Verdict::Refused(RefusalCode::NotJson));
    assert_eq!(world.letters[0].attempt.key, CallKey::from_sqs_message("m-1"));
    assert_eq!((world.letters[0].call_id.clone(), world.letters[0].tracking.clone()), (None, None));
}

#[test]
fn a_refusal_that_cannot_be_sent_is_tried_again_and_nothing_is_lost() {
    let mut world = World { breaks: vec!["letter"], ..World::new() };
    assert_eq!(world.receive(delivery("m-1", b"[]".to_vec())), Verdict::Retry("letter failed".into()));
    world.breaks.clear();
    assert_eq!(world.receive(delivery("m-1", b"[]".to_vec())), Verdict::Refused(RefusalCode::NotAnObject));
}

#[test]
fn an_unknown_prefix_is_refused_only_after_the_profiles_were_read_once_more() {
    let mut world = World::new();
    let chile = || delivery("m-1", body("i-1", "+56912345678"));
    assert_eq!(world.receive(chile()), Verdict::Refused(RefusalCode::NoProfileForPrefix));
    assert_eq!(world.fresh_reads, 1);
    world.newer = Some(profiles(
        r#"{"v":1,"country":"CL","agent":{"voice":"Ana"},"livekit":{"url":"ws://h","trunkId":"ST_2","callerId":"+562"}}"#,
    ));
    assert_eq!(world.receive(chile()), Verdict::Done);
    assert_eq!((world.fresh_reads, world.launches), (2, 1));
}

#[test]
fn a_broken_profile_or_no_profiles_at_all_is_tried_again() {
    let mut world = World { profiles: profiles(r#"{"v":1,"country":"BR"}"#), ..World::new() };
    let Verdict::Retry(detail) = world.receive(call("m-1")) else { panic!("must be tried again") };
    assert!(detail.contains("BR") && detail.contains("livekit.url"), "{detail}");
    let mut world = World { breaks: vec!["profiles"], ..World::new() };
    assert!(matches!(world.receive(call("m-1")), Verdict::Retry(_)));
    assert!(world.folder.message.is_none() && world.letters.is_empty());
}

#[test]
fn age_matters_only_where_a_deployment_says_so_and_only_before_the_claim() {
    let old = || Delivery { sent_at: at("2026-07-21T10:00:00Z"), ..call("m-1") };
    let strict = Policy { max_age: Some(Duration::from_secs(3_600)), ..Policy::default() };
    assert_eq!(World::new().receive(old()), Verdict::Done);
    let mut world = World { policy: strict, ..World::new() };
    assert_eq!(world.receive(old()), Verdict::Refused(RefusalCode::Expired));
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    let mut world = World { policy: strict, breaks: vec!["job"], ..World::new() };
    assert!(matches!(world.receive(call("m-1")), Verdict::Retry(_)));
    world.breaks.clear();
    assert_eq!(world.receive(old()), Verdict::Done, "claimed, so it is continued");
    let from_the_future = Delivery { sent_at: at("2026-07-21T20:00:00Z"), ..call("m-1") };
    assert_eq!(World { policy: strict, ..World::new() }.receive(from_the_future), Verdict::Done);
}

#[test]
fn whatever_breaks_the_next_delivery_goes_on_where_the_folder_stands() {
    for step in ["load", "profiles", "open", "message", "job", "launch", "launched"] {
        let mut world = World { breaks: vec![step], ..World::new() };
        assert_eq!(world.receive(call("m-1")), Verdict::Retry(format!("{step} failed")));
        world.breaks.clear();
        assert_eq!(world.receive(call("m-1")), Verdict::Done, "{step}");
        let expected = if step == "launched" { 2 } else { 1 };
        assert_eq!((world.launches, world.letters.len()), (expected, 0), "{step}");
        assert!(world.folder.attempts[&1].launched, "{step}");
    }
}

#[test]
fn delivered_again_after_it_was_launched_it_is_only_acknowledged() {
    let mut world = World::new();
    world.receive(call("m-1"));
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!(world.launches, 1);
    assert!(world.had(&Fact::DuplicateDelivery) && !world.had(&Fact::DuplicateMessage));
}

#[test]
fn delivered_again_while_a_dial_an_outcome_or_a_next_step_is_there_it_is_only_acknowledged() {
    let later = [
        AttemptSeen { job: true, dial: true, ..AttemptSeen::default() },
        AttemptSeen { job: true, outcome: Some(true), ..AttemptSeen::default() },
        AttemptSeen { job: true, next: Some(Follow::Attempt(2)), ..AttemptSeen::default() },
    ];
    for seen in later {
        let mut world = World { breaks: vec!["launched"], ..World::new() };
        world.receive(call("m-1"));
        world.breaks.clear();
        world.folder.attempts.insert(1, seen);
        assert_eq!(world.receive(call("m-1")), Verdict::Done);
        assert_eq!(world.launches, 1);
    }
}

#[test]
fn another_message_of_the_same_id_is_a_duplicate_once_there_is_a_job() {
    let mut world = World::new();
    world.receive(call("m-1"));
    assert_eq!(world.receive(call("m-2")), Verdict::Done);
    assert_eq!(world.launches, 1);
    assert!(world.had(&Fact::DuplicateMessage));
}

#[test]
fn another_message_of_the_same_id_continues_a_call_that_never_got_its_job() {
    let mut world = World { breaks: vec!["job"], ..World::new() };
    world.receive(call("m-1"));
    world.breaks.clear();
    // What is dialed is the stored message, whatever the other body says.
    assert_eq!(world.receive(delivery("m-2", body("i-1", "abc"))), Verdict::Done);
    assert_eq!((world.launches, world.letters.len()), (1, 0));
    assert_eq!(world.folder.message.unwrap().message_id, "m-1");
}

#[test]
fn once_claimed_it_is_not_refused_for_a_profile_that_has_gone() {
    let mut world = World { breaks: vec!["job"], ..World::new() };
    world.receive(call("m-1"));
    world.breaks.clear();
    world.profiles = Profiles::default();
    assert!(matches!(world.receive(call("m-1")), Verdict::Retry(_)));
    assert!(world.letters.is_empty());
}

#[test]
fn two_routers_race_and_the_loser_goes_by_what_the_winner_left() {
    let mut world = World { races: ["message"].into(), ..World::new() };
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!(world.launches, 1, "the winner had not come further, so the loser carried on");
    let mut world = World { races: ["job"].into(), ..World::new() };
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!(world.launches, 1, "a job without a launch is launched, by whoever sees it");
}

#[test]
fn our_own_attributes_continue_a_call_by_its_key_alone() {
    let mut world = World::new();
    world.receive(call("m-1"));
    let done = AttemptSeen {
        job: true,
        launched: true,
        dial: true,
        outcome: Some(true),
        next: Some(Follow::Attempt(2)),
        ..AttemptSeen::default()
    };
    world.folder.attempts.insert(1, done);
    let alone = key().as_str().as_bytes().to_vec();
    assert_eq!(world.receive(put_back("m-9", alone, "2")), Verdict::Done);
    assert_eq!(world.launches, 2);
    assert!(world.folder.attempts[&2].launched && !world.had(&Fact::DuplicateMessage));
}

#[test]
fn an_attempt_follows_only_on_one_that_allows_it() {
    let second = || put_back("m-9", body("i-1", "+5511912345678"), "2");
    for (outcome, verdict_is_done, launches) in
        [(Some(false), true, 1), (Some(true), true, 2), (None, false, 1)]
    {
        let mut world = World::new();
        world.receive(call("m-1"));
        world.folder.attempts.get_mut(&1).unwrap().outcome = outcome;
        assert_eq!(world.receive(second()) == Verdict::Done, verdict_is_done, "{outcome:?}");
        assert_eq!(world.launches, launches, "{outcome:?}");
    }
}

#[test]
fn no_attempt_follows_on_an_answered_one_whatever_number_a_message_names() {
    let answered =
        AttemptSeen { job: true, launched: true, dial: true, outcome: Some(false), ..AttemptSeen::default() };
    let third = || put_back("m-9", body("i-1", "+5511912345678"), "3");
    let mut world = World::new();
    world.receive(call("m-1"));
    world.folder.attempts.insert(1, answered);
    assert_eq!(world.receive(last_time(third())), Verdict::Done, "answered: nothing is left to do");
    assert_eq!((world.launches, world.letters.len()), (1, 0));

    // Attempt 1 is not settled yet: the letter that gives up on the third is no permission for a fourth.
    world.folder.attempts.get_mut(&1).unwrap().outcome = None;
    assert_eq!(world.receive(last_time(third())), Verdict::Refused(RefusalCode::ReceivesExhausted));
    assert_eq!(world.letters[0].attempt.number, 3, "copied, not computed");
    assert!(world.ending.is_none() && world.folder.attempts.get(&3).is_none_or(|seen| !seen.dial));
    world.folder.attempts.insert(1, AttemptSeen { outcome: Some(false), ..AttemptSeen::default() });
    world.folder.attempts.insert(3, AttemptSeen { outcome: Some(true), ..AttemptSeen::default() });
    assert_eq!(world.receive(put_back("m-10", body("i-1", "+5511912345678"), "4")), Verdict::Done);
    assert_eq!(world.launches, 1, "a gap is not passed over");
}

#[test]
fn what_is_noted_of_an_attempt_that_will_never_be_is_noted_with_the_one_that_ended_the_call() {
    let mut world = World::new();
    world.receive(call("m-1"));
    world.folder.attempts.get_mut(&1).unwrap().outcome = Some(false);
    let stranger = put_back("m-9", body("i-1", "+5511912345678"), "7");
    let mut routing = Routing::new(stranger, Policy::default(), at(NOON));
    assert!(matches!(routing.poll_effect(), Some(Effect::LoadFolder(_))));
    routing.handle(Input::Folder(Ok(world.folder.clone())));
    assert_eq!(routing.poll_effect(), Some(Effect::Record(Fact::DuplicateDelivery)));
    assert_eq!(routing.attempt(), AttemptId::new(key(), 1), "no folder a7 with nothing but a fact in it");
}

#[test]
fn a_delivery_that_was_put_back_is_only_acknowledged() {
    let mut world = World::new();
    world.receive(call("m-1"));
    let seen = AttemptSeen { job: true, put_back: noted(1, "m-1"), ..AttemptSeen::default() };
    world.folder.attempts.insert(1, seen);
    assert_eq!(world.receive(call("m-1")), Verdict::Done);
    assert_eq!(world.launches, 1);
}

#[test]
fn attributes_that_the_body_contradicts_count_for_nothing() {
    let mut world = World { other_key: true, ..World::new() };
    world.receive(call("m-1"));
    // Another call's body under this call's key: it is a call of its own.
    let stranger = put_back("m-5", body("i-2", "+5511912345678"), "7");
    let mut routing = Routing::new(stranger, Policy::default(), at(NOON));
    assert_eq!(routing.poll_effect(), Some(Effect::LoadFolder(CallKey::from_ids(None, None, "i-2"))));
    assert_eq!(routing.attempt().number, 1);
    // A body without an id, and the folder of that key holds another: it is a call of its own as well.
    let without_id = body("", "+5511912345678");
    let mut routing = Routing::new(put_back("m-6", without_id, "7"), Policy::default(), at(NOON));
    assert_eq!(routing.poll_effect(), Some(Effect::LoadFolder(key())));
    routing.handle(Input::Folder(Ok(world.folder.clone())));
    assert_eq!(routing.poll_effect(), Some(Effect::LoadFolder(CallKey::from_sqs_message("m-6"))));
    // Nonsense in the attributes.
    let odd = Delivery { call_key: Some("x".into()), attempt: Some("-1".into()), ..call("m-7") };
    assert_eq!(Routing::new(odd, Policy::default(), at(NOON)).attempt(), AttemptId::new(key(), 1));
}

#[test]
fn a_letter_without_an_id_that_is_sent_again_stays_the_same_call() {
    let first = CallKey::from_sqs_message("m-1");
    let without_id = body("", "+5511912345678");
    let again = Delivery {
        call_key: Some(first.as_str().into()),
        attempt: Some("1".into()),
        ..delivery("m-2", without_id)
    };
    let mut routing = Routing::new(again, Policy::default(), at(NOON));
    assert_eq!(routing.poll_effect(), Some(Effect::LoadFolder(first.clone())));
    routing.handle(Input::Folder(Ok(Folder::default())));
    assert_eq!(routing.poll_effect(), Some(Effect::LoadProfiles { fresh: false }));
    assert_eq!(routing.attempt(), AttemptId::new(first, 1));
}

#[test]
fn a_stranger_s_attempt_on_the_message_that_makes_the_call_counts_for_nothing_later_either() {
    let mut world = World { breaks: vec!["launch"], ..World::new() };
    let marked = || put_back("m-1", body("i-1", "+5511912345678"), "2");
    assert!(matches!(world.receive(marked()), Verdict::Retry(_)), "claimed, and no task yet");
    world.breaks.clear();
    assert_eq!(world.receive(Delivery { receive_count: 2, ..marked() }), Verdict::Done);
    assert_eq!(world.launches, 1, "its first attempt, and no other, is launched");
    assert!(world.folder.attempts.keys().eq([&1]) && world.letters.is_empty());
}

#[test]
fn late_answers_are_noted_and_change_nothing() {
    let mut routing = Routing::new(delivery("m-1", b"{".to_vec()), Policy::default(), at(NOON));
    assert!(matches!(routing.poll_effect(), Some(Effect::SendDeadLetter(_))));
    routing.handle(Input::Launched(Ok("task".into())));
    assert!(matches!(routing.poll_effect(), Some(Effect::Record(Fact::Ignored { .. }))));
    assert!(matches!(routing.state, State::Refusing(_)));
}
