//! The recorder: both directions as the packets were, from the answer on.

mod tracks;

use std::time::Instant;

use anyhow::Context as _;
use calls::call::{Input, SoundEvent};
use calls::ids::AttemptId;
use cloud::call_folder::{CallFolders, Recording};
use room_client::{Direction, TappedPacket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::perform::News;
use tracks::Tracks;

/// Packets that may wait for the disk: two seconds of both directions. What comes beyond them is left out.
const WAITING_PACKETS: usize = 200;

/// What the recorder wants to be told.
pub enum Tape {
    /// The callee answered: the files start here.
    Start(Instant),
    /// The call is over: store the files, if any.
    Stop(Instant),
}

/// Runs beside a call, whether it is recorded or not: it also tells of the callee's first packet.
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
        let writer = record.then(|| Writer::start(started));
        let mut heard = false;
        let stopped = loop {
            tokio::select! {
                Some(packet) = packets.recv() => {
                    // Told first: a disk that fails harms the recording alone.
                    if packet.direction == Direction::FromCallee && !std::mem::replace(&mut heard, true) {
                        let _ = news.send(News::Of(Input::Sound(SoundEvent::CalleeHeard)));
                    }
                    if let Some(writer) = &writer {
                        writer.write(packet);
                    }
                }
                told = tape.recv() => match told {
                    Some(Tape::Stop(at)) => break at,
                    Some(Tape::Start(_)) => {}
                    None => break started,
                },
            }
        };
        match writer {
            Some(writer) => store(&writer.finish(stopped).await?, &folders, &attempt).await,
            None => Ok(()),
        }
    })
}

/// A thread that writes files: the one that carries the call never waits for a disk.
struct Writer {
    work: mpsc::Sender<Work>,
    thread: JoinHandle<anyhow::Result<tempfile::TempDir>>,
}

enum Work {
    Write(TappedPacket),
    Finish(Instant),
}

impl Writer {
    fn start(started: Instant) -> Self {
        let (work, mut inbox) = mpsc::channel(WAITING_PACKETS);
        let thread = tokio::task::spawn_blocking(move || {
            let mut tracks = Tracks::create(started)?;
            let mut stopped = started;
            while let Some(next) = inbox.blocking_recv() {
                match next {
                    Work::Write(packet) => tracks.write(&packet)?,
                    Work::Finish(at) => stopped = at,
                }
            }
            tracks.finish(stopped)
        });
        Self { work, thread }
    }

    fn write(&self, packet: TappedPacket) {
        // A thread that has failed takes nothing any more, and says why at the end.
        let _ = self.work.try_send(Work::Write(packet));
    }

    async fn finish(self, stopped: Instant) -> anyhow::Result<tempfile::TempDir> {
        let _ = self.work.send(Work::Finish(stopped)).await;
        drop(self.work);
        self.thread.await.context("the recorder broke")?
    }
}

async fn store(folder: &tempfile::TempDir, folders: &CallFolders, attempt: &AttemptId) -> anyhow::Result<()> {
    for recording in [Recording::Callee, Recording::Agent] {
        folders.put_recording(attempt, recording, &folder.path().join(recording.file_name())).await?;
    }
    Ok(())
}
