//! Opus speech coding at the agent's own sample rate: libopus resamples inside, so nothing else has to.

use crate::{MAX_PACKET_MS, OPUS_CLOCK_HZ, SampleRate};

/// Target bit rate of a call in bit/s. Bits cost less than CPU: at this rate and [`COMPLEXITY`] wideband speech comes
/// back as good as at 32 kbit/s and complexity 5, better than with FEC there, and from half or two fifths of the CPU.
/// Of synthetic speech in five languages, with libopus 1.3.1: ITU-T P.862.2 gives 4.3, against 4.3 and 3.8; P.862 behind
/// G.711 gives 3.9, against 3.9 and 3.7.
const BITRATE: i32 = 56_000;

/// 2 and 3 cost twice as much and sound worse; 0 costs as much.
const COMPLEXITY: i32 = 1;

/// Of what is kept or sent with copies, where CPU does not matter.
const THOROUGH: i32 = 5;

/// A frame that could not be coded, or a packet that could not be decoded. The codec stays usable.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// libopus refused: a broken packet, a frame length that Opus has not, or too small a buffer.
    #[error("{0}")]
    Opus(#[from] opus::Error),
    /// A packet of no bytes. libopus would take it for a lost one.
    #[error("an Opus packet has at least one byte")]
    EmptyPacket,
}

/// Mono speech encoder: VoIP mode, no DTX (a track that pauses looks like a dead one).
pub struct Encoder {
    inner: opus::Encoder,
}

impl Encoder {
    /// A call's encoder, which takes PCM at `rate`. Wideband at most, as is the best of telephones (G.722). No in-band
    /// FEC: livekit-sip decodes what comes and asks no packet for a copy of the one before (its media-sdk,
    /// `opus/opus.go`), so copies cost bits, CPU and sound for nothing.
    ///
    /// # Errors
    /// When libopus cannot allocate its state.
    pub fn new(rate: SampleRate) -> Result<Self, CodecError> {
        Self::with(rate, BITRATE, COMPLEXITY)
    }

    /// The same for what is kept: `bitrate` in bit/s, 500 to 512 000.
    ///
    /// # Errors
    /// When libopus refuses the bit rate or cannot allocate its state.
    pub fn with_bitrate(rate: SampleRate, bitrate: i32) -> Result<Self, CodecError> {
        Self::with(rate, bitrate, THOROUGH)
    }

    /// A sender that prepares for packets that are lost, `expected_loss` in per cent, by in-band FEC. It is what makes
    /// libopus spend bits on it at all.
    ///
    /// # Errors
    /// When libopus refuses the share or cannot allocate its state.
    pub fn with_fec(rate: SampleRate, expected_loss: i32) -> Result<Self, CodecError> {
        let mut encoder = Self::with(rate, 32_000, THOROUGH)?;
        encoder.inner.set_inband_fec(true)?;
        encoder.inner.set_packet_loss_perc(expected_loss)?;
        Ok(encoder)
    }

    fn with(rate: SampleRate, bitrate: i32, complexity: i32) -> Result<Self, CodecError> {
        let mut inner = opus::Encoder::new(rate.hz(), opus::Channels::Mono, opus::Application::Voip)?;
        inner.set_bitrate(opus::Bitrate::Bits(bitrate))?;
        inner.set_max_bandwidth(opus::Bandwidth::Wideband)?;
        inner.set_complexity(complexity)?;
        inner.set_dtx(false)?;
        Ok(Self { inner })
    }

    /// Encodes one frame (2.5, 5, 10, 20, 40 or 60 ms of samples) into `out` and returns the packet's
    /// bytes. 1275 bytes are enough for any frame of up to 20 ms (RFC 6716 §3.2.1).
    ///
    /// # Errors
    /// For any other frame length, or when the packet does not fit into `out`.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        Ok(self.inner.encode(pcm, out)?)
    }
}

/// Mono decoder, at a rate of the caller's choice whatever the sender encoded.
pub struct Decoder {
    inner: opus::Decoder,
}

impl Decoder {
    /// A decoder that gives PCM at `rate`.
    ///
    /// # Errors
    /// When libopus cannot allocate its state.
    pub fn new(rate: SampleRate) -> Result<Self, CodecError> {
        Ok(Self { inner: opus::Decoder::new(rate.hz(), opus::Channels::Mono)? })
    }

    /// Forgets what it has decoded: another stream follows.
    ///
    /// # Errors
    /// None that is known of; libopus could refuse.
    pub fn reset(&mut self) -> Result<(), CodecError> {
        Ok(self.inner.reset_state()?)
    }

    /// Decodes one packet of up to 120 ms into `out`, which [`SampleRate::max_packet_samples`] always
    /// fits; returns the samples written. Stereo packets are mixed down.
    ///
    /// # Errors
    /// For a packet that is empty or broken, or longer than `out`.
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if packet.is_empty() {
            return Err(CodecError::EmptyPacket);
        }
        Ok(self.inner.decode(packet, out, false)?)
    }

    /// Fills `out` with a guess at what a lost packet held. Its length is the time that is missing, a
    /// multiple of 2.5 ms; returns the samples written.
    ///
    /// # Errors
    /// For a length that is no multiple of 2.5 ms.
    pub fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        Ok(self.inner.decode(&[], out, false)?)
    }

    /// Fills `out` with the lost packet's copy inside `next_packet`, the one right after the loss; falls
    /// back to concealment where there is no copy. `out` is as long as the time that is missing.
    /// `next_packet` itself still has to be decoded afterwards.
    ///
    /// # Errors
    /// For an empty or broken packet, or a length that is no multiple of 2.5 ms.
    pub fn decode_fec(&mut self, next_packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if next_packet.is_empty() {
            return Err(CodecError::EmptyPacket);
        }
        Ok(self.inner.decode(next_packet, out, true)?)
    }
}

/// How long each of a packet's Opus frames lasts, in samples at 48 kHz, by its TOC byte (RFC 6716 §3.1). `None` for a
/// packet of no bytes.
pub fn frame_duration_48k(packet: &[u8]) -> Option<u32> {
    let config = packet.first()? >> 3;
    Some(match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..=15 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    })
}

/// How long a packet lasts, in samples at 48 kHz, by its TOC byte (RFC 6716 §3.1) and, for code 3, the
/// frame count (§3.2.5). `None` for a packet that no decoder may take: empty, no frames, over 120 ms.
pub fn packet_duration_48k(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = frame_duration_48k(packet)?;
    let frames = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let duration = frame * frames;
    (duration > 0 && duration <= OPUS_CLOCK_HZ / 1000 * MAX_PACKET_MS).then_some(duration)
}

/// Whether `packet` carries a copy of the Opus frame before it, which [`Decoder::decode_fec`] rebuilds: the LBRR flags,
/// at the head of the SILK layer behind one VAD flag for each 20 ms (RFC 6716 §4.2.3). CELT alone has none.
pub fn carries_fec(packet: &[u8]) -> bool {
    let Ok(parsed) = opus::packet::parse(packet) else { return false };
    let config = packet[0] >> 3;
    let Some(&head) = parsed.frames.first().and_then(|frame| frame.first()) else { return false };
    let vad_flags = match config {
        0..=11 => [1, 1, 2, 3][usize::from(config % 4)],
        12..=15 => 1,
        _ => return false,
    };
    let middle = (head >> (7 - vad_flags)) & 1 == 1;
    // In stereo the side channel's flags follow those of the middle.
    let side = packet[0] & 0b100 != 0 && (head >> (6 - 2 * vad_flags)) & 1 == 1;
    middle || side
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::levels;

    /// `ms` of a sine at `hz`, at about −12 dBFS.
    fn tone(rate: SampleRate, hz: f64, ms: u32) -> Vec<i16> {
        levels::tone(rate, hz, -12.0, rate.samples_in_ms(ms))
    }

    #[test]
    fn a_tone_survives_the_round_trip_at_every_rate() {
        for rate in SampleRate::ALL {
            let (mut encoder, mut decoder) = (Encoder::new(rate).unwrap(), Decoder::new(rate).unwrap());
            let mut heard = Vec::new();
            let mut packet = [0; 1275];
            let mut pcm = vec![0; rate.max_packet_samples()];
            for frame in tone(rate, 1000.0, 1000).chunks(rate.frame_samples()) {
                let bytes = encoder.encode(frame, &mut packet).unwrap();
                assert_eq!(packet_duration_48k(&packet[..bytes]), Some(960));
                let samples = decoder.decode(&packet[..bytes], &mut pcm).unwrap();
                assert_eq!(samples, rate.frame_samples());
                heard.extend_from_slice(&pcm[..samples]);
            }
            let steady = &heard[heard.len() / 4..];
            let at_tone = levels::goertzel_dbfs(steady, rate, 1000.0);
            assert!((at_tone + 12.0).abs() < 1.5, "{rate}: the tone came back at {at_tone} dBFS");
            let elsewhere = levels::goertzel_dbfs(steady, rate, 2200.0);
            assert!(elsewhere < at_tone - 25.0, "{rate}: {elsewhere} dBFS at 2200 Hz");
        }
    }

    #[test]
    fn packets_of_120_ms_are_decoded_whole() {
        let rate = SampleRate::Hz16000;
        let (mut encoder, mut decoder) = (Encoder::new(rate).unwrap(), Decoder::new(rate).unwrap());
        let (mut packet, mut pcm) = ([0; 4000], vec![0; rate.max_packet_samples()]);
        let bytes = encoder.encode(&tone(rate, 440.0, 60), &mut packet).unwrap();
        let mut doubled = Vec::new();
        // Code 3, CBR, two frames of the same 60 ms.
        doubled.extend_from_slice(&[(packet[0] & !0b11) | 3, 2]);
        doubled.extend_from_slice(&packet[1..bytes]);
        doubled.extend_from_slice(&packet[1..bytes]);
        assert_eq!(packet_duration_48k(&doubled), Some(5760));
        assert_eq!(decoder.decode(&doubled, &mut pcm).unwrap(), rate.max_packet_samples());
    }

    #[test]
    fn a_lost_frame_is_rebuilt_from_the_next_packet() {
        let rate = SampleRate::Hz16000;
        let mut encoder = Encoder::with_fec(rate, 5).unwrap();
        let mut buffer = [0; 1275];
        let packets: Vec<Vec<u8>> = tone(rate, 300.0, 600)
            .chunks(rate.frame_samples())
            .map(|frame| {
                let bytes = encoder.encode(frame, &mut buffer).unwrap();
                buffer[..bytes].to_vec()
            })
            .collect();
        let mut decoder = Decoder::new(rate).unwrap();
        let mut pcm = vec![0; rate.max_packet_samples()];
        for packet in &packets[..20] {
            decoder.decode(packet, &mut pcm).unwrap();
        }
        let mut lost = vec![0; rate.frame_samples()];
        assert_eq!(decoder.decode_fec(&packets[21], &mut lost).unwrap(), rate.frame_samples());
        assert!(levels::goertzel_dbfs(&lost, rate, 300.0) > -16.0);
        decoder.decode(&packets[21], &mut pcm).unwrap();
        assert_eq!(decoder.conceal(&mut lost).unwrap(), rate.frame_samples());
        assert!(levels::rms_dbfs(&lost) > -25.0, "concealment goes on with the tone");
    }

    #[test]
    fn a_packet_tells_whether_it_carries_a_copy_of_the_one_before() {
        for (ms, fec) in [(10, true), (20, true), (40, true), (60, true), (20, false)] {
            for channels in [opus::Channels::Mono, opus::Channels::Stereo] {
                let mut encoder = opus::Encoder::new(16_000, channels, opus::Application::Voip).unwrap();
                encoder.set_bitrate(opus::Bitrate::Bits(24_000 * channels as i32)).unwrap();
                encoder.set_inband_fec(fec).unwrap();
                encoder.set_packet_loss_perc(20).unwrap();
                let mut copies = 0;
                for (n, frame) in tone(SampleRate::Hz16000, 300.0, 600 * channels as u32)
                    .chunks_exact(16 * ms * channels as usize)
                    .enumerate()
                {
                    let mut packet = [0; 4000];
                    let bytes = encoder.encode(frame, &mut packet).unwrap();
                    assert!(n > 0 || !carries_fec(&packet[..bytes]), "there is none before the first");
                    copies += usize::from(carries_fec(&packet[..bytes]));
                }
                assert_eq!(copies > 3, fec, "{ms} ms, {channels:?}: {copies} copies");
            }
        }
        assert!(!carries_fec(&[]));
        assert!(!carries_fec(&[0xf8, 0xff, 0xfe]), "CELT");
        assert!(!carries_fec(&[0x48]), "nothing in it");
    }

    #[test]
    fn a_decoder_that_forgets_is_as_good_as_new() {
        let rate = SampleRate::Hz16000;
        let mut encoder = Encoder::new(rate).unwrap();
        let (mut packet, mut pcm) = ([0; 1275], vec![0; rate.max_packet_samples()]);
        let bytes = encoder.encode(&tone(rate, 300.0, 20), &mut packet).unwrap();
        let mut decoder = Decoder::new(rate).unwrap();
        let mut first = vec![0; rate.frame_samples()];
        decoder.decode(&packet[..bytes], &mut first).unwrap();
        decoder.decode(&packet[..bytes], &mut pcm).unwrap();
        assert_ne!(pcm[..first.len()], first);
        decoder.reset().unwrap();
        decoder.decode(&packet[..bytes], &mut pcm).unwrap();
        assert_eq!(pcm[..first.len()], first);
    }

    #[test]
    fn durations_follow_the_toc_byte_as_libopus_reads_it() {
        for toc in 0..=255u8 {
            for count in 0..64u8 {
                let packet = [toc, count, 0, 0];
                let ours = packet_duration_48k(&packet);
                let theirs = opus::packet::get_nb_samples(&packet, OPUS_CLOCK_HZ).ok().filter(|n| *n > 0);
                assert_eq!(ours.map(|n| n as usize), theirs, "TOC {toc:#04x}, count byte {count:#04x}");
            }
        }
        assert_eq!(packet_duration_48k(&[]), None);
        assert_eq!(packet_duration_48k(&[0x03]), None);
    }

    #[test]
    fn nothing_decodes_from_no_bytes_or_to_too_small_a_buffer() {
        let rate = SampleRate::Hz48000;
        let mut decoder = Decoder::new(rate).unwrap();
        let mut pcm = vec![0; rate.max_packet_samples()];
        assert!(matches!(decoder.decode(&[], &mut pcm), Err(CodecError::EmptyPacket)));
        assert!(matches!(decoder.decode_fec(&[], &mut pcm[..960]), Err(CodecError::EmptyPacket)));
        assert!(decoder.decode(&[0xfb, 0], &mut pcm).is_err());
        assert!(decoder.decode(&[0xf8, 0xff, 0xfe], &mut pcm[..100]).is_err());
        assert_eq!(decoder.decode(&[0xf8, 0xff, 0xfe], &mut pcm).unwrap(), 960);
        let mut encoder = Encoder::new(rate).unwrap();
        assert!(encoder.encode(&[0; 961], &mut [0; 1275]).is_err());
    }
}
