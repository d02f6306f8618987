//! Can both be heard? Judged from the answer on, by what passed each hop in each second; never by what did not get
//! counted, so a process that is held up accuses nobody.
//!
//! Four things can be wrong, and each is told once a call, when its time is over. A call that has once shown that a
//! thing works is not watched for it any more: whoever is put on hold, mutes the telephone or just listens later is no
//! fault. What was told and turns out well after all is told as well.

use std::time::Instant;

use super::state::Talk;
use super::{Call, millis};
use crate::fact::{Fact, SoundTrouble};
use crate::sound::SoundSecond;

/// `no-packets`: not one packet of the callee's in so many seconds from the answer.
pub const PACKETS_WITHIN: u32 = 5;

/// `only-silence`: packets of the callee's came in so many seconds in which it was its turn to talk, since neither it
/// nor the agent was heard; and it has not been heard in any. Who listens to a long greeting is not asked to talk.
pub const VOICE_WITHIN: u32 = 10;

/// `one-way-audio`: the callee was heard, and after that it was the agent's turn, since neither was heard, in so many
/// seconds; and no sound of the agent's has gone out to the callee since the answer.
pub const AGENT_WITHIN: u32 = 10;

/// `not-transcribed`: the callee was heard in [`SPEECH_SECONDS`] seconds, and in so many after that the agent's vendor
/// has told of nothing that the callee said. Long enough for somebody who talks without a pause.
pub const TRANSCRIPT_WITHIN: u32 = 15;

/// Seconds with voice in them that make words which should be understood; a cough is none.
const SPEECH_SECONDS: u32 = 3;

/// Voice in a second, from which on somebody was heard in it: 200 ms. A click is shorter.
const VOICE_FRAMES: u32 = 10;

/// What a call's sound has shown so far.
#[derive(Debug, Default)]
pub(super) struct Soundness {
    packets: Watch,
    voice: Watch,
    agent: Watch,
    transcript: Watch,
    /// Seconds in which the callee was heard.
    spoken: u32,
    /// Has the vendor told of something that it said?
    understood: bool,
}

/// One thing that should be shown, and how long it has been waited for.
#[derive(Debug, Default)]
struct Watch {
    waited: u32,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Open,
    /// It was told that this does not work.
    Told,
    Shown,
}

/// What is new about a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Fails,
    Heals,
}

impl Watch {
    /// `shown`: it works. `is_waited_for`: this second should have shown it.
    fn look(&mut self, shown: bool, is_waited_for: bool, within: u32) -> Option<Turn> {
        self.waited += u32::from(is_waited_for && self.standing == Standing::Open);
        match self.standing {
            Standing::Open if shown => {
                self.standing = Standing::Shown;
                None
            }
            Standing::Open if self.waited >= within => {
                self.standing = Standing::Told;
                Some(Turn::Fails)
            }
            Standing::Told if shown => {
                self.standing = Standing::Shown;
                Some(Turn::Heals)
            }
            Standing::Open | Standing::Told | Standing::Shown => None,
        }
    }
}

impl Soundness {
    fn look(&mut self, second: &SoundSecond) -> [(SoundTrouble, Option<Turn>); 4] {
        let packets = second.packets > 0;
        let callee_talks = second.room_to_agent.loud() >= VOICE_FRAMES;
        let agent_talks = second.queue_to_room.loud() > 0;
        let nobody_talks = !callee_talks && !agent_talks;
        let was_heard = self.spoken > 0;
        let has_said_enough = self.spoken >= SPEECH_SECONDS;
        self.spoken += u32::from(callee_talks);
        [
            (SoundTrouble::NoPackets, self.packets.look(packets, true, PACKETS_WITHIN)),
            (SoundTrouble::OnlySilence, self.voice.look(callee_talks, packets && nobody_talks, VOICE_WITHIN)),
            (
                SoundTrouble::OneWayAudio,
                self.agent.look(agent_talks, was_heard && nobody_talks, AGENT_WITHIN),
            ),
            (
                SoundTrouble::NotTranscribed,
                self.transcript.look(self.understood, has_said_enough, TRANSCRIPT_WITHIN),
            ),
        ]
    }
}

impl Call {
    pub(super) fn look_at_sound(&mut self, talk: &mut Talk, second: &SoundSecond, now: Instant) {
        for (trouble, turn) in talk.soundness.look(second) {
            if let Some(turn) = turn {
                self.tell_of_sound(trouble, turn, millis(talk.answered, now));
            }
        }
    }

    /// The vendor tells of something that the callee said.
    pub(super) fn is_understood(&mut self, talk: &mut Talk, now: Instant) {
        talk.soundness.understood = true;
        if let Some(turn) = talk.soundness.transcript.look(true, false, TRANSCRIPT_WITHIN) {
            self.tell_of_sound(SoundTrouble::NotTranscribed, turn, millis(talk.answered, now));
        }
    }

    fn tell_of_sound(&mut self, trouble: SoundTrouble, turn: Turn, after_answer_ms: u64) {
        self.record(match (turn, trouble) {
            (Turn::Heals, trouble) => Fact::SoundHealed { trouble, after_answer_ms },
            (Turn::Fails, SoundTrouble::NoPackets) => Fact::NoPackets { after_answer_ms },
            (Turn::Fails, SoundTrouble::OnlySilence) => Fact::OnlySilence { after_answer_ms },
            (Turn::Fails, SoundTrouble::OneWayAudio) => Fact::OneWayAudio { after_answer_ms },
            (Turn::Fails, SoundTrouble::NotTranscribed) => Fact::NotTranscribed { after_answer_ms },
        });
    }
}
