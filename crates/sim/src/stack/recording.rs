//! What the phone heard and said, and questions to it.

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use audio::levels::{goertzel_dbfs, rms_dbfs};

/// Anything louder counts as voice; a quiet line is far below.
const VOICE_DBFS: f64 = -45.0;

const FRAME: usize = 160;

/// Both directions of one call at 8 kHz, on one time axis that starts at the answer.
pub struct Recording {
    /// What the person heard: the agent, as it came over the line.
    pub heard: Vec<i16>,
    /// What the person said.
    pub said: Vec<i16>,
}

impl Recording {
    /// 8 kHz: a phone line.
    pub const RATE: SampleRate = SampleRate::Hz8000;

    /// Reads the phone's file: 16-bit PCM, 8 kHz, left what was heard, right what was said.
    pub fn from_wav(bytes: &[u8]) -> Result<Self> {
        let (format, data) = chunks(bytes).context("not a WAV file")?;
        let field = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
        ensure!(format.len() >= 16 && field(0) == 1 && field(2) == 2 && field(14) == 16, "not 16-bit stereo");
        ensure!(u32::from(field(4)) == Self::RATE.hz(), "not 8 kHz");
        let channel = |offset: usize| {
            let frames = data.chunks_exact(4);
            frames.map(|frame| i16::from_le_bytes([frame[offset], frame[offset + 1]])).collect()
        };
        Ok(Self { heard: channel(0), said: channel(2) })
    }

    /// Level in dBFS of the tone at `hz` in the second of `pcm` in which it is loudest.
    pub fn loudest_second(pcm: &[i16], hz: f64) -> f64 {
        let second = Self::RATE.samples_in_ms(1000);
        let windows = pcm.windows(second.min(pcm.len()).max(1)).step_by(FRAME * 5);
        windows.map(|window| goertzel_dbfs(window, Self::RATE, hz)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// How many seconds of `pcm` are louder than a quiet line, in 20 ms steps.
    pub fn voice_seconds(pcm: &[i16]) -> f64 {
        voiced(pcm).filter(|voiced| *voiced).count() as f64 * 0.02
    }

    /// Stretches of voice in `pcm`: begin and end in seconds; pauses shorter than `gap_seconds` do not split.
    pub fn stretches(pcm: &[i16], gap_seconds: f64) -> Vec<(f64, f64)> {
        let mut stretches: Vec<(f64, f64)> = Vec::new();
        for (index, _) in voiced(pcm).enumerate().filter(|(_, voiced)| *voiced) {
            let (begin, end) = (index as f64 * 0.02, (index + 1) as f64 * 0.02);
            match stretches.last_mut() {
                Some(last) if begin - last.1 < gap_seconds => last.1 = end,
                _ => stretches.push((begin, end)),
            }
        }
        stretches
    }
}

fn voiced(pcm: &[i16]) -> impl Iterator<Item = bool> {
    pcm.chunks_exact(FRAME).map(|frame| rms_dbfs(frame) > VOICE_DBFS)
}

/// The `fmt ` and `data` chunks of a RIFF file. A length beyond the end means "to the end".
fn chunks(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let (mut format, mut data) = (None, None);
    while let (Some(id), Some(len)) = (rest.get(..4), rest.get(4..8)) {
        let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
        let body = &rest[8..];
        let chunk = &body[..len.min(body.len())];
        match id {
            b"fmt " => format = Some(chunk),
            b"data" => data = Some(chunk),
            _ => {}
        }
        rest = body.get(len + len % 2..).unwrap_or_default();
    }
    Some((format.filter(|format| format.len() >= 16)?, data?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use audio::levels::tone;

    fn wav(heard: &[i16], said: &[i16]) -> Vec<u8> {
        let samples: Vec<u8> =
            heard.iter().zip(said).flat_map(|(l, r)| [l.to_le_bytes(), r.to_le_bytes()].concat()).collect();
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        wav.extend([0x40, 0x1f, 0, 0, 0, 0x7d, 0, 0, 4, 0, 16, 0]);
        wav.extend(b"data");
        wav.extend(u32::try_from(samples.len()).unwrap().to_le_bytes());
        wav.extend(samples);
        wav
    }

    #[test]
    fn the_two_directions_are_told_apart() {
        let (heard, said) =
            (tone(Recording::RATE, 440.0, -10.0, 8000), tone(Recording::RATE, 660.0, -10.0, 8000));
        let recording = Recording::from_wav(&wav(&heard, &said)).unwrap();
        assert_eq!((&recording.heard, &recording.said), (&heard, &said));
        assert!(Recording::loudest_second(&recording.heard, 440.0) > -11.0);
        assert!(Recording::loudest_second(&recording.heard, 660.0) < -60.0);
        assert!(Recording::from_wav(b"RIFF").is_err());
    }

    #[test]
    fn stretches_of_voice_are_found_with_their_times() {
        let mut pcm = vec![0; 8000];
        pcm.extend(tone(Recording::RATE, 440.0, -10.0, 4000));
        pcm.extend(vec![0; 1600]);
        pcm.extend(tone(Recording::RATE, 440.0, -10.0, 4000));
        assert_eq!(Recording::stretches(&pcm, 0.1).len(), 2);
        let joined = Recording::stretches(&pcm, 0.3);
        assert!((joined[0].0 - 1.0).abs() < 0.03 && (joined[0].1 - 2.2).abs() < 0.03, "{joined:?}");
        assert!((Recording::voice_seconds(&pcm) - 1.0).abs() < 0.05);
    }
}
