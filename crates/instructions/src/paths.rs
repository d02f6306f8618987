//! The paths that are counted: what every message, and every 20 ms of a call, takes.

mod message;
mod sound;

use anyhow::{Context as _, Result};

use crate::callgrind::counted;

/// Is what libopus does counted, where a path leads through it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Yes, or there is nothing of it.
    Counted,
    /// No: what is ours alone.
    LeftOut,
}

/// What is to be counted, ready to go.
pub type Walk = Box<dyn FnMut()>;

/// One path.
pub struct Path {
    /// Its name in the baseline.
    pub name: &'static str,
    /// See there.
    pub codec: Codec,
    /// How many steps (messages, frames) one walk has.
    pub steps: u64,
    /// Prepares a walk, and gives what is to be counted.
    prepare: fn(steps: u64) -> Result<Walk>,
}

/// All of them.
pub const ALL: [Path; 6] = [
    // Parse, validate, plan, route: from the queue's bytes to the launched task.
    Path { name: "message", codec: Codec::Counted, steps: 20, prepare: message::routed },
    Path { name: "message-refused", codec: Codec::Counted, steps: 20, prepare: message::refused },
    // An Opus packet from the room becomes a frame, and bytes for the agent.
    Path { name: "frame-in", codec: Codec::Counted, steps: 50, prepare: sound::frames_in },
    Path { name: "frame-in-ours", codec: Codec::LeftOut, steps: 50, prepare: sound::frames_in },
    // The agent's bytes become a packet for the room.
    Path { name: "frame-out", codec: Codec::Counted, steps: 50, prepare: sound::frames_out },
    Path { name: "frame-out-ours", codec: Codec::LeftOut, steps: 50, prepare: sound::frames_out },
];

/// Walks a path once.
///
/// # Errors
/// When there is no such path, or its files are not there.
pub fn walk(name: &str) -> Result<()> {
    let path =
        ALL.iter().find(|path| path.name == name).with_context(|| format!("no path is called {name}"))?;
    counted(&mut *(path.prepare)(path.steps)?);
    Ok(())
}

/// What a path's count may be off by when its baseline is first stored, in %: more where libopus is in it.
pub fn usual_tolerance_percent(name: &str) -> f64 {
    let with_codec =
        |path: &Path| path.codec == Codec::Counted && ALL.iter().any(|other| is_ours_of(other, path));
    if ALL.iter().any(|path| path.name == name && with_codec(path)) { 10.0 } else { 3.0 }
}

fn is_ours_of(ours: &Path, whole: &Path) -> bool {
    ours.name.strip_suffix("-ours") == Some(whole.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_path_can_be_walked() {
        for path in &ALL {
            walk(path.name).unwrap();
        }
        assert!(walk("nowhere").is_err());
    }

    #[test]
    fn only_what_libopus_is_in_may_be_far_off() {
        let tolerances: Vec<f64> = ALL.iter().map(|path| usual_tolerance_percent(path.name)).collect();
        assert_eq!(tolerances, [3.0, 3.0, 10.0, 3.0, 10.0, 3.0]);
    }
}
