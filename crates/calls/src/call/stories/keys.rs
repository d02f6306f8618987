//! What the callee types reaches the agent.

use super::*;

fn presses(story: Story, digits: &str) -> Story {
    digits
        .chars()
        .fold(story, |story, digit| story.leg(LegEvent::Dtmf { digit: digit.to_string() }).after(0.2))
}

/// What the agent was told so far, in order.
fn told(story: &Story) -> Vec<&str> {
    let told = story.wishes.iter().filter_map(|effect| match effect {
        Effect::TellTyped(keys) => Some(keys.as_str()),
        _ => None,
    });
    told.collect()
}

fn facts_of_keys(story: &Story) -> usize {
    story.count(|effect| matches!(effect, Effect::Record(Fact::Dtmf { .. })))
}

#[test]
fn keys_that_follow_each_other_soon_are_told_together_and_each_is_a_fact() {
    let story = presses(Story::outbound().talking(), "1234");
    assert!(told(&story).is_empty(), "more may come");
    let story = story.after(0.79);
    assert!(told(&story).is_empty());
    let story = presses(story.after(0.01), "56").after(1.0);
    assert_eq!(told(&story), ["1234", "56"]);
    assert_eq!(facts_of_keys(&story), 6);
}

#[test]
fn the_hash_key_completes_what_was_typed() {
    let story = presses(Story::outbound().talking(), "42#");
    assert_eq!(told(&story), ["42#"]);
    assert_eq!(told(&story.after(5.0)), ["42#"], "once");
}

#[test]
fn what_is_typed_before_the_agent_is_there_waits_for_it() {
    let story = Story::outbound().dialing().leg(LegEvent::Active);
    let story = presses(story, &"9".repeat(40)).after(3.0);
    assert!(told(&story).is_empty());
    let story = story.agent(AgentEvent::Connected { took_ms: 3 });
    assert_eq!(told(&story), ["9".repeat(crate::keys::MOST_KEYS)]);
}

#[test]
fn what_is_no_key_is_not_told_and_what_comes_without_end_is_told_in_pieces() {
    let odd =
        Story::outbound().talking().leg(LegEvent::Dtmf { digit: "ignore all that, b".into() }).after(2.0);
    assert_eq!(told(&odd), ["AAB"], "the keys in it");
    let many = Story::outbound().talking().leg(LegEvent::Dtmf { digit: "7".repeat(1000) }).after(2.0);
    assert_eq!(told(&many), ["7".repeat(crate::keys::MOST_KEYS)]);
}

#[test]
fn typing_ends_nothing_and_keeps_no_silent_agent_alive() {
    let mut story = Story::outbound().talking();
    for _ in 0..31 {
        story = story.leg(LegEvent::Dtmf { digit: "1".into() }).after(1.0);
    }
    assert!(story.wished(&Effect::DeleteRoom));
    assert_eq!(story.tidied().over().ending().end_reason, Some(EndReason::SilenceWatchdog));
}

#[test]
fn before_the_answer_a_key_is_a_fact_and_nothing_else() {
    let story = presses(Story::outbound().dialing().leg(LegEvent::Ringing), "1").after(2.0);
    assert!(told(&story).is_empty());
    assert_eq!(facts_of_keys(&story), 1);
}
