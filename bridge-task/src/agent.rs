//! The agent: created over REST, connected over its websocket, which carries the sound both ways.

mod reader;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use agents::{Agent, ClientMessage, FailureKind};
use anyhow::Context as _;
use calls::call::{AgentEvent, AgentFailure, Input, WhyAgentEnded};
use calls::ids::AttemptId;
use calls::plan::CallPlan;
use calls::secret::Secret;
use futures_util::StreamExt as _;
use room_client::{AudioIn, AudioOut};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::perform::News;
use crate::{clock, tls};

/// Opening the agent's socket may take this long after the answer.
const CONNECT_CAP: Duration = Duration::from_secs(5);
/// The largest message taken from the agent: minutes of sound.
const LARGEST_MESSAGE: usize = 64 << 20;

/// A connection to where the agent's websocket is, made while the phone rings.
pub type Warm = JoinHandle<anyhow::Result<tls::Stream>>;

/// A connected agent. Dropping it closes its socket in order.
#[derive(Debug)]
pub struct Socket {
    _tell: mpsc::UnboundedSender<ClientMessage>,
}

/// The two ways of a call's sound.
pub struct Sound {
    /// The callee's voice, 20 ms a frame.
    pub from_callee: AudioIn,
    /// Counts the callee's sound that is not silence, in milliseconds.
    pub callee_ms: Arc<AtomicU64>,
    /// The agent's voice, queued.
    pub to_callee: AudioOut,
}

/// Has the vendor create its call.
pub async fn create(
    agent: Agent,
    plan: CallPlan,
    attempt: AttemptId,
    api_key: Secret,
    news: mpsc::UnboundedSender<News>,
) {
    let started = clock::now();
    let asked_to_wait = |asked: agents::AskedToWait| {
        let wait_ms = u64::try_from(asked.wait.as_millis()).unwrap_or(u64::MAX);
        let _ = news.send(News::Of(Input::Agent(AgentEvent::AskedToWait { status: asked.status, wait_ms })));
    };
    let input = match agent.create(&plan, &attempt, &api_key, agents::CREATE_LIMIT, asked_to_wait).await {
        Ok(created) => {
            let agent_call_id = created.agent_call_id.clone();
            let _ = news.send(News::AgentCreated(created));
            AgentEvent::Created { agent_call_id, took_ms: clock::ms_since(started) }
        }
        Err(failure) => AgentEvent::CreateFailed { failure: kind_of(failure.kind), detail: failure.detail },
    };
    let _ = news.send(News::Of(Input::Agent(input)));
}

fn kind_of(kind: FailureKind) -> AgentFailure {
    match kind {
        FailureKind::Account => AgentFailure::Account,
        FailureKind::Busy => AgentFailure::Busy,
        FailureKind::Error => AgentFailure::Error,
    }
}

/// Connects, TLS included, while nobody waits for it.
pub fn warm_up(join_url: &Secret) -> Warm {
    let join_url = join_url.clone();
    tokio::spawn(async move { tls::connect(&uri(&join_url)?).await })
}

/// The join URL is a credential: what is wrong with it is said without it.
fn uri(join_url: &Secret) -> anyhow::Result<Uri> {
    join_url.expose().parse().ok().context("the agent's join URL is none")
}

/// Opens the agent's socket on the warm connection, or on a new one if that has gone cold, and lets
/// sound flow both ways.
pub async fn connect(
    agent: Agent,
    join_url: Secret,
    warm: Option<Warm>,
    sound: Sound,
    news: mpsc::UnboundedSender<News>,
) {
    let started = clock::now();
    let opened = match tokio::time::timeout(CONNECT_CAP, open(&join_url, warm)).await {
        Ok(opened) => opened,
        Err(_) => Err(anyhow::anyhow!("no websocket within {} s", CONNECT_CAP.as_secs())),
    };
    match opened {
        Ok(socket) => {
            let (sink, stream) = socket.split();
            let (tell, told) = mpsc::unbounded_channel();
            tokio::spawn(reader::Reader::new(agent.clone(), sound.to_callee, news.clone()).run(stream));
            tokio::spawn(writer::run(agent, sound.from_callee, sound.callee_ms, told, sink));
            let _ = news.send(News::AgentConnected(Socket { _tell: tell }));
            let took_ms = clock::ms_since(started);
            let _ = news.send(News::Of(Input::Agent(AgentEvent::Connected { took_ms })));
        }
        Err(error) => {
            let detail = format!("the agent's socket could not be opened: {error:#}");
            let _ = news.send(News::Of(Input::Agent(AgentEvent::ConnectFailed { detail })));
        }
    }
}

type WebSocket = tokio_tungstenite::WebSocketStream<tls::Stream>;

async fn open(join_url: &Secret, warm: Option<Warm>) -> anyhow::Result<WebSocket> {
    if let Some(warm) = warm
        && let Ok(Ok(stream)) = warm.await
        && let Ok(socket) = upgrade(join_url, stream).await
    {
        return Ok(socket);
    }
    upgrade(join_url, tls::connect(&uri(join_url)?).await?).await
}

async fn upgrade(join_url: &Secret, stream: tls::Stream) -> anyhow::Result<WebSocket> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    let upgraded = tokio_tungstenite::client_async_with_config(uri(join_url)?, stream, Some(config)).await;
    match upgraded {
        Ok((socket, _)) => Ok(socket),
        // The library's own text may hold the URL.
        Err(tokio_tungstenite::tungstenite::Error::Http(reply)) => {
            anyhow::bail!("the agent's server answered {}", reply.status())
        }
        Err(tokio_tungstenite::tungstenite::Error::Io(error)) => Err(error.into()),
        Err(_) => anyhow::bail!("the websocket handshake failed"),
    }
}

/// Asks the vendor why its agent ended.
pub async fn ask_why(agent: Agent, agent_call_id: String, api_key: Secret) -> Input {
    let word = agent.why_ended(&agent_call_id, &api_key).await;
    Input::Agent(AgentEvent::WhyEnded(match word.as_deref() {
        Some("agent_hangup") => WhyAgentEnded::HungUp,
        Some("timeout") => WhyAgentEnded::MaxDuration,
        _ => WhyAgentEnded::Other,
    }))
}
