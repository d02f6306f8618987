//! A thread and a runtime of its own for a call: what panics, blocks or spins there touches nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tracing::Span;

use crate::SHUTDOWN_CAP;

/// Runs `work` on a thread of this name, whose log lines are `span`'s. `held` is dropped when all of it is over. What
/// it returns is received; nothing, if it broke.
///
/// # Errors
/// When this machine has no thread left; `held` is dropped then, too.
pub fn run<T: Send + 'static, F: Future<Output = T>>(
    name: &str,
    span: Span,
    held: impl Send + 'static,
    work: impl FnOnce() -> F + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (over, ended) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _held = held;
        let _span = span.entered();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(detail = %error, "no asynchronous runtime"),
        };
        let worked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { work().await })));
        // A disk that hangs must not keep the place of the next call.
        runtime.shutdown_timeout(SHUTDOWN_CAP);
        if let Ok(result) = worked {
            // Who asked may have had its answer before.
            let _ = over.send(result);
        }
    })?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_panics_blocks_or_spins_holds_nobody_up_and_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(4));
        let place = || places.clone().try_acquire_owned().unwrap();
        let panics: oneshot::Receiver<()> =
            run("panics", Span::none(), place(), || async { panic!("on purpose") }).unwrap();
        let blocks = run("blocks", Span::none(), place(), || async {
            std::thread::sleep(Duration::from_millis(300));
        });
        let spins = run("spins", Span::none(), place(), || async {
            let end = tokio::time::Instant::now() + Duration::from_millis(300);
            while tokio::time::Instant::now() < end {}
        });
        let works = run("works", Span::none(), place(), || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            "done"
        });
        assert_eq!(works.unwrap().await.unwrap(), "done");
        assert!(panics.await.is_err(), "a panic returns nothing");
        let (mut blocks, mut spins) = (blocks.unwrap(), spins.unwrap());
        assert!(blocks.try_recv().is_err() && spins.try_recv().is_err(), "nobody waited for these");
        blocks.await.unwrap();
        spins.await.unwrap();
        let all = tokio::time::timeout(Duration::from_secs(5), places.acquire_many(4)).await;
        assert!(all.is_ok(), "a place was not given back");
    }

    #[tokio::test]
    async fn a_task_that_panics_beside_the_work_leaves_the_work_alone() {
        let ended = run("beside", Span::none(), (), || async {
            let beside = tokio::spawn(async { panic!("on purpose") });
            assert!(beside.await.unwrap_err().is_panic());
            7
        });
        assert_eq!(ended.unwrap().await.unwrap(), 7);
    }
}
