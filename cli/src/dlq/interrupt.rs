//! Ctrl-C: what is at hand is finished, and the letters are given back. A second one ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::output::Output;

/// What a shell takes for "ended by Ctrl-C".
const BY_SIGNAL: i32 = 130;

/// Whether somebody wants this to end.
#[derive(Clone, Debug)]
pub struct Interrupt {
    wanted: watch::Receiver<bool>,
    deaf: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. Ctrl-C and SIGTERM no longer end the process by themselves.
    ///
    /// # Errors
    /// Where signals cannot be listened to.
    pub fn listen(output: Output) -> std::io::Result<Self> {
        let (tell, wanted) = watch::channel(false);
        let deaf = Arc::new(AtomicBool::new(false));
        let (mut ctrl_c, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let editing = deaf.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = ctrl_c.recv() => if editing.load(Ordering::Relaxed) { continue },
                    _ = end.recv() => {}
                }
                if tell.send_replace(true) {
                    std::process::exit(BY_SIGNAL);
                }
                output.remark("stopping; once more to stop at once");
            }
        });
        Ok(Self { wanted, deaf })
    }

    /// Does somebody want this to end?
    pub fn happened(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Until somebody does.
    pub async fn wait(&self) {
        let mut wanted = self.wanted.clone();
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// While this runs, Ctrl-C is for the program that has the terminal, such as an editor.
    pub async fn not_during<T>(&self, running: impl Future<Output = T>) -> T {
        self.deaf.store(true, Ordering::Relaxed);
        let done = running.await;
        self.deaf.store(false, Ordering::Relaxed);
        done
    }
}
