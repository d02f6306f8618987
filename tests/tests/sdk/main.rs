//! Our room client with LiveKit's *own* SDK as the other participant, on the real livekit-server: what two
//! clients of ours agree on may still be wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lossy;
mod ours;
mod sdk_interop;
