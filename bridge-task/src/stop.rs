//! Being told to stop: SIGTERM (a deploy, Spot) and SIGINT (Ctrl-C).

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Command;

/// Names the seconds from SIGTERM to SIGKILL: ECS's `stopTimeout`, systemd's `TimeoutStopSec`.
pub const STOP_TIMEOUT_SECONDS: &str = "STOP_TIMEOUT_SECONDS";
/// ECS's own, where a task definition does not say (Amazon ECS API reference, ContainerDefinition, `stopTimeout`).
const OF_A_TASK: u64 = 30;
/// As `docs/operations.md` has it for systemd.
const OF_A_WORKER: u64 = 120;
const LONGEST: u64 = 86_400;
/// What an end takes of that: last words, the room, the outcome, recordings and facts.
const MARGIN: Duration = Duration::from_secs(15);

/// How long a call that rings or talks may go on after the first signal. `told`: what [`STOP_TIMEOUT_SECONDS`] says.
/// At a terminal it ends at once: whoever presses Ctrl-C sits in front of it.
///
/// # Errors
/// When that is no whole number of seconds, or more than a day.
pub fn drain_for(command: &Command, told: Option<&str>) -> Result<Duration, String> {
    let usual = match command {
        Command::Outbound(_) | Command::Inbound(_) => return Ok(Duration::ZERO),
        Command::Job(_) => OF_A_TASK,
        Command::Worker(_) => OF_A_WORKER,
    };
    let seconds = match told.filter(|told| !told.is_empty()) {
        None => usual,
        Some(told) => told.parse().ok().filter(|seconds| *seconds <= LONGEST).ok_or_else(|| {
            format!("{STOP_TIMEOUT_SECONDS}={told} must be a whole number from 0 to {LONGEST}")
        })?,
    };
    Ok(Duration::from_secs(seconds).saturating_sub(MARGIN))
}

/// How often this process was told to stop. Each clone hears of every time by itself.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Receiver<u32>,
    heard: u32,
}

impl Stop {
    /// Listens from now on. Must be called within a tokio runtime, which must live for as long.
    ///
    /// # Errors
    /// When this system does not let us listen.
    pub fn listen() -> anyhow::Result<Self> {
        let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let (times, told) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = interrupt.recv() => {}
                }
                times.send_modify(|times| *times += 1);
            }
        });
        Ok(Self { told, heard: 0 })
    }

    /// How often it was told by now.
    pub fn times(&self) -> u32 {
        *self.told.borrow()
    }

    /// Waits until it is told once more than this clone has heard of, and returns how often that is.
    pub async fn told(&mut self) -> u32 {
        let heard = self.heard;
        match self.told.wait_for(|times| *times > heard).await.map(|times| *times) {
            Ok(times) => {
                self.heard = times;
                times
            }
            // Whoever listened is gone, and nobody will be told any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until it was told twice.
    pub async fn told_twice(&mut self) {
        while self.times() < 2 {
            self.told().await;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A process that is told by hand.
    pub(crate) fn by_hand() -> (watch::Sender<u32>, Stop) {
        let (times, told) = watch::channel(0);
        (times, Stop { told, heard: 0 })
    }

    #[test]
    fn a_call_may_go_on_for_the_stop_timeout_less_what_its_end_takes() {
        use clap::Parser as _;
        let seconds = |arguments: &[&str], told: Option<&str>| {
            let command = crate::cli::Cli::parse_from([&["bridge-task"], arguments].concat()).command;
            drain_for(&command, told).map(|drain_for| drain_for.as_secs())
        };
        let job = ["job", "--attempt", "0123456789abcdef0123456789abcdef-a1"];
        assert_eq!(seconds(&job, None), Ok(15));
        assert_eq!(seconds(&job, Some("120")), Ok(105));
        assert_eq!(seconds(&job, Some("10")), Ok(0));
        assert_eq!(seconds(&["worker"], None), Ok(105));
        assert_eq!(seconds(&["inbound"], Some("120")), Ok(0));
        assert_eq!(seconds(&["outbound", "--to", "+5511987654321"], None), Ok(0));
        for wrong in ["soon", "-1", "1.5", "86401"] {
            assert!(seconds(&job, Some(wrong)).unwrap_err().contains(wrong));
        }
    }

    #[tokio::test]
    async fn who_comes_later_hears_of_it_all_the_same_and_of_each_time_once() {
        let (tell, mut early) = by_hand();
        tell.send(1).unwrap();
        assert_eq!(early.told().await, 1);
        let (_, mut late) = (early.clone(), Stop { heard: 0, ..early.clone() });
        assert_eq!(late.told().await, 1);
        tell.send(2).unwrap();
        assert_eq!((early.told().await, late.told().await), (2, 2));
        late.told_twice().await;
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), early.told()).await;
        assert!(again.is_err(), "told a third time by nobody");
    }
}
