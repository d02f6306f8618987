//! The callee is passed on to somebody else, or comes back.

use super::tools::answer;
use super::*;
use crate::tools::ToolCall;

fn plan_with_targets() -> CallPlan {
    let mut plan = outbound();
    let targets =
        r#"{"targets":{"sales":"+551130000001","Segunda via":"sip:desk@pbx.example"},"ringSeconds":20}"#;
    plan.profile.transfer = serde_json::from_str(targets).unwrap();
    plan
}

fn talking() -> Story {
    Story::of(&plan_with_targets()).talking()
}

fn asks(story: Story, id: &str, to: &str) -> Story {
    story.agent(AgentEvent::Asks { id: id.into(), call: ToolCall::TransferCall(Ok(to.into())) })
}

/// The trunk has been asked to transfer to sales.
fn asked() -> Story {
    asks(talking(), "i", "sales").sound(SoundEvent::PlayedOut).after(0.3)
}

/// The addresses that the trunk was asked for, and how long each may ring.
fn transfers(story: &Story) -> Vec<(String, Duration)> {
    let transfers = story.wishes.iter().filter_map(|effect| match effect {
        Effect::Transfer { to, ring } => Some((to.uri(), *ring)),
        _ => None,
    });
    transfers.collect()
}

fn left() -> LegEvent {
    LegEvent::Left { why: LegEnd::HungUp, detail: "the callee hung up".into() }
}

fn refused() -> LegEvent {
    LegEvent::TransferFailed {
        sip_status: Some(486),
        detail: "the phone network answered 486 Busy Here".into(),
    }
}

fn closed(clean: bool) -> AgentEvent {
    AgentEvent::Closed { clean, detail: String::new() }
}

#[test]
fn the_agent_is_heard_out_and_then_the_trunk_is_asked() {
    let story = asks(talking(), "i", "sales");
    assert!(story.wished(&Effect::Audio(AudioCommand::AwaitPlayed)) && transfers(&story).is_empty());
    let story = story.after(2.0).sound(SoundEvent::PlayedOut).after(0.29);
    assert!(transfers(&story).is_empty(), "the line is behind us");
    let story = story.after(0.01);
    assert_eq!(transfers(&story), [("tel:+551130000001".to_owned(), Duration::from_secs(20))]);
    assert!(story.recorded(|fact| *fact == Fact::TransferAsked { to: "sales".into() }));
    let long_winded = asks(talking(), "i", "segunda VIA").after(5.0);
    assert_eq!(transfers(&long_winded)[0].0, "sip:desk@pbx.example", "its words have a cap, names no case");
}

#[test]
fn a_callee_who_is_passed_on_leaves_by_itself_and_the_room_is_deleted_behind_them() {
    let story = asked().after(8.0).leg(LegEvent::TransferAccepted);
    assert!(story.wished(&Effect::CloseAgent), "the agent has nobody to talk to any more");
    let story = story.agent(closed(true)).after(1.0);
    assert!(!story.wished(&Effect::DeleteRoom), "the leg has not gone yet");
    let story = story.leg(left()).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
    assert_eq!(story.ending().duration_seconds, Some(9.3));
    assert!(story.recorded(|fact| *fact == Fact::Transferred { to: "sales".into(), took_ms: 8000 }));
    assert_eq!(answer(&story, "i"), None);
}

#[test]
fn a_leg_that_does_not_leave_is_not_waited_for_for_ever() {
    let story = asked().leg(LegEvent::TransferAccepted).after(4.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    assert_eq!(story.after(0.1).tidied().over().ending().end_reason, Some(EndReason::Transferred));
}

#[test]
fn a_refused_transfer_comes_back_to_the_agent_with_the_reason_and_the_call_goes_on() {
    let story = asked().after(3.0).leg(refused());
    let told = answer(&story, "i").unwrap();
    assert!(told.contains("486 Busy Here") && told.contains("still on the line"), "{told}");
    assert!(story.recorded(|fact| matches!(fact, Fact::TransferFailed { sip_status: Some(486), .. })));
    let story = story.talks_on(60.0);
    assert!(!story.wished(&Effect::DeleteRoom));
    // And may be tried with somebody else.
    let story = asks(story, "j", "Segunda via").sound(SoundEvent::PlayedOut).after(0.3);
    assert_eq!(transfers(&story).len(), 2);
    let story = story.leg(LegEvent::TransferAccepted).leg(left()).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
}

#[test]
fn a_transfer_of_which_nobody_tells_is_over_at_its_cap() {
    let story = asked().after(23.9);
    assert_eq!(answer(&story, "i"), None);
    let story = story.after(0.1);
    assert!(answer(&story, "i").unwrap().contains("nobody said in time"));
    // The leg goes after all, and nobody knows where to.
    let story = story.after(1.0).leg(left()).tidied().over();
    let ending = story.ending();
    assert_eq!(ending.end_reason, Some(EndReason::CalleeHangup));
    assert!(ending.detail.as_deref().unwrap().contains("never told"), "{ending:?}");
}

#[test]
fn a_transfer_that_comes_about_after_its_cap_is_one_all_the_same() {
    let story = asked().after(24.0).leg(LegEvent::TransferAccepted).leg(left()).tidied().over();
    assert_eq!((story.ending().end_reason, &story.ending().detail), (Some(EndReason::Transferred), &None));
}

#[test]
fn a_leg_that_goes_is_no_hang_up_before_the_trunk_has_said_how_it_went() {
    let gone = || {
        let story = asked().after(1.0).leg(left());
        assert!(!story.wished(&Effect::DeleteRoom));
        story
    };
    let passed_on = gone().after(0.5).leg(LegEvent::TransferAccepted).tidied().over();
    assert_eq!(passed_on.ending().end_reason, Some(EndReason::Transferred));
    let hung_up = gone().after(0.5).leg(refused()).tidied().over();
    assert_eq!(hung_up.ending().end_reason, Some(EndReason::CalleeHangup));
    assert_eq!(answer(&hung_up, "i"), None, "there is nothing left to talk about");
    let untold = gone().after(2.0).tidied().over();
    assert_eq!(untold.ending().end_reason, Some(EndReason::CalleeHangup));
}

#[test]
fn a_callee_who_hangs_up_before_the_trunk_was_asked_is_not_passed_on() {
    let story = asks(talking(), "i", "sales").after(1.0).leg(left()).tidied().after(10.0).over();
    assert_eq!(story.ending().end_reason, Some(EndReason::CalleeHangup));
    assert!(transfers(&story).is_empty());
}

#[test]
fn an_agent_that_goes_meanwhile_takes_nobody_with_it() {
    for event in [closed(true), closed(false), AgentEvent::HangUp { detail: String::new() }] {
        let story = asked().agent(event.clone()).after(10.0);
        assert!(!story.wished(&Effect::DeleteRoom), "{event:?}");
        let story = story.leg(LegEvent::TransferAccepted).leg(left()).tidied().over();
        assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
    }
}

#[test]
fn an_agent_that_has_gone_when_the_callee_comes_back_ends_the_call_as_it_went() {
    let after = |event: AgentEvent| asked().agent(event).after(1.0).leg(refused());
    let broken = after(closed(false));
    assert!(broken.wished(&Effect::DeleteRoom), "nobody is left in silence");
    assert_eq!(broken.tidied().over().ending().end_reason, Some(EndReason::AgentClosed));
    let closed = after(closed(true));
    assert!(closed.wished(&Effect::AskWhyAgentEnded));
    let closed = closed.agent(AgentEvent::WhyEnded(WhyAgentEnded::HungUp)).sound(SoundEvent::PlayedOut);
    assert_eq!(closed.after(0.3).tidied().over().ending().end_reason, Some(EndReason::AgentHangup));
    let hung_up = after(AgentEvent::HangUp { detail: String::new() }).after(5.0);
    assert_eq!(hung_up.tidied().over().ending().end_reason, Some(EndReason::AgentHangup));
}

#[test]
fn whom_the_profile_does_not_name_nobody_is_passed_on_to() {
    let story = asks(talking(), "i", "+5511987650000");
    let told = answer(&story, "i").unwrap();
    assert!(told.contains("not on the list: Segunda via, sales") && !told.contains("987650000"), "{told}");
    let story = story.after(30.0);
    assert!(transfers(&story).is_empty());
    let nobody = asks(Story::outbound().talking(), "i", "sales");
    assert!(answer(&nobody, "i").unwrap().contains("nobody to transfer to"));
}

#[test]
fn there_are_never_two_transfers_at_once_and_no_keys_meanwhile() {
    let story = asks(asked(), "j", "sales");
    let keys = ToolCall::SendDigits(crate::keys::Strokes::read("1"));
    let story = story.agent(AgentEvent::Asks { id: "k".into(), call: keys }).after(1.0);
    assert_eq!(transfers(&story).len(), 1);
    assert!(["j", "k"].iter().all(|id| answer(&story, id).unwrap().contains("being transferred")));
    assert!(answer(&story.leg(refused()), "i").is_some());
}

#[test]
fn an_agent_in_a_loop_is_sent_home_and_the_callee_is_not() {
    let mut story = asked();
    for n in 0..11 {
        story = asks(story, &format!("j-{n}"), "sales").after(0.1);
    }
    assert!(story.wished(&Effect::EndAgent) && !story.wished(&Effect::DeleteRoom));
    let story = story.leg(LegEvent::TransferAccepted).leg(left()).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
}

#[test]
fn an_agent_that_waits_for_a_transfer_is_not_silent() {
    let mut plan = plan_with_targets();
    plan.profile.agent.silence_seconds = 3;
    let story = asks(Story::of(&plan).talking(), "i", "sales").after(20.0).leg(refused()).after(2.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    assert!(story.after(0.1).wished(&Effect::DeleteRoom));
}

#[test]
fn a_transfer_that_the_longest_call_would_cut_off_rings_less_or_not_at_all() {
    let late = |seconds: f64| asks(talking().talks_on(seconds), "i", "sales").after(5.0);
    let rings = transfers(&late(580.0))[0].1.as_secs_f64();
    assert!((rings - 11.0).abs() < 0.001, "{rings} s of 20");
    let too_late = late(590.0);
    assert!(transfers(&too_late).is_empty());
    assert!(answer(&too_late, "i").unwrap().contains("about to end"));
    let story = late(580.0).after(15.0);
    assert!(answer(&story, "i").is_some() || story.wished(&Effect::DeleteRoom), "told before the end");
}

#[test]
fn a_transfer_under_way_is_carried_through_when_we_are_told_to_stop_while_there_is_time() {
    let limits = |_| Limits { drain_for: Duration::from_secs(60), ..Limits::default() };
    let story = Story::within(&plan_with_targets(), own(), limits).talking();
    let story = asks(story, "i", "sales").after(5.0).then(Input::Drain).after(15.0);
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.leg(LegEvent::TransferAccepted).leg(left()).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
    let at_once = asked().then(Input::Drain).tidied().over();
    assert_eq!(at_once.ending().end_reason, Some(EndReason::Drained));
}

#[test]
fn a_server_that_is_lost_meanwhile_does_not_undo_the_transfer() {
    let lost = |loss| Input::Room(RoomEvent::Lost { detail: String::new(), loss });
    let story = asked().then(lost(RoomLoss::Server)).after(5.0);
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.leg(LegEvent::TransferAccepted).after(20.0).then(Input::OutcomeStored(Ok(()))).over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Transferred));
    let untold = asked().then(lost(RoomLoss::Room)).after(2.0).tidied().over();
    assert_eq!(untold.ending().end_reason, Some(EndReason::RoomLost));
}

#[test]
fn what_is_typed_meanwhile_is_told() {
    let story = asked().leg(LegEvent::Dtmf { digit: "5".into() }).after(1.0);
    assert_eq!(story.count(|effect| matches!(effect, Effect::TellTyped(_))), 1);
}
