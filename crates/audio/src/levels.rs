//! How loud a piece of sound is, and how much of it is one tone.
//!
//! Levels are in dBFS relative to an RMS of 32768: the loudest square wave is 0, the loudest sine −3.01.

use crate::SampleRate;

/// What digital silence measures instead of minus infinity, so that levels can be compared and printed.
pub const SILENCE_DBFS: f64 = -120.0;

const FULL_SCALE: f64 = 32_768.0;

/// RMS level of `pcm` in dBFS, at least [`SILENCE_DBFS`]; that also for no samples.
pub fn rms_dbfs(pcm: &[i16]) -> f64 {
    dbfs_of(square_sum(pcm), pcm.len() as u64)
}

/// The sum of the squares of `pcm`.
pub fn square_sum(pcm: &[i16]) -> f64 {
    pcm.iter().map(|&s| f64::from(s) * f64::from(s)).sum()
}

/// RMS level in dBFS of `samples` samples whose squares sum up to `square_sum`; at least [`SILENCE_DBFS`].
pub fn dbfs_of(square_sum: f64, samples: u64) -> f64 {
    dbfs((square_sum / samples.max(1) as f64).sqrt())
}

/// The largest deviation from zero in `pcm`: 0 to 32768.
pub fn peak(pcm: &[i16]) -> u16 {
    pcm.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)
}

/// Level of the sine at `hz` in `pcm`, in dBFS (Goertzel's algorithm): a pure tone measures what its
/// [`rms_dbfs`] does. Tones closer than `rate / pcm.len()` are not told apart.
pub fn goertzel_dbfs(pcm: &[i16], rate: SampleRate, hz: f64) -> f64 {
    let angle = std::f64::consts::TAU * hz / f64::from(rate.hz());
    let turn = 2.0 * angle.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in pcm {
        (last, before) = (f64::from(sample) + turn * last - before, last);
    }
    let power = last * last + before * before - turn * last * before;
    let amplitude = 2.0 * power.max(0.0).sqrt() / pcm.len().max(1) as f64;
    dbfs(amplitude / std::f64::consts::SQRT_2)
}

/// `samples` samples of a sine at `hz` with an RMS of `dbfs` (at most −3.01: more would clip).
pub fn tone(rate: SampleRate, hz: f64, dbfs: f64, samples: usize) -> Vec<i16> {
    let amplitude = (FULL_SCALE * 10f64.powf(dbfs / 20.0) * std::f64::consts::SQRT_2).min(32_767.0);
    let step = std::f64::consts::TAU * hz / f64::from(rate.hz());
    (0..samples).map(|n| (amplitude * (step * n as f64).sin()).round() as i16).collect()
}

fn dbfs(rms: f64) -> f64 {
    (20.0 * (rms / FULL_SCALE).log10()).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz16000;

    #[test]
    fn the_scale_is_that_of_the_full_square_wave() {
        assert!(rms_dbfs(&[i16::MIN; 10]).abs() < 0.01);
        assert!((rms_dbfs(&tone(RATE, 1000.0, 0.0, 1600)) + 3.01).abs() < 0.01);
        assert!((rms_dbfs(&tone(RATE, 1000.0, -20.0, 1600)) + 20.0).abs() < 0.01);
        assert_eq!(rms_dbfs(&[0; 10]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[]), SILENCE_DBFS);
        assert_eq!((peak(&[3, -7, 5]), peak(&[i16::MIN]), peak(&[])), (7, 32_768, 0));
    }

    #[test]
    fn a_tone_is_found_where_it_is_and_nowhere_else() {
        for rate in SampleRate::ALL {
            let pcm = tone(rate, 440.0, -15.0, rate.samples_in_ms(500));
            assert!((goertzel_dbfs(&pcm, rate, 440.0) + 15.0).abs() < 0.1);
            assert!(goertzel_dbfs(&pcm, rate, 880.0) < -55.0);
        }
        assert_eq!(goertzel_dbfs(&[], RATE, 440.0), SILENCE_DBFS);
        assert_eq!(goertzel_dbfs(&[0; 320], RATE, 440.0), SILENCE_DBFS);
    }

    #[test]
    fn two_tones_are_measured_each_by_itself() {
        let (low, high) = (tone(RATE, 400.0, -20.0, 8000), tone(RATE, 1300.0, -30.0, 8000));
        let both: Vec<i16> = low.iter().zip(&high).map(|(a, b)| a + b).collect();
        assert!((goertzel_dbfs(&both, RATE, 400.0) + 20.0).abs() < 0.2);
        assert!((goertzel_dbfs(&both, RATE, 1300.0) + 30.0).abs() < 0.2);
    }
}
