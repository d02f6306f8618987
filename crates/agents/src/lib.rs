//! The agents that talk: one closed enum over the vendors, so that a new vendor is one file and the
//! compiler names every place that has to know it.
//!
//! This crate makes requests and reads messages. Creating an agent's call is a REST request and made here; the
//! agent's websocket is opened by the bridge, which brings its texts here to be understood.

mod event;
mod failure;
mod transcripts;
mod ultravox;

use std::time::Duration;

use calls::ids::AttemptId;
use calls::keys::Keys;
use calls::plan::CallPlan;
use calls::profile::{AgentProfile, AgentProvider};
use calls::secret::Secret;

pub use event::{Event, Role, TranscriptText};
pub use failure::{AgentFailure, FailureKind};
pub use transcripts::{Said, Transcripts};

/// All of creating an agent's call, waiting and asking again included.
pub const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// An agent's call that exists and waits to be joined.
#[derive(Clone, Debug)]
pub struct Created {
    /// The vendor's id of its call.
    pub agent_call_id: String,
    /// Where its websocket is. Whoever has this URL is in the call: a credential.
    pub join_url: Secret,
}

/// The vendor asked us to wait before asking again, and we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedToWait {
    /// 429 or 503.
    pub status: u16,
    /// How long.
    pub wait: Duration,
}

/// An agent vendor, as one call's profile names it.
#[derive(Clone, Debug)]
pub enum Agent {
    /// Ultravox, over its server websocket.
    Ultravox(ultravox::Client),
}

impl Agent {
    /// Sets the vendor of a profile up; sends nothing. The process must have installed a rustls crypto
    /// provider before.
    ///
    /// # Errors
    /// The profile's URL is none, or there is no TLS here.
    pub fn for_profile(profile: &AgentProfile) -> Result<Self, AgentFailure> {
        match profile.provider {
            AgentProvider::Ultravox => Ok(Self::Ultravox(ultravox::Client::new(&profile.calls_url)?)),
        }
    }

    /// The same vendor; requests say in which trace they are (W3C Trace Context, `traceparent`).
    #[must_use]
    pub fn within_trace(self, traceparent: Option<String>) -> Self {
        match self {
            Self::Ultravox(client) => Self::Ultravox(client.within_trace(traceparent)),
        }
    }

    /// Creates the agent's call for a plan. Asks again when the vendor says when to (429, 503), all
    /// within `within` (see [`CREATE_LIMIT`]); every such wait is told to `on_wait` before it begins.
    pub async fn create(
        &self,
        plan: &CallPlan,
        attempt: &AttemptId,
        api_key: &Secret,
        within: Duration,
        on_wait: impl FnMut(AskedToWait) + Send,
    ) -> Result<Created, AgentFailure> {
        match self {
            Self::Ultravox(client) => {
                let body = ultravox::create_request(plan, attempt);
                client.create(&body, api_key, within, on_wait).await
            }
        }
    }

    /// Has this account a voice of this name or id? Changes nothing.
    ///
    /// # Errors
    /// The vendor cannot be reached, or refuses our key.
    pub async fn has_voice(&self, voice: &str, api_key: &Secret) -> Result<bool, AgentFailure> {
        match self {
            Self::Ultravox(client) => client.has_voice(voice, api_key).await,
        }
    }

    /// Why the vendor says that its call ended, in its own word. Takes at most two seconds; `None` if
    /// it does not say.
    pub async fn why_ended(&self, agent_call_id: &str, api_key: &Secret) -> Option<String> {
        match self {
            Self::Ultravox(client) => client.why_ended(agent_call_id, api_key).await,
        }
    }

    /// How many seconds of its call the vendor says are paid for. Asked once; `None`: it does not say, or not yet.
    pub async fn billed_seconds(&self, agent_call_id: &str, api_key: &Secret) -> Option<f64> {
        match self {
            Self::Ultravox(client) => client.billed_seconds(agent_call_id, api_key).await,
        }
    }

    /// The text message that asks the agent to end its call, at once and without a farewell.
    pub fn end_call(&self) -> String {
        match self {
            Self::Ultravox(_) => ultravox::hang_up(),
        }
    }

    /// The text message that tells the agent what the callee has typed on the telephone. It cuts nothing off that the
    /// agent is saying: the agent takes it up when it has finished.
    pub fn keys_pressed(&self, keys: &Keys) -> String {
        match self {
            Self::Ultravox(_) => ultravox::keys_pressed(keys),
        }
    }

    /// The text message that answers an [`Event::ToolCall`]: what became of it, in words that the agent can act upon.
    pub fn tool_result(&self, invocation_id: &str, result: &str) -> String {
        match self {
            Self::Ultravox(_) => ultravox::tool_result(invocation_id, result),
        }
    }

    /// The text message that answers an [`Event::ToolCall`]: there is no such tool. The agent goes on.
    pub fn no_such_tool(&self, invocation_id: &str, tool: &str) -> String {
        match self {
            Self::Ultravox(_) => ultravox::no_such_tool(invocation_id, tool),
        }
    }

    /// Ends the agent's call from outside, for who settles what a bridge left behind. A call that the vendor does not
    /// have, that nobody has joined (it expires by itself) or that has ended is fine.
    ///
    /// # Errors
    /// The vendor cannot be reached, or refuses our key.
    pub async fn end(&self, agent_call_id: &str, api_key: &Secret) -> Result<(), AgentFailure> {
        match self {
            Self::Ultravox(client) => client.end(agent_call_id, api_key).await,
        }
    }

    /// Understands one text message of the agent's websocket. Total: what cannot be understood is
    /// [`Event::Ignored`], never an error that ends a call.
    pub fn decode_text(&self, text: &str) -> Event {
        match self {
            Self::Ultravox(_) => ultravox::decode_text(text),
        }
    }
}
