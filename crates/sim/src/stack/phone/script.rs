//! What a person does with a call, as it is told to the phone.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

/// What a person does with a call; every field is optional. `tools/phone/README.md` describes each.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the phone's own words, described there")]
pub struct Script {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub never_answer: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_response: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_response_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<Reject>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auth_required: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub say: Vec<Step>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub echo_packets: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang_up_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_packets: bool,
}

/// A SIP answer that ends the dial.
#[derive(Clone, Debug, Serialize)]
pub struct Reject {
    /// 4xx, 5xx or 6xx.
    pub code: u16,
    /// The reason phrase.
    pub text: String,
}

/// What becomes of a transfer (REFER): without any of these it is accepted at once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Transfer {
    /// How long the trunk takes to say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// It is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<Reject>,
    /// Nobody ever says how it went.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_reply: bool,
    /// The trunk hangs up so long after it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bye_at_ms: Option<u64>,
}

/// One thing that the person does after the answer; steps run in order.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Step(Value);

impl Step {
    /// Does nothing for a while.
    pub fn wait(ms: u64) -> Self {
        Self(json!({ "wait_ms": ms }))
    }

    /// A sine.
    pub fn tone(hz: f64, ms: u64, dbfs: f64) -> Self {
        Self(json!({ "tone_hz": hz, "ms": ms, "dbfs": dbfs }))
    }

    /// Speech from a file.
    pub fn wav(path: &Path) -> Self {
        Self(json!({ "wav": path }))
    }

    /// Until the far side is heard, at most so long.
    pub fn wait_for_voice(at_most_ms: u64) -> Self {
        Self(json!({ "wait_for_voice_ms": at_most_ms }))
    }

    /// Until the far side has been silent for so long.
    pub fn wait_for_silence(ms: u64) -> Self {
        Self(json!({ "wait_for_silence_ms": ms }))
    }

    /// Presses keys.
    pub fn dtmf(digits: &str) -> Self {
        Self(json!({ "dtmf": digits }))
    }

    /// The telephone sends silence, whatever is said.
    pub fn mute(ms: u64) -> Self {
        Self(json!({ "mute_ms": ms }))
    }

    /// The telephone sends nothing at all from now on.
    pub fn stop_sending() -> Self {
        Self(json!({ "stop_sending": true }))
    }

    /// From now on the room's network loses this share of what the phone sends, and lets each packet wait for up to
    /// `jitter_ms`; which packets, and how long, is drawn from `seed`.
    pub fn loss(share: f64, jitter_ms: u32, seed: u64) -> Self {
        Self(json!({ "loss": share, "jitter_ms": jitter_ms, "seed": seed }))
    }

    /// Hangs up.
    pub fn hang_up() -> Self {
        Self(json!({ "hang_up": true }))
    }
}
