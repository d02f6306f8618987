//! Pure sound: mono 16-bit PCM in 20 ms frames, Opus, playout, levels and Ogg files.
//!
//! Nothing here waits, reads a clock or opens a socket. Every sample is a signed 16-bit value of one
//! channel; "samples" without more words are counted at the rate that the value was made with.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod counts;
pub mod levels;
pub mod mos;
pub mod ogg;
pub mod opus;
pub mod playout;

pub use counts::HopCounts;
pub use playout::{FrameKind, Head, Playout};

/// Length of one frame in milliseconds: what the room is sent per packet and the agent per message.
pub const FRAME_MS: u32 = 20;

/// Longest audio in one Opus packet, in milliseconds (RFC 6716 §3.2.5).
pub const MAX_PACKET_MS: u32 = 120;

/// The clock of every Opus RTP stream and Ogg Opus file, in Hz (RFC 7587 §4.1, RFC 7845 §4).
pub const OPUS_CLOCK_HZ: u32 = 48_000;

/// The rates that Opus codes natively and that voice agents offer. 12 kHz is left out: no agent has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SampleRate {
    /// 8 kHz: narrowband, what G.711 carries.
    Hz8000,
    /// 16 kHz: wideband.
    Hz16000,
    /// 24 kHz: super-wideband.
    Hz24000,
    /// 48 kHz: fullband.
    Hz48000,
}

/// A rate that is none of [`SampleRate`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sample rate {0} Hz is not supported: use 8000, 16000, 24000 or 48000")]
pub struct UnsupportedRate(pub u32);

impl SampleRate {
    /// All rates, lowest first.
    pub const ALL: [Self; 4] = [Self::Hz8000, Self::Hz16000, Self::Hz24000, Self::Hz48000];

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz24000 => 24_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Samples in one frame of [`FRAME_MS`].
    pub const fn frame_samples(self) -> usize {
        self.samples_in_ms(FRAME_MS)
    }

    /// Samples in the longest Opus packet; a decode buffer of this size is always large enough.
    pub const fn max_packet_samples(self) -> usize {
        self.samples_in_ms(MAX_PACKET_MS)
    }

    /// Samples in `ms` milliseconds. Exact: every rate is a whole number of samples a millisecond.
    pub const fn samples_in_ms(self, ms: u32) -> usize {
        (self.hz() / 1000) as usize * ms as usize
    }

    /// How many ticks of the 48 kHz Opus clock one sample lasts.
    pub const fn ticks_per_sample(self) -> u32 {
        OPUS_CLOCK_HZ / self.hz()
    }
}

impl TryFrom<u32> for SampleRate {
    type Error = UnsupportedRate;

    fn try_from(hz: u32) -> Result<Self, UnsupportedRate> {
        Self::ALL.into_iter().find(|rate| rate.hz() == hz).ok_or(UnsupportedRate(hz))
    }
}

impl std::fmt::Display for SampleRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz", self.hz())
    }
}

/// One frame of PCM by value: what crosses channels between tasks without touching the heap.
#[derive(Clone)]
pub struct Frame {
    samples: [i16; Frame::CAPACITY],
    len: usize,
}

impl Frame {
    /// The most samples that a frame holds: 20 ms at 48 kHz.
    pub const CAPACITY: usize = SampleRate::Hz48000.frame_samples();

    /// One frame of silence at `rate`.
    pub fn silence(rate: SampleRate) -> Self {
        Self { samples: [0; Self::CAPACITY], len: rate.frame_samples() }
    }

    /// A frame with a copy of `samples`, or `None` if they are more than [`Frame::CAPACITY`].
    pub fn from_slice(samples: &[i16]) -> Option<Self> {
        let mut frame = Self { samples: [0; Self::CAPACITY], len: samples.len() };
        frame.samples.get_mut(..samples.len())?.copy_from_slice(samples);
        Some(frame)
    }

    /// The samples.
    pub fn as_slice(&self) -> &[i16] {
        &self.samples[..self.len]
    }

    /// The samples, to write into. The length stays as it is.
    pub fn as_mut_slice(&mut self) -> &mut [i16] {
        &mut self.samples[..self.len]
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

/// The length only: nobody wants 960 samples in a log line.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} samples)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_know_their_frames() {
        let frames: Vec<_> = SampleRate::ALL.iter().map(|rate| rate.frame_samples()).collect();
        assert_eq!(frames, [160, 320, 480, 960]);
        assert_eq!(SampleRate::try_from(24_000), Ok(SampleRate::Hz24000));
        let error = SampleRate::try_from(44_100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sample rate 44100 Hz is not supported: use 8000, 16000, 24000 or 48000"
        );
    }

    #[test]
    fn a_frame_holds_what_it_was_given_and_no_more_than_it_can() {
        let frame = Frame::from_slice(&[1, 2, 3]).unwrap();
        assert_eq!(frame.as_slice(), [1, 2, 3]);
        assert!(Frame::from_slice(&[0; Frame::CAPACITY]).is_some());
        assert!(Frame::from_slice(&[0; Frame::CAPACITY + 1]).is_none());
        assert_eq!(Frame::silence(SampleRate::Hz16000).as_slice(), [0; 320]);
    }
}
