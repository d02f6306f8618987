//! The ends that we decide ourselves: an agent that is silent or goes round in a loop, and being told to stop.

use super::*;

fn closed() -> AgentEvent {
    AgentEvent::Closed { clean: true, detail: "1000".into() }
}

#[test]
fn an_agent_that_connects_and_never_says_anything_is_given_up() {
    let story = Story::outbound().talking().after(29.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.after(0.1);
    assert!(story.recorded(|fact| *fact == Fact::AgentSilent { silent_seconds: 30 }));
    assert_eq!(story.tidied().over().ending().end_reason, Some(EndReason::SilenceWatchdog));
}

#[test]
fn an_agent_that_is_heard_from_now_and_then_is_not_given_up() {
    let mut story = Story::outbound().talking();
    for _ in 0..10 {
        story = story.after(29.0).agent(AgentEvent::Heard);
    }
    assert!(!story.wished(&Effect::DeleteRoom));
    let story = story.after(30.0).tidied().over();
    assert_eq!(story.ending().duration_seconds, Some(320.0));
}

#[test]
fn how_long_an_agent_may_be_silent_is_its_profiles_business() {
    let silent_for = |seconds| {
        let mut plan = outbound();
        plan.profile.agent.silence_seconds = seconds;
        Story::of(&plan).talking()
    };
    let ends = |story: Story| story.tidied().over().ending().end_reason;
    assert_eq!(ends(silent_for(3).after(3.0)), Some(EndReason::SilenceWatchdog));
    assert!(!silent_for(0).after(599.0).wished(&Effect::DeleteRoom));
    assert_eq!(ends(silent_for(0).after(600.0)), Some(EndReason::MaxDuration));
}

#[test]
fn an_agent_that_is_still_being_made_is_not_silent_yet() {
    let story = Story::of(&plan(Leg::Inbound)).room(RoomEvent::Joined { took_ms: 1 });
    let story = story.leg(LegEvent::CallerJoined { identity: "sip_1".into() }).leg(LegEvent::Active);
    let story = story.after(34.0).agent(AgentEvent::Created { agent_call_id: "a".into(), took_ms: 34_000 });
    let story = story.agent(AgentEvent::Connected { took_ms: 1 }).after(29.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    assert!(story.after(0.1).wished(&Effect::DeleteRoom));
}

#[test]
fn a_hang_up_that_is_asked_for_again_and_again_is_one_hang_up() {
    let ask = || AgentEvent::HangUp { detail: "bye".into() };
    let mut story = Story::outbound().talking().agent(ask());
    for _ in 0..20 {
        story = story.after(0.1).agent(ask());
    }
    assert!(!story.wished(&Effect::DeleteRoom), "its goodbye is still being played");
    let story = story.agent(closed()).sound(SoundEvent::PlayedOut).after(0.3);
    let story = story.agent(ask()).tidied().agent(ask()).over();
    assert_eq!(story.count(|effect| *effect == Effect::DeleteRoom), 1);
    assert_eq!(story.count(|effect| *effect == Effect::CloseAgent), 1);
    assert!(!story.wished(&Effect::EndAgent), "it knows");
    let ending = story.ending();
    assert_eq!((ending.end_reason, ending.duration_seconds), (Some(EndReason::AgentHangup), Some(2.3)));
}

fn calls_tool() -> AgentEvent {
    AgentEvent::CalledTool { tool: "lookUp".into() }
}

#[test]
fn an_agent_that_calls_its_tools_in_a_loop_is_sent_home_with_a_reason() {
    let mut story = Story::outbound().talking();
    for _ in 0..10 {
        story = story.after(0.5).agent(calls_tool());
    }
    assert!(!story.wished(&Effect::EndAgent), "ten are none too many");
    let story = story.after(0.5).agent(calls_tool());
    assert!(story.wished(&Effect::EndAgent) && story.wished(&Effect::Audio(AudioCommand::PlayOut)));
    assert!(story.recorded(|fact| *fact == Fact::AgentLoops { tool: "lookUp".into(), calls: 11 }));
    assert!(!story.wished(&Effect::DeleteRoom), "what it has said is played");
    // It goes on, and is not listened to.
    let story = story.agent(calls_tool()).agent(AgentEvent::Heard).after(5.0).tidied().over();
    let ending = story.ending();
    assert_eq!(ending.end_reason, Some(EndReason::AgentClosed));
    let detail = ending.detail.as_deref().unwrap();
    assert!(detail.contains("11 times") && detail.contains("lookUp"), "{detail}");
    assert_eq!(story.count(|effect| *effect == Effect::EndAgent), 1);
}

#[test]
fn tools_that_are_called_now_and_then_are_no_loop() {
    let mut story = Story::outbound().talking();
    for _ in 0..60 {
        story = story.after(1.01).agent(calls_tool()).agent(AgentEvent::Heard);
    }
    assert!(!story.wished(&Effect::EndAgent) && !story.wished(&Effect::DeleteRoom));
}

fn may_drain_for(seconds: u64) -> Story {
    Story::within(&outbound(), own(), |_| Limits {
        drain_for: Duration::from_secs(seconds),
        ..Limits::default()
    })
}

#[test]
fn told_to_stop_a_talk_goes_on_for_as_long_as_there_is_time_and_then_ends_politely() {
    let story = may_drain_for(15).talking().agent(AgentEvent::Heard).then(Input::Drain).after(14.9);
    assert!(!story.wished(&Effect::EndAgent) && !story.wished(&Effect::DeleteRoom));
    let story = story.after(0.1);
    assert!(story.wished(&Effect::EndAgent) && story.wished(&Effect::Audio(AudioCommand::PlayOut)));
    let story = story.agent(closed()).sound(SoundEvent::PlayedOut);
    assert!(!story.wished(&Effect::DeleteRoom), "the line is behind us");
    let story = story.after(0.3).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::Drained));
    assert!(!story.wished(&Effect::AskWhyAgentEnded), "we know why");
}

#[test]
fn told_to_stop_an_agent_that_does_not_listen_has_its_last_words_and_no_more() {
    let story = may_drain_for(15).talking().then(Input::Drain).after(19.9);
    assert!(!story.wished(&Effect::DeleteRoom));
    assert_eq!(story.after(0.1).tidied().over().ending().end_reason, Some(EndReason::Drained));
}

#[test]
fn told_to_stop_a_talk_that_ends_by_itself_ends_in_its_own_way() {
    let story = may_drain_for(15).talking().then(Input::Drain).after(9.0);
    let story = story.leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() }).tidied().over();
    assert_eq!(story.ending().end_reason, Some(EndReason::CalleeHangup));
    // Last words are not cut short by it, unless there is no time.
    let goodbye =
        |seconds| may_drain_for(seconds).talking().agent(AgentEvent::HangUp { detail: "bye".into() });
    assert!(!goodbye(15).then(Input::Drain).after(4.9).wished(&Effect::DeleteRoom));
    assert!(goodbye(2).then(Input::Drain).after(2.0).wished(&Effect::DeleteRoom));
    assert!(goodbye(0).then(Input::Drain).wished(&Effect::DeleteRoom));
}

#[test]
fn told_to_stop_a_phone_that_rings_may_still_be_answered() {
    let ringing = || may_drain_for(15).dialing().leg(LegEvent::Ringing).after(2.0).then(Input::Drain);
    let answered = ringing().after(10.0).leg(LegEvent::Active).agent(AgentEvent::Connected { took_ms: 3 });
    assert!(!answered.wished(&Effect::DeleteRoom));
    let answered = answered.after(5.0);
    assert!(answered.wished(&Effect::EndAgent), "what is left of the time counts from the signal on");
    assert_eq!(answered.after(5.0).tidied().over().ending().end_reason, Some(EndReason::Drained));

    let nobody = ringing().after(15.0);
    assert!(nobody.wished(&Effect::DeleteRoom) && !nobody.wished(&Effect::EndAgent));
    let nobody = nobody
        .leg(LegEvent::DialFailed(DialFailure::Server { code: "canceled".into(), message: String::new() }));
    let nobody = nobody.tidied().over();
    assert_eq!((nobody.ending().reason, nobody.ending().retryable), (Some(Reason::Drained), false));
}

#[test]
fn told_to_stop_without_time_it_ends_at_once() {
    let story = Story::outbound().talking().then(Input::Drain);
    assert!(story.wished(&Effect::DeleteRoom) && !story.wished(&Effect::EndAgent));
    assert_eq!(story.tidied().over().ending().end_reason, Some(EndReason::Drained));
    let ringing = Story::outbound().dialing().leg(LegEvent::Ringing).then(Input::Drain);
    assert!(ringing.wished(&Effect::DeleteRoom));
}

#[test]
fn told_to_stop_an_agent_that_is_not_there_yet_needs_no_goodbye() {
    let story = may_drain_for(15).dialing().then(Input::Drain).leg(LegEvent::Active).after(15.0);
    assert!(story.wished(&Effect::DeleteRoom) && !story.wished(&Effect::EndAgent));
}
