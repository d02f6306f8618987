//! Somebody else who wants the machine.

use std::process::{Child, Command, Stdio};

use anyhow::Result;

/// A process for each core that never waits, at the priority that everybody has. They end with this value.
pub struct Hog(Vec<Child>);

impl Hog {
    /// Begins.
    pub fn start() -> Result<Self> {
        let mut hog = Self(Vec::new());
        for _ in 0..std::thread::available_parallelism()?.get() {
            // It ends by itself should this program be killed: a minute is longer than it is wanted.
            let mut busy = Command::new("timeout");
            busy.args(["60", "sh", "-c", "while :; do :; done"]);
            hog.0.push(busy.stdin(Stdio::null()).spawn()?);
        }
        Ok(hog)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        for busy in &mut self.0 {
            // What timeout is told (SIGTERM) it passes on; killed, it could not.
            if let Some(pid) = rustix::process::Pid::from_raw(busy.id().cast_signed()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = busy.wait();
        }
    }
}
