//! One frame of 20 ms each way, with recorded speech: what `audio` does for a call. Sockets, encryption and the room's
//! own bookkeeping are not in it; libopus is nearly all of it, which is why our part is counted apart, too.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use audio::opus::{Decoder, Encoder};
use audio::{Frame, HopCounts, Playout, SampleRate, levels, ogg};

use super::Walk;

/// The rate toward the agent and from it.
const RATE: SampleRate = SampleRate::Hz16000;

/// What the agent sends at once, in milliseconds.
const MESSAGE_MS: u32 = 60;

/// The longest Opus packet of 20 ms (RFC 6716 §3.2.1).
const LONGEST_PACKET: usize = 1275;

/// A WAV file's head, as `crates/sim/assets/make.sh` writes it.
const WAV_HEAD: usize = 44;

/// Packets from the room: decoded, counted, and made into the bytes of a message to the agent.
pub fn frames_in(steps: u64) -> Result<Walk> {
    let packets = ogg::read(asset("callee-interrupts.opus")?.as_slice())?.packets;
    let packets: Vec<_> = packets.into_iter().take(steps as usize).collect();
    ensure!(packets.len() as u64 == steps, "the recording is too short");
    let mut decoder = Decoder::new(RATE)?;
    let mut heard = HopCounts::default();
    let mut pcm = vec![0; RATE.max_packet_samples()];
    let mut message = Vec::with_capacity(RATE.frame_samples() * 2);
    Ok(Box::new(move || {
        for packet in &packets {
            let samples = decoder.decode(packet, &mut pcm).unwrap_or_default();
            heard.frames += 1;
            heard.hear(&pcm[..samples]);
            let Some(frame) = Frame::from_slice(&pcm[..samples]) else { continue };
            message.clear();
            message.extend(frame.as_slice().iter().flat_map(|sample| sample.to_le_bytes()));
            black_box(&message);
        }
    }))
}

/// The agent's messages: queued, played out frame by frame, and encoded into packets.
pub fn frames_out(steps: u64) -> Result<Walk> {
    let wav = asset("callee-interrupts.wav")?;
    let speech = wav.get(WAV_HEAD..).context("no sound")?;
    // Recorded at 8 kHz: at 16 kHz every sample comes twice, which is speech enough for an encoder.
    let pcm: Vec<i16> = speech.chunks_exact(2).flat_map(|b| [i16::from_le_bytes([b[0], b[1]]); 2]).collect();
    ensure!(pcm.len() >= RATE.frame_samples() * steps as usize, "the recording is too short");
    let mut playout = Playout::new(RATE, Duration::from_secs(60));
    let mut encoder = Encoder::new(RATE)?;
    Ok(Box::new(move || {
        let mut messages = pcm.chunks(RATE.samples_in_ms(MESSAGE_MS));
        let mut frame = vec![0; RATE.frame_samples()];
        let mut packet = [0; LONGEST_PACKET];
        for _ in 0..steps {
            if playout.is_empty() {
                playout.push(messages.next().unwrap_or_default());
            }
            black_box(playout.next_frame(&mut frame));
            let length = encoder.encode(&frame, &mut packet).unwrap_or_default();
            black_box((Arc::<[u8]>::from(&packet[..length]), levels::rms_dbfs(&frame)));
        }
    }))
}

fn asset(name: &str) -> Result<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/assets").join(name);
    fs::read(&file).with_context(|| file.display().to_string())
}
