//! From packets as they arrive to 20 ms frames on time.
//!
//! Deliberately plain: a short fixed start-up delay, lost packets filled in at once, late ones dropped. An
//! adaptive jitter buffer has its place here and nowhere else.

use std::collections::VecDeque;

use audio::opus::{CodecError, Decoder};
use audio::{Frame, SampleRate};

/// Sound gathered before the first frame is handed out, so that ordinary jitter does not show, in ms.
const START_MS: u32 = 40;

/// Sound kept at most, in ms: what arrives in a burst beyond this is cut to [`START_MS`], newest kept.
const MOST_MS: u32 = 100;

/// Frames in a row that are made up, for lost packets as for late ones; longer holes are silence.
const MOST_CONCEALED: u64 = 3;

/// A step back in sequence numbers beyond this is a new stream, not a late packet.
const NEW_STREAM: u64 = 500;

/// One participant's sound on its way in.
pub(crate) struct Incoming {
    rate: SampleRate,
    decoder: Decoder,
    next_seq: Option<u64>,
    pcm: VecDeque<i16>,
    scratch: Vec<i16>,
    /// Whether frames are being handed out: after the start-up delay, until a long hole.
    flowing: bool,
    concealed_in_a_row: u64,
}

impl Incoming {
    /// Nothing heard yet; frames come at `rate`.
    pub(crate) fn new(rate: SampleRate) -> Result<Self, CodecError> {
        Ok(Self {
            rate,
            decoder: Decoder::new(rate)?,
            next_seq: None,
            pcm: VecDeque::with_capacity(rate.samples_in_ms(MOST_MS) + rate.max_packet_samples()),
            scratch: vec![0; rate.max_packet_samples()],
            flowing: false,
            concealed_in_a_row: 0,
        })
    }

    /// Takes one Opus packet with its extended RTP sequence number, in the order of arrival.
    pub(crate) fn packet(&mut self, seq: u64, packet: &[u8]) {
        let lost = match self.next_seq {
            Some(next) if seq < next && next - seq < NEW_STREAM => return,
            Some(next) => seq.saturating_sub(next),
            None => 0,
        };
        self.next_seq = Some(seq + 1);
        if lost > 0 && lost <= MOST_CONCEALED {
            self.fill_in(lost, packet);
        }
        // A packet that libopus refuses is as good as lost; the next one shows the hole.
        if let Ok(samples) = self.decoder.decode(packet, &mut self.scratch) {
            self.append(samples);
        }
    }

    /// The next 20 ms.
    pub(crate) fn next_frame(&mut self) -> Frame {
        let mut frame = Frame::silence(self.rate);
        self.flowing |= self.pcm.len() >= self.rate.samples_in_ms(START_MS);
        if !self.flowing {
            return frame;
        }
        let out = frame.as_mut_slice();
        if self.pcm.len() >= out.len() {
            let count = out.len();
            for (to, from) in out.iter_mut().zip(self.pcm.drain(..count)) {
                *to = from;
            }
            self.concealed_in_a_row = 0;
        } else if self.concealed_in_a_row < MOST_CONCEALED {
            // Late, most likely: bridge the hole; what comes then is heard that much later.
            self.concealed_in_a_row += 1;
            if self.decoder.conceal(out).is_err() {
                out.fill(0);
            }
        } else {
            self.flowing = false;
            self.concealed_in_a_row = 0;
            self.pcm.clear();
        }
        frame
    }

    /// Forgets everything: another participant is listened to.
    pub(crate) fn reset(&mut self) -> Result<(), CodecError> {
        *self = Self::new(self.rate)?;
        Ok(())
    }

    /// Replaces `lost` packets (taken for 20 ms each) before `packet`, which may carry a copy of the last.
    fn fill_in(&mut self, lost: u64, packet: &[u8]) {
        let frame = self.rate.frame_samples();
        for missing in (0..lost).rev() {
            let out = &mut self.scratch[..frame];
            let made =
                if missing == 0 { self.decoder.decode_fec(packet, out) } else { self.decoder.conceal(out) };
            if let Ok(samples) = made {
                self.append(samples);
            }
        }
    }

    fn append(&mut self, samples: usize) {
        self.pcm.extend(&self.scratch[..samples]);
        if self.pcm.len() > self.rate.samples_in_ms(MOST_MS) {
            let excess = self.pcm.len() - self.rate.samples_in_ms(START_MS);
            self.pcm.drain(..excess);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audio::levels::{goertzel_dbfs, tone};
    use audio::opus::Encoder;

    const RATE: SampleRate = SampleRate::Hz16000;

    /// A second of 440 Hz at −12 dBFS as Opus packets.
    fn packets() -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(RATE).expect("encoder");
        let mut packet = [0; 1275];
        tone(RATE, 440.0, -12.0, 16_000)
            .chunks(RATE.frame_samples())
            .map(|frame| {
                let length = encoder.encode(frame, &mut packet).expect("encodes");
                packet[..length].to_vec()
            })
            .collect()
    }

    /// What is heard of `arrivals`: per frame time, the packets that arrive in it.
    fn hear(arrivals: &[Vec<u64>]) -> Vec<Vec<i16>> {
        let packets = packets();
        let mut incoming = Incoming::new(RATE).expect("decoder");
        let mut frames = Vec::new();
        for arriving in arrivals {
            for &seq in arriving {
                incoming.packet(1000 + seq, &packets[seq as usize]);
            }
            frames.push(incoming.next_frame().as_slice().to_vec());
        }
        frames
    }

    fn level(frame: &[i16]) -> f64 {
        goertzel_dbfs(frame, RATE, 440.0)
    }

    /// Levels of the frames from the 5th on, when a tone is under way.
    fn levels_under_way(frames: &[Vec<i16>]) -> Vec<f64> {
        frames[5..].iter().map(|frame| level(frame)).collect()
    }

    #[test]
    fn a_steady_stream_comes_out_whole() {
        let frames = hear(&(0..50).map(|n| vec![n]).collect::<Vec<_>>());
        assert_eq!(frames[0], vec![0; 320], "one packet is not enough to start");
        for level in levels_under_way(&frames) {
            assert!((level + 12.0).abs() < 1.0, "{level}");
        }
    }

    #[test]
    fn jitter_of_a_packet_is_not_heard() {
        // From the 10th on, packets come in pairs every 40 ms.
        let arrivals: Vec<Vec<u64>> = (0..50)
            .map(|n| match n {
                0..10 => vec![n],
                _ if n % 2 == 1 => vec![n - 1, n],
                _ => vec![],
            })
            .collect();
        for level in levels_under_way(&hear(&arrivals)) {
            assert!((level + 12.0).abs() < 1.0, "{level}");
        }
    }

    #[test]
    fn lost_packets_are_filled_in_and_a_late_one_changes_nothing() {
        let lossy: Vec<Vec<u64>> = (0..50).map(|n| if n % 10 == 9 { vec![] } else { vec![n] }).collect();
        let frames = hear(&lossy);
        // A guess at a pure tone is a weaker tone, but far from the −120 dBFS of silence.
        for level in levels_under_way(&frames) {
            assert!(level > -35.0, "{level}");
        }
        let late: Vec<Vec<u64>> = (0..50)
            .map(|n| match n {
                n if n % 10 == 9 => vec![],
                n if n % 10 == 2 && n > 10 => vec![n - 3, n],
                n => vec![n],
            })
            .collect();
        assert_eq!(hear(&late), frames);
    }

    #[test]
    fn a_long_hole_becomes_silence_and_sound_starts_again() {
        let arrivals: Vec<Vec<u64>> =
            (0..50).map(|n| if (20..35).contains(&n) { vec![] } else { vec![n] }).collect();
        let frames = hear(&arrivals);
        assert_eq!(frames[30], vec![0; 320]);
        assert!(level(&frames[45]) > -15.0);
    }

    #[test]
    fn a_burst_does_not_become_lasting_delay() {
        let packets = packets();
        let mut incoming = Incoming::new(RATE).expect("decoder");
        for (seq, packet) in (0..).zip(&packets) {
            incoming.packet(seq, packet);
            assert!(incoming.pcm.len() <= RATE.samples_in_ms(MOST_MS));
        }
    }

    #[test]
    fn a_new_stream_is_heard_though_its_numbers_start_again() {
        let packets = packets();
        let mut incoming = Incoming::new(RATE).expect("decoder");
        incoming.packet(70_000, &packets[0]);
        for (seq, packet) in (3..).zip(&packets[..3]) {
            incoming.packet(seq, packet);
        }
        assert_eq!(incoming.pcm.len(), 4 * RATE.frame_samples());
        incoming.packet(5, &[]);
        incoming.packet(6, &[]);
        assert_eq!(incoming.next_seq, Some(7), "a broken packet is a lost one");
    }
}
