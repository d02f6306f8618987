//! What the stand-in knows of one call.

use std::sync::Arc;
use std::time::Duration;

use audio::levels;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::request::{Rates, StartCall};
use super::script::Script;

/// Why a call ended, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Nobody opened the socket within `joinTimeout`.
    Unjoined,
    /// The client closed the socket, or asked for the end with `hang_up`.
    Hangup,
    /// The agent hung up.
    AgentHangup,
    /// `maxDuration` was reached.
    Timeout,
    /// The socket broke (that a socket without a close frame ends so is a guess), or nothing was heard for
    /// `mediaIdleTimeout`.
    ConnectionError,
    /// The server failed.
    SystemError,
}

/// A client tool that the agent called.
#[derive(Clone, Debug)]
pub struct ToolUse {
    /// Its name.
    pub tool: String,
    /// Its arguments.
    pub parameters: Value,
    /// When it was called.
    pub called: Timestamp,
    /// When it was answered first, and what with.
    pub answer: Option<(Timestamp, String)>,
}

/// One call as it stands.
#[derive(Clone, Debug)]
pub struct CallSnapshot {
    /// The call's id (a UUID).
    pub id: String,
    /// The body of POST /api/calls.
    pub request: Value,
    /// Its `traceparent` (W3C Trace Context).
    pub traceparent: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When its socket was opened.
    pub joined: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Bytes of sound received.
    pub bytes_received: u64,
    /// Binary messages received.
    pub messages_received: u64,
    /// The longest time between two of them.
    pub longest_gap: Duration,
    /// Seconds of sound received per second of time, from the first message to the last; 1.0 is right.
    /// `None` before there is half a second to judge by.
    pub pace_received: Option<f64>,
    /// RMS level of all that was heard, in dBFS.
    pub level_received_dbfs: f64,
    /// Text messages received, as they came.
    pub texts: Vec<String>,
    /// Client tools that the agent called, in order.
    pub tools: Vec<ToolUse>,
    /// Bytes of sound sent.
    pub bytes_sent: u64,
    /// How many lines the agent has begun to say.
    pub lines_begun: usize,
    /// How many of them the callee interrupted.
    pub interruptions: u32,
    /// How many clear messages were sent.
    pub clears_sent: u32,
    /// How often the callee has had a turn.
    pub callee_turns: u32,
}

/// A binary message of sound, and when it came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Unix time in microseconds: just after it was read, or just before it was written.
    pub at_us: i64,
    /// Its length.
    pub bytes: usize,
}

/// When a call's messages came and went.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// What the agent heard, message by message.
    pub heard: Vec<Moment>,
    /// What it said.
    pub said: Vec<Moment>,
    /// When each clear was written, in Unix microseconds.
    pub cleared: Vec<i64>,
}

/// The same and what else the stand-in keeps.
pub(super) struct CallRecord {
    pub(super) id: String,
    /// The credential inside the join URL.
    pub(super) token: String,
    pub(super) join_url: Option<String>,
    pub(super) request: Value,
    pub(super) traceparent: Option<String>,
    pub(super) start: StartCall,
    pub(super) rates: Rates,
    pub(super) script: Arc<Script>,
    pub(super) created: Timestamp,
    pub(super) joined: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) end_reason: Option<EndReason>,
    /// Somebody asked over REST for its end.
    pub(super) hung_up: Arc<Notify>,
    /// How often it was looked up after its end.
    pub(super) looked_up: u32,
    pub(super) heard: Vec<i16>,
    pub(super) times: Times,
    pub(super) uplink: Uplink,
    pub(super) texts: Vec<String>,
    /// By the id of each call of one.
    pub(super) tools: Vec<(String, ToolUse)>,
    pub(super) bytes_sent: u64,
    pub(super) lines_begun: usize,
    pub(super) interruptions: u32,
    pub(super) clears_sent: u32,
    pub(super) callee_turns: u32,
}

/// Measurements of what comes in.
#[derive(Default)]
pub(super) struct Uplink {
    bytes: u64,
    messages: u64,
    first_bytes: u64,
    samples: u64,
    squares: f64,
    span: Option<(Instant, Instant)>,
    longest_gap: Duration,
}

impl Uplink {
    /// Counts one message of `bytes` bytes that completed the samples `pcm`.
    pub(super) fn count(&mut self, bytes: usize, pcm: &[i16], now: Instant) {
        match &mut self.span {
            Some((_, last)) => {
                self.longest_gap = self.longest_gap.max(now - *last);
                *last = now;
            }
            None => {
                self.span = Some((now, now));
                self.first_bytes = bytes as u64;
            }
        }
        self.bytes += bytes as u64;
        self.messages += 1;
        self.samples += pcm.len() as u64;
        self.squares += pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    }

    /// Sound that came after the first message, per time since then.
    fn pace(&self, bytes_per_second: u32) -> Option<f64> {
        let (first, last) = self.span?;
        let seconds = (last - first).as_secs_f64();
        let sound = (self.bytes - self.first_bytes) as f64 / f64::from(bytes_per_second);
        (seconds >= 0.5).then(|| sound / seconds)
    }

    fn level_dbfs(&self) -> f64 {
        let rms = (self.squares / self.samples.max(1) as f64).sqrt();
        (20.0 * (rms / 32_768.0).log10()).max(levels::SILENCE_DBFS)
    }
}

impl CallRecord {
    pub(super) fn new(
        id: String,
        token: String,
        request: Value,
        start: StartCall,
        script: Arc<Script>,
    ) -> Self {
        Self {
            id,
            token,
            join_url: None,
            request,
            traceparent: None,
            rates: start.rates,
            start,
            script,
            created: Timestamp::now(),
            joined: None,
            ended: None,
            end_reason: None,
            hung_up: Arc::default(),
            looked_up: 0,
            heard: Vec::new(),
            times: Times::default(),
            uplink: Uplink::default(),
            texts: Vec::new(),
            tools: Vec::new(),
            bytes_sent: 0,
            lines_begun: 0,
            interruptions: 0,
            clears_sent: 0,
            callee_turns: 0,
        }
    }

    /// Ends the call, once.
    pub(super) fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            (self.ended, self.end_reason) = (Some(Timestamp::now()), Some(reason));
        }
    }

    pub(super) fn snapshot(&self) -> CallSnapshot {
        CallSnapshot {
            id: self.id.clone(),
            request: self.request.clone(),
            traceparent: self.traceparent.clone(),
            created: self.created,
            joined: self.joined,
            ended: self.ended,
            end_reason: self.end_reason,
            bytes_received: self.uplink.bytes,
            messages_received: self.uplink.messages,
            longest_gap: self.uplink.longest_gap,
            pace_received: self.uplink.pace(self.rates.input.hz() * 2),
            level_received_dbfs: self.uplink.level_dbfs(),
            texts: self.texts.clone(),
            tools: self.tools.iter().map(|(_, used)| used.clone()).collect(),
            bytes_sent: self.bytes_sent,
            lines_begun: self.lines_begun,
            interruptions: self.interruptions,
            clears_sent: self.clears_sent,
            callee_turns: self.callee_turns,
        }
    }

    /// The answer to GET: like the vendor, who may know that a call has ended before it knows why.
    pub(super) fn looked_up(&mut self) -> Value {
        let mut object = self.object();
        if self.ended.is_some() {
            if self.looked_up < self.script.unsure_why {
                object["endReason"] = Value::Null;
            }
            self.looked_up += 1;
        }
        object
    }

    /// The Call object, as POST and GET answer it: what was asked for, and how it stands.
    pub(super) fn object(&self) -> Value {
        let mut object = json!({
            "callId": self.id,
            "clientVersion": null,
            "created": self.created.to_string(),
            "joined": self.joined.map(|at| at.to_string()),
            "ended": self.ended.map(|at| at.to_string()),
            "endReason": self.end_reason,
            "billedDuration": self.billed(),
            "billedSideInputTokens": 0,
            "billedSideOutputTokens": 0,
            "billingStatus": self.billing_status(),
            "firstSpeaker": null,
            "firstSpeakerSettings": {"agent": {}},
            "inactivityMessages": [],
            "initialOutputMedium": "MESSAGE_MEDIUM_VOICE",
            "joinTimeout": "30s",
            "joinUrl": self.join_url,
            "languageHint": null,
            "maxDuration": "3600s",
            "medium": null,
            "model": "ultravox-v0.7",
            "recordingEnabled": false,
            "retentionPolicy": {},
            "systemPrompt": null,
            "temperature": 0,
            "timeExceededMessage": null,
            "voice": null,
            "externalVoice": null,
            "transcriptOptional": true,
            "vadSettings": null,
            "shortSummary": null,
            "summary": null,
            "agent": null,
            "agentId": null,
            "metadata": {},
            "initialState": {},
            "requestContext": {},
            "dataConnectionConfig": null,
            "callbacks": null,
            "sipDetails": null,
        });
        for (name, value) in self.request.as_object().into_iter().flatten() {
            // What was asked for, but for what the API takes without giving it back.
            if object.get(name).is_some() && !value.is_null() {
                object[name.as_str()] = value.clone();
            }
        }
        object
    }

    /// Half a second after its end a call is billed.
    fn billing_status(&self) -> &'static str {
        let is_billed =
            self.ended.is_some_and(|ended| Timestamp::now().duration_since(ended).as_millis() >= 500);
        if is_billed { "BILLING_STATUS_BILLED" } else { "BILLING_STATUS_PENDING" }
    }

    /// Time from join to end, rounded up to the vendor's units of 6 s.
    fn billed(&self) -> Option<String> {
        let seconds = self.ended?.duration_since(self.joined?).as_secs_f64().max(0.0);
        Some(format!("{}s", (seconds / 6.0).ceil() * 6.0))
    }
}
