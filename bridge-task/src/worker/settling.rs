//! A worker settles its own calls when they are over, and looks every few minutes for what others left.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calls::ids::AttemptId;
use calls::settle::{Cause, Settled};
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
    /// Settles an attempt whose thread has ended. Its place among the calls is free when the line is closed; told to
    /// stop twice, at once.
    pub(super) async fn settle_own(&self, attempt: &AttemptId, place: Arc<OwnedSemaphorePermit>) {
        let held = (self.stop.times() < 2).then_some(place);
        to_its_end(held, || self.settle_once(attempt)).await;
    }

    /// `None`: it is not ours to settle, or was not settled in time; the sweep comes to it.
    async fn settle_once(&self, attempt: &AttemptId) -> Option<Settled> {
        // All calls of this process have one name in claims: it says that a call is over only where no other thread
        // carries the same attempt.
        if self.running.has(attempt) {
            return None;
        }
        // What nobody claimed is its message's to bring back.
        match self.router.folders.dial_claim(attempt).await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!(detail = %error, "left to the sweep");
                return None;
            }
        }
        // Asked again: reading may have taken a while, and its message come a second time.
        if self.running.has(attempt) {
            return None;
        }
        let (task, detail) = (self.settings.task.clone(), "its thread has ended".to_owned());
        let settling = self.settler.settle(attempt, Cause::Stopped { task, detail });
        let settled = timeout(SETTLED_WITHIN, settling).await;
        if settled.is_err() {
            let detail = format!("not settled within {} s", SETTLED_WITHIN.as_secs());
            tracing::warn!(detail, "left to the sweep");
        }
        settled.ok()
    }
}

/// Settles, and once more when no dial can be on its way any more. What is `held` is let go after the first time.
async fn to_its_end<F: Future<Output = Option<Settled>>>(
    mut held: Option<impl Sized>,
    mut settle: impl FnMut() -> F,
) {
    loop {
        let settled = settle().await;
        drop(held.take());
        match settled {
            Some(Settled::Again(wait)) => sleep(wait).await,
            _ => return,
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
    use std::cell::RefCell;

    use calls::ids::CallKey;
    use tokio::time::Instant;

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

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_dial_may_be_on_its_way_is_settled_again_when_that_is_over_and_keeps_nobody_out() {
        let (begun, place) = (Instant::now(), Arc::new(()));
        let at = RefCell::new(Vec::new());
        let (answers, seen) = (RefCell::new(vec![None, Some(Settled::Again(Duration::from_secs(90)))]), &at);
        let free = Arc::downgrade(&place);
        let settling = to_its_end(Some(place), || {
            seen.borrow_mut().push((begun.elapsed().as_secs(), free.upgrade().is_none()));
            std::future::ready(answers.borrow_mut().pop().flatten())
        });
        settling.await;
        assert_eq!(*at.borrow(), [(0, false), (90, true)]);
    }
}
