//! The real livekit-server as a child process on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use calls::secret::Secret;
use rand::Rng as _;
use tokio::time::Instant;

use super::child::{Child, Output};
use super::ports::{free_tcp_port, free_udp_port};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A livekit-server. Its ports and credentials are its own and stay the same over a restart.
pub struct LiveKitServer {
    child: Option<Child>,
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    starts: u32,
    port: u16,
    udp_port: u16,
    key: String,
    secret: Secret,
}

impl LiveKitServer {
    /// Starts one with configuration and log in `dir` and waits until it answers. Without `redis` it has
    /// rooms but no SIP. With `force_tcp` media goes over TCP only.
    ///
    /// # Errors
    /// When it does not become ready in 20 s; the text has the end of its log.
    pub async fn start(binary: &Path, dir: &Path, redis: Option<&str>, force_tcp: bool) -> Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut server = Self::configure(binary, dir, redis, force_tcp)?;
            match server.restart().await {
                Ok(()) => return Ok(server),
                // Somebody may have taken one of the ports that were free a moment ago.
                Err(_) if tries < 3 => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn configure(binary: &Path, dir: &Path, redis: Option<&str>, force_tcp: bool) -> Result<Self> {
        let (port, udp_port) = (free_tcp_port()?, free_udp_port()?);
        let key = "local".to_owned();
        let secret = random_text(40);
        // node_ip keeps the server off public STUN; without enable_loopback_candidate its UDP socket is on
        // the first ordinary interface although 127.0.0.1 is announced. TCP listens on every interface,
        // so it is off unless it is wanted.
        let config = serde_json::json!({
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "keys": { (key.as_str()): secret },
            "redis": redis.map(|address| serde_json::json!({ "address": address })),
            "rtc": {
                "use_external_ip": false,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": true,
                "ips": { "includes": ["127.0.0.1/32"] },
                "udp_port": udp_port,
                "tcp_port": if force_tcp { free_tcp_port()? } else { 0 },
                "force_tcp": force_tcp,
                "stun_servers": ["127.0.0.1:3478"],
            },
            "room": { "empty_timeout": 30, "departure_timeout": 5 },
            "logging": { "level": "info", "pion_level": "error", "json": true },
        });
        let mut config = config;
        if let (None, Some(config)) = (redis, config.as_object_mut()) {
            config.remove("redis");
        }
        let path = dir.join("livekit.yaml");
        // JSON is YAML.
        std::fs::write(&path, serde_json::to_string_pretty(&config)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            child: None,
            binary: binary.to_owned(),
            config: path,
            log: dir.join("livekit-server.log"),
            starts: 0,
            port,
            udp_port,
            key,
            secret: Secret::new(secret),
        })
    }

    /// `ws://…`, what a profile's `livekit.url` takes.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// `http://…`, what the server API takes.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port of the API and the signalling, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of all media, on 127.0.0.1, unless it goes over TCP.
    pub fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// API key and secret, drawn for this server.
    pub fn credentials(&self) -> (&str, &Secret) {
        (&self.key, &self.secret)
    }

    /// Ends the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill();
        }
    }

    /// Starts the server (again) on the same ports and waits until it answers.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.starts += 1;
        if self.starts > 1 {
            // The log of the run before is worth keeping.
            let _ = std::fs::rename(&self.log, self.log.with_extension(format!("{}.log", self.starts - 1)));
        }
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config);
        self.child = Some(Child::start("livekit-server", command, Output::File(self.log.clone()))?);
        self.wait_until_ready().await
    }

    /// Starts again as one that makes no connectivity checks of its own (ICE lite, RFC 8445 §2.5): media goes where a
    /// client sends it, also when that is a relay.
    pub async fn restart_with_ice_lite(&mut self) -> Result<()> {
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.config)?)?;
        config["rtc"]["use_ice_lite"] = true.into();
        std::fs::write(&self.config, config.to_string())?;
        self.restart().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        wait_for_200(&format!("{}/", self.http_url()), self.child.as_mut(), &self.log).await
    }

    pub(super) fn child(&self) -> Option<&Child> {
        self.child.as_ref()
    }
}

impl Drop for LiveKitServer {
    /// SIGKILL: asked politely, it waits for rooms to empty, and there is nothing to save.
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls `url` until it answers 200, `child` ends, or 20 s are over.
pub(crate) async fn wait_for_200(url: &str, child: Option<&mut Child>, log: &Path) -> Result<()> {
    let Some(child) = child else { bail!("nothing was started that could answer at {url}") };
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Ok(reply) = http.get(url).send().await
            && reply.status().is_success()
        {
            return Ok(());
        }
        if let Some(status) = child.exited() {
            bail!("{} ended at once ({status})\n{}", child.name(), end_of(log));
        }
        if Instant::now() >= deadline {
            bail!("{} is not ready after {READY_WITHIN:?}\n{}", child.name(), end_of(log));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The last lines of a log, indented, for an error message.
pub(super) fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(15));
    last.map(|line| format!("    {line}\n")).collect()
}

pub(super) fn random_text(len: usize) -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(len).map(char::from).collect()
}
