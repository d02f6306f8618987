//! How much of a tone is in a piece of sound, and where.

use audio::SampleRate;
use audio::levels::{goertzel_dbfs, rms_dbfs};

/// Long enough to tell 440 from 660 Hz, short enough to see an end.
const WINDOW_MS: u32 = 20;
/// A tone that is at least this loud counts: far below how it was sent, far above what a codec adds.
const HEARD_DBFS: f64 = -30.0;
/// Of a window's sound at least so much must be the tone: half of its power.
const SHARE_DB: f64 = -3.0;

/// In which windows of 20 ms the tone at `hz` is heard.
fn windows(pcm: &[i16], rate: SampleRate, hz: f64) -> impl Iterator<Item = bool> {
    pcm.chunks_exact(rate.samples_in_ms(WINDOW_MS)).map(move |window| {
        let level = goertzel_dbfs(window, rate, hz);
        level > HEARD_DBFS && level > rms_dbfs(window) + SHARE_DB
    })
}

/// For how many seconds the tone at `hz` is heard in `pcm`.
pub fn seconds_of(pcm: &[i16], rate: SampleRate, hz: f64) -> f64 {
    windows(pcm, rate, hz).filter(|heard| *heard).count() as f64 * f64::from(WINDOW_MS) / 1000.0
}

/// When the tone at `hz` is heard first and last, in seconds since the start of `pcm`.
pub fn span_of(pcm: &[i16], rate: SampleRate, hz: f64) -> Option<(f64, f64)> {
    let seconds = |window: usize| window as f64 * f64::from(WINDOW_MS) / 1000.0;
    let heard: Vec<usize> = windows(pcm, rate, hz).enumerate().filter(|(_, h)| *h).map(|(n, _)| n).collect();
    Some((seconds(*heard.first()?), seconds(*heard.last()? + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use audio::levels::tone;

    const RATE: SampleRate = SampleRate::Hz8000;

    #[test]
    fn a_tone_is_measured_and_another_is_not_mistaken_for_it() {
        let mut pcm = vec![0; RATE.samples_in_ms(500)];
        pcm.extend(tone(RATE, 440.0, -12.0, RATE.samples_in_ms(1000)));
        pcm.extend(tone(RATE, 660.0, -12.0, RATE.samples_in_ms(300)));
        assert!((seconds_of(&pcm, RATE, 440.0) - 1.0).abs() < 0.03);
        assert!((seconds_of(&pcm, RATE, 660.0) - 0.3).abs() < 0.03);
        let (begin, end) = span_of(&pcm, RATE, 660.0).expect("it is there");
        assert!((begin - 1.5).abs() < 0.03 && (end - 1.8).abs() < 0.03);
        assert_eq!(span_of(&pcm, RATE, 1000.0), None);
    }

    #[test]
    fn samples_shifted_by_a_byte_are_no_tone() {
        let sound = tone(RATE, 440.0, -12.0, RATE.samples_in_ms(1000));
        let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let shifted: Vec<i16> =
            bytes[1..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        assert!(seconds_of(&shifted, RATE, 440.0) < 0.2);
    }
}
