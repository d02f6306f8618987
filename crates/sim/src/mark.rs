//! A mark: a short sound that can be found again in what came through codecs and networks, to a fraction of a
//! millisecond.
//!
//! A chirp and not a click: a codec for speech keeps its shape, and what is found by cross-correlation with a
//! sweep is a narrow peak (the ratio of its length to the peak's is the sweep's length times its width).

use std::f64::consts::PI;

use audio::SampleRate;

/// How long the sound is: three frames, so that a codec that begins badly is not all of it.
pub const CHIRP_MS: u32 = 60;
/// The same with the silence after it, which makes whole frames of it.
pub const MARK_MS: u32 = 80;

/// The sweep, in Hz: what a telephone line carries.
const FROM_HZ: f64 = 400.0;
const TO_HZ: f64 = 3_300.0;
/// Its peak, as a share of full scale: −6 dBFS.
const PEAK: f64 = 0.5;

/// The chirp alone.
pub fn chirp(rate: SampleRate) -> Vec<i16> {
    let samples = rate.samples_in_ms(CHIRP_MS);
    let seconds = f64::from(CHIRP_MS) / 1000.0;
    let sample = |nth: usize| {
        let at = nth as f64 / f64::from(rate.hz());
        let phase = 2.0 * PI * (FROM_HZ * at + (TO_HZ - FROM_HZ) * at * at / (2.0 * seconds));
        let window = (PI * nth as f64 / samples as f64).sin();
        (PEAK * window * phase.sin() * f64::from(i16::MAX)) as i16
    };
    (0..samples).map(sample).collect()
}

/// The chirp and the silence after it.
pub fn mark(rate: SampleRate) -> Vec<i16> {
    let mut pcm = chirp(rate);
    pcm.resize(rate.samples_in_ms(MARK_MS), 0);
    pcm
}
