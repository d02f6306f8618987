//! The recorder: both directions as the packets were, from the answer on.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use audio::ogg::OggOpusWriter;
use calls::call::{Input, SoundEvent};
use calls::ids::AttemptId;
use cloud::call_folder::{CallFolders, Recording};
use room_client::{Direction, TappedPacket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::perform::News;

/// 48 kHz samples in a millisecond: the clock of RTP and of Ogg Opus.
const TICKS_PER_MS: u64 = 48;

/// What the recorder wants to be told.
pub enum Tape {
    /// The callee answered: the files start here.
    Start(Instant),
    /// The call is over: store the files, if any.
    Stop(Instant),
}

/// Runs beside a call, whether it is recorded or not: it also notices the callee's first packet.
pub fn start(
    record: bool,
    mut packets: mpsc::Receiver<TappedPacket>,
    mut tape: mpsc::UnboundedReceiver<Tape>,
    folders: CallFolders,
    attempt: AttemptId,
    news: mpsc::UnboundedSender<News>,
) -> JoinHandle<anyhow::Result<()>> {
    tokio::spawn(async move {
        let started = loop {
            tokio::select! {
                Some(_) = packets.recv() => {}
                told = tape.recv() => match told {
                    Some(Tape::Start(at)) => break at,
                    Some(Tape::Stop(_)) | None => return Ok(()),
                },
            }
        };
        let mut tracks = if record { Some(Tracks::create()?) } else { None };
        let mut heard = false;
        let stopped = loop {
            tokio::select! {
                Some(packet) = packets.recv() => {
                    if packet.direction == Direction::FromCallee && !std::mem::replace(&mut heard, true) {
                        let _ = news.send(News::Of(Input::Sound(SoundEvent::CalleeHeard)));
                    }
                    if let Some(tracks) = &mut tracks {
                        tracks.write(started, &packet)?;
                    }
                }
                told = tape.recv() => match told {
                    Some(Tape::Stop(at)) => break Some(at),
                    Some(Tape::Start(_)) => {}
                    None => break None,
                },
            }
        };
        match tracks {
            Some(tracks) => tracks.store(started, stopped.unwrap_or(started), &folders, &attempt).await,
            None => Ok(()),
        }
    })
}

/// Two files in a folder of our own, each with a clock that starts at the answer.
struct Tracks {
    folder: tempfile::TempDir,
    callee: Track,
    agent: Track,
}

struct Track {
    writer: OggOpusWriter<BufWriter<File>>,
    /// RTP time and file position of the first packet.
    origin: Option<(u32, u64)>,
}

impl Tracks {
    fn create() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no place for the recordings")?;
        let callee = Track::create(&folder.path().join(Recording::Callee.file_name()), 1)?;
        let agent = Track::create(&folder.path().join(Recording::Agent.file_name()), 2)?;
        Ok(Self { folder, callee, agent })
    }

    fn write(&mut self, started: Instant, packet: &TappedPacket) -> anyhow::Result<()> {
        match packet.direction {
            Direction::FromCallee => self.callee.write(started, packet),
            Direction::ToCallee => self.agent.write(started, packet),
        }
    }

    async fn store(
        self,
        started: Instant,
        stopped: Instant,
        folders: &CallFolders,
        attempt: &AttemptId,
    ) -> anyhow::Result<()> {
        let end = ticks(started, stopped);
        self.callee.writer.finish(end)?;
        self.agent.writer.finish(end)?;
        for recording in [Recording::Callee, Recording::Agent] {
            folders
                .put_recording(attempt, recording, &self.folder.path().join(recording.file_name()))
                .await?;
        }
        Ok(())
    }
}

impl Track {
    fn create(path: &Path, serial: u32) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { writer: OggOpusWriter::new(BufWriter::new(file), serial, &[])?, origin: None })
    }

    /// The first packet's place is when it came; those after it follow by their RTP time, which knows
    /// what jitter hides. A packet from before the start, or one that comes too late, is left out.
    fn write(&mut self, started: Instant, packet: &TappedPacket) -> anyhow::Result<()> {
        let (rtp, place) = match self.origin {
            Some(origin) => origin,
            None if packet.at < started => return Ok(()),
            None => *self.origin.insert((packet.rtp_time, ticks(started, packet.at))),
        };
        let after = packet.rtp_time.wrapping_sub(rtp);
        let at = place + u64::from(after);
        if after > u32::MAX / 2 || at < self.writer.position() {
            return Ok(());
        }
        self.writer.write(at, &packet.payload)?;
        Ok(())
    }
}

fn ticks(from: Instant, to: Instant) -> u64 {
    let ms = u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or_default();
    ms * TICKS_PER_MS
}
