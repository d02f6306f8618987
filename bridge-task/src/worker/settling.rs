//! A worker settles its own calls when they are over, and looks every few minutes for what others left.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calls::ids::AttemptId;
use calls::settle::Cause;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use super::Worker;

/// From the end of one sweep to the next.
const EVERY: Duration = Duration::from_secs(300);
const SWEPT_WITHIN: Duration = Duration::from_secs(240);
/// What is not settled by then is left to the sweep.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// The attempts that have a thread in this process, and how many: a message that came twice may have started one twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<BTreeMap<AttemptId, usize>>>);

/// A thread that carries an attempt.
#[derive(Debug)]
pub(super) struct Runs {
    all: Running,
    attempt: AttemptId,
}

impl Running {
    /// One more, until what this returns is dropped.
    pub(super) fn begins(&self, attempt: &AttemptId) -> Runs {
        *self.lock().entry(attempt.clone()).or_default() += 1;
        Runs { all: self.clone(), attempt: attempt.clone() }
    }

    fn has(&self, attempt: &AttemptId) -> bool {
        self.lock().contains_key(attempt)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AttemptId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.attempt) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.attempt);
            }
        }
    }
}

impl Worker {
    /// Settles an attempt whose thread has ended. Its place among the calls is free when that is done; told to stop
    /// twice, at once.
    pub(super) async fn settle_own(&self, attempt: &AttemptId, place: Arc<OwnedSemaphorePermit>) {
        let _held = (self.stop.times() < 2).then_some(place);
        // All calls of this process have one name in claims: it says that a call is over only where no other thread
        // carries the same attempt.
        if self.running.has(attempt) {
            return;
        }
        // What nobody claimed is its message's to bring back.
        match self.router.folders.dial_claim(attempt).await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => return tracing::warn!(detail = %error, "left to the sweep"),
        }
        // Asked again: reading may have taken a while, and its message come a second time.
        if self.running.has(attempt) {
            return;
        }
        let (task, detail) = (self.settings.task.clone(), "its thread has ended".to_owned());
        let settling = self.settler.settle(attempt, Cause::Stopped { task, detail });
        if timeout(SETTLED_WITHIN, settling).await.is_err() {
            let detail = format!("not settled within {} s", SETTLED_WITHIN.as_secs());
            tracing::warn!(detail, "left to the sweep");
        }
    }
}

/// Sweeps at once, and then again and again.
pub(super) async fn sweep_on(worker: Arc<Worker>) {
    loop {
        worker.settler.sweep(SWEPT_WITHIN).await;
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use calls::ids::CallKey;

    use super::*;

    #[test]
    fn an_attempt_runs_until_the_last_of_its_threads_has_ended() {
        let running = Running::default();
        let attempt = AttemptId::new(CallKey::from_sqs_message("m"), 1);
        let (first, second) = (running.begins(&attempt), running.begins(&attempt));
        drop(second);
        assert!(running.has(&attempt));
        drop(first);
        assert!(!running.has(&attempt));
    }
}
