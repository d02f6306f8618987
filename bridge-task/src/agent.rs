//! The agent: created over REST, connected over its websocket, which carries the sound both ways.

mod connection;
mod reader;
mod writer;

use std::time::Duration;

use agents::{Agent, FailureKind};
use anyhow::Context as _;
use calls::call::{AgentEvent, AgentFailure, Input, WhyAgentEnded};
use calls::ids::AttemptId;
use calls::plan::CallPlan;
use calls::secret::Secret;
use futures_util::StreamExt as _;
use room_client::{AudioIn, AudioOut};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::clock;
use crate::last_word::LastWord;
use crate::perform::News;
use crate::sound::ToAgent;

/// Opening the agent's socket may take this long after the answer.
const CONNECT_CAP: Duration = Duration::from_secs(5);
/// The largest message taken from the agent: minutes of sound.
const LARGEST_MESSAGE: usize = 64 << 20;
/// So much of its sound is read at once, in bytes: eight frames and more. It stays for as long as the socket, and is
/// filled with zeros before each read, so the library's 128 KiB would be dear.
const READ_AT_ONCE: usize = 16 << 10;

/// Texts that may wait to be said to the agent: who asks for more has ceased to listen.
const TEXTS: usize = 16;

/// How long of that the connection made before the answer gets: it may have died without anybody noticing, and
/// then there must be time for a new one. Not less: a vendor that is only slow would be joined twice.
const WARM_CAP: Duration = Duration::from_secs(3);

/// A connection to where the agent's websocket is, made while the phone rings. Dropping it gives it up.
#[derive(Debug)]
pub struct Warm(JoinHandle<anyhow::Result<connection::Stream>>);

impl Drop for Warm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connected agent. Dropping it closes its socket in order.
#[derive(Debug)]
pub struct Socket {
    over: oneshot::Sender<()>,
    writer: JoinHandle<()>,
}

impl Socket {
    /// Closes the socket; done when the vendor was told.
    pub async fn close(self) {
        drop(self.over);
        // A writer that broke has closed it less politely.
        let _ = self.writer.await;
    }
}

/// The two ways of a call's sound.
pub struct Sound {
    /// The callee's voice, 20 ms a frame.
    pub from_callee: AudioIn,
    /// Counts what of it is sent.
    pub to_agent: ToAgent,
    /// The agent's voice, queued.
    pub to_callee: AudioOut,
    /// What is said to the agent besides, in its own protocol.
    pub texts: (mpsc::Sender<String>, mpsc::Receiver<String>),
}

impl Sound {
    /// The two ways of a call's sound, with nothing said yet.
    pub fn new(from_callee: AudioIn, to_agent: ToAgent, to_callee: AudioOut) -> Self {
        Self { from_callee, to_agent, to_callee, texts: mpsc::channel(TEXTS) }
    }
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
    let broken = "asking for the agent's call broke".to_owned();
    let broken = AgentEvent::CreateFailed { failure: AgentFailure::Error, detail: broken };
    let last_word = LastWord::new(&news, Input::Agent(broken));
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
    last_word.say(Input::Agent(input));
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
    Warm(tokio::spawn(async move { connection::connect(&uri(&join_url)?).await }))
}

/// The join URL is a credential: what is wrong with it is said without it.
fn uri(join_url: &Secret) -> anyhow::Result<Uri> {
    join_url.expose().parse().ok().context("the agent's join URL is none")
}

/// Opens the agent's socket on the warm connection, or on a new one if that has gone cold, and lets
/// sound flow both ways. `None` if it cannot be opened.
pub async fn connect(
    agent: Agent,
    join_url: Secret,
    warm: Option<Warm>,
    sound: Sound,
    news: mpsc::UnboundedSender<News>,
) -> Option<Socket> {
    let started = clock::now();
    let broken = "opening the agent's socket broke".to_owned();
    let last_word = LastWord::new(&news, Input::Agent(AgentEvent::ConnectFailed { detail: broken }));
    let opened = match tokio::time::timeout(CONNECT_CAP, open(&join_url, warm)).await {
        Ok(opened) => opened,
        Err(_) => Err(anyhow::anyhow!("no websocket within {} s", CONNECT_CAP.as_secs())),
    };
    match opened {
        Ok(socket) => {
            last_word.say(Input::Agent(AgentEvent::Connected { took_ms: clock::ms_since(started) }));
            Some(let_sound_flow(agent, socket, sound, &news))
        }
        Err(error) => {
            let detail = format!("the agent's socket could not be opened: {error:#}");
            last_word.say(Input::Agent(AgentEvent::ConnectFailed { detail }));
            None
        }
    }
}

fn let_sound_flow(
    agent: Agent,
    socket: WebSocket,
    sound: Sound,
    news: &mpsc::UnboundedSender<News>,
) -> Socket {
    let (sink, stream) = socket.split();
    let (over, is_over) = oneshot::channel();
    let (answers, texts) = sound.texts;
    tokio::spawn(reader::Reader::new(agent, sound.to_callee, answers, news.clone()).run(stream));
    let broken = AgentEvent::Closed { clean: false, detail: "our writer to its socket broke".to_owned() };
    let last_word = LastWord::new(news, Input::Agent(broken));
    let writer = tokio::spawn(async move {
        writer::run(sound.from_callee, sound.to_agent, texts, is_over, sink).await;
        last_word.withdraw();
    });
    Socket { over, writer }
}

type WebSocket = tokio_tungstenite::WebSocketStream<connection::Stream>;

async fn open(join_url: &Secret, warm: Option<Warm>) -> anyhow::Result<WebSocket> {
    if let Some(warm) = warm
        && let Ok(Ok(socket)) = tokio::time::timeout(WARM_CAP, upgrade_warm(join_url, warm)).await
    {
        return Ok(socket);
    }
    upgrade(join_url, connection::connect(&uri(join_url)?).await?).await
}

async fn upgrade_warm(join_url: &Secret, mut warm: Warm) -> anyhow::Result<WebSocket> {
    let stream = (&mut warm.0).await.context("making the connection broke")??;
    upgrade(join_url, stream).await
}

async fn upgrade(join_url: &Secret, stream: connection::Stream) -> anyhow::Result<WebSocket> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_AT_ONCE)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_warm_connection_that_hangs_leaves_time_for_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let join_url = Secret::new(format!("ws://{}/join", listener.local_addr().unwrap()));
        let warm = warm_up(&join_url);
        let (_silent, _) = listener.accept().await.unwrap();
        let vendor = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            tokio_tungstenite::accept_async(stream).await.unwrap()
        });
        let started = clock::now();
        open(&join_url, Some(warm)).await.unwrap();
        assert!(clock::ms_since(started) < 4500, "the new one had to wait too long");
        vendor.await.unwrap();
    }

    #[tokio::test]
    async fn a_warm_connection_that_is_well_is_the_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let join_url = Secret::new(format!("ws://{}/join", listener.local_addr().unwrap()));
        let warm = warm_up(&join_url);
        let (stream, _) = listener.accept().await.unwrap();
        let vendor = tokio::spawn(async move { tokio_tungstenite::accept_async(stream).await.unwrap() });
        open(&join_url, Some(warm)).await.unwrap();
        vendor.await.unwrap();
    }
}
