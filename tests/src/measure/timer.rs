//! What this machine makes of 20 ms: a thread that does nothing but wait for them.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const FRAME: Duration = Duration::from_millis(20);

/// A thread that waits for one deadline after the other, as long as it is told to.
pub struct Timer(JoinHandle<Vec<f64>>);

impl Timer {
    /// Begins, for so long.
    pub fn start(length: Duration) -> Self {
        Self(thread::spawn(move || errors_ms(length)))
    }

    /// By how much each gap between two of its moments missed 20 ms, once it is done.
    pub fn errors_ms(self) -> Result<Vec<f64>> {
        self.0.join().map_err(|_| anyhow!("the timer's thread broke"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a real thread and its real time are what is measured")]
fn errors_ms(length: Duration) -> Vec<f64> {
    let (begun, mut before) = (Instant::now(), None);
    let mut errors = Vec::new();
    for deadline in (0..).map(|nth| begun + FRAME * nth).take_while(|deadline| *deadline <= begun + length) {
        thread::sleep(deadline.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        let gap = before.replace(now).map(|before| now.duration_since(before));
        errors.extend(gap.map(|gap| (gap.as_secs_f64() - FRAME.as_secs_f64()).abs() * 1000.0));
    }
    errors
}
