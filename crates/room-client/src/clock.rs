//! The one clock of this crate.

use std::time::Instant;

/// The monotonic time, from tokio's clock: a test that pauses it stops this crate too.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
