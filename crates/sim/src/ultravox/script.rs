//! What the stand-in says, and what it gets wrong: plain data, so that a scenario file can hold it.

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::speech;

/// The behaviour of the stand-in, for every call created under it. All fields have defaults.
///
/// ```json
/// { "lines": [{"speech": "agent-greeting"}, {"tone": {"hz": 440, "ms": 3000}}],
///   "ahead_ms": 0, "message_ms": 20, "hang_up": true,
///   "create": [{"status": 429, "retry_after": "1", "times": 2}],
///   "missteps": [{"at_ms": 1500, "does": {"send_text": "[1, 2]"}}] }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What the agent says, in order. Who begins, and after which delay, the call's own
    /// `firstSpeakerSettings` say; each further line follows when the callee has spoken and then been
    /// silent for `turn_end_ms`. A line that is interrupted is not said again.
    pub lines: Vec<Line>,
    /// After the last line was *sent* (whether it was heard the server cannot know), or when the callee
    /// has spoken and no line is left: end the call as the agent. Off: listen on.
    pub hang_up: bool,
    /// Said after the client's `hang_up` that brings a message, before the end.
    pub farewell: Option<Line>,
    /// Instead of all the above: send back what is heard, as it comes. Needs equal rates both ways.
    pub echo: bool,
    /// How far ahead of playback speech is sent. Never more than the call's `clientBufferSizeMs`, which is
    /// also the default; 0 is real pace.
    pub ahead_ms: Option<u32>,
    /// Sound in one binary message, in milliseconds.
    pub message_ms: u32,
    /// Size of one binary message in bytes, in place of `message_ms`. Odd sizes split samples.
    pub message_bytes: Option<usize>,
    /// From which level a 20 ms piece of what is heard counts as talk.
    pub talk_dbfs: f64,
    /// Silence after talk that ends the callee's turn, in milliseconds.
    pub turn_end_ms: u32,
    /// Tell nothing of what the callee says: speech recognition that does not understand its language.
    pub understands_nothing: bool,
    /// Spell the clear message `playbackClearBuffer`.
    pub camel_case_clear: bool,
    /// Keep what is heard, for [`Ultravox::heard`](super::Ultravox::heard).
    pub keep_audio: bool,
    /// What join URLs begin with, for clients that come through a proxy: `wss://host:port`. None: our own
    /// address.
    pub public_url: Option<String>,
    /// The names of the account's voices.
    pub voices: Vec<String>,
    /// The one key that is taken. None: any that is not empty.
    pub api_key: Option<String>,
    /// How POST /api/calls is answered, step after step; when they are used up, as it should be.
    pub create: Vec<CreateStep>,
    /// Answer the websocket's upgrade with this HTTP status.
    pub refuse_upgrade: Option<u16>,
    /// So many times that a call is looked up after its end it does not know yet why: `endReason` is null.
    pub unsure_why: u32,
    /// What goes wrong on the socket, and when.
    pub missteps: Vec<Misstep>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            lines: ["agent-greeting", "agent-details", "agent-answer", "agent-goodbye"]
                .map(|name| Line::Speech(name.into()))
                .into(),
            hang_up: true,
            farewell: None,
            echo: false,
            ahead_ms: None,
            message_ms: 20,
            message_bytes: None,
            talk_dbfs: -40.0,
            turn_end_ms: 500,
            understands_nothing: false,
            camel_case_clear: false,
            keep_audio: true,
            public_url: None,
            voices: ["Keren-Brazilian-Portuguese", "Andrea-Spanish"].map(str::to_owned).into(),
            api_key: None,
            create: Vec::new(),
            refuse_upgrade: None,
            unsure_why: 0,
            missteps: Vec::new(),
        }
    }
}

/// One utterance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// A recording of [`speech::NAMES`].
    Speech(String),
    /// A sine at −12 dBFS.
    Tone {
        /// Its frequency.
        hz: f64,
        /// Its length.
        ms: u32,
    },
    /// All recordings of the agent's, one after the other and over again.
    Monologue {
        /// For how long.
        ms: u32,
    },
    /// A [mark](crate::mark): a short sound that can be found again.
    Mark,
}

/// One way, or several equal ones, of answering POST /api/calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateStep {
    /// For how many requests.
    pub times: u32,
    /// Time before the answer.
    pub delay_ms: u32,
    /// An error status. None: the call is created.
    pub status: Option<u16>,
    /// The `Retry-After` header of an error, as it stands: seconds, a date, nonsense.
    pub retry_after: Option<String>,
    /// The body, in place of the proper one (a call that succeeds is created all the same).
    pub body: Option<String>,
    /// Off: the created call's `joinUrl` is null.
    pub join_url: bool,
}

impl Default for CreateStep {
    fn default() -> Self {
        Self { times: 1, delay_ms: 0, status: None, retry_after: None, body: None, join_url: true }
    }
}

/// Something that happens on the socket besides talk; most of it goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misstep {
    /// When: time since the socket was opened.
    pub at_ms: u32,
    /// What.
    pub does: Trouble,
}

/// What can go wrong on the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// From now on nothing is sent and nothing read, and the connection stays open. The call's end can be asked for
    /// over REST.
    Stall,
    /// What is sent is held up for so long, in milliseconds, and comes all at once then: a network that stalls.
    HoldUp(u32),
    /// From now on the agent sends nothing of its own. It listens, and answers the protocol's pings.
    Mute,
    /// The connection ends without a close frame.
    Drop,
    /// The call ends with this close code.
    Close(u16),
    /// A text message as it stands: an unknown type, no object, no JSON.
    SendText(String),
    /// A text message (an unknown type) of this many bytes.
    SendLongText(usize),
    /// A clear although nobody talked. Speech that was sent and not yet played counts as interrupted.
    Clear,
    /// No trouble: the agent calls a client tool that its call was created with, and goes on with its next line once
    /// it is answered.
    CallTool {
        /// The tool.
        name: String,
        /// Its arguments.
        parameters: Value,
    },
}

impl Script {
    /// Whether everything named exists and every size makes sense.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.message_ms > 0, "message_ms is 0");
        ensure!(self.message_bytes != Some(0), "message_bytes is 0");
        for line in self.lines.iter().chain(&self.farewell) {
            match line {
                Line::Speech(name) => {
                    speech::text(name).with_context(|| format!("there is no recording {name:?}"))?;
                }
                Line::Monologue { .. } | Line::Mark => {}
                Line::Tone { hz, .. } => ensure!((20.0..4000.0).contains(hz), "a tone of {hz} Hz"),
            }
        }
        Ok(())
    }

    /// How the `nth` request (from 0) to create a call is answered; `None`: as it should be.
    pub(super) fn create_step(&self, nth: u32) -> Option<&CreateStep> {
        let mut before = 0u32;
        self.create.iter().find(|step| {
            before = before.saturating_add(step.times);
            nth < before
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_script_is_read_from_json_and_checked() {
        let script: Script = serde_json::from_str(
            r#"{ "lines": [{"speech": "agent-greeting"}, {"tone": {"hz": 440, "ms": 3000}}],
                 "create": [{"status": 429, "retry_after": "1", "times": 2}, {"status": 503}],
                 "missteps": [{"at_ms": 10, "does": "stall"}, {"at_ms": 20, "does": {"close": 1011}}] }"#,
        )
        .unwrap();
        script.check().unwrap();
        assert!(script.hang_up && script.missteps[1].does == Trouble::Close(1011));
        let statuses: Vec<_> = (0..5).map(|n| script.create_step(n).and_then(|step| step.status)).collect();
        assert_eq!(statuses, [Some(429), Some(429), Some(503), None, None]);
        assert!(serde_json::from_str::<Script>(r#"{"linse": []}"#).is_err());
        let nobody = Script { lines: vec![Line::Speech("nobody".into())], ..Script::default() };
        assert!(nobody.check().unwrap_err().to_string().contains("nobody"));
    }
}
