//! What goes wrong before anything is dialed: nobody was rung, so the outcome says that it may be tried again.

use super::*;

type Unlucky = (&'static str, fn() -> Story, Reason);

fn fails(failure: RoomFailure) -> RoomEvent {
    RoomEvent::JoinFailed { failure, detail: "no room".into() }
}

fn no_agent(failure: AgentFailure) -> AgentEvent {
    AgentEvent::CreateFailed { failure, detail: "no agent".into() }
}

fn lost() -> RoomEvent {
    RoomEvent::Lost { detail: "the server is gone".into(), loss: RoomLoss::Server }
}

fn joined() -> Story {
    Story::outbound().room(RoomEvent::Joined { took_ms: 9 })
}

/// Every way there is, and the reason that is told.
const EVERY_WAY: &[Unlucky] = &[
    ("the room refuses us", || Story::outbound().room(fails(RoomFailure::Auth)), Reason::LivekitAuth),
    ("no server", || Story::outbound().room(fails(RoomFailure::Unreachable)), Reason::LivekitUnreachable),
    ("no media", || Story::outbound().room(fails(RoomFailure::Other)), Reason::LivekitUnreachable),
    ("the room is lost at once", || joined().room(lost()), Reason::LivekitUnreachable),
    ("no credit", || joined().agent(no_agent(AgentFailure::Account)), Reason::AgentAccount),
    ("the vendor is full", || joined().agent(no_agent(AgentFailure::Busy)), Reason::AgentBusy),
    ("the vendor fails", || joined().agent(no_agent(AgentFailure::Error)), Reason::AgentError),
    ("the vendor does not answer", || joined().after(40.0), Reason::AgentError),
    ("nobody answers", || Story::outbound().after(40.0), Reason::LivekitUnreachable),
    ("told to stop", || Story::outbound().then(Input::Drain), Reason::Drained),
    ("told to stop while it claims", || Story::outbound().prepared().then(Input::Drain), Reason::Drained),
    (
        "the room is lost while it claims",
        || Story::outbound().prepared().room(lost()),
        Reason::LivekitUnreachable,
    ),
    ("the claim comes too late", || Story::outbound().prepared().after(60.0), Reason::BridgeError),
    ("started too late", || Story::within(&outbound(), own(), claim_by), Reason::BridgeError),
    (
        "ready too late",
        || {
            let story = Story::within(&outbound(), own(), |start| claim_by(start + Duration::from_secs(5)));
            // A loop that was held up is woken late.
            let story = Story { now: story.now + Duration::from_secs(6), ..story };
            story.prepared()
        },
        Reason::BridgeError,
    ),
];

#[test]
fn whatever_goes_wrong_before_the_dial_may_be_tried_again() {
    for (what, story, reason) in EVERY_WAY {
        let story = story().leg(LegEvent::ClaimOurs);
        let story = story.room(RoomEvent::Deleted { took_ms: 1 }).then(Input::OutcomeStored(Ok(())));
        assert!(story.call.is_over(), "{what}: {:?}", story.call);
        assert!(!story.wished(&Effect::Dial), "{what}: nobody is rung");
        let ending = story.ending();
        assert_eq!((ending.outcome, ending.reason), (OutcomeKind::Failed, Some(*reason)), "{what}");
        assert!(ending.retryable && ending.detail.is_some() && ending.sip_status.is_none(), "{what}");
    }
}

#[test]
fn nobody_calls_again_for_who_calls_us() {
    let ways: [fn(Story) -> Story; 4] = [
        |story| story.room(fails(RoomFailure::Auth)),
        |story| story.room(lost()),
        |story| story.agent(no_agent(AgentFailure::Busy)),
        |story| story.then(Input::Drain),
    ];
    for way in ways {
        let story = way(Story::of(&plan(Leg::Inbound))).tidied();
        assert!(!story.ending().retryable, "{:?}", story.ending());
    }
}

fn open_for(seconds: u64) -> Story {
    Story::within(&outbound(), own(), |start| Limits {
        dial_until: Some(start + Duration::from_secs(seconds)),
        ..Limits::default()
    })
}

/// Put off: the claim says that nothing was dialed, and the outcome is no failure.
fn is_put_off(story: Story) {
    let why = "outside the call hours of BR".to_owned();
    assert!(story.wished(&Effect::ClaimDial { failed_before_dial: Some(why.clone()) }));
    let story = story.leg(LegEvent::ClaimOurs);
    let story = story.room(RoomEvent::Deleted { took_ms: 1 }).then(Input::OutcomeStored(Ok(())));
    assert!(story.call.is_over() && !story.wished(&Effect::Dial));
    let ending = story.ending();
    assert_eq!(*ending, Ending { detail: Some(why), ..Ending::of(OutcomeKind::Deferred) });
}

#[test]
fn after_hours_nothing_is_joined_and_no_agent_made() {
    let story = open_for(0);
    assert!(!story.wished(&Effect::JoinRoom) && !story.wished(&Effect::CreateAgent));
    is_put_off(story);
}

#[test]
fn call_hours_that_end_while_it_gets_ready_are_noticed_before_the_claim() {
    is_put_off(open_for(10).after(10.0).prepared());
    let in_time = open_for(10).after(9.9).prepared();
    assert!(in_time.wished(&Effect::ClaimDial { failed_before_dial: None }));
}

#[test]
fn who_calls_us_may_do_so_at_any_hour() {
    let story = Story::within(&plan(Leg::Inbound), own(), |start| Limits {
        dial_until: Some(start),
        ..Limits::default()
    });
    let story = story.room(RoomEvent::Joined { took_ms: 1 });
    let story = story.leg(LegEvent::CallerJoined { identity: "sip_1".into() }).leg(LegEvent::Active);
    assert!(story.wished(&Effect::Audio(AudioCommand::Open)));
}
