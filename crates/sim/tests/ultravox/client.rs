//! A client as plain as can be: sends 20 ms every 20 ms, notes what comes.

use std::collections::VecDeque;
use std::time::Duration;

use audio::SampleRate;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sim::ultravox::{Script, Ultravox};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub const RATE: SampleRate = SampleRate::Hz16000;

pub async fn stand_in(script: Script) -> Ultravox {
    Ultravox::start("127.0.0.1:0".parse().unwrap(), script).await.unwrap()
}

/// A request that is in order: the agent speaks first, at once, and may be sent seconds ahead.
pub fn request() -> Value {
    json!({
        "systemPrompt": "Seja breve.", "voice": "Camila", "languageHint": "pt-BR",
        "firstSpeakerSettings": {"agent": {"text": "Olá!"}},
        "medium": {"serverWebSocket": {"inputSampleRate": 16000, "outputSampleRate": 16000,
            "clientBufferSizeMs": 30000}},
        "vadSettings": {"minimumInterruptionDuration": "0.192s"},
        "metadata": {"attempt": "a1"}
    })
}

/// The request with the value at JSON pointer `path` replaced.
pub fn request_with(path: &str, value: Value) -> Value {
    let mut request = request();
    let (parent, name) = path.rsplit_once('/').unwrap();
    request.pointer_mut(parent).unwrap()[name] = value;
    request
}

pub fn http() -> reqwest::Client {
    // The second test to come here finds it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub async fn post(ultravox: &Ultravox, request: &Value) -> reqwest::Response {
    let post = http().post(ultravox.calls_url()).header("X-API-Key", "anything");
    post.json(request).send().await.unwrap()
}

pub async fn create(ultravox: &Ultravox, request: &Value) -> Value {
    let answer = post(ultravox, request).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

pub async fn look_up(ultravox: &Ultravox, id: &str) -> Value {
    let get = http().get(format!("{}/{id}", ultravox.calls_url())).header("X-API-Key", "anything");
    get.send().await.unwrap().json().await.unwrap()
}

/// How the socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a close frame of this code.
    Closed(u16),
    /// Without one.
    Dropped,
}

pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub id: String,
    opened: Instant,
    speech: VecDeque<i16>,
    uplink: tokio::time::Interval,
    /// Sound received, byte for byte.
    pub sound: Vec<u8>,
    /// Sizes of the binary messages, with when they came.
    pub messages: Vec<(Duration, usize)>,
    /// Text messages, with when they came and after how many bytes of sound.
    pub texts: Vec<(Duration, usize, String)>,
    pub ended: Option<Ended>,
}

impl Client {
    pub async fn call(ultravox: &Ultravox, request: &Value) -> Self {
        Self::join(&create(ultravox, request).await).await.unwrap()
    }

    pub async fn join(call: &Value) -> Result<Self, tungstenite::Error> {
        let (socket, _) = connect_async(call["joinUrl"].as_str().unwrap()).await?;
        let mut uplink = interval(Duration::from_millis(20));
        uplink.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Self {
            socket,
            id: call["callId"].as_str().unwrap().to_owned(),
            opened: Instant::now(),
            speech: VecDeque::new(),
            uplink,
            sound: Vec::new(),
            messages: Vec::new(),
            texts: Vec::new(),
            ended: None,
        })
    }

    /// Queues what the callee says next.
    pub fn say(&mut self, pcm: &[i16]) {
        self.speech.extend(pcm);
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn close(&mut self) {
        self.socket.close(None).await.unwrap();
    }

    /// Listens and talks until `done`, the socket's end or `limit`; true unless it was the limit.
    pub async fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !done(self) && self.ended.is_none() {
            tokio::select! {
                _ = self.uplink.tick() => self.send_frame().await,
                message = self.socket.next() => self.take(message),
                () = tokio::time::sleep_until(deadline) => return false,
            }
        }
        true
    }

    pub async fn run_for(&mut self, time: Duration) {
        self.run(time, |_| false).await;
    }

    pub async fn run_to_end(&mut self) -> Ended {
        self.run(Duration::from_secs(20), |_| false).await;
        self.ended.expect("the socket ends within 20 s")
    }

    /// The text messages of one type, as JSON.
    pub fn of_type(&self, kind: &str) -> Vec<(Duration, usize, Value)> {
        let texts = self.texts.iter();
        texts
            .filter_map(|(at, bytes, text)| Some((*at, *bytes, serde_json::from_str::<Value>(text).ok()?)))
            .filter(|(_, _, message)| message["type"] == kind)
            .collect()
    }

    pub fn states(&self) -> Vec<String> {
        let states = self.of_type("state").into_iter();
        states.map(|(_, _, message)| message["state"].as_str().unwrap().to_owned()).collect()
    }

    /// What the agent or the user said, in the transcript's final words.
    pub fn finals(&self, role: &str) -> Vec<String> {
        let transcripts = self.of_type("transcript").into_iter();
        transcripts
            .filter(|(_, _, message)| message["role"] == role && message["final"] == true)
            .map(|(_, _, message)| message["text"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn pcm(&self) -> Vec<i16> {
        self.sound.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
    }

    async fn send_frame(&mut self) {
        let frame: Vec<u8> = (0..RATE.frame_samples())
            .flat_map(|_| self.speech.pop_front().unwrap_or(0).to_le_bytes())
            .collect();
        // A socket that just ended says so when it is read.
        let _ = self.socket.send(Message::binary(frame)).await;
    }

    fn take(&mut self, message: Option<Result<Message, tungstenite::Error>>) {
        let at = self.opened.elapsed();
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                self.sound.extend_from_slice(&bytes);
                self.messages.push((at, bytes.len()));
            }
            Some(Ok(Message::Text(text))) => {
                self.texts.push((at, self.sound.len(), text.as_str().to_owned()));
            }
            Some(Ok(Message::Close(frame))) => {
                self.ended = Some(Ended::Closed(frame.map_or(1005, |frame| frame.code.into())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.ended = Some(Ended::Dropped),
        }
    }
}
