//! What `livekit-signaling` asks of the crate of this name, without starting a program.
//!
//! The signalling tells livekit-server the client's operating system, for LiveKit's statistics, and asks anew at each
//! connect and each resume. The published crate runs `lsb_release` and `getconf` for an answer and waits for both, on the
//! thread that carries the call. Here the answer is what the compiler knows.

use std::env::consts::OS;

/// The operating system.
#[derive(Debug, Clone, Copy)]
pub struct Info;

/// The operating system that this was built for: no program is started, no file is read.
pub fn get() -> Info {
    Info
}

impl Info {
    /// Its name, as Rust has it: `linux`, `macos`.
    pub fn os_type(&self) -> &'static str {
        OS
    }

    /// Not known.
    pub fn version(&self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_named_and_its_version_is_not() {
        assert_eq!((get().os_type(), get().version()), (OS, ""));
    }
}
