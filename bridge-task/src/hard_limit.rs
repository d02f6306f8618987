//! A limit that holds although what it limits is stuck: a thread that does nothing but wait for it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long after its limit a call may take to end by itself.
const GRACE: Duration = Duration::from_secs(20);

/// A limit that is waited for. Dropping it calls it off.
#[derive(Debug)]
pub struct HardLimit {
    _called_off: Sender<()>,
}

impl HardLimit {
    /// Does this on a thread of its own, a grace after `within`, unless it is called off before. `None` if this machine
    /// has no thread left; LiveKit's own limit of the call remains.
    pub fn after(within: Duration, act: impl FnOnce() + Send + 'static) -> Option<Self> {
        Self::exactly_after(within + GRACE, act)
    }

    /// The same without the grace.
    pub(crate) fn exactly_after(within: Duration, act: impl FnOnce() + Send + 'static) -> Option<Self> {
        let (called_off, waiting) = channel();
        let watch = move || {
            if waiting.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
                act();
            }
        };
        match std::thread::Builder::new().name("hard-limit".to_owned()).spawn(watch) {
            Ok(_) => Some(Self { _called_off: called_off }),
            Err(error) => {
                tracing::warn!(detail = %error, "no thread to watch the longest call");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::Receiver;

    use super::*;

    fn in_20_ms() -> (HardLimit, Receiver<()>) {
        let (acted, acts) = channel();
        let limit = HardLimit::exactly_after(Duration::from_millis(20), move || acted.send(()).unwrap());
        (limit.unwrap(), acts)
    }

    #[test]
    fn it_acts_once_and_not_at_all_if_called_off() {
        let (limit, acts) = in_20_ms();
        acts.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(acts.recv().is_err(), "its thread is gone");
        drop(limit);
        let (limit, acts) = in_20_ms();
        drop(limit);
        assert!(acts.recv().is_err(), "its thread is gone without having acted");
    }

    #[tokio::test]
    async fn it_acts_while_everything_here_is_stuck() {
        let (_limit, acts) = in_20_ms();
        // No task of this runtime is run meanwhile: it has but this thread.
        acts.recv_timeout(Duration::from_secs(5)).unwrap();
    }
}
