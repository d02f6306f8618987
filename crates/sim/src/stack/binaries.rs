//! Where the programs are that a stack runs.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// The programs that a stack runs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// LiveKit's own server.
    pub livekit_server: PathBuf,
    /// `tools/phone`.
    pub phone: PathBuf,
    /// The program that carries a call.
    pub bridge_task: PathBuf,
}

impl Binaries {
    /// From `LIVEKIT_SERVER`, `PHONE` and `BRIDGE_TASK`, which the Makefile sets; a missing `BRIDGE_TASK`
    /// is looked for where cargo puts it: next to this program, or one directory up (tests).
    ///
    /// # Errors
    /// Names everything that is missing at once.
    pub fn find(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut missing = Vec::new();
        let mut find = |name: &'static str, otherwise: Option<PathBuf>| {
            let path = lookup(name).filter(|path| !path.is_empty()).map(PathBuf::from).or(otherwise);
            match path.filter(|path| path.is_file()) {
                Some(path) => path,
                None => {
                    missing.push(name);
                    PathBuf::new()
                }
            }
        };
        let binaries = Self {
            livekit_server: find("LIVEKIT_SERVER", None),
            phone: find("PHONE", None),
            bridge_task: find("BRIDGE_TASK", built_by_cargo("bridge-task")),
        };
        if !missing.is_empty() {
            bail!(
                "{} must name a program; `make demo` and `make test` build it and set it",
                missing.join(", ")
            );
        }
        Ok(binaries)
    }
}

fn built_by_cargo(name: &str) -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    this.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file())
}
