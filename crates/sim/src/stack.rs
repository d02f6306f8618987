//! The local stack: a real livekit-server, `phone redis` and `phone sip`, on free loopback ports.
//!
//! The trunk is made through livekit-server's own SIP API, so trunks, validation, time limits and the
//! errors of the dial are the server's own. The phone stands in for SIP and does not test it.
//! Everything a [`Stack`] started ends with it, also when its process is killed with -9.

mod binaries;
mod bridge;
mod child;
mod livekit_server;
mod phone;
mod ports;
mod recording;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use calls::secret::Secret;
use livekit_api::services::room::RoomClient;
use livekit_api::services::sip::{CreateSIPOutboundTrunkOptions, SIPClient};
use tokio::time::Instant;

pub use binaries::Binaries;
pub use bridge::BridgeTask;
pub use child::{Child, Output};
pub use livekit_server::LiveKitServer;
pub(crate) use livekit_server::wait_for_200;
pub use phone::{Arrival, Call, Packet, Packets, Phone, Reject, Script, Step, Transfer};
pub use ports::{free_tcp_port, free_udp_port};
pub use recording::Recording;

/// The number that dials: what the stack's trunk shows to the callee.
pub const CALLER_ID: &str = "+551140000000";

/// What to leave out of a [`Stack`], or to start differently.
#[derive(Clone, Debug, Default)]
pub struct StackConfig {
    /// Where configuration and logs go; kept afterwards. `None`: a directory of its own, deleted at the end.
    pub dir: Option<PathBuf>,
    /// No SIP node: dials get livekit-server's own "no response from servers".
    pub without_sip_node: bool,
    /// Clients are offered ICE over TCP only (`rtc.force_tcp`).
    pub force_tcp: bool,
}

/// A running stack. Dropping it ends everything that it started.
pub struct Stack {
    /// The carrier and the person; `None` without a SIP node. Declared first: legs end before their server.
    phone: Option<Phone>,
    livekit: LiveKitServer,
    redis: Child,
    redis_address: String,
    trunk_id: String,
    binaries: Binaries,
    dir: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Stack {
    /// Starts everything and waits until a dial would go through.
    ///
    /// # Errors
    /// When a program is missing, or does not become ready within 20 s; the text says which, and shows
    /// the end of its log.
    pub async fn start(binaries: &Binaries, config: StackConfig) -> Result<Self> {
        install_crypto();
        let temporary = match config.dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("ocg-stack-").tempdir()?),
        };
        let dir = match (&config.dir, &temporary) {
            (Some(dir), _) => dir.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => anyhow::bail!("a stack needs a directory"),
        };
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;

        let redis_address = format!("127.0.0.1:{}", free_tcp_port()?);
        let redis = phone::start_redis(&binaries.phone, &dir, &redis_address).await?;
        let livekit =
            LiveKitServer::start(&binaries.livekit_server, &dir, Some(&redis_address), config.force_tcp)
                .await?;
        let phone = match config.without_sip_node {
            true => None,
            false => Some(Phone::start(&binaries.phone, &dir, &redis_address, &livekit).await?),
        };
        let mut stack = Self {
            phone,
            livekit,
            redis,
            redis_address,
            trunk_id: String::new(),
            binaries: binaries.clone(),
            dir,
            _temporary: temporary,
        };
        stack.trunk_id = stack.create_trunk("local", CALLER_ID).await?;
        Ok(stack)
    }

    /// The person at the other end.
    ///
    /// # Errors
    /// When the stack was started without a SIP node, or it was stopped.
    pub fn phone(&self) -> Result<&Phone> {
        self.phone.as_ref().context("this stack has no SIP node")
    }

    /// The server, to ask for its address and credentials.
    pub fn livekit(&self) -> &LiveKitServer {
        &self.livekit
    }

    /// The server, to kill and restart it.
    pub fn livekit_mut(&mut self) -> &mut LiveKitServer {
        &mut self.livekit
    }

    /// The trunk that was made at the start: `ST_…`.
    pub fn trunk_id(&self) -> &str {
        &self.trunk_id
    }

    /// Configuration and logs of this stack.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The programs that this stack runs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Takes the SIP node away, as if it had died.
    pub fn kill_sip_node(&mut self) {
        self.phone = None;
    }

    /// Starts a SIP node after [`Stack::kill_sip_node`] or [`StackConfig::without_sip_node`].
    pub async fn start_sip_node(&mut self) -> Result<()> {
        self.phone = None;
        let phone = Phone::start(&self.binaries.phone, &self.dir, &self.redis_address, &self.livekit);
        self.phone = Some(phone.await?);
        Ok(())
    }

    /// Takes Redis away, as if it had died.
    pub fn kill_redis(&mut self) {
        self.redis.kill();
    }

    /// Starts Redis again after [`Stack::kill_redis`]. It has forgotten everything: rooms, nodes, trunks.
    pub async fn start_redis(&mut self) -> Result<()> {
        self.redis.kill();
        self.redis = phone::start_redis(&self.binaries.phone, &self.dir, &self.redis_address).await?;
        Ok(())
    }

    /// Makes an outbound trunk that calls from `number` (E.164) and returns its id.
    pub async fn create_trunk(&self, name: &str, number: &str) -> Result<String> {
        let (key, secret) = self.livekit.credentials();
        let client = SIPClient::with_api_key(&self.livekit.http_url(), key, secret.expose());
        let client = client.with_failover(false);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            // The address is never called: the phone takes the dial before SIP would begin.
            let made = client
                .create_sip_outbound_trunk(
                    name.to_owned(),
                    "127.0.0.1:5060".to_owned(),
                    vec![number.to_owned()],
                    CreateSIPOutboundTrunkOptions::default(),
                )
                .await;
            match made {
                Ok(trunk) => return Ok(trunk.sip_trunk_id),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("livekit-server makes no trunk");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// livekit-server's room API.
    pub fn room_client(&self) -> RoomClient {
        let (key, secret) = self.livekit.credentials();
        RoomClient::with_api_key(&self.livekit.http_url(), key, secret.expose()).with_failover(false)
    }

    /// Names of the rooms that exist now.
    pub async fn rooms(&self) -> Result<Vec<String>> {
        let rooms = self.room_client().list_rooms(Vec::new()).await.context("cannot list rooms")?;
        Ok(rooms.into_iter().map(|room| room.name).collect())
    }

    /// Waits until no room is left; what is still there after `within` is the error.
    pub async fn wait_until_empty(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let rooms = self.rooms().await?;
            if rooms.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "rooms left over: {}", rooms.join(", "));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A `bridge-task` of this stack's build, with country `cc`'s credentials in its environment.
    pub fn bridge_task(&self, cc: &str, agent_key: &Secret) -> BridgeTask {
        let (key, secret) = self.livekit.credentials();
        BridgeTask::new(&self.binaries.bridge_task)
            .env(&format!("LIVEKIT_API_KEY_{cc}"), key)
            .env(&format!("LIVEKIT_API_SECRET_{cc}"), secret.expose())
            .env("ULTRAVOX_API_KEY", agent_key.expose())
    }

    /// Process ids of everything that runs, with names: for tests that prove that nothing is left over.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let children = [Some(&self.redis), self.livekit.child(), self.phone.as_ref().map(Phone::child)];
        children.into_iter().flatten().map(|child| (child.name().to_owned(), child.id())).collect()
    }
}

/// rustls has two providers in the tree, so the process must say which one it means.
pub fn install_crypto() {
    // An error only says that it has been said before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
