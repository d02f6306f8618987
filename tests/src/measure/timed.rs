//! Sound that came in pieces, and when each piece came.

use anyhow::{Result, ensure};
use audio::SampleRate;
use audio::opus::Decoder;
use sim::stack::Packet;
use sim::ultravox::Moment;

use super::RATE;

/// Half the length of the low-pass filter of [`at_line_rate`], in samples at [`RATE`].
const HALF: usize = 12;

/// A stretch of sound whose pieces have times.
///
/// The time of a sample is when it could be played at the earliest: the time of its piece, and its place in that.
/// So what a sender cuts into other pieces than it got is not late for that.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The sound, at [`RATE`].
    pub pcm: Vec<i16>,
    pieces: Vec<Piece>,
}

/// One packet or message.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its first sample.
    pub from: usize,
    /// When it came, in Unix milliseconds.
    pub at_ms: f64,
}

impl Timed {
    /// Sound at `rate`, in pieces of so many samples at such times (Unix microseconds).
    ///
    /// # Errors
    /// When the pieces are not as long as the sound.
    pub fn new(rate: SampleRate, pcm: &[i16], pieces: &[(i64, usize)]) -> Result<Self> {
        let samples: usize = pieces.iter().map(|(_, samples)| samples).sum();
        ensure!(samples == pcm.len(), "{samples} samples in pieces, {} in the sound", pcm.len());
        let factor = factor(rate);
        let mut from = 0;
        let piece = |(at_us, samples): &(i64, usize)| {
            let piece = Piece { from: from / factor, at_ms: *at_us as f64 / 1000.0 };
            from += samples;
            piece
        };
        Ok(Self { pieces: pieces.iter().map(piece).collect(), pcm: at_line_rate(rate, pcm) })
    }

    /// Messages of an agent's call. A message that ends within a sample has its half counted to the next. The two are
    /// asked for one after the other while the call goes on, so what only one of them holds is left out.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn of_messages(rate: SampleRate, pcm: &[i16], messages: &[Moment]) -> Result<Self> {
        let mut bytes = 0;
        let pieces = messages.iter().map(|message| {
            let before = bytes / 2;
            bytes += message.bytes;
            (message.at_us, bytes / 2 - before)
        });
        let mut samples = 0;
        let mut there = Vec::new();
        for piece in pieces {
            if samples + piece.1 > pcm.len() {
                break;
            }
            samples += piece.1;
            there.push(piece);
        }
        Self::new(rate, &pcm[..samples], &there)
    }

    /// Packets, each decoded at once as it comes by a decoder at `rate`: what nobody could do earlier.
    ///
    /// # Errors
    /// When one is no Opus packet.
    pub fn of_packets<'a>(rate: SampleRate, packets: impl IntoIterator<Item = &'a Packet>) -> Result<Self> {
        let mut decoder = Decoder::new(rate)?;
        let (mut pcm, mut pieces) = (Vec::new(), Vec::new());
        let mut decoded = vec![0; rate.max_packet_samples()];
        for packet in packets {
            let samples = decoder.decode(&packet.payload, &mut decoded)?;
            pcm.extend_from_slice(&decoded[..samples]);
            pieces.push((packet.at_us, samples));
        }
        Self::new(rate, &pcm, &pieces)
    }

    /// When sample `nth` was there, in Unix milliseconds; `None` for sound without pieces.
    pub fn at_ms(&self, nth: usize) -> Option<f64> {
        let after = self.pieces.partition_point(|piece| piece.from <= nth);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        Some(piece.at_ms + (nth - piece.from) as f64 * 1000.0 / f64::from(RATE.hz()))
    }

    /// Each piece's time (Unix milliseconds) and sound.
    pub fn pieces(&self) -> impl Iterator<Item = (f64, &[i16])> {
        self.pieces.iter().enumerate().map(|(nth, piece)| {
            let end = self.pieces.get(nth + 1).map_or(self.pcm.len(), |next| next.from);
            (piece.at_ms, &self.pcm[piece.from.min(end)..end])
        })
    }
}

fn factor(rate: SampleRate) -> usize {
    (rate.hz() / RATE.hz()) as usize
}

/// The sound at [`RATE`]: through a linear-phase low-pass filter (a sinc under Hann's window), which moves nothing in
/// time.
pub fn at_line_rate(rate: SampleRate, pcm: &[i16]) -> Vec<i16> {
    let factor = factor(rate);
    if factor == 1 {
        return pcm.to_vec();
    }
    let half = (HALF * factor) as isize;
    // A little below half the new rate: room for the filter's slope.
    let cutoff = 0.9 / factor as f64;
    let tap = |at: isize| {
        let x = std::f64::consts::PI * at as f64;
        let sinc = if at == 0 { cutoff } else { (x * cutoff).sin() / x };
        sinc * (0.5 + 0.5 * (x / half as f64).cos())
    };
    let taps: Vec<f64> = (-half..=half).map(tap).collect();
    let filtered = |centre: usize| {
        let first = centre as isize - half;
        let inside = |(nth, tap): (usize, &f64)| {
            let at = usize::try_from(first + nth as isize).ok()?;
            Some(tap * f64::from(*pcm.get(at)?))
        };
        let sum: f64 = taps.iter().enumerate().filter_map(inside).sum();
        sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    };
    (0..pcm.len()).step_by(factor).map(filtered).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use audio::levels::{goertzel_dbfs, rms_dbfs, tone};

    use super::*;

    #[test]
    fn a_sample_comes_with_its_piece_and_later_by_its_place_in_it() {
        let rate = SampleRate::Hz24000;
        let sound = Timed::new(rate, &[0; 960], &[(1_000_000, 480), (1_030_000, 480)]).unwrap();
        let at = |nth| sound.at_ms(nth).unwrap();
        assert_eq!((at(0), at(80), at(159)), (1000.0, 1010.0, 1019.875));
        assert_eq!((at(160), at(319)), (1030.0, 1049.875));
        let pieces: Vec<_> = sound.pieces().map(|(at_ms, pcm)| (at_ms, pcm.len())).collect();
        assert_eq!(pieces, [(1000.0, 160), (1030.0, 160)]);
        assert!(Timed::new(rate, &[0; 960], &[(0, 480)]).is_err());
    }

    #[test]
    fn messages_that_split_samples_are_no_shorter_for_that() {
        let messages = [(0, 3), (10, 3), (20, 2)].map(|(at_us, bytes)| Moment { at_us, bytes });
        let sound = Timed::of_messages(RATE, &[1, 2, 3, 4], &messages).unwrap();
        let pieces: Vec<_> = sound.pieces().map(|(_, pcm)| pcm.to_vec()).collect();
        assert_eq!(pieces, [vec![1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn what_came_between_asking_for_the_sound_and_for_its_times_is_left_out() {
        let messages = [(0, 4), (10, 4), (20, 4)].map(|(at_us, bytes)| Moment { at_us, bytes });
        let pieces_of = |pcm: &[i16], messages: &[Moment]| {
            let sound = Timed::of_messages(RATE, pcm, messages).unwrap();
            sound.pieces().map(|(_, pcm)| pcm.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(pieces_of(&[1, 2, 3, 4], &messages), [vec![1, 2], vec![3, 4]]);
        assert_eq!(pieces_of(&[1, 2, 3, 4, 5, 6], &messages[..2]), [vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn a_lower_rate_keeps_what_a_line_carries_in_its_place_and_drops_the_rest() {
        for rate in [SampleRate::Hz16000, SampleRate::Hz24000, SampleRate::Hz48000] {
            let line = at_line_rate(rate, &tone(rate, 1000.0, -12.0, rate.samples_in_ms(1000)));
            assert_eq!(line.len(), RATE.samples_in_ms(1000));
            assert!((goertzel_dbfs(&line, RATE, 1000.0) + 12.0).abs() < 0.2, "{rate}");
            let high = at_line_rate(rate, &tone(rate, 6000.0, -12.0, rate.samples_in_ms(1000)));
            assert!(rms_dbfs(&high[80..high.len() - 80]) < -50.0, "{rate}");
            let mut click = vec![0; rate.samples_in_ms(100)];
            click[rate.samples_in_ms(50)] = 30_000;
            let click = at_line_rate(rate, &click);
            let loudest = (0..click.len()).max_by_key(|nth| click[*nth].unsigned_abs()).unwrap();
            assert_eq!(loudest, RATE.samples_in_ms(50), "{rate}");
        }
    }
}
