use std::time::Duration;

use audio::levels;
use audio::opus::Decoder;

use super::*;

const MS: Duration = Duration::from_millis(1);
const RATE: SampleRate = SampleRate::Hz16000;

/// The way of the agent's voice from its first sample to the room's ears, in virtual time.
struct Line {
    start: Instant,
    out: AudioOut,
    speaking: Speaking,
    /// When each packet left, in milliseconds, and the packet.
    left: Vec<(u64, AudioPacket)>,
}

impl Line {
    fn new() -> Self {
        let (start, out) = (crate::clock::now(), AudioOut::new(RATE));
        let mut speaking = Speaking::new(RATE, out.clone(), None).expect("a codec");
        speaking.begin(start);
        Self { start, out, speaking, left: Vec::new() }
    }

    fn push(&self, pcm: &[i16]) {
        assert_eq!(self.out.push(self.out.utterance(), pcm), 0);
    }

    fn run(&mut self, span_ms: std::ops::Range<u64>) {
        for at_ms in span_ms {
            let now = self.start + MS * u32::try_from(at_ms).expect("a short story");
            if let Some(packet) = self.speaking.next_packet(now) {
                self.left.push((at_ms, packet));
            }
        }
    }

    /// What is heard of each packet, decoded in order.
    fn heard(&self) -> Vec<(u64, Vec<i16>)> {
        let mut decoder = Decoder::new(RATE).expect("a codec");
        let mut pcm = vec![0; RATE.max_packet_samples()];
        let mut decode = |packet: &AudioPacket| {
            let samples = decoder.decode(&packet.payload, &mut pcm).expect("a packet of ours");
            pcm[..samples].to_vec()
        };
        self.left.iter().map(|(at_ms, packet)| (*at_ms, decode(packet))).collect()
    }
}

/// A click in the middle of 20 ms of silence.
fn click() -> Vec<i16> {
    let mut pcm = vec![0; RATE.frame_samples()];
    pcm[160..168].copy_from_slice(&[24_000, -24_000, 24_000, -24_000, 24_000, -24_000, 24_000, -24_000]);
    pcm
}

#[test]
fn a_sound_that_comes_in_silence_is_no_later_than_the_codec_makes_it() {
    for comes_at_ms in 107..127 {
        let mut line = Line::new();
        line.run(0..comes_at_ms);
        line.push(&click());
        line.run(comes_at_ms..300);
        let heard = line.heard();
        let loudest = |pcm: &[i16]| {
            pcm.iter().map(|sample| sample.unsigned_abs()).enumerate().max_by_key(|(_, peak)| *peak)
        };
        let (at_ms, (sample, peak)) = heard
            .iter()
            .filter_map(|(at_ms, pcm)| Some((*at_ms, loudest(pcm)?)))
            .max_by_key(|(_, (_, peak))| *peak)
            .expect("packets");
        assert!(peak > 3000, "it came at {comes_at_ms} ms, and was heard at {peak}");
        // Where it was in its message, in samples since that came.
        let delay = (at_ms - comes_at_ms) as i64 * 16 + sample as i64 - 164;
        // 6.5 ms of that are the encoder's lookahead; 5 ms may be the way to the packet before.
        assert!((90..=190).contains(&delay), "it came at {comes_at_ms} ms, {delay} samples of delay");
    }
}

#[test]
fn nothing_stale_leaves_more_than_20_ms_after_a_clear_however_far_the_agent_is_ahead() {
    for ahead_ms in [100, 30_000] {
        for clear_at_ms in 200..220 {
            let mut line = Line::new();
            let voice = levels::tone(RATE, 440.0, -12.0, RATE.samples_in_ms(ahead_ms + 200));
            line.run(0..7);
            for (nth, message) in voice.chunks(RATE.frame_samples()).enumerate() {
                // All that is further ahead is there at the beginning.
                let comes_ms = (nth as u64 * 20).saturating_sub(u64::from(ahead_ms)) + 7;
                if comes_ms >= clear_at_ms {
                    break;
                }
                let from = line.left.last().map_or(7, |(at_ms, _)| at_ms + 1).max(7);
                line.run(from..comes_ms);
                line.push(message);
            }
            let from = line.left.last().map_or(7, |(at_ms, _)| at_ms + 1);
            line.run(from..clear_at_ms);
            line.out.clear();
            line.run(clear_at_ms..clear_at_ms + 400);
            let stale = line
                .heard()
                .into_iter()
                .filter(|(_, pcm)| levels::rms_dbfs(pcm) > -60.0)
                .map(|(at_ms, _)| at_ms);
            let last = stale.max().expect("it was heard before");
            assert!(
                last <= clear_at_ms + 20,
                "{ahead_ms} ms ahead, cut at {clear_at_ms}: heard until {last}"
            );
            assert!(line.left.iter().all(|(_, packet)| packet.rtp_time % FRAME_TICKS == 0));
        }
    }
}

#[test]
fn the_first_packet_after_silence_is_marked_and_no_other() {
    let mut line = Line::new();
    line.run(0..45);
    for from in [45, 245] {
        line.push(&levels::tone(RATE, 440.0, -12.0, RATE.samples_in_ms(100)));
        line.run(from..from + 200);
    }
    let marked: Vec<u64> =
        line.left.iter().filter(|(_, packet)| packet.first_of_talk).map(|(at_ms, _)| *at_ms).collect();
    assert_eq!(marked, [45, 245]);
}
