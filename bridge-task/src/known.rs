//! What a call has shown so far, for who must say how it ended when the call itself cannot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use calls::fact::Fact;
use calls::outcome::{Ending, Outcome};
use room_client::AudioOut;

/// Clones know the same.
#[derive(Clone, Default)]
pub struct Known {
    /// Callee sound that was not silence, milliseconds; counted by who sends it to the agent.
    pub callee_ms: Arc<AtomicU64>,
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
}

impl Known {
    /// Notes a fact that is recorded at `now`.
    pub fn note(&self, fact: &Fact, now: Instant) {
        let mut seen = self.lock();
        match fact {
            Fact::Answered { after_ms } => {
                (seen.answered, seen.answer_delay_seconds) = (Some(now), Some(seconds(*after_ms)));
            }
            Fact::FirstAgentAudio { after_answer_ms } => {
                seen.first_agent_audio_seconds = Some(seconds(*after_answer_ms));
            }
            Fact::BargeIn { .. } => seen.barge_ins += 1,
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

    /// Puts into an outcome what the ending does not have.
    pub fn complete(&self, outcome: Outcome) -> Outcome {
        Outcome {
            callee_audio_seconds: self.callee_audio_seconds(),
            agent_audio_seconds: self.agent_audio_seconds(),
            agent_call_id: self.lock().agent_call_id.clone(),
            ..outcome
        }
    }

    /// Sound received from the callee that was not silence.
    pub fn callee_audio_seconds(&self) -> f64 {
        seconds(self.callee_ms.load(Ordering::Relaxed))
    }

    /// Agent speech played toward the callee.
    pub fn agent_audio_seconds(&self) -> f64 {
        self.out.get().map_or(0.0, |out| seconds(out.played_ms()))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
