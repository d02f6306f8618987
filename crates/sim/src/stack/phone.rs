//! `tools/phone` as child processes, and its control API in types.

mod script;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

pub use self::script::{Reject, Script, Step, Transfer};
use super::child::{Child, Output};
use super::livekit_server::{LiveKitServer, end_of, wait_for_200};
use super::ports::free_tcp_port;
use super::recording::Recording;

/// `phone sip`: the SIP node, the carrier and the person.
pub struct Phone {
    child: Child,
    control: String,
    http: reqwest::Client,
}

impl Phone {
    pub(super) async fn start(
        binary: &Path,
        dir: &Path,
        redis: &str,
        livekit: &LiveKitServer,
    ) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_tcp_port()?);
        let (key, secret) = livekit.credentials();
        let log = dir.join("phone-sip.log");
        let mut command = Command::new(binary);
        command.args(["sip", "--redis", redis, "--livekit", &livekit.url(), "--control", &address]);
        command.arg("--exit-with-stdin");
        command.env("LIVEKIT_API_KEY", key).env("LIVEKIT_API_SECRET", secret.expose());
        let mut child = Child::start("phone sip", command, Output::File(log.clone()))?;
        let control = format!("http://{address}");
        wait_for_200(&format!("{control}/health"), Some(&mut child), &log).await?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        Ok(Self { child, control, http })
    }

    /// Says what a call to `number` (E.164) meets from now on.
    pub async fn script(&self, number: &str, script: &Script) -> Result<()> {
        let request = self.http.put(self.url(&["numbers", number])?).json(script);
        self.send(request).await.map(drop)
    }

    /// Every dial seen so far, in order.
    pub async fn calls(&self) -> Result<Vec<Call>> {
        let reply = self.send(self.http.get(self.url(&["calls"])?)).await?;
        reply.json().await.context("the phone's list of calls is not as expected")
    }

    /// The dials of one number so far, in order.
    pub async fn calls_to(&self, number: &str) -> Result<Vec<Call>> {
        Ok(self.calls().await?.into_iter().filter(|call| call.number == number).collect())
    }

    /// Waits until the only call to `number` meets `wanted`, and returns it.
    ///
    /// # Errors
    /// After `within`, with the call as it is then; or at once when the number was dialed twice.
    pub async fn wait_for(
        &self,
        number: &str,
        within: Duration,
        wanted: impl Fn(&Call) -> bool,
    ) -> Result<Call> {
        let deadline = Instant::now() + within;
        loop {
            let calls = self.calls_to(number).await?;
            match calls.as_slice() {
                [call] if wanted(call) => return Ok(call.clone()),
                [_, _, ..] => bail!("dialed more than once: {calls:#?}"),
                _ if Instant::now() >= deadline => bail!("not as wanted after {within:?}: {calls:#?}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// What was heard and said in a call.
    pub async fn recording(&self, call: &str) -> Result<Recording> {
        let reply = self.send(self.http.get(self.url(&["calls", call, "audio.wav"])?)).await?;
        Recording::from_wav(&reply.bytes().await?)
    }

    /// The RTP packets that a call got from the room, in the order in which they came.
    pub async fn arrivals(&self, call: &str) -> Result<Vec<Arrival>> {
        let reply = self.send(self.http.get(self.url(&["calls", call, "arrivals"])?)).await?;
        reply.json().await.context("the phone's arrivals are not as expected")
    }

    /// The Opus packets of a call whose script keeps them, both ways.
    pub async fn packets(&self, call: &str) -> Result<Packets> {
        let reply = self.send(self.http.get(self.url(&["calls", call, "packets"])?)).await?;
        reply.json().await.context("the phone's packets are not as expected")
    }

    /// The person hangs up now.
    pub async fn hang_up(&self, call: &str) -> Result<()> {
        self.send(self.http.post(self.url(&["calls", call, "hangup"])?)).await.map(drop)
    }

    /// Somebody calls into `room`, and is answered once another participant's audio is there.
    pub async fn call_in(&self, from: &str, room: &str, script: &Script) -> Result<Call> {
        let mut body = serde_json::to_value(script)?;
        body["from"] = json!(from);
        body["room"] = json!(room);
        let reply = self.send(self.http.post(self.url(&["inbound"])?).json(&body)).await?;
        reply.json().await.context("the phone's call is not as expected")
    }

    pub(super) fn child(&self) -> &Child {
        &self.child
    }

    fn url(&self, path: &[&str]) -> Result<url::Url> {
        let mut url = url::Url::parse(&self.control)?;
        url.path_segments_mut().ok().context("no path")?.extend(path);
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let reply = request.send().await.context("the phone does not answer")?;
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        bail!("the phone says {status}: {}", reply.text().await.unwrap_or_default())
    }
}

/// Starts `phone redis`, which is empty, and waits until it accepts connections.
pub(super) async fn start_redis(binary: &Path, dir: &Path, address: &str) -> Result<Child> {
    let log = dir.join("phone-redis.log");
    let mut command = Command::new(binary);
    command.args(["redis", "--listen", address, "--exit-with-stdin"]);
    let mut child = Child::start("phone redis", command, Output::File(log.clone()))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if child.exited().is_some() || Instant::now() >= deadline {
            bail!("phone redis does not start\n{}", end_of(&log));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(child)
}

/// An RTP packet from the room, as it reached the phone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Arrival {
    /// When it was read, in Unix microseconds.
    pub at_us: i64,
    /// Its RTP time, 48 000 a second.
    pub rtp_time: u32,
    /// Its number.
    pub sequence: u16,
    /// The stream that it is of.
    pub ssrc: u32,
}

/// What sound went over the room's network, packet by packet.
#[derive(Clone, Debug, Deserialize)]
pub struct Packets {
    /// What the phone got, in the order of coming.
    pub heard: Vec<Packet>,
    /// What it said, in the order of the sound, with what was lost.
    pub said: Vec<Packet>,
}

/// An Opus packet.
#[derive(Clone, Debug, Deserialize)]
pub struct Packet {
    /// When it came or left, in Unix microseconds; 0 if it never left.
    pub at_us: i64,
    /// Its RTP time, 48 000 a second; of what was said, from 0.
    pub rtp_time: u32,
    /// Opus.
    #[serde(deserialize_with = "base64")]
    pub payload: Vec<u8>,
}

fn base64<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    use base64::Engine as _;
    let text = String::deserialize(from)?;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// A call as the phone saw it. Instants are Unix time in milliseconds, absent until they happened.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The phone's own id of it.
    pub id: String,
    /// The person's number.
    pub number: String,
    /// Who called: the number that was shown.
    pub from: String,
    /// The LiveKit room.
    pub room: String,
    /// Its identity in the room.
    pub identity: String,
    /// `dialing`, `ringing`, `active` or `ended`.
    pub phase: String,
    /// When the dial came in.
    #[serde(rename = "dialed_at")]
    pub dialed_at_ms: i64,
    /// When it began to ring.
    #[serde(rename = "ringing_at")]
    pub ringing_at_ms: Option<i64>,
    /// When the person answered.
    #[serde(rename = "answered_at")]
    pub answered_at_ms: Option<i64>,
    /// When it was over.
    #[serde(rename = "ended_at")]
    pub ended_at_ms: Option<i64>,
    /// Who ended it: `callee`, `room`, `max-duration`, `ring-timeout`, `canceled` …
    #[serde(default)]
    pub ended_by: String,
    /// What the dial asked for: the longest ringing.
    #[serde(default)]
    pub ringing_timeout_ms: i64,
    /// What the dial asked for: the longest call, ringing included.
    #[serde(default)]
    pub max_call_duration_ms: i64,
    /// When the far side was first heard.
    #[serde(rename = "heard_first_voice_at")]
    pub heard_first_voice_at_ms: Option<i64>,
    /// When the far side was last heard.
    #[serde(rename = "heard_last_voice_at")]
    pub heard_last_voice_at_ms: Option<i64>,
    /// How long the far side was heard, in all.
    #[serde(default)]
    pub heard_voice_ms: i64,
    /// Keys that the far side pressed.
    #[serde(default)]
    pub dtmf_heard: String,
    /// When each of them was heard.
    #[serde(default, rename = "dtmf_heard_at")]
    pub dtmf_heard_at_ms: Vec<i64>,
    /// How often the trunk was asked to pass the call on.
    #[serde(default)]
    pub transfers: u32,
    /// Where to, the last time: `tel:` or `sip:`.
    #[serde(default)]
    pub transfer_to: String,
    /// What that asked for: the longest ringing.
    #[serde(default)]
    pub transfer_ringing_timeout_ms: i64,
    /// Has the person done everything that the script says?
    #[serde(default)]
    pub script_done: bool,
    /// Opus packets from the room.
    #[serde(default)]
    pub packets_received: i64,
    /// Gaps in them.
    #[serde(default)]
    pub packets_lost: i64,
    /// How often there was nothing to hear although something had been heard before: holes.
    #[serde(default)]
    pub hearing_starved: u32,
    /// Frames of 20 ms that came too early to be heard.
    #[serde(default)]
    pub hearing_discarded: u32,
}

impl Call {
    /// Was it answered?
    pub fn is_answered(&self) -> bool {
        self.answered_at_ms.is_some()
    }

    /// Is it over?
    pub fn is_over(&self) -> bool {
        self.ended_at_ms.is_some()
    }
}
