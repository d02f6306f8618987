//! A stand-in for Ultravox: its REST calls and its `serverWebSocket`, in this process, over real sockets.
//!
//! It keeps to the published protocol (<https://docs.ultravox.ai>, API schema of 2026-07): strict about
//! what it is sent, so that a mistake of ours is an answer 400 with its reason and not a surprise in
//! production. How the agent behaves, and misbehaves, is a [`Script`].
//!
//! What it does not have: tools other than hanging up and the client's own, inactivity messages, call stages, webhooks, media other than
//! `serverWebSocket`. Where the vendor publishes nothing, the guess is marked in the code: the bodies of
//! errors, DELETE of a live call, the end reason after a socket breaks, close codes.

mod call;
mod pace;
mod request;
mod rest;
mod script;
mod socket;
pub mod speech;
mod talk;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use audio::SampleRate;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

pub use call::{CallSnapshot, EndReason, Moment, Times, ToolUse};
pub use script::{CreateStep, Line, Misstep, Script, Trouble};

use call::CallRecord;

/// Commands that may wait for a socket that is busy.
const COMMANDS: usize = 64;

/// A running stand-in. Stops, and drops every socket, when it is dropped.
pub struct Ultravox {
    state: Arc<State>,
    running: watch::Sender<bool>,
}

/// What the REST handlers and the sockets share.
struct State {
    address: SocketAddr,
    shared: Mutex<Shared>,
    running: watch::Receiver<bool>,
    /// What happens now, on every socket that is open.
    commands: broadcast::Sender<Command>,
}

/// Something that every socket that is open does now.
#[derive(Clone)]
enum Command {
    /// It goes wrong.
    GoWrong(Trouble),
    /// The agent says this, as far ahead of playback.
    Say(Line, Duration),
}

/// Behaviour and memory, behind one lock that is never held over an await.
struct Shared {
    script: Arc<Script>,
    /// How many answers of the script's `create` have been given.
    create_answers: u32,
    statuses: Vec<u16>,
    calls: Vec<CallRecord>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on the record of call `id`, if there is one.
    fn with_call<T>(&self, id: &str, change: impl FnOnce(&mut CallRecord) -> T) -> Option<T> {
        self.lock().calls.iter_mut().find(|call| call.id == id).map(change)
    }
}

impl Ultravox {
    /// Starts serving on `bind` (port 0: any free one).
    ///
    /// # Errors
    /// When the script is not sound, or the address cannot be bound.
    pub async fn start(bind: SocketAddr, script: Script) -> anyhow::Result<Self> {
        script.check()?;
        let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen on {bind}"))?;
        let (running, stopped) = watch::channel(true);
        let state = Arc::new(State {
            address: listener.local_addr()?,
            shared: Mutex::new(Shared {
                script: Arc::new(script),
                create_answers: 0,
                statuses: Vec::new(),
                calls: Vec::new(),
            }),
            running: stopped.clone(),
            commands: broadcast::channel(COMMANDS).0,
        });
        let app = rest::router(state.clone());
        // 20 ms of speech must not wait for the acknowledgement of the 20 ms before.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY");
            }
        });
        tokio::spawn(async move {
            let mut stopped = stopped;
            tokio::select! {
                served = axum::serve(listener, app) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the Ultravox stand-in stopped serving");
                    }
                }
                _ = stopped.changed() => {}
            }
        });
        Ok(Self { state, running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// `http://host:port`: what stands in for `https://api.ultravox.ai`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.state.address)
    }

    /// Where calls are created: [`base_url`](Self::base_url) and `/api/calls`.
    pub fn calls_url(&self) -> String {
        format!("{}/api/calls", self.base_url())
    }

    /// How calls behave that are created now.
    pub fn script(&self) -> Script {
        Script::clone(&self.state.lock().script)
    }

    /// How calls behave from now on; those that exist keep the script with which they were created. The
    /// new script's `create` begins at its first step.
    ///
    /// # Errors
    /// When the script is not sound; the old one stays.
    pub fn set_script(&self, script: Script) -> anyhow::Result<()> {
        script.check()?;
        let mut shared = self.state.lock();
        shared.script = Arc::new(script);
        shared.create_answers = 0;
        Ok(())
    }

    /// This goes wrong now, on every socket that is open.
    pub fn goes_wrong(&self, trouble: Trouble) {
        // Nobody is joined: nothing to go wrong.
        let _ = self.state.commands.send(Command::GoWrong(trouble));
    }

    /// The agent says this now, on every socket that is open, sent up to `ahead` of playback (never more than the
    /// call's `clientBufferSizeMs`). What was left of another line is not said.
    pub fn says(&self, line: Line, ahead: Duration) {
        // Nobody is joined: nobody hears it.
        let _ = self.state.commands.send(Command::Say(line, ahead));
    }

    /// Every call that was created, oldest first, as it stands now.
    pub fn calls(&self) -> Vec<CallSnapshot> {
        self.state.lock().calls.iter().map(CallRecord::snapshot).collect()
    }

    /// The status of every answer to POST /api/calls, in order: also of those that created nothing.
    pub fn create_statuses(&self) -> Vec<u16> {
        self.state.lock().statuses.clone()
    }

    /// All that call `id` has heard, and at which rate; `None` for an unknown call. Empty when the script
    /// has `keep_audio` off.
    pub fn heard(&self, id: &str) -> Option<(SampleRate, Vec<i16>)> {
        self.state.with_call(id, |call| (call.rates.input, call.heard.clone()))
    }

    /// When call `id`'s messages of sound came and went; `None` for an unknown call. Those of sound are not kept
    /// when the script has `keep_audio` off.
    pub fn times(&self, id: &str) -> Option<Times> {
        self.state.with_call(id, |call| call.times.clone())
    }

    /// Waits until `condition` is true of [`calls`](Self::calls), and returns them.
    ///
    /// # Errors
    /// After `limit`, with what was waited for.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&[CallSnapshot]) -> bool,
    ) -> anyhow::Result<Vec<CallSnapshot>> {
        let deadline = Instant::now() + limit;
        loop {
            let calls = self.calls();
            if condition(&calls) {
                return Ok(calls);
            }
            if Instant::now() >= deadline {
                bail!("{what}: not within {limit:?}; calls: {calls:#?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Ultravox {
    fn drop(&mut self) {
        self.running.send_replace(false);
    }
}
