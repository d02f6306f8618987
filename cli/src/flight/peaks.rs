//! A recording as one sees it: how loud each hundredth of a second was.

use audio::opus::Decoder;
use audio::{OPUS_CLOCK_HZ, SampleRate, levels, ogg};

/// What the decoder is asked for: enough to see speech, and the fastest.
const RATE: SampleRate = SampleRate::Hz8000;
/// Of one peak.
pub const PEAK_MS: u32 = 10;

/// The largest deviation from zero in each [`PEAK_MS`], 0 to 255. The square root of it, so that low voices are seen.
///
/// # Errors
/// When the file is damaged.
pub fn peaks(file: &[u8]) -> anyhow::Result<Vec<u8>> {
    let file = ogg::read(file)?;
    let mut decoder = Decoder::new(RATE)?;
    let mut packet = vec![0; RATE.max_packet_samples()];
    let mut skip = usize::from(file.pre_skip) / (OPUS_CLOCK_HZ / RATE.hz()) as usize;
    let piece = RATE.samples_in_ms(PEAK_MS);
    let (mut peaks, mut rest) = (Vec::new(), Vec::new());
    for bytes in &file.packets {
        // A packet that nobody can decode was silence for the callee, too.
        let samples = decoder.decode(bytes, &mut packet).unwrap_or(0);
        let skipped = skip.min(samples);
        skip -= skipped;
        rest.extend_from_slice(&packet[skipped..samples]);
        let whole = rest.len() / piece * piece;
        peaks.extend(rest[..whole].chunks(piece).map(peak));
        rest.drain(..whole);
    }
    Ok(peaks)
}

fn peak(piece: &[i16]) -> u8 {
    let height = f64::from(levels::peak(piece)) / 32_768.0;
    (height.sqrt() * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use audio::opus::Encoder;

    use super::*;

    #[test]
    fn a_tone_is_seen_where_it_is() {
        let rate = SampleRate::Hz16000;
        let mut encoder = Encoder::new(rate).unwrap();
        let mut file = ogg::OggOpusWriter::new(Vec::new(), 1, &[]).unwrap();
        let mut packet = [0; 1275];
        for (nth, frame) in levels::tone(rate, 440.0, -12.0, 8000).chunks(rate.frame_samples()).enumerate() {
            let bytes = encoder.encode(frame, &mut packet).unwrap();
            file.write(48_000 + nth as u64 * 960, &packet[..bytes]).unwrap();
        }
        let peaks = peaks(&file.finish(96_000).unwrap()).unwrap();
        assert!((195..=200).contains(&peaks.len()), "{}", peaks.len());
        assert!(peaks[..95].iter().all(|peak| *peak < 20), "a second of silence: {peaks:?}");
        assert!(
            peaks[105..145].iter().all(|peak| (120..180).contains(peak)),
            "half a second of tone: {peaks:?}"
        );
        assert!(peaks[160..].iter().all(|peak| *peak < 20), "silence again: {peaks:?}");
    }
}
