//! What the tests need around a room: a real livekit-server, tokens, tones, a TCP proxy to cut.

pub mod gate;
pub mod proxy;
pub mod relay;
pub mod server;

use std::time::Duration;

use audio::SampleRate;
use audio::levels::{goertzel_dbfs, tone};
use room_client::{AudioIn, AudioOut, Room, RoomConfig, RoomEvent};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

pub const RATE: SampleRate = SampleRate::Hz16000;

/// One of our clients in a room.
pub struct Client {
    pub room: Room,
    pub out: AudioOut,
    pub audio_in: AudioIn,
    pub events: UnboundedReceiver<RoomEvent>,
    pub joined_in: Duration,
}

pub fn config(url: &str, token: String) -> RoomConfig {
    RoomConfig {
        url: url.to_owned(),
        token: token.into(),
        sample_rate: RATE,
        track_name: "agent".to_owned(),
        packet_tap: None,
    }
}

pub async fn join(config: RoomConfig) -> Client {
    let start = Instant::now();
    let (room, out, audio_in, events) = Room::join(config).await.expect("joins");
    Client { room, out, audio_in, events, joined_in: start.elapsed() }
}

impl Client {
    /// The next event that `pick` takes; others are passed over.
    pub async fn event<T>(&mut self, within: Duration, pick: impl Fn(&RoomEvent) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(within, async {
            loop {
                let event = self.events.recv().await.expect("the events go on");
                if let Some(found) = pick(&event) {
                    return found;
                }
                seen.push(event);
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("the event did not come within {within:?}, but {seen:?}"),
        }
    }

    pub async fn saw(&mut self, expected: RoomEvent) {
        self.event(Duration::from_secs(5), |event| (*event == expected).then_some(())).await;
    }

    /// Queues `ms` of a tone.
    pub fn play(&self, hz: f64, ms: u32) {
        let sound = tone(RATE, hz, -12.0, RATE.samples_in_ms(ms));
        assert_eq!(self.out.push(self.out.utterance(), &sound), 0);
    }

    /// What is heard in the next `ms`.
    pub async fn hear(&mut self, ms: u32) -> Vec<i16> {
        let mut heard = Vec::new();
        while heard.len() < RATE.samples_in_ms(ms) {
            let frame = tokio::time::timeout(Duration::from_secs(2), self.audio_in.recv()).await;
            heard
                .extend_from_slice(frame.expect("frames keep coming").expect("still in the room").as_slice());
        }
        heard
    }

    /// Waits until a tone is heard, 5 s at most.
    pub async fn hear_start_of(&mut self, hz: f64) {
        for _ in 0..50 {
            if level(&self.hear(100).await, hz) > -15.0 {
                return;
            }
        }
        panic!("{hz} Hz was not heard within 5 s");
    }
}

pub fn level(pcm: &[i16], hz: f64) -> f64 {
    goertzel_dbfs(pcm, RATE, hz)
}
