//! What is measured of a call's sound: where it is in time, how late, how much of it was kept.
//!
//! Everything here works on sound at [`RATE`], whatever it came as, and on the wall clock in milliseconds.

pub mod delays;
pub mod kept;
pub mod marked;
pub mod marks;
pub mod server_alone;
pub mod spread;
pub mod stale;
pub mod timed;
pub mod timer;

use audio::SampleRate;

/// A telephone line's: what is heard of a call has no more.
pub const RATE: SampleRate = SampleRate::Hz8000;
