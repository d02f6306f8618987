//! What a call has shown so far, for who must say how it ended when the call itself cannot.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use calls::cost::{Cost, Meter, Prices};
use calls::fact::Fact;
use calls::outcome::{Ending, Outcome};
use calls::sound::SoundSecond;
use jiff::Timestamp;
use room_client::AudioOut;

use crate::sound::ToAgent;

/// While they talk, what the call has cost is told so often, in seconds of counted sound.
const COST_EVERY: u32 = 60;

/// Clones know the same.
#[derive(Clone, Default)]
pub struct Known {
    /// The callee's sound, counted by who sends it to the agent.
    pub to_agent: ToAgent,
    out: Arc<OnceLock<AudioOut>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    answered: Option<Instant>,
    answer_delay_seconds: Option<f64>,
    first_agent_audio_seconds: Option<f64>,
    barge_ins: u32,
    agent_call_id: Option<String>,
    line: Line,
    meter: Meter,
    seconds: u32,
}

/// What was lost of the callee's sound on its way to us, how unevenly it came, and how far it is.
#[derive(Debug, Default)]
struct Line {
    /// Packets, of 20 ms each, as LiveKit's SIP node sends them.
    packets: u64,
    lost: u64,
    recovered: u64,
    concealed: u64,
    /// The same of what went out: holes in the agent's speech.
    agent_concealed: u64,
    jitter_ms: Mean,
    round_trip_ms: Mean,
}

/// Over the seconds in which there was a value.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    seconds: u32,
}

impl Known {
    /// Notes a fact that is recorded at `now`, which is `at` on the wall.
    pub fn note(&self, fact: &Fact, now: Instant, at: Timestamp) {
        let mut seen = self.lock();
        seen.meter.note(at, fact);
        match fact {
            Fact::Answered { after_ms } => {
                (seen.answered, seen.answer_delay_seconds) = (Some(now), Some(seconds(*after_ms)));
            }
            Fact::FirstAgentAudio { after_answer_ms } => {
                seen.first_agent_audio_seconds = Some(seconds(*after_answer_ms));
            }
            Fact::BargeIn { .. } => seen.barge_ins += 1,
            Fact::SoundSecond(second) => {
                seen.line.note(second);
                seen.seconds += 1;
            }
            _ => {}
        }
    }

    /// The agent's call has this id.
    pub fn agent_created(&self, agent_call_id: &str) {
        self.lock().agent_call_id = Some(agent_call_id.to_owned());
    }

    /// The way toward the callee.
    pub fn speaks_through(&self, out: &AudioOut) {
        // A room is joined once.
        let _ = self.out.set(out.clone());
    }

    /// What the call has cost by `now`, every minute after a fact that may have brought that about.
    pub fn cost_due(
        &self,
        fact: &Fact,
        prices: Option<&Prices>,
        has_task: bool,
        now: Timestamp,
    ) -> Option<Cost> {
        let seen = self.lock();
        let due = matches!(fact, Fact::SoundSecond(_)) && seen.seconds.is_multiple_of(COST_EVERY);
        Some(seen.meter.cost(prices.filter(|_| due)?, has_task, now))
    }

    /// Completes the ending of an answered call that ends now.
    pub fn answered(&self, ending: Ending, now: Instant) -> Ending {
        let seen = self.lock();
        Ending {
            answer_delay_seconds: seen.answer_delay_seconds,
            first_agent_audio_seconds: seen.first_agent_audio_seconds,
            duration_seconds: seen.answered.map(|at| now.saturating_duration_since(at).as_secs_f64()),
            barge_ins: seen.barge_ins,
            ..ending
        }
    }

    /// Puts into an outcome what the ending does not have; the cost, if there are prices.
    pub fn complete(&self, outcome: Outcome, prices: Option<&Prices>, has_task: bool) -> Outcome {
        let (callee_audio_seconds, agent_audio_seconds) =
            (self.callee_audio_seconds(), self.agent_audio_seconds());
        let seen = self.lock();
        Outcome {
            callee_audio_seconds,
            agent_audio_seconds,
            mos: seen.line.mos(),
            jitter_ms: seen.line.jitter_ms(),
            loss_percent: seen.line.loss_percent(),
            agent_call_id: seen.agent_call_id.clone(),
            cost: prices.map(|prices| seen.meter.cost(prices, has_task, outcome.ended_at)),
            ..outcome
        }
    }

    /// What flowed in this call.
    pub fn sound_totals(&self) -> Fact {
        let (callee_audio_seconds, agent_audio_seconds) =
            (self.callee_audio_seconds(), self.agent_audio_seconds());
        let seen = self.lock();
        Fact::SoundTotals {
            callee_audio_seconds,
            agent_audio_seconds,
            callee_concealed_seconds: in_seconds(seen.line.concealed),
            agent_concealed_seconds: in_seconds(seen.line.agent_concealed),
        }
    }

    /// Sound received from the callee that was not silence.
    pub fn callee_audio_seconds(&self) -> f64 {
        seconds(self.to_agent.heard_ms())
    }

    /// Agent speech played toward the callee.
    pub fn agent_audio_seconds(&self) -> f64 {
        self.out.get().map_or(0.0, |out| seconds(out.played_ms()))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn note(&mut self, second: &SoundSecond) {
        let hop = &second.trunk_to_room;
        self.packets += u64::from(second.packets);
        self.lost += u64::from(hop.lost);
        self.recovered += u64::from(hop.recovered);
        self.concealed += u64::from(hop.concealed);
        self.agent_concealed += u64::from(second.queue_to_room.concealed);
        self.jitter_ms.note(second.jitter_ms);
        self.round_trip_ms.note(second.round_trip_ms);
    }

    /// All three: `None` if no packet came.
    fn mos(&self) -> Option<f64> {
        let lost_for_good = self.share_of_all(self.lost.saturating_sub(self.recovered))?;
        Some(rounded(audio::mos::estimate(lost_for_good, self.round_trip_ms.value()), 100.0))
    }

    fn jitter_ms(&self) -> Option<f64> {
        Some(rounded(self.jitter_ms.value()?, 10.0))
    }

    fn loss_percent(&self) -> Option<f64> {
        Some(rounded(self.share_of_all(self.lost)?, 100.0))
    }

    /// In percent of what was sent to us.
    fn share_of_all(&self, frames: u64) -> Option<f64> {
        (self.packets > 0).then(|| frames as f64 * 100.0 / (self.packets + self.lost) as f64)
    }
}

impl Mean {
    fn note(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.seconds += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.seconds > 0).then(|| self.sum / f64::from(self.seconds))
    }
}

/// To a whole number of `parts` of one: more digits would only pretend.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// Frames of 20 ms.
fn in_seconds(frames: u64) -> f64 {
    frames as f64 / 50.0
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::outcome::OutcomeKind;
    use calls::sound::HopSecond;

    use super::*;
    use crate::clock;

    fn ends(seconds: &[SoundSecond]) -> Outcome {
        let known = Known::default();
        for second in seconds {
            known.note(&Fact::SoundSecond(*second), clock::now(), clock::wall());
        }
        let at = clock::wall();
        known.complete(Outcome::new(Ending::of(OutcomeKind::Answered), 1, at, at, "0.1.0"), None, false)
    }

    fn second(lost: u32, recovered: u32, jitter_ms: f64) -> SoundSecond {
        let trunk_to_room = HopSecond { frames: 50, lost, recovered, ..HopSecond::default() };
        SoundSecond {
            packets: 50 - lost,
            trunk_to_room,
            jitter_ms: Some(jitter_ms),
            ..SoundSecond::default()
        }
    }

    #[test]
    fn the_outcome_tells_of_the_line_over_the_whole_call() {
        let ended = ends(&[second(0, 0, 1.0), second(5, 5, 2.0), second(4, 0, 6.0)]);
        assert_eq!((ended.jitter_ms, ended.loss_percent), (Some(3.0), Some(6.0)));
        // What was rebuilt is no damage: 4 of 150.
        assert_eq!(ended.mos.unwrap(), rounded(audio::mos::estimate(4.0 / 1.5, None), 100.0));
    }

    #[test]
    fn the_mark_knows_how_far_the_server_is() {
        let far = |round_trip_ms| SoundSecond { round_trip_ms, ..second(0, 0, 1.0) };
        // Not told in the first second.
        let ended = ends(&[far(None), far(Some(300.0)), far(Some(500.0))]);
        assert_eq!(ended.mos.unwrap(), rounded(audio::mos::estimate(0.0, Some(400.0)), 100.0));
        assert!(ended.mos < ends(&[far(None)]).mos);
    }

    #[test]
    fn a_call_without_a_packet_has_no_mark() {
        let trunk_to_room = HopSecond { frames: 50, silent: 50, ..HopSecond::default() };
        let ended = ends(&[SoundSecond { trunk_to_room, ..SoundSecond::default() }]);
        assert_eq!((ended.mos, ended.jitter_ms, ended.loss_percent), (None, None, None));
    }
}
