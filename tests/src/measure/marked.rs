//! A call in which both sides mark: how late sound is that goes through a bridge, and how soon it is silent when it is
//! told to be.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use jiff::Timestamp;
use serde::Serialize;
use sim::mark::mark;
use sim::stack::{self, Packets, Step};
use sim::ultravox::{self, Line, Moment, Times, Trouble, Ultravox};

use super::delays::{self, LEAST_APART_MS, MOST_APART_MS};
use super::stale::Tail;
use super::timed::Timed;
use super::{RATE, marks};
use crate::{agent, person};

/// For so long both sides mark.
const MARKING: Duration = Duration::from_secs(7);
/// Marks are sent at once: this is more than one is long.
const MARK_AHEAD: Duration = Duration::from_millis(100);
/// What the agent has sent when it is interrupted, each so many times.
const AHEAD: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(30)];
const INTERRUPTIONS: usize = 3;
/// The agent talks for so long before it is interrupted, and is then silent for so long.
const TALKS_MS: u64 = 450;
const SILENT_MS: u64 = 500;
/// Longer than what is sent ahead.
const TALK_MS: u32 = 31_000;
/// A packet that comes so soon after the clear is not stale: it was under way, or it is the fade.
pub const GRANTED_MS: f64 = 25.0;

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Marked {
    /// Of each mark of the callee's: from the phone to the agent.
    pub to_agent_ms: Vec<f64>,
    /// Of each mark of the agent's: to the phone.
    pub to_callee_ms: Vec<f64>,
    /// Interruptions of an agent that was 100 ms ahead.
    pub short_tails: Vec<Tail>,
    /// Of one that was 30 s ahead.
    pub long_tails: Vec<Tail>,
    /// The marks that were sent, to the agent and to the callee, while both sides marked.
    pub marks_sent: (usize, usize),
}

impl Marked {
    /// Tails of both kinds, in ms.
    pub fn tails_ms(&self) -> impl Iterator<Item = f64> {
        self.short_tails.iter().chain(&self.long_tails).map(|tail| tail.last_ms)
    }

    /// Packets that were stale.
    pub fn stale_packets(&self) -> usize {
        self.short_tails.iter().chain(&self.long_tails).map(|tail| tail.late_packets).sum()
    }
}

/// Such a call, as it goes on.
pub struct Marking {
    draw: Draw,
    during_ms: Range<f64>,
    /// When each silence was over (Unix milliseconds).
    ends_ms: Vec<f64>,
}

impl Marking {
    /// With these distances between marks.
    pub fn of_seed(seed: u64) -> Self {
        Self { draw: Draw(seed), during_ms: 0.0..0.0, ends_ms: Vec::new() }
    }

    /// A person who marks from the answer on, for longer than it takes; the sound is written to `wav`.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn callee(&mut self, wav: &Path) -> Result<stack::Script> {
        let mut pcm = Vec::new();
        while pcm.len() < RATE.samples_in_ms(MARKING.as_millis() as u32 + 5000) {
            let samples_per_ms = RATE.samples_in_ms(1) as u64;
            let apart = self.draw.between(LEAST_APART_MS * samples_per_ms, MOST_APART_MS * samples_per_ms);
            let end = pcm.len() + apart as usize;
            pcm.extend(mark(RATE));
            pcm.resize(end, 0);
        }
        std::fs::write(wav, wav_of(&pcm)).with_context(|| wav.display().to_string())?;
        Ok(stack::Script { keep_packets: true, ..person::who([Step::wait(100), Step::wav(wav)]) })
    }

    /// An agent that says nothing by itself, and to whom nothing counts as the callee's turn.
    pub fn agent() -> ultravox::Script {
        ultravox::Script { talk_dbfs: 0.0, ..agent::silent() }
    }

    /// Both mark, and then the agent is interrupted, as often with each of [`AHEAD`]. They must be talking.
    pub async fn goes_on(&mut self, vendor: &Ultravox) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began_ms = now_ms();
        let until = tokio::time::Instant::now() + MARKING;
        while tokio::time::Instant::now() < until {
            vendor.says(Line::Mark, MARK_AHEAD);
            self.draw.sleep(LEAST_APART_MS, MOST_APART_MS).await;
        }
        self.draw.sleep(SILENT_MS, SILENT_MS).await;
        self.during_ms = began_ms..now_ms();
        for ahead in AHEAD {
            for _ in 0..INTERRUPTIONS {
                vendor.says(Line::Tone { hz: agent::TONE_HZ, ms: TALK_MS }, ahead);
                self.draw.sleep(TALKS_MS, TALKS_MS + 40).await;
                vendor.goes_wrong(Trouble::Clear);
                self.draw.sleep(SILENT_MS, SILENT_MS).await;
                self.ends_ms.push(now_ms());
            }
        }
    }

    /// What became of it, by what the phone sent and got; its agent is the vendor's newest.
    ///
    /// # Errors
    /// When hardly a mark came.
    pub fn came(&self, vendor: &Ultravox, packets: Packets) -> Result<Marked> {
        let sound = Sound::of(vendor, packets)?;
        let (sent_to_agent, to_agent_ms) = sound.to_agent(&self.during_ms)?;
        let (sent_to_callee, to_callee_ms) = sound.to_callee(&self.during_ms)?;
        for (sent, came) in [(sent_to_agent, to_agent_ms.len()), (sent_to_callee, to_callee_ms.len())] {
            // A bridge that tears sound is a result; one that passes none on is a mistake of this program.
            ensure!(came * 2 > sent, "of {sent} marks {came} came");
        }
        let mut short_tails = sound.tails(&self.ends_ms)?;
        let long_tails = short_tails.split_off(INTERRUPTIONS);
        let marks_sent = (sent_to_agent, sent_to_callee);
        Ok(Marked { to_agent_ms, to_callee_ms, short_tails, long_tails, marks_sent })
    }
}

/// What went over the wires on both sides of a bridge.
struct Sound {
    packets: Packets,
    times: Times,
    rate: SampleRate,
    agent_heard: Vec<i16>,
}

impl Sound {
    fn of(vendor: &Ultravox, packets: Packets) -> Result<Self> {
        let agents = vendor.calls();
        let agent = agents.last().context("no agent was created")?;
        let times = vendor.times(&agent.id).context("the agent is unknown")?;
        let (rate, agent_heard) = vendor.heard(&agent.id).context("the agent is unknown")?;
        Ok(Self { packets, times, rate, agent_heard })
    }

    /// How many marks left the phone within this time, and by how much later those that came were at the agent.
    ///
    /// They leave as packets; when each is there is what a decoder makes of them there and then. So what the phone's
    /// codec delays is not counted, and all that is after the phone's socket is: the server's forwarding, the bridge.
    fn to_agent(&self, during_ms: &Range<f64>) -> Result<(usize, Vec<f64>)> {
        let said = Timed::of_packets(self.rate, &self.packets.said)?;
        let heard = Timed::of_messages(self.rate, &self.agent_heard, &self.times.heard)?;
        let mut went_ms = marks_in(&said);
        went_ms.retain(|at| during_ms.contains(at));
        Ok((went_ms.len(), only_delays(&delays::pairs(&went_ms, &marks_in(&heard)))))
    }

    /// The same of the agent's marks, from the message to the packet at the phone. The bridge's codec is in it, with its
    /// look-ahead, and so is the server's forwarding.
    fn to_callee(&self, during_ms: &Range<f64>) -> Result<(usize, Vec<f64>)> {
        let heard = Timed::of_packets(SampleRate::Hz48000, &self.packets.heard)?;
        let mut went_ms = begins(&self.times.said);
        went_ms.retain(|at| during_ms.contains(at));
        Ok((went_ms.len(), only_delays(&delays::pairs(&went_ms, &marks_in(&heard)))))
    }

    /// What came at the phone after each clear.
    fn tails(&self, ends_ms: &[f64]) -> Result<Vec<Tail>> {
        let heard = Timed::of_packets(SampleRate::Hz48000, &self.packets.heard)?;
        let cleared = &self.times.cleared;
        ensure!(cleared.len() == ends_ms.len(), "{} clears, {} interruptions", cleared.len(), ends_ms.len());
        let tails = cleared.iter().zip(ends_ms).map(|(at_us, end_ms)| {
            let tail = Tail::of(&heard, *at_us as f64 / 1000.0, *end_ms, GRANTED_MS);
            ensure!(tail.was_loud, "the agent was not heard when it was interrupted");
            Ok(tail)
        });
        tails.collect()
    }
}

fn only_delays(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(_, delay_ms)| (delay_ms * 1000.0).round() / 1000.0).collect()
}

fn marks_in(sound: &Timed) -> Vec<f64> {
    marks::find(&sound.pcm).into_iter().filter_map(|nth| sound.at_ms(nth)).collect()
}

/// When each line's first message went: a line that is sent at once is shorter than the time to the next.
fn begins(said: &[Moment]) -> Vec<f64> {
    let us = |nth: usize| said[nth].at_us;
    let begins = (0..said.len()).filter(|nth| *nth == 0 || us(*nth) - us(nth - 1) > 50_000);
    begins.map(|nth| us(nth) as f64 / 1000.0).collect()
}

/// A WAVE file: mono, 16 bit, at [`RATE`].
fn wav_of(pcm: &[i16]) -> Vec<u8> {
    let (hz, bytes) = (RATE.hz(), pcm.len() as u32 * 2);
    let mut file = Vec::from(*b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(hz.to_le_bytes());
    file.extend((hz * 2).to_le_bytes());
    // Two bytes a sample, 16 bits.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

fn now_ms() -> f64 {
    Timestamp::now().as_microsecond() as f64 / 1000.0
}

/// Numbers that are the same in each run: `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
struct Draw(u64);

impl Draw {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (bits ^ (bits >> 31)) % (most - least + 1)
    }

    /// For so many milliseconds, drawn to the microsecond: at any phase to a grid of frames.
    async fn sleep(&mut self, least_ms: u64, most_ms: u64) {
        tokio::time::sleep(Duration::from_micros(self.between(least_ms * 1000, most_ms * 1000))).await;
    }
}
