//! What is told of the sound: four things that may be wrong from the answer on, and nothing where nothing is.

use super::*;
use crate::fact::{SoundTrouble, Speaker};
use crate::sound::{HopSecond, SoundSecond};

/// Who is heard in a second of a call whose line is in order.
fn second(callee: bool, agent: bool) -> SoundSecond {
    let hop =
        |loud: bool| HopSecond { frames: 50, silent: if loud { 8 } else { 50 }, ..HopSecond::default() };
    let received = HopSecond { frames: 50, ..HopSecond::default() };
    SoundSecond {
        packets: 50,
        trunk_to_room: received,
        room_to_agent: hop(callee),
        agent_to_queue: if agent { received } else { HopSecond::default() },
        queue_to_room: hop(agent),
        ..SoundSecond::default()
    }
}

fn quiet() -> SoundSecond {
    second(false, false)
}
fn callee_talks() -> SoundSecond {
    second(true, false)
}
fn agent_talks() -> SoundSecond {
    second(false, true)
}
/// The telephone sends nothing: the agent gets silence all the same.
fn no_packets(agent: bool) -> SoundSecond {
    SoundSecond { packets: 0, ..second(false, agent) }
}

impl Story {
    fn seconds(mut self, count: u32, second: SoundSecond) -> Self {
        for _ in 0..count {
            self = self.after(1.0).agent(AgentEvent::Heard).sound(SoundEvent::Second(second));
        }
        self
    }

    fn said(self, by: Speaker) -> Self {
        self.agent(AgentEvent::Said { by, text: "Alô?".into() })
    }

    /// Everything told of the sound, in order.
    fn troubles(&self) -> Vec<&Fact> {
        let told = |fact: &Fact| {
            matches!(
                fact,
                Fact::NoPackets { .. }
                    | Fact::OnlySilence { .. }
                    | Fact::OneWayAudio { .. }
                    | Fact::NotTranscribed { .. }
                    | Fact::SoundHealed { .. }
            )
        };
        let facts = self.wishes.iter().filter_map(|effect| match effect {
            Effect::Record(fact) => Some(fact),
            _ => None,
        });
        facts.filter(|fact| told(fact)).collect()
    }

    #[track_caller]
    fn tells(self, wanted: &[Fact]) -> Self {
        assert_eq!(self.troubles(), wanted.iter().collect::<Vec<_>>());
        self
    }
}

fn healed(trouble: SoundTrouble, after_answer_ms: u64) -> Fact {
    Fact::SoundHealed { trouble, after_answer_ms }
}

#[test]
fn a_callee_of_whom_no_packet_comes_is_told_of_after_five_seconds_and_once() {
    let story = Story::outbound().talking().seconds(4, no_packets(true)).tells(&[]);
    let story = story.seconds(1, no_packets(false));
    let told = Fact::NoPackets { after_answer_ms: 5000 };
    let story = story.tells(std::slice::from_ref(&told)).seconds(60, no_packets(false));
    let story = story.tells(std::slice::from_ref(&told));
    story
        .seconds(1, callee_talks())
        .seconds(30, no_packets(false))
        .tells(&[told, healed(SoundTrouble::NoPackets, 66_000)]);
}

#[test]
fn packets_with_nothing_but_silence_are_told_of_after_ten_seconds_of_the_callees_turn() {
    // The greeting is listened to, however long it is.
    let story = Story::outbound().talking().seconds(25, agent_talks()).seconds(9, quiet()).tells(&[]);
    let told = Fact::OnlySilence { after_answer_ms: 35_000 };
    let story = story.seconds(30, quiet()).tells(std::slice::from_ref(&told));
    story.seconds(3, callee_talks()).tells(&[told, healed(SoundTrouble::OnlySilence, 65_000)]);
}

#[test]
fn a_click_on_the_line_is_no_voice() {
    let click = SoundSecond {
        room_to_agent: HopSecond { frames: 50, silent: 45, ..HopSecond::default() },
        ..quiet()
    };
    let story = Story::outbound().talking().seconds(10, click);
    story.tells(&[Fact::OnlySilence { after_answer_ms: 10_000 }]);
}

#[test]
fn a_callee_who_is_heard_and_hears_nothing_is_told_of_after_ten_seconds_of_the_agents_turn() {
    let story = Story::outbound().talking().seconds(2, callee_talks()).seconds(9, quiet()).tells(&[]);
    let told = Fact::OneWayAudio { after_answer_ms: 12_000 };
    let story = story.seconds(20, quiet()).tells(std::slice::from_ref(&told));
    story.seconds(1, agent_talks()).tells(&[told, healed(SoundTrouble::OneWayAudio, 32_000)]);
}

#[test]
fn speech_that_nobody_understands_is_told_of_fifteen_seconds_after_there_was_enough_of_it() {
    let story = Story::outbound().talking().seconds(1, agent_talks()).seconds(3, callee_talks());
    let story = story.said(Speaker::Agent).seconds(14, agent_talks()).tells(&[]);
    let told = Fact::NotTranscribed { after_answer_ms: 19_000 };
    let story = story.seconds(40, agent_talks()).tells(std::slice::from_ref(&told));
    let story = story.said(Speaker::Callee).said(Speaker::Callee);
    story.tells(&[told, healed(SoundTrouble::NotTranscribed, 58_000)]);
}

#[test]
fn nothing_is_told_of_a_call_whose_sound_is_sound() {
    let mut story = Story::outbound().talking().seconds(4, agent_talks());
    for _ in 0..20 {
        story = story.seconds(4, callee_talks()).said(Speaker::Callee);
        story = story.seconds(2, quiet()).said(Speaker::Agent).seconds(6, agent_talks());
    }
    story.tells(&[]);
}

#[test]
fn nothing_is_told_of_a_call_on_hold_or_a_callee_who_mutes_the_telephone_later() {
    let talked = || {
        let story = Story::outbound().talking().seconds(3, agent_talks()).seconds(4, callee_talks());
        story.said(Speaker::Callee)
    };
    talked().seconds(300, no_packets(false)).tells(&[]);
    talked().seconds(300, quiet()).tells(&[]);
}

#[test]
fn nothing_is_told_of_a_silent_callee_who_listens() {
    // The agent pauses between its sentences.
    let mut story = Story::outbound().talking();
    for _ in 0..4 {
        story = story.seconds(12, agent_talks()).seconds(2, quiet());
    }
    story.tells(&[]);
}

#[test]
fn a_callee_who_says_no_more_than_hello_need_not_be_understood() {
    let story = Story::outbound().talking().seconds(2, callee_talks()).seconds(60, agent_talks());
    story.tells(&[]);
}

#[test]
fn the_seconds_of_a_call_that_ends_are_kept_and_judge_nothing() {
    let story = Story::outbound().talking().seconds(4, no_packets(false));
    let story = story.agent(AgentEvent::HangUp { detail: String::new() }).seconds(3, no_packets(false));
    let story = story.tells(&[]);
    assert_eq!(story.count(|effect| matches!(effect, Effect::Record(Fact::SoundSecond(_)))), 7);
}

#[test]
fn a_process_that_is_held_up_accuses_nobody() {
    let story = Story::outbound().talking().after(30.0).sound(SoundEvent::Second(no_packets(false)));
    story.tells(&[]);
}
