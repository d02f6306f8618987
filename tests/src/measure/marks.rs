//! Where [marks](sim::mark) are in a piece of sound: by cross-correlation with the chirp that they are.

use sim::mark::chirp;

use super::RATE;

/// How much like the chirp a place must be: the normalised correlation, 1 for the very same. A codec for speech that
/// is woken from silence leaves more than half of it, speech is below 0.4.
const LIKENESS: f64 = 0.45;
/// What is this quiet, as a share of full scale, is nothing: codecs make noise out of silence.
const QUIET: f64 = 0.005;
/// No two marks begin within this, in ms.
const APART_MS: u32 = 80;

/// The first sample of each mark in `pcm` (at [`RATE`]), in order.
pub fn find(pcm: &[i16]) -> Vec<usize> {
    let chirp: Vec<f64> = chirp(RATE).iter().map(|sample| f64::from(*sample)).collect();
    let energy = power(&chirp);
    let loud = (QUIET * f64::from(i16::MAX)).powi(2) * chirp.len() as f64;
    let sound: Vec<f64> = pcm.iter().map(|sample| f64::from(*sample)).collect();
    let likeness = |window: &[f64]| {
        let here = power(window);
        if here < loud {
            return 0.0;
        }
        let product: f64 = window.iter().zip(&chirp).map(|(a, b)| a * b).sum();
        product / (here * energy).sqrt()
    };
    let mut marks: Vec<(usize, f64)> = Vec::new();
    let alike = sound.windows(chirp.len()).map(likeness).enumerate();
    for (at, likeness) in alike.filter(|(_, likeness)| *likeness >= LIKENESS) {
        match marks.last_mut() {
            Some(last) if at - last.0 < RATE.samples_in_ms(APART_MS) => {
                if likeness > last.1 {
                    *last = (at, likeness);
                }
            }
            _ => marks.push((at, likeness)),
        }
    }
    marks.into_iter().map(|(at, _)| at).collect()
}

fn power(sound: &[f64]) -> f64 {
    sound.iter().map(|sample| sample * sample).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use audio::SampleRate;
    use audio::opus::{Decoder, Encoder};
    use sim::mark::mark;
    use sim::ultravox::speech;

    use super::*;
    use crate::measure::timed::at_line_rate;

    /// Silence of a second with marks that begin at these samples.
    fn sound(rate: SampleRate, begins: &[usize]) -> Vec<i16> {
        let mut pcm = vec![0; rate.samples_in_ms(1000)];
        for begin in begins {
            let mark = mark(rate);
            pcm[*begin..][..mark.len()].copy_from_slice(&mark);
        }
        pcm
    }

    #[test]
    fn marks_are_found_to_the_sample_in_silence_and_in_speech() {
        let begins = [803, 2511, 4444, 6006];
        let mut pcm = sound(RATE, &begins);
        assert_eq!(find(&pcm), begins);
        for (sample, noise) in pcm.iter_mut().zip(speech::monologue(RATE, 1000).unwrap()) {
            *sample = sample.saturating_add(noise / 8);
        }
        assert_eq!(find(&pcm), begins);
        assert_eq!(find(&speech::monologue(RATE, 20_000).unwrap()), [0usize; 0]);
        assert_eq!(find(&[0; 8000]), [0usize; 0]);
    }

    #[test]
    fn a_codec_moves_all_marks_by_its_look_ahead_and_hides_few() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz24000, SampleRate::Hz48000] {
            let begins_ms = [101, 305, 552, 777];
            let pcm = sound(rate, &begins_ms.map(|ms| rate.samples_in_ms(ms)));
            let (mut encoder, mut decoder) = (Encoder::new(rate).unwrap(), Decoder::new(rate).unwrap());
            let (mut packet, mut frame) = ([0; 1275], vec![0; rate.max_packet_samples()]);
            let mut coded = Vec::new();
            for pcm in pcm.chunks(rate.frame_samples()) {
                let bytes = encoder.encode(pcm, &mut packet).unwrap();
                let samples = decoder.decode(&packet[..bytes], &mut frame).unwrap();
                coded.extend_from_slice(&frame[..samples]);
            }
            let found = find(&at_line_rate(rate, &coded));
            let moved: Vec<f64> = found
                .iter()
                .map(|at| *at as f64 / 8.0)
                .map(|at_ms| at_ms - begins_ms.map(f64::from).into_iter().rfind(|b| *b <= at_ms).unwrap())
                .collect();
            // A codec for speech may make little of a chirp out of silence.
            assert!(moved.len() >= 3, "{rate}: {moved:?}");
            // 6.5 ms (RFC 6716 §2: look-ahead of 5.2 ms and less, and 1.5 ms of resampling; libopus tells 6.5).
            assert!(moved.iter().all(|ms| (5.5..7.5).contains(ms)), "{rate}: {moved:?}");
        }
    }
}
