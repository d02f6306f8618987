//! The agent has keys pressed.

use super::*;
use crate::keys::{MOST_KEYS, Strokes};
use crate::tools::ToolCall;

fn asks(story: Story, id: &str, digits: &str) -> Story {
    let call = ToolCall::SendDigits(Strokes::read(digits));
    story.agent(AgentEvent::Asks { id: id.into(), call })
}

fn pressed(story: &Story) -> String {
    let keys = story.wishes.iter().filter_map(|effect| match effect {
        Effect::PressKey(key) => Some(key.as_char()),
        _ => None,
    });
    keys.collect()
}

/// What the call of a tool was answered with, once.
pub(super) fn answer<'a>(story: &'a Story, id: &str) -> Option<&'a str> {
    let mut answers = story.wishes.iter().filter_map(|effect| match effect {
        Effect::AnswerTool { id: of, result } if of == id => Some(result.as_str()),
        _ => None,
    });
    let answer = answers.next();
    assert_eq!(answers.next(), None, "answered twice");
    answer
}

#[test]
fn keys_are_pressed_one_after_the_other_and_then_the_agent_is_told() {
    let story = asks(Story::outbound().talking(), "i-1", "12w3");
    assert_eq!(pressed(&story), "1", "at once");
    let story = story.after(0.24);
    assert_eq!(pressed(&story), "1");
    let story = story.after(0.01);
    assert_eq!(pressed(&story), "12");
    let story = story.after(0.74);
    assert_eq!(pressed(&story), "12", "a pause is half a second more");
    let story = story.after(0.01);
    assert_eq!(
        (pressed(&story).as_str(), answer(&story, "i-1")),
        ("123", None),
        "its tone is still to be heard"
    );
    let story = story.after(0.25);
    assert_eq!(answer(&story, "i-1"), Some("3 keys were sent"));
    assert!(story.recorded(|fact| *fact == Fact::KeysSent { keys: 3 }));
}

#[test]
fn one_tool_runs_at_a_time_and_the_other_is_told_so() {
    let story = asks(asks(Story::outbound().talking(), "i-1", "11"), "i-2", "22").after(5.0);
    assert_eq!((pressed(&story).as_str(), answer(&story, "i-1")), ("11", Some("2 keys were sent")));
    assert!(answer(&story, "i-2").unwrap().contains("still being sent"));
    let story = asks(story, "i-3", "3").after(1.0);
    assert_eq!(pressed(&story), "113");
}

#[test]
fn what_cannot_be_pressed_is_refused_with_the_reason() {
    for (digits, why) in [("call 911", "digits may only be"), ("", "no key"), (&"1".repeat(33), "at most 32")]
    {
        let story = asks(Story::outbound().talking(), "i", digits).after(1.0);
        assert_eq!(pressed(&story), "");
        assert!(answer(&story, "i").unwrap().contains(why), "{:?}", answer(&story, "i"));
        assert!(story.recorded(|fact| matches!(fact, Fact::ToolFailed { tool, .. } if tool == "sendDigits")));
    }
    let mut plan = outbound();
    plan.profile.agent.digits_tool = false;
    let story = asks(Story::of(&plan).talking(), "i", "1");
    assert_eq!(pressed(&story), "");
    assert!(answer(&story, "i").unwrap().contains("not to be sent"));
}

#[test]
fn a_key_that_does_not_leave_us_stops_the_rest() {
    let story = asks(Story::outbound().talking(), "i", "123").after(0.25);
    let story = story.leg(LegEvent::KeyNotSent { detail: "no connection".into() }).after(5.0);
    assert_eq!(pressed(&story), "12");
    assert_eq!(answer(&story, "i"), Some("only 1 of 3 keys were sent: no connection"));
    assert!(!story.leg(LegEvent::KeyNotSent { detail: "late".into() }).wished(&Effect::DeleteRoom));
}

#[test]
fn an_agent_that_waits_for_its_tool_is_not_silent() {
    let mut plan = outbound();
    plan.profile.agent.silence_seconds = 3;
    let keys = format!("{}1", "w".repeat(MOST_KEYS - 1));
    let story = asks(Story::of(&plan).talking(), "i", &keys).after(15.6);
    assert_eq!(pressed(&story), "1");
    let story = story.after(3.0);
    assert!(answer(&story, "i").is_some() && !story.wished(&Effect::DeleteRoom));
    assert!(story.after(0.3).wished(&Effect::DeleteRoom), "from its answer on it is");
}

#[test]
fn whoever_hangs_up_ends_the_pressing_too() {
    let story = asks(Story::outbound().talking(), "i", "12345").after(0.3);
    let story = story.leg(LegEvent::Left { why: LegEnd::HungUp, detail: String::new() }).tidied().after(5.0);
    assert_eq!(pressed(&story), "12");
    assert_eq!(answer(&story, "i"), None, "there is nobody to be told");
    story.over();
}

#[test]
fn a_tool_that_is_called_while_the_call_ends_is_told_so() {
    let story = Story::outbound().talking().agent(AgentEvent::HangUp { detail: String::new() });
    let story = asks(story, "i", "1").after(1.0);
    assert_eq!(
        (pressed(&story).as_str(), answer(&story, "i")),
        ("", Some("nothing was done: the call is ending"))
    );
}

#[test]
fn our_own_tools_called_in_a_loop_send_the_agent_home_like_any_others() {
    let mut story = Story::outbound().talking();
    for n in 0..11 {
        story = asks(story, &format!("i-{n}"), "no digits").after(0.1);
    }
    assert!(story.wished(&Effect::EndAgent));
    assert!((0..11).all(|n| answer(&story, &format!("i-{n}")).is_some()));
    assert_eq!(story.after(6.0).tidied().over().ending().end_reason, Some(EndReason::AgentClosed));
}
