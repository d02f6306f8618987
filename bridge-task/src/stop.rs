//! Being told to stop: SIGTERM (a deploy, Spot) and SIGINT (Ctrl-C).

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
