//! The two files of a recording, each with a clock that starts at the answer.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use audio::ogg::{OggError, OggOpusWriter};
use cloud::call_folder::Recording;
use room_client::{Direction, TappedPacket};
use tempfile::TempDir;

/// 48 kHz samples in a millisecond: the clock of RTP and of Ogg Opus.
const TICKS_PER_MS: u64 = 48;
/// RTP time and our clock may differ by this much: jitter and drift do. More is another clock: the track was
/// published anew, or its sender stood still.
const SAME_CLOCK: u64 = 1000 * TICKS_PER_MS;

/// Two files in a folder of our own.
pub struct Tracks {
    started: Instant,
    folder: TempDir,
    callee: Track,
    agent: Track,
}

struct Track {
    writer: OggOpusWriter<BufWriter<File>>,
    /// An RTP time and its place in the file.
    anchor: Option<(u32, u64)>,
}

impl Tracks {
    /// Empty files that start at `started`.
    pub fn create(started: Instant) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no place for the recordings")?;
        let callee = Track::create(&folder.path().join(Recording::Callee.file_name()), 1)?;
        let agent = Track::create(&folder.path().join(Recording::Agent.file_name()), 2)?;
        Ok(Self { started, folder, callee, agent })
    }

    /// Puts a packet where it was heard.
    ///
    /// # Errors
    /// When the disk fails. A packet that is none is left out.
    pub fn write(&mut self, packet: &TappedPacket) -> anyhow::Result<()> {
        if packet.at < self.started {
            return Ok(());
        }
        let came = ticks(self.started, packet.at);
        let track = match packet.direction {
            Direction::FromCallee => &mut self.callee,
            Direction::ToCallee => &mut self.agent,
        };
        track.write(came, packet.rtp_time, &packet.payload)
    }

    /// Makes both files end at `stopped`; they are in the folder, which goes when it is dropped.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(self, stopped: Instant) -> anyhow::Result<TempDir> {
        let end = ticks(self.started, stopped);
        self.callee.writer.finish(end)?;
        self.agent.writer.finish(end)?;
        Ok(self.folder)
    }
}

impl Track {
    fn create(path: &Path, serial: u32) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { writer: OggOpusWriter::new(BufWriter::new(file), serial, &[])?, anchor: None })
    }

    /// The first packet's place is when it came; those after it follow by their RTP time, which knows
    /// what jitter hides. One that comes too late is left out.
    fn write(&mut self, came: u64, rtp_time: u32, payload: &[u8]) -> anyhow::Result<()> {
        let by_rtp = self.anchor.and_then(|(rtp, place)| {
            // Modulo 2^32, the near way round: what was sent before the anchor is before it.
            let after = i64::from(rtp_time.wrapping_sub(rtp).cast_signed());
            place.checked_add_signed(after).filter(|at| at.abs_diff(came) <= SAME_CLOCK)
        });
        let at = by_rtp.unwrap_or_else(|| self.anchor.insert((rtp_time, came)).1);
        if at < self.writer.position() {
            return Ok(());
        }
        match self.writer.write(at, payload) {
            Ok(()) | Err(OggError::NotOpus(_) | OggError::Gap(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn ticks(from: Instant, to: Instant) -> u64 {
    let ms = u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or_default();
    ms * TICKS_PER_MS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 20 ms of Opus silence (RFC 6716 §3.1: CELT, fullband, one frame).
    const PACKET: &[u8] = &[0xf8, 0xff, 0xfe];
    const FRAME: u32 = 960;
    const SECOND: u64 = 48_000;

    fn track(folder: &TempDir) -> Track {
        Track::create(&folder.path().join("track.opus"), 1).unwrap()
    }

    /// A second of packets that come in time from `came` on, the first with `rtp`.
    fn talk(track: &mut Track, came: u64, rtp: u32) {
        for nth in 0..50 {
            let at = came + u64::from(nth * FRAME);
            track.write(at, rtp.wrapping_add(nth * FRAME), PACKET).unwrap();
        }
    }

    #[test]
    fn a_packet_that_is_none_is_left_out_and_the_file_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut track = track(&folder);
        talk(&mut track, 0, 7);
        track.write(SECOND, 7 + 48_000, &[]).unwrap();
        track.write(SECOND, 7 + 48_000, &[0xfb]).unwrap();
        talk(&mut track, SECOND, 7 + 48_000);
        assert_eq!(track.writer.position(), 2 * SECOND);
    }

    #[test]
    fn a_track_that_is_published_anew_goes_on_by_our_clock() {
        let folder = tempfile::tempdir().unwrap();
        for base in [0, 1_000_000_000, 2_000_000_000, 3_000_000_000, u32::MAX - 10_000] {
            let mut track = track(&folder);
            talk(&mut track, SECOND, 123_456);
            talk(&mut track, 5 * SECOND, base);
            assert_eq!(track.writer.position(), 6 * SECOND, "base {base}");
        }
    }

    #[test]
    fn jitter_does_not_move_a_packet_and_what_is_too_late_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut track = track(&folder);
        let near_the_end = u32::MAX - 2 * FRAME;
        track.write(SECOND, near_the_end, PACKET).unwrap();
        track.write(SECOND + 20_000, near_the_end.wrapping_add(3 * FRAME), PACKET).unwrap();
        assert_eq!(track.writer.position(), SECOND + 4 * u64::from(FRAME));
        track.write(SECOND + 20_000, near_the_end.wrapping_add(FRAME), PACKET).unwrap();
        track.write(SECOND + 20_000, near_the_end.wrapping_sub(FRAME), PACKET).unwrap();
        assert_eq!(track.writer.position(), SECOND + 4 * u64::from(FRAME));
    }
}
