//! What a task that is gone left behind, and what of it holds up what follows.

use super::*;

fn died_in_a_call() -> World {
    World::of(AttemptSeen { job: job(), launched: true, dial: Some(dial(TASK)), ..AttemptSeen::default() })
}

fn died_before_it_said_why() -> World {
    let said = DialSeen { failed_before_dial: Some("no secrets".to_owned()), ..dial(TASK) };
    World::of(AttemptSeen { job: job(), launched: true, dial: Some(said), ..AttemptSeen::default() })
}

#[test]
fn a_task_that_said_why_it_never_dialed_and_died_is_tried_again_once_its_room_is_gone() {
    let mut world = died_before_it_said_why();
    world.breaks = Some("room");
    assert!(matches!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Retry(_)));
    assert_eq!(world.done, ["room"], "whoever comes next finds it all still to do");
    world.breaks = None;
    world.done.clear();
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Attempt(2))));
    assert_eq!(world.done, ["room", "agent", "outcome", "tell", "send", "next", "close"]);
}

#[test]
fn a_task_that_said_so_itself_has_tidied_up_and_told_and_nobody_does_so_again() {
    let mut world = died_before_it_said_why();
    world.raced_outcome = Some(outcome(OutcomeKind::Failed, true));
    assert_eq!(world.settle(1, stopped(), "2026-07-21T12:02:00Z"), Settled::Done(Some(Follow::Attempt(2))));
    assert_eq!(world.done, ["room", "agent", "outcome", "send", "next", "close"]);
}

#[test]
fn a_vendor_that_does_not_answer_holds_up_nobody_and_a_room_that_stays_does() {
    let mut world = died_in_a_call();
    world.breaks = Some("agent");
    assert!(matches!(
        world.settle(1, stopped(), "2026-07-21T12:20:00Z"),
        Settled::Done(Some(Follow::Nothing))
    ));
    assert_eq!(world.done, ["outcome", "room", "agent", "tell", "next", "close"]);

    let mut world = died_in_a_call();
    world.breaks = Some("room");
    assert!(matches!(world.settle(1, stopped(), "2026-07-21T12:20:00Z"), Settled::Retry(_)));
    assert_eq!(world.done, ["outcome", "room"], "somebody may be on that line");
}
