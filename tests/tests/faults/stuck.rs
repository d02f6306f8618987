//! The call's own loop is stuck. Its log leads to a reader that reads no more, so that writing a line never ends: the
//! loop stands still in the middle of a call, and with it all that runs on its thread.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::{EndReason, OutcomeKind};
use rustix::fs::OFlags;
use sim::stack::Script;
use sim::ultravox::Trouble;
use tests::{person, story};

const LONGEST_CALL_SECONDS: i64 = 4;
const RING_SECONDS: i64 = 5;
/// How long after the longest call a call may take to end by itself.
const GRACE_SECONDS: i64 = 20;

/// Where a task logs to: read, until nobody reads it any more.
struct Log {
    pipe: File,
    said: String,
}

impl Log {
    fn at(path: &Path) -> Result<Self> {
        ensure!(Command::new("mkfifo").arg(path).status()?.success(), "no pipe");
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().read(true).write(true).custom_flags(nonblock).open(path)?;
        Ok(Self { pipe, said: String::new() })
    }

    /// Reads what is there, until the log says this.
    async fn says(&mut self, what: &str) -> Result<()> {
        let mut part = [0; 4096];
        for _ in 0..3000 {
            match self.pipe.read(&mut part) {
                Ok(length) => self.said.push_str(&String::from_utf8_lossy(&part[..length])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.said.contains(what) {
                        return Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        anyhow::bail!("it does not say {what:?}: {}", self.said)
    }

    /// Not one byte more fits.
    fn is_full_from_now_on(&mut self) -> Result<()> {
        for size in [4096, 1] {
            while self.pipe.write_all(&b"x".repeat(size)).is_ok() {}
        }
        Ok(())
    }
}

#[test]
fn the_longest_call_ends_all_the_same() {
    story(async |scene| {
        let arranged = scene.arrange().profile("/dial/maxCallSeconds", LONGEST_CALL_SECONDS);
        let mut call = arranged.plan().await?;
        let path = call.dir().join("bridge-task-0.log");
        let mut log = Log::at(&path)?;
        call.start_task()?;
        log.says("agent-connected").await?;
        log.is_full_from_now_on()?;
        // A message that is worth a line.
        call.vendor().goes_wrong(Trouble::SendText(r#"{"type":"of-tomorrow"}"#.to_owned()));

        let status = call.task(0)?.exit(Duration::from_secs(60)).await?;
        drop(log);
        std::fs::remove_file(&path)?;
        let ended = call.ends().await?;
        ensure!(status.code() == Some(1), "a system error: {status:?}");
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Answered, "{outcome:#?}");
        ensure!(outcome.end_reason == Some(EndReason::MaxDuration), "{outcome:#?}");
        ensure!(outcome.detail.as_deref().is_some_and(|detail| detail.contains("stuck")), "{outcome:#?}");
        ensure!(outcome.agent_call_id.as_ref() == Some(&ended.agent()?.id), "{outcome:#?}");
        let leg = ended.leg()?;
        let answered = leg.answered_at_ms.context("not answered")?;
        let lasted = leg.ended_at_ms.context("its leg has no end")? - answered;
        let limit = (LONGEST_CALL_SECONDS + GRACE_SECONDS) * 1000;
        ensure!((limit - 500..limit + 20_000).contains(&lasted), "the leg lasted {lasted} ms");
        Ok(())
    });
}

#[test]
fn who_picks_up_at_a_bridge_that_is_stuck_is_not_kept_on_the_line() {
    story(async |scene| {
        let late = Script { answer_after_ms: Some(3000), ..person::talkative() };
        let mut call = scene.arrange().person(late).profile("/dial/ringSeconds", RING_SECONDS).plan().await?;
        let path = call.dir().join("bridge-task-0.log");
        let mut log = Log::at(&path)?;
        call.start_task()?;
        log.says("dialing").await?;
        // The next line, that it rings or is answered, is never written.
        log.is_full_from_now_on()?;

        let status = call.task(0)?.exit(Duration::from_secs(120)).await?;
        drop(log);
        std::fs::remove_file(&path)?;
        let ended = call.ends().await?;
        ensure!(status.code() == Some(1), "a system error: {status:?}");
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Unknown && !outcome.retryable, "{outcome:#?}");
        ensure!(outcome.detail.as_deref().is_some_and(|detail| detail.contains("stuck")), "{outcome:#?}");
        ended.leg()?.ended_at_ms.context("its leg has no end")?;
        Ok(())
    });
}

#[test]
fn a_log_that_nobody_takes_any_more_changes_nothing() {
    story(async |scene| {
        let mut call = scene.arrange().plan().await?;
        let path = call.dir().join("bridge-task-0.log");
        let mut log = Log::at(&path)?;
        call.start_task()?;
        log.says("agent-connected").await?;
        // From now on every line is an error to who writes it.
        drop(log);
        std::fs::remove_file(&path)?;
        call.vendor().goes_wrong(Trouble::SendText(r#"{"type":"of-tomorrow"}"#.to_owned()));
        call.is_talking().await?;
        call.callee_hangs_up().await?;
        call.ends().await?.is_answered(EndReason::CalleeHangup)
    });
}
