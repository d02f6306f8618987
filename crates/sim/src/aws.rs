//! The AWS emulator (MiniStack) as a child process, and our own template deployed to it.
//!
//! It really does S3, SQS, SSM, CloudFormation and Lambda, whose zips it runs; [`crate::ecs`] stands in front
//! of it. No account: it takes any key.

mod deployment;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::stack::{Child, Output, wait_for_200};

pub use deployment::{Deployment, Programs};

/// The only region there is.
pub const REGION: &str = "eu-central-1";
/// The emulator takes any key; this one says whose it is.
pub const NOBODY: &str = "nobody";

/// A running emulator.
pub struct AwsEmulator {
    child: Child,
}

impl AwsEmulator {
    /// Starts the emulator `binary` on this local port; its log and its files go into `dir`. Functions are told to
    /// find AWS at `endpoint`.
    ///
    /// # Errors
    /// With the end of its log, when it does not answer.
    pub async fn start(binary: &Path, dir: &Path, port: u16, endpoint: &str) -> Result<Self> {
        crate::stack::install_crypto();
        let log = dir.join("aws-emulator.log");
        let mut command = Command::new(binary);
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_REGION", REGION)
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", NOBODY)
            .env("AWS_SECRET_ACCESS_KEY", NOBODY)
            .current_dir(dir);
        let mut child = Child::start("aws-emulator", command, Output::File(log.clone()))?;
        wait_for_200(&format!("http://127.0.0.1:{port}/_ministack/health"), Some(&mut child), &log).await?;
        Ok(Self { child })
    }

    /// SIGKILL to every function instance that runs now, and how many there were.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn kill_functions(&self) -> Result<usize> {
        let instances = descendants(self.child.id())?;
        for pid in &instances {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // It may have ended this moment.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(instances.len())
    }
}

/// The processes that `pid` started, and theirs.
fn descendants(pid: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").context("processes are listed in /proc alone")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // pid (name) state parent …; the name may hold anything, also brackets.
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (child, parent)));
    }
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        at += 1;
    }
    family.remove(0);
    Ok(family)
}
