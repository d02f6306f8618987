//! The dial, and what it comes to.

use super::*;

fn trunk_error() -> LegEvent {
    LegEvent::DialFailed(DialFailure::Sip { code: 503, text: "Service Unavailable".into() })
}

fn reply_lost() -> LegEvent {
    LegEvent::DialFailed(DialFailure::ReplyLost { detail: "connection reset".into() })
}

fn left() -> LegEvent {
    LegEvent::Left { why: LegEnd::HungUp, detail: "hangup".into() }
}

#[test]
fn a_busy_callee_is_the_campaigns_business() {
    let busy = DialFailure::Sip { code: 486, text: "Busy Here".into() };
    let story = Story::outbound().dialing().after(1.0).leg(LegEvent::DialFailed(busy)).tidied().over();
    let ending = story.ending();
    assert_eq!((ending.outcome, ending.reason), (OutcomeKind::NotAnswered, Some(Reason::Busy)));
    assert_eq!((ending.sip_status, ending.retryable), (Some(486), false));
}

#[test]
fn a_task_that_slept_past_invite_by_rings_nobody() {
    let late = DialFailure::NotSent { cause: NotSent::TooLate, detail: "inviteBy has passed".into() };
    let story = Story::outbound().prepared().leg(LegEvent::ClaimOurs).leg(LegEvent::DialFailed(late));
    let story = story.tidied().over();
    assert_eq!((story.ending().outcome, story.ending().sip_status), (OutcomeKind::Failed, None));
}

#[test]
fn ready_only_after_the_jobs_deadline_is_too_late_to_claim_a_dial() {
    let now = Instant::now();
    let mut call = Call::new(&outbound(), own(), claim_by(now + Duration::from_secs(5)), now);
    let late = now + Duration::from_secs(6);
    call.handle(Input::Room(RoomEvent::Joined { took_ms: 1 }), late);
    call.handle(Input::Agent(AgentEvent::Created { agent_call_id: "a".into(), took_ms: 1 }), late);
    let effects: Vec<_> = std::iter::from_fn(|| call.poll_effect()).collect();
    assert!(!effects.contains(&Effect::ClaimDial { failed_before_dial: None }));
}

#[test]
fn a_lost_reply_is_not_the_end_the_room_tells() {
    let lost = || {
        let lost = DialFailure::ReplyLost { detail: "connection reset".into() };
        Story::outbound().dialing().after(2.0).leg(LegEvent::Ringing).leg(LegEvent::DialFailed(lost))
    };
    let answered = lost()
        .after(5.0)
        .leg(LegEvent::Active)
        .leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() });
    assert_eq!(answered.tidied().over().ending().outcome, OutcomeKind::Answered);
    let silent = lost().after(48.0);
    assert!(silent.wished(&Effect::DeleteRoom), "our own guard");
    let silent = silent.after(60.0).then(Input::OutcomeStored(Ok(()))).over();
    assert_eq!(silent.ending().reason, Some(Reason::DialTimeout));
    assert!(!silent.ending().retryable);
}

#[test]
fn a_leg_that_comes_up_after_the_end_is_taken_down_again() {
    let story = Story::outbound().dialing().then(Input::Drain).room(RoomEvent::Deleted { took_ms: 2 });
    assert!(!story.call.is_over(), "the dial has no reply yet");
    let story = story.leg(LegEvent::Dialed);
    assert!(story.count(|effect| *effect == Effect::DeleteRoom) >= 2);
    let story = story.tidied().over();
    assert_eq!((story.ending().outcome, story.ending().retryable), (OutcomeKind::Failed, false));
}

#[test]
fn an_answer_that_was_missed_and_is_over_is_no_call_with_an_empty_room() {
    let story = Story::outbound().dialing().after(2.0).leg(LegEvent::Ringing).after(3.0).leg(left());
    assert!(!story.wished(&Effect::DeleteRoom), "the dial has no reply yet");
    let story = story.leg(LegEvent::Dialed).tidied().over();
    assert!(!story.wished(&Effect::ConnectAgent));
    let ending = story.ending();
    assert_eq!((ending.outcome, ending.end_reason), (OutcomeKind::Answered, Some(EndReason::CalleeHangup)));
    assert!(story.recorded(|fact| *fact == Fact::Answered { after_ms: 5000 }));
}

#[test]
fn a_leg_that_left_and_came_back_is_talked_with() {
    let story = Story::outbound().dialing().leg(left()).leg(LegEvent::Ringing).leg(LegEvent::Dialed);
    assert!(story.wished(&Effect::ConnectAgent));
    let story = Story::outbound().dialing().leg(left()).leg(LegEvent::Active);
    assert!(story.wished(&Effect::ConnectAgent));
}

#[test]
fn a_leg_that_is_gone_and_a_reply_that_is_lost_are_the_end_in_either_order() {
    for news in [[left(), reply_lost()], [reply_lost(), left()]] {
        let [first, second] = news;
        let story = Story::outbound().dialing().after(9.0).leg(first);
        assert!(!story.wished(&Effect::DeleteRoom));
        let story = story.leg(second).tidied().over();
        assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::DialTimeout), false));
    }
}

#[test]
fn a_trunk_error_is_doubted_for_a_second_before_it_may_be_tried_again() {
    let failed = || Story::of(&outbound_that_retries()).dialing().after(1.0).leg(trunk_error());
    let story = failed().after(0.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.after(0.1).tidied().over();
    assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::TrunkError), true));
    // The ringing was overtaken by the reply.
    let story = failed().after(0.5).leg(LegEvent::Ringing).tidied().over();
    assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::TrunkError), false));
    assert!(story.recorded(|fact| *fact == Fact::Ringing { after_ms: 1500 }));
    // The room has told all there is to tell: nothing to wait for.
    let story = failed().leg(left()).tidied().over();
    assert!(story.ending().retryable);
    let story = Story::of(&outbound_that_retries()).dialing().leg(left()).leg(trunk_error()).tidied().over();
    assert!(story.ending().retryable);
    // Where it is final anyway, nobody waits.
    let story = Story::outbound().dialing().leg(trunk_error()).tidied().over();
    assert!(!story.ending().retryable);
}

#[test]
fn somebody_who_answers_a_dial_that_failed_is_talked_with() {
    let not_found =
        DialFailure::Server { code: "unavailable".into(), message: "no response from servers".into() };
    let story = Story::outbound().dialing().leg(LegEvent::DialFailed(not_found)).leg(LegEvent::Active);
    assert!(story.wished(&Effect::ConnectAgent) && !story.wished(&Effect::DeleteRoom));
}

#[test]
fn a_ring_that_may_have_gone_by_unheard_is_not_tried_again() {
    let retrying = || Story::of(&outbound_that_retries());
    let lost = || RoomEvent::Lost { detail: "signal".into(), loss: RoomLoss::Room };
    for story in [
        retrying().dialing().room(RoomEvent::Reconnecting).room(RoomEvent::Resumed).leg(trunk_error()),
        retrying().dialing().leg(trunk_error()).room(RoomEvent::Reconnecting),
        retrying().dialing().leg(trunk_error()).room(lost()),
        retrying().prepared().room(RoomEvent::Reconnecting).leg(LegEvent::ClaimOurs).leg(trunk_error()),
    ] {
        let story = story.tidied().over();
        assert_eq!((story.ending().reason, story.ending().retryable), (Some(Reason::TrunkError), false));
    }
    // Before the dial nothing can have rung.
    let before = retrying().prepared().room(RoomEvent::Reconnecting).room(RoomEvent::Resumed);
    let story = before.leg(LegEvent::ClaimOurs).leg(trunk_error()).after(1.0).tidied().over();
    assert!(story.ending().retryable);
}

#[test]
fn where_nobody_knows_of_the_invite_its_leg_is_waited_for_and_taken_down() {
    for code in ["unavailable", "internal"] {
        let failure = DialFailure::Server { code: code.into(), message: "upstream connect error".into() };
        let story = Story::outbound().dialing().after(1.0).leg(LegEvent::DialFailed(failure));
        let story = story.room(RoomEvent::Deleted { took_ms: 1 }).after(48.0);
        assert!(story.count(|effect| *effect == Effect::DeleteRoom) > 20);
        assert_eq!(story.count(|effect| matches!(effect, Effect::WriteOutcome(_))), 0);
        let story = story.after(1.0).then(Input::OutcomeStored(Ok(()))).over();
        assert_eq!((story.ending().outcome, story.ending().retryable), (OutcomeKind::Failed, false));
    }
}
