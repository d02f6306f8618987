//! What agents tell us, whatever the vendor.

use serde_json::Value;

/// A text message of the agent's websocket, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The vendor's call runs.
    CallStarted {
        /// The vendor's id of its call, if the message has it.
        call_id: Option<String>,
    },
    /// `idle`, `listening`, `thinking`, `speaking` or whatever the vendor invents next.
    State(String),
    /// A piece of what somebody said, as the vendor's own recogniser heard it.
    Transcript {
        /// Who.
        role: Role,
        /// The words.
        text: TranscriptText,
        /// Which utterance; numbers grow and may skip.
        ordinal: u64,
        /// The utterance is complete.
        is_final: bool,
    },
    /// Throw away all of the agent's sound that has not been played: it was interrupted.
    ClearPlayout,
    /// The agent wants the call to end.
    HangUp {
        /// Its reason, if it gives one; perhaps its farewell. Never longer than a line.
        detail: Option<String>,
    },
    /// The agent calls a tool that runs at our end, and is silent until it is answered.
    ToolCall {
        /// Which tool. Never longer than a line.
        tool: String,
        /// To be repeated in the result.
        invocation_id: String,
        /// Its arguments; an object, or `Null`.
        parameters: Value,
    },
    /// The answer to our ping.
    Pong,
    /// Not understood, or of no use here.
    Ignored {
        /// What it was: the message's type, or what is wrong with it. The same for the same kind, so
        /// that it can be noted once. Never longer than a line, never what somebody said.
        kind: String,
    },
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The person on the phone.
    Callee,
    /// The agent.
    Agent,
}

/// The words of a transcript message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptText {
    /// All of the utterance so far: replaces what was there.
    Whole(String),
    /// What comes next: appended to what was there.
    More(String),
}
