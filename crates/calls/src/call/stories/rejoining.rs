//! The room is lost in the middle of a call, and joined anew.

use super::*;

const REJOINED: RoomEvent = RoomEvent::Rejoined { away_ms: 6_000 };

fn hung_up() -> LegEvent {
    LegEvent::Left { why: LegEnd::HungUp, detail: "BYE".into() }
}

fn lost_for(seconds: f64) -> Story {
    Story::outbound().talking().after(3.0).room(RoomEvent::Reconnecting).talks_on(seconds)
}

#[test]
fn a_call_goes_on_in_the_room_that_was_joined_anew() {
    let story = lost_for(6.0).room(REJOINED).talks_on(7.0).leg(LegEvent::InRoom);
    assert!(story.recorded(|fact| *fact == Fact::RoomRejoined { away_ms: 6_000 }));
    assert!(story.recorded(|fact| *fact == Fact::CalleeBack { after_ms: 7_000 }));
    let story = story.talks_on(60.0);
    assert!(!story.wished(&Effect::DeleteRoom) && !story.wished(&Effect::CloseAgent));
    let story = story.leg(hung_up()).tidied().over();
    assert_eq!(story.count(|effect| *effect == Effect::Dial), 1);
    assert_eq!(story.count(|effect| *effect == Effect::DeleteRoom), 1, "the leg cannot come back any more");
    assert_eq!(story.ending().end_reason, Some(EndReason::CalleeHangup));
}

#[test]
fn what_was_answered_stays_answered_though_its_leg_says_that_it_is_dialed_again() {
    let story =
        lost_for(1.0).room(REJOINED).leg(LegEvent::InRoom).leg(LegEvent::Ringing).leg(LegEvent::Active);
    assert_eq!(story.count(|effect| matches!(effect, Effect::Record(Fact::Answered { .. }))), 1);
    assert_eq!(story.count(|effect| *effect == Effect::ConnectAgent), 1);
    let story = story.leg(hung_up()).tidied().over();
    assert_eq!(story.ending().outcome, OutcomeKind::Answered);
}

#[test]
fn a_callee_that_does_not_come_back_is_waited_for_no_longer_than_the_cap() {
    let story = lost_for(6.0).room(REJOINED).after(19.9);
    assert!(!story.wished(&Effect::CloseAgent));
    let story = story.after(0.1);
    assert!(story.wished(&Effect::CloseAgent) && story.wished(&Effect::DeleteRoom));
    let story = story.room(RoomEvent::Deleted { took_ms: 1 }).after(19.0);
    assert!(story.count(|effect| *effect == Effect::DeleteRoom) > 5, "it may come back all the same");
    let story = story.after(1.0).then(Input::OutcomeStored(Ok(()))).over();
    assert_eq!(story.ending().end_reason, Some(EndReason::MediaLost));
    assert!(story.ending().detail.as_deref().is_some_and(|detail| detail.contains("did not come back")));
}

#[test]
fn a_second_loss_begins_the_wait_anew() {
    let story = lost_for(6.0).room(REJOINED).talks_on(15.0).room(RoomEvent::Reconnecting).talks_on(4.0);
    let story = story.room(REJOINED).talks_on(10.0).leg(LegEvent::InRoom).talks_on(60.0);
    assert!(!story.wished(&Effect::CloseAgent));
}

#[test]
fn whoever_ends_the_call_while_the_room_is_lost_ends_it_and_its_leg_too() {
    let lost = || lost_for(2.0);
    let hang_up = AgentEvent::HangUp { detail: "bye".into() };
    let closed = || AgentEvent::Closed { clean: false, detail: "reset".into() };
    for (story, reason) in [
        (
            lost().agent(hang_up).sound(SoundEvent::PlayedOut).agent(closed()).after(5.0),
            EndReason::AgentHangup,
        ),
        (lost().agent(closed()), EndReason::AgentClosed),
        (lost().then(Input::Drain), EndReason::Drained),
        (lost().room(REJOINED).then(Input::Drain), EndReason::Drained),
        (lost().talks_on(600.0), EndReason::MaxDuration),
    ] {
        let story = story.room(RoomEvent::Deleted { took_ms: 1 }).after(15.0);
        let deletions = story.count(|effect| *effect == Effect::DeleteRoom);
        assert!(deletions > 5, "{reason}: deleted {deletions} times, while the leg may come back");
        let story = story.after(10.0).then(Input::OutcomeStored(Ok(()))).over();
        assert_eq!(story.ending().end_reason, Some(reason));
    }
}

#[test]
fn what_is_only_resumed_or_back_ends_as_ever() {
    for story in [lost_for(2.0).room(RoomEvent::Resumed), lost_for(2.0).room(REJOINED).leg(LegEvent::InRoom)]
    {
        let story = story.agent(AgentEvent::Closed { clean: false, detail: "reset".into() }).tidied().over();
        assert_eq!(story.count(|effect| *effect == Effect::DeleteRoom), 1);
    }
}

#[test]
fn an_answer_that_comes_while_the_room_is_lost_is_an_answer() {
    let story = Story::outbound().dialing().after(1.0).room(RoomEvent::Reconnecting).leg(LegEvent::Dialed);
    assert!(story.recorded(|fact| matches!(fact, Fact::Answered { .. })));
    let story = story.room(REJOINED).leg(LegEvent::InRoom).after(30.0).leg(hung_up()).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::CalleeHangup));
}

#[test]
fn a_room_that_stays_lost_is_the_end() {
    let lost = RoomEvent::Lost { detail: "half a minute".into(), loss: RoomLoss::Server };
    let story = lost_for(30.0).room(lost).room(RoomEvent::Deleted { took_ms: 1 });
    let story = story.after(20.0).then(Input::OutcomeStored(Ok(()))).over();
    assert_eq!(story.ending().end_reason, Some(EndReason::RoomLost));
}
