//! How a call leaves: the claim, the room, the outcome.

use super::*;

#[test]
fn what_fails_before_the_dial_takes_the_claim_and_may_be_tried_again() {
    let story = Story::outbound()
        .room(RoomEvent::Joined { took_ms: 9 })
        .agent(AgentEvent::CreateFailed { failure: AgentFailure::Busy, detail: "429".into() });
    assert!(story.wished(&Effect::ClaimDial { failed_before_dial: Some("429".into()) }));
    let story = story.leg(LegEvent::ClaimOurs).tidied().over();
    assert!(!story.wished(&Effect::Dial));
    assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::AgentBusy), true));
}

#[test]
fn the_loser_of_the_claim_leaves_without_dialing_or_an_outcome() {
    let story = Story::outbound().prepared().leg(LegEvent::ClaimTaken { detail: "task b".into() });
    let story = story.room(RoomEvent::Deleted { took_ms: 3 }).over();
    assert!(!story.wished(&Effect::Dial));
    assert_eq!(story.count(|effect| matches!(effect, Effect::WriteOutcome(_))), 0);
    assert!(story.recorded(|fact| matches!(fact, Fact::Duplicate { .. })));
}

#[test]
fn a_room_that_is_lost_ends_the_call_and_is_deleted_all_the_same() {
    let story = Story::outbound()
        .talking()
        .after(3.0)
        .room(RoomEvent::Lost { detail: "signal".into(), loss: RoomLoss::Room });
    assert!(story.wished(&Effect::DeleteRoom));
    let story =
        story.room(RoomEvent::DeleteFailed { detail: "refused".into() }).then(Input::OutcomeStored(Ok(())));
    assert_eq!(story.over().ending().end_reason, Some(EndReason::RoomLost));
}

#[test]
fn a_leg_that_may_come_back_after_its_server_is_hung_up_again() {
    let lost = RoomEvent::Lost { detail: "the server is gone".into(), loss: RoomLoss::Server };
    let story = Story::outbound().talking().room(lost).room(RoomEvent::Deleted { took_ms: 1 }).after(19.0);
    assert!(story.count(|effect| *effect == Effect::DeleteRoom) > 5);
    assert_eq!(story.count(|effect| matches!(effect, Effect::WriteOutcome(_))), 0);
    let story = story.after(1.0).then(Input::OutcomeStored(Ok(())));
    assert_eq!(story.over().ending().end_reason, Some(EndReason::RoomLost));
}

#[test]
fn a_store_that_never_answers_does_not_keep_the_process() {
    let story = Story::outbound()
        .talking()
        .leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() })
        .after(120.0)
        .over();
    assert_eq!(story.now - story.start, Duration::from_secs(125));
}

#[test]
fn what_ends_the_call_while_it_claims_is_what_is_written() {
    let lost = || RoomEvent::Lost { detail: "the server is gone".into(), loss: RoomLoss::Server };
    let story = Story::outbound().prepared().room(lost()).then(Input::Drain);
    assert_eq!(
        story.count(|effect| matches!(effect, Effect::WriteOutcome(_))),
        0,
        "the claim has no reply yet"
    );
    let story = story.leg(LegEvent::ClaimOurs).tidied().over();
    assert!(!story.wished(&Effect::Dial));
    assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::LivekitUnreachable), true));
    assert_eq!(story.ending().detail.as_deref(), Some("the server is gone"));
    let story = Story::outbound().prepared().then(Input::Drain).leg(LegEvent::ClaimOurs).tidied().over();
    assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::Drained), true));
}

#[test]
fn a_task_that_is_started_after_the_jobs_deadline_joins_nothing_and_has_no_agent_made() {
    let now = Instant::now();
    let mut call = Call::new(&outbound(), own(), claim_by(now), now);
    call.handle(Input::Leg(LegEvent::ClaimOurs), now);
    let effects: Vec<_> = std::iter::from_fn(|| call.poll_effect()).collect();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::ClaimDial { failed_before_dial: Some(_) })));
    for unwanted in [Effect::JoinRoom, Effect::CreateAgent, Effect::DeleteRoom, Effect::Dial] {
        assert!(!effects.contains(&unwanted), "{unwanted:?}");
    }
    let written = effects.iter().find_map(|effect| match effect {
        Effect::WriteOutcome(ending) => Some((ending.reason, ending.retryable)),
        _ => None,
    });
    assert_eq!(written, Some((Some(Reason::BridgeError), true)));
}

#[test]
fn a_claim_that_turns_out_to_be_ours_too_late_is_not_left_without_an_outcome() {
    let late = |story: Story| {
        let story = story.after(60.0);
        assert!(story.wished(&Effect::DeleteRoom));
        let story = story.room(RoomEvent::Deleted { took_ms: 1 });
        assert!(!story.call.is_over(), "the claim may still have a reply");
        let story = story.leg(LegEvent::ClaimOurs).then(Input::OutcomeStored(Ok(()))).over();
        assert!(!story.wished(&Effect::Dial));
        (story.ending().reason, story.ending().retryable)
    };
    assert_eq!(late(Story::outbound().prepared()), (Some(Reason::BridgeError), true));
    let told_to_stop = Story::outbound().prepared().then(Input::Drain);
    assert_eq!(late(told_to_stop), (Some(Reason::Drained), true));
    let busy = AgentEvent::CreateFailed { failure: AgentFailure::Busy, detail: "429".into() };
    assert_eq!(late(Story::outbound().agent(busy)), (Some(Reason::AgentBusy), true));
}

#[test]
fn a_claim_that_never_answers_leaves_no_outcome_and_no_process() {
    for reply in [None, Some(LegEvent::ClaimTaken { detail: "task b".into() })] {
        let story = Story::outbound().prepared().after(60.0).room(RoomEvent::Deleted { took_ms: 1 });
        let story = match reply {
            Some(reply) => story.leg(reply),
            None => story.after(20.0),
        };
        assert_eq!(story.over().count(|effect| matches!(effect, Effect::WriteOutcome(_))), 0);
    }
}

#[test]
fn an_outcome_that_cannot_be_written_is_written_again_until_the_cap() {
    let failed = || Input::OutcomeStored(Err(NotStored::Failed("the store is away".into())));
    let story =
        Story::outbound().talking().leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() });
    let writes = |story: &Story| story.count(|effect| matches!(effect, Effect::WriteOutcome(_)));
    let story = story.room(RoomEvent::Deleted { took_ms: 1 }).after(10.0).then(failed());
    assert_eq!(writes(&story), 1);
    let story = story.after(1.0);
    assert_eq!(writes(&story), 2);
    let away = |story: Story| story.recorded(|fact| matches!(fact, Fact::OutcomeNotWritten { .. }));
    let back = story.then(Input::OutcomeStored(Ok(()))).over();
    assert_eq!(back.ending().outcome, OutcomeKind::Answered);
    assert!(!away(back), "it is written now");

    let story =
        Story::outbound().talking().leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() });
    let story = story.room(RoomEvent::Deleted { took_ms: 1 }).then(failed()).after(30.0).over();
    assert!(away(story));
}

#[test]
fn somebody_elses_outcome_stays() {
    let theirs = NotStored::AnotherIsThere("there is one already".into());
    let story =
        Story::outbound().talking().leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() });
    let story = story.room(RoomEvent::Deleted { took_ms: 1 }).then(Input::OutcomeStored(Err(theirs))).over();
    assert_eq!(story.count(|effect| matches!(effect, Effect::WriteOutcome(_))), 1);
    assert!(story.recorded(|fact| matches!(fact, Fact::OutcomeNotWritten { .. })));
}

fn in_a_room_of_others() -> Story {
    Story::in_room(&plan(Leg::Inbound), Room::Shared("front-desk".into()))
}

#[test]
fn a_room_of_others_is_not_deleted_by_who_never_joined_it() {
    let refused = RoomEvent::JoinFailed { failure: RoomFailure::Auth, detail: "401".into() };
    for story in [in_a_room_of_others().room(refused), in_a_room_of_others().then(Input::Drain)] {
        let story = story.then(Input::OutcomeStored(Ok(())));
        assert!(story.call.is_over() && !story.wished(&Effect::DeleteRoom));
    }
    let refused = RoomEvent::JoinFailed { failure: RoomFailure::Other, detail: "media".into() };
    assert!(
        Story::outbound().room(refused).leg(LegEvent::ClaimOurs).wished(&Effect::DeleteRoom),
        "our own is"
    );
}

#[test]
fn a_room_of_others_is_not_deleted_by_who_was_thrown_out_by_another_bridge() {
    let joined = || in_a_room_of_others().room(RoomEvent::Joined { took_ms: 1 });
    let taken = || RoomEvent::Lost { detail: "duplicate".into(), loss: RoomLoss::TakenOver };
    let talking = || joined().leg(LegEvent::CallerJoined { identity: "sip_1".into() }).leg(LegEvent::Active);
    for story in [joined().room(taken()), talking().room(taken())] {
        let story = story.then(Input::OutcomeStored(Ok(())));
        assert!(story.call.is_over() && !story.wished(&Effect::DeleteRoom));
        assert!(story.wished(&Effect::CloseAgent));
    }
    let put_out = RoomEvent::Lost { detail: "removed".into(), loss: RoomLoss::Room };
    assert!(talking().room(put_out).wished(&Effect::DeleteRoom), "the caller would be left alone in it");
}
