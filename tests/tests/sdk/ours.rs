//! Our side: a livekit-server, and our client in one of its rooms.

use std::path::PathBuf;
use std::time::Duration;

use audio::SampleRate;
use audio::levels::{goertzel_dbfs, rms_dbfs, tone};
use calls::secret::Secret;
use room_client::{AudioIn, AudioOut, Received, Report, Room, RoomConfig, RoomEvent, TappedPacket};
use rooms::{JoinToken, Livekit};
use sim::stack::LiveKitServer;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::lossy::LossyWay;

pub const RATE: SampleRate = SampleRate::Hz16000;
const SOON: Duration = Duration::from_secs(10);

/// A livekit-server for one test, and the Python that has LiveKit's SDK.
pub struct Place {
    server: LiveKitServer,
    pub python: PathBuf,
    _dir: tempfile::TempDir,
}

/// What is needed, or `None` after saying what is missing; missing on CI is a failure.
pub async fn place() -> Option<Place> {
    let (binary, python) = tests::given("LIVEKIT_SERVER").zip(tests::given("SDK_PYTHON"))?;
    sim::stack::install_crypto();
    let dir = tempfile::tempdir().unwrap();
    let server = LiveKitServer::start(&binary, dir.path(), None, false).await.unwrap();
    Some(Place { server, python, _dir: dir })
}

impl Place {
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A way to it that loses packets. To be asked for before anybody joins.
    pub async fn lossy_way(&mut self) -> LossyWay {
        self.server.restart_with_ice_lite().await.unwrap();
        LossyWay::to(self.server.port(), self.server.udp_port()).await
    }

    pub fn token(&self, identity: &str) -> Secret {
        let (key, secret) = self.server.credentials();
        let livekit = Livekit::new(&self.url(), &Secret::new(key.to_owned()), secret).unwrap();
        let ttl = Duration::from_secs(60);
        let wanted = JoinToken { room: "room", identity, name: identity, room_metadata: None, ttl };
        livekit.join_token(&wanted).unwrap()
    }

    /// Our client joins as `bridge` and listens to `sdk`, who may come later.
    pub async fn join(&self) -> Ours {
        self.join_over(self.url(), None).await
    }

    /// The same by another way, with a copy of the packets.
    pub async fn join_over(&self, url: String, packet_tap: Option<mpsc::Sender<TappedPacket>>) -> Ours {
        let config = RoomConfig {
            url,
            token: self.token("bridge").expose().to_owned().into(),
            sample_rate: RATE,
            track_name: "ultravox-agent-audio".to_owned(),
            packet_tap,
        };
        let (room, out, audio_in, events) = Room::join(config).await.unwrap();
        room.listen_to("sdk");
        audio_in.open();
        Ours { room, out, audio_in, events }
    }
}

/// Our client in the room.
pub struct Ours {
    pub room: Room,
    out: AudioOut,
    audio_in: AudioIn,
    events: UnboundedReceiver<RoomEvent>,
}

impl Ours {
    /// Says a tone of −12 dBFS for `ms`.
    pub fn say(&self, hz: f64, ms: u32) {
        assert_eq!(self.out.push(self.out.utterance(), &tone(RATE, hz, -12.0, RATE.samples_in_ms(ms))), 0);
    }

    /// What came in so far.
    pub fn received(&self) -> Received {
        self.audio_in.counts().now()
    }

    /// What the server told of our packets.
    pub fn report(&self) -> Report {
        self.out.counts().report
    }

    /// What comes in the next `ms`; frames never cease.
    pub async fn hear(&mut self, ms: u32) -> Vec<i16> {
        let mut heard = Vec::new();
        while heard.len() < RATE.samples_in_ms(ms) {
            let frame = tokio::time::timeout(Duration::from_secs(2), self.audio_in.recv()).await;
            heard.extend_from_slice(frame.expect("frames keep coming").expect("in the room").as_slice());
        }
        heard
    }

    /// Listens until 100 ms sound as `wanted`.
    pub async fn hear_until(&mut self, what: &str, wanted: impl Fn(&[i16]) -> bool) {
        let listening = async { while !wanted(&self.hear(100).await) {} };
        tokio::time::timeout(SOON, listening).await.unwrap_or_else(|_| panic!("never heard {what}"));
    }

    /// Waits for an event; others are passed over.
    pub async fn saw(&mut self, what: &str, wanted: impl Fn(&RoomEvent) -> bool) {
        let mut seen = Vec::new();
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the room goes on");
                if wanted(&event) {
                    return;
                }
                seen.push(event);
            }
        };
        let came = tokio::time::timeout(SOON, waiting).await;
        assert!(came.is_ok(), "{what} was not told, but {seen:?}");
    }
}

/// The level of a tone, dBFS.
pub fn level(sound: &[i16], hz: f64) -> f64 {
    goertzel_dbfs(sound, RATE, hz)
}

pub fn is_silent(sound: &[i16]) -> bool {
    rms_dbfs(sound) < -70.0
}
