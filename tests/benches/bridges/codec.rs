//! What the codec alone costs: `crates/audio/examples/codec_alone.rs`, as fast as the bridge is built.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use serde::{Deserialize, Serialize};
use sim::stack::Packet;
use sim::ultravox::speech;
use tests::Scene;

use crate::Settings;

/// How much of the agent's speech is encoded.
const SPEECH_MS: u32 = 20_000;

/// CPU seconds for a second of each direction.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Codec {
    encode: f64,
    decode: f64,
}

impl Codec {
    /// Of both.
    pub fn cpu_per_call_second(&self) -> f64 {
        self.encode + self.decode
    }
}

/// The same sound as in the calls, ready to be coded.
pub struct Recorded {
    rate: SampleRate,
    speech: PathBuf,
    packets: PathBuf,
}

impl Recorded {
    /// The agent's speech at its `rate`, and the callee's packets.
    pub fn new(scene: &Scene, rate: SampleRate, packets: &[Packet]) -> Result<Self> {
        let recorded =
            Self { rate, speech: scene.dir().join("agent.pcm"), packets: scene.dir().join("callee.packets") };
        let speech = speech::monologue(rate, SPEECH_MS)?;
        let bytes: Vec<u8> = speech.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        fs::write(&recorded.speech, bytes)?;
        let framed = packets.iter().flat_map(|packet| {
            let length = (packet.payload.len() as u16).to_le_bytes();
            length.into_iter().chain(packet.payload.iter().copied())
        });
        fs::write(&recorded.packets, framed.collect::<Vec<u8>>())?;
        Ok(recorded)
    }

    /// Codes it, and nothing else.
    pub fn measure(&self, settings: &Settings) -> Result<Codec> {
        let mut command = Command::new(&settings.codec_alone);
        command.arg(self.rate.hz().to_string()).args([&self.speech, &self.packets]);
        let output = command.output().with_context(|| settings.codec_alone.display().to_string())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("codec_alone said nothing of use")
    }
}
