//! Country profiles: a new country is data, not code.
//!
//! [`CountryProfile::from_json`] reads one and says which field is wrong; [`Profiles`] is the set of all of
//! them and finds the one for a number.

mod read;
mod review;
mod set;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::cost::Prices;
use crate::hours::CallHours;
use crate::transfer::TransferTarget;
pub use read::ProfileError;
pub use set::{Found, Profiles, ProfilesError};

/// How calls to one country are made (contract: country profile). JSON as in the parameter tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountryProfile {
    /// Version of this shape; 1.
    pub v: u32,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// E.164 prefixes with `+`; the longest match over all profiles wins.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// The trunk's provider, for people and metrics.
    #[serde(default)]
    pub provider: Option<String>,
    /// A disabled profile matches nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where the room is and what dials.
    pub livekit: LivekitProfile,
    /// Limits of a dial.
    #[serde(default)]
    pub dial: DialProfile,
    /// At most so many calls to this country at once; `None`: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_calls: Option<u32>,
    /// At most so many calls to this country begin in a second; `None`: as many as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<f64>,
    /// When its people may be called, in `time_zone`; none: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub call_hours: Vec<CallHours>,
    /// The callees' time zone (IANA).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "jiff::fmt::serde::tz::optional")]
    pub time_zone: Option<TimeZone>,
    /// Who talks.
    pub agent: AgentProfile,
    /// Whom the agent may pass the callee on to.
    #[serde(default, skip_serializing_if = "TransferProfile::is_nobody")]
    pub transfer: TransferProfile,
    /// What is paid for its calls; without it, what one costs is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Keep both directions of the sound in the call folder.
    #[serde(default)]
    pub record: bool,
}

/// LiveKit's part of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LivekitProfile {
    /// `wss://`, `https://`, `ws://` or `http://`; the other form follows.
    pub url: String,
    /// The outbound trunk, `ST_…`.
    pub trunk_id: String,
    /// The number that the callee sees, E.164.
    pub caller_id: String,
    /// LiveKit's noise suppression on the callee's leg (a no-op where the server has none).
    #[serde(default)]
    pub krisp: bool,
}

/// Limits of a dial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DialProfile {
    /// How long it may ring; at most 60 (the server's own limit is 80 with everything around it).
    pub ring_seconds: u32,
    /// The longest answered call.
    pub max_call_seconds: u32,
    /// May a 5xx without any 18x before it be tried again?
    pub retry_trunk_errors: bool,
}

impl Default for DialProfile {
    fn default() -> Self {
        Self { ring_seconds: 30, max_call_seconds: 900, retry_trunk_errors: false }
    }
}

/// Whom the agent may pass the callee on to: nobody unless somebody is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferProfile {
    /// Them by the names that the agent knows.
    pub targets: BTreeMap<String, TransferTarget>,
    /// How long one may ring until the callee comes back to the agent.
    pub ring_seconds: u32,
}

impl Default for TransferProfile {
    fn default() -> Self {
        Self { targets: BTreeMap::new(), ring_seconds: 25 }
    }
}

impl TransferProfile {
    fn is_nobody(&self) -> bool {
        self.targets.is_empty()
    }
}

/// The agent's part of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentProfile {
    /// Which vendor.
    #[serde(default)]
    pub provider: AgentProvider,
    /// Where agent calls are created.
    #[serde(default = "default_calls_url")]
    pub calls_url: String,
    /// The vendor's voice; a message's `voiceId` wins.
    pub voice: String,
    /// BCP 47, such as `pt-BR`.
    #[serde(default)]
    pub language_hint: Option<String>,
    /// The vendor's model; its own default when absent.
    #[serde(default)]
    pub model: Option<String>,
    /// 0 to 1.
    #[serde(default = "default_temperature")]
    pub temperature: f64,
    /// Who says the first word.
    #[serde(default)]
    pub first_speaker: FirstSpeaker,
    /// With the callee first: how long a silent callee is waited for before the agent greets.
    #[serde(default = "default_greeting_delay")]
    pub greeting_delay_seconds: f64,
    /// An agent that sends nothing for so long while it talks with somebody is given up; 0: never.
    #[serde(default = "default_silence")]
    pub silence_seconds: u32,
    /// Add the text that tells the agent what to do when a voicemail answers.
    #[serde(default = "yes")]
    pub voicemail_guard: bool,
    /// Let the agent hang up by itself.
    #[serde(default = "yes")]
    pub hang_up_tool: bool,
    /// Let the agent press keys toward the callee's end of the line.
    #[serde(default = "yes")]
    pub digits_tool: bool,
    /// PCM rate on the agent's socket: 8000, 16000, 24000 or 48000 Hz.
    #[serde(default = "default_sample_rate")]
    pub sample_rate: u32,
    /// Let the vendor record as well.
    #[serde(default = "yes")]
    pub record_by_agent: bool,
}

/// The agent vendors that we can talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentProvider {
    /// Ultravox, over its server websocket.
    #[default]
    Ultravox,
}

/// Who says the first word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstSpeaker {
    /// The callee says hello; the agent greets after the delay if nobody speaks.
    #[default]
    Callee,
    /// The agent greets at once.
    Agent,
}

fn yes() -> bool {
    true
}
fn default_calls_url() -> String {
    "https://api.ultravox.ai/api/calls".to_owned()
}
fn default_temperature() -> f64 {
    0.3
}
fn default_greeting_delay() -> f64 {
    2.5
}
fn default_silence() -> u32 {
    30
}
fn default_sample_rate() -> u32 {
    16_000
}

#[cfg(test)]
mod tests;
