//! `bridge-task` as a child process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::child::{Child, Output};

/// A `bridge-task` about to be started. It sees nothing of our environment but what is needed to run at all.
pub struct BridgeTask {
    binary: PathBuf,
    env: Vec<(String, OsString)>,
}

impl BridgeTask {
    pub(super) fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned(), env: Vec::new() }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Starts it with these arguments.
    pub fn start<I>(&self, args: I, output: Output) -> Result<Child>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut command = Command::new(&self.binary);
        command.args(args.into_iter().map(Into::into)).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Child::start("bridge-task", command, output)
    }
}
