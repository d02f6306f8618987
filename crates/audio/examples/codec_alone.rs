//! What the codec alone takes of a call: one second of speech encoded and one decoded for each second, and nothing
//! else. `make bench` sets it beside what a call takes.
//!
//! `codec_alone RATE SPEECH PACKETS` reads speech (16-bit little-endian samples at RATE) and Opus packets (each with
//! its length before it, 16-bit little-endian), codes both with a call's own settings, and prints the CPU seconds that
//! a second takes: `{"encode":0.0101,"decode":0.0021}`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::fs;

use audio::opus::{Decoder, Encoder};
use audio::{FRAME_MS, SampleRate};

/// Enough to be measured, and too short to wait for.
const LEAST_SECONDS: f64 = 20.0;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rate, speech, packets] = arguments.as_slice() else {
        return Err("codec_alone RATE SPEECH PACKETS".into());
    };
    let rate = SampleRate::try_from(rate.parse::<u32>()?)?;
    let encode = encoding(rate, &samples(&fs::read(speech)?))?;
    let decode = decoding(rate, &split(&fs::read(packets)?))?;
    println!(r#"{{"encode":{encode:.6},"decode":{decode:.6}}}"#);
    Ok(())
}

/// CPU seconds to encode a second of this speech.
fn encoding(rate: SampleRate, speech: &[i16]) -> Result<f64, Box<dyn Error>> {
    let mut encoder = Encoder::new(rate)?;
    let mut packet = [0; 1275];
    per_second(|| {
        let frames = speech.chunks_exact(rate.frame_samples());
        let seconds = seconds_of(frames.len());
        for frame in frames {
            encoder.encode(frame, &mut packet)?;
        }
        Ok(seconds)
    })
}

/// CPU seconds to decode a second of these packets.
fn decoding(rate: SampleRate, packets: &[&[u8]]) -> Result<f64, Box<dyn Error>> {
    let mut decoder = Decoder::new(rate)?;
    let mut pcm = vec![0; rate.max_packet_samples()];
    per_second(|| {
        for packet in packets {
            decoder.decode(packet, &mut pcm)?;
        }
        Ok(seconds_of(packets.len()))
    })
}

/// CPU that `code` takes for each second of sound that it says it coded.
fn per_second(mut code: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    // Once for caches and tables.
    let mut seconds = 0.0;
    if code()? <= 0.0 {
        return Err("there is nothing to code".into());
    }
    let before = cpu_seconds()?;
    while seconds < LEAST_SECONDS {
        seconds += code()?;
    }
    Ok((cpu_seconds()? - before) / seconds)
}

fn seconds_of(frames: usize) -> f64 {
    frames as f64 * f64::from(FRAME_MS) / 1000.0
}

/// What this thread has used (proc(5)): there is no other.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("no schedstat")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let [low, high, rest @ ..] = bytes {
        let Some((packet, after)) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))
        else {
            break;
        };
        packets.push(packet);
        bytes = after;
    }
    packets
}
