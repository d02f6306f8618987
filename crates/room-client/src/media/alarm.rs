//! A timer that is as exact as the kernel's.
//!
//! Tokio's rounds up to whole milliseconds, twice: when the time is put into its wheel, and when the poll is given its
//! timeout. A packet every 20 ms would leave up to two milliseconds late, each by another amount.

use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use self::exact::Timer;
use crate::clock;

/// Rings once at the time that was set last.
pub(crate) struct Alarm {
    exact: Option<Timer>,
    /// Where there is no exact timer.
    coarse: Pin<Box<Sleep>>,
    at: Option<Instant>,
}

impl Alarm {
    /// Not set yet. Needs a tokio runtime with time and I/O.
    pub(crate) fn new() -> Self {
        Self { exact: Timer::new(), coarse: Box::pin(sleep(Duration::ZERO)), at: None }
    }

    /// Rings at `at`, or at once if that is over, instead of when it was set to.
    pub(crate) fn set(&mut self, at: Option<Instant>) {
        if self.at == at {
            return;
        }
        self.at = at;
        match (&mut self.exact, at) {
            (Some(timer), Some(at)) => timer.set(at),
            (None, Some(at)) => self.coarse.as_mut().reset(tokio::time::Instant::from_std(at)),
            // It may ring now, and nobody listens.
            (_, None) => {}
        }
    }

    /// Waits for the time. Cancel safe.
    pub(crate) async fn rings(&mut self) {
        let Some(at) = self.at else { return pending().await };
        match &self.exact {
            Some(timer) => {
                timer.wait().await;
                // It may have been about to ring for what was set before.
                while clock::now() < at {
                    timer.wait().await;
                }
            }
            None => self.coarse.as_mut().await,
        }
        self.at = None;
    }
}

#[cfg(target_os = "linux")]
mod exact {
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::clock;

    /// timerfd_create(2).
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// `None` when the process has no descriptor left.
        #[expect(
            unsafe_code,
            reason = "tokio has no safe way to wait for a descriptor that it does not know"
        )]
        pub(super) fn new() -> Option<Self> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            // SAFETY: the descriptor is owned, and closed only with the registration.
            unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }.ok().map(Self)
        }

        pub(super) fn set(&mut self, at: Instant) {
            // Zero would switch it off.
            let wait = at.saturating_duration_since(clock::now()).max(Duration::from_nanos(1));
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: wait.subsec_nanos().into(),
                },
            };
            // Refused only for a time that is none.
            let _ = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once);
        }

        pub(super) async fn wait(&self) {
            // What is read from it is of no use: setting it again takes that back.
            match self.0.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// There is none.
#[cfg(not(target_os = "linux"))]
mod exact {
    use std::time::Instant;

    pub(super) enum Timer {}

    impl Timer {
        pub(super) fn new() -> Option<Self> {
            None
        }

        pub(super) fn set(&mut self, _: Instant) {
            match *self {}
        }

        pub(super) async fn wait(&self) {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_once_and_not_before_its_time() {
        let mut alarm = Alarm::new();
        for wait in [Duration::from_micros(5300), Duration::ZERO, Duration::from_micros(700)] {
            let at = clock::now() + wait;
            alarm.set(Some(at));
            alarm.rings().await;
            assert!(clock::now() >= at);
        }
        let again = tokio::time::timeout(Duration::from_millis(20), alarm.rings()).await;
        assert!(again.is_err());
    }

    #[tokio::test]
    async fn the_last_setting_counts_and_waiting_can_be_given_up() {
        let mut alarm = Alarm::new();
        let at = clock::now() + Duration::from_millis(30);
        alarm.set(Some(clock::now()));
        tokio::task::yield_now().await;
        alarm.set(Some(at + Duration::from_secs(60)));
        alarm.set(Some(at));
        let given_up = tokio::time::timeout(Duration::from_millis(2), alarm.rings()).await;
        assert!(given_up.is_err());
        alarm.rings().await;
        assert!(clock::now() >= at);
    }
}
