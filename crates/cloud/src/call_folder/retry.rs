//! A store that does not answer now may answer a moment later.

use std::time::Duration;

use object_store::Error;
use object_store::path::Path;

use super::{StoreError, TRY_FOR};

/// The first pause between two tries; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses between tries, growing, until [`TRY_FOR`] is used up.
pub(super) struct Pauses {
    next: Duration,
    left: Duration,
}

impl Pauses {
    pub(super) fn start() -> Self {
        Self { next: FIRST_PAUSE, left: TRY_FOR }
    }

    /// Sleeps; `false`, without sleeping, once the time is used up.
    pub(super) async fn pause(&mut self) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let now = self.next.min(self.left);
        tokio::time::sleep(now).await;
        self.left -= now;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}

/// Could the same request work a moment later?
pub(super) fn may_pass(error: &Error) -> bool {
    !matches!(
        error,
        Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}

pub(super) fn unavailable(path: &Path, error: &Error) -> StoreError {
    StoreError::Unavailable { path: path.to_string(), detail: error.to_string() }
}
