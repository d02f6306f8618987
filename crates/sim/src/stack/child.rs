//! A child process that never outlives us.
//!
//! On Linux the kernel kills it when we die, however we die (`PR_SET_PDEATHSIG`). That signal comes when
//! the *thread* that forked ends, so every child is forked by one thread that lives as long as the process.
//! A child gets a process group of its own: Ctrl-C in the terminal reaches the driver alone, and the driver
//! ends its children in its own order.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(10);

/// Where a child's stdout and stderr go.
pub enum Output {
    /// Both into this file, anew.
    File(PathBuf),
    /// Into this writer, which a thread of ours fills; for output that is shown while it comes.
    Lines(mpsc::Sender<String>),
}

/// A running or ended child. Dropping it ends it: SIGTERM, and SIGKILL a second later.
pub struct Child {
    name: String,
    process: std::process::Child,
    status: Option<ExitStatus>,
    /// Held open: some programs end when their stdin does, which helps where the kernel does not.
    _stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts `command`; `name` is what messages call it.
    pub fn start(name: &str, mut command: Command, output: Output) -> Result<Self> {
        command.stdin(Stdio::piped()).process_group(0);
        let lines = match output {
            Output::File(path) => {
                let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                command.stdout(file.try_clone()?).stderr(file);
                None
            }
            Output::Lines(sender) => {
                command.stdout(Stdio::null()).stderr(Stdio::piped());
                Some(sender)
            }
        };
        die_with_us(&mut command);
        let mut process = spawn(command).with_context(|| format!("cannot start {name}"))?;
        if let (Some(sender), Some(stderr)) = (lines, process.stderr.take()) {
            std::thread::spawn(move || forward_lines(stderr, &sender));
        }
        let stdin = process.stdin.take();
        Ok(Self { name: name.to_owned(), process, status: None, _stdin: stdin })
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.process.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `within`; it is left running.
    pub async fn exit(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            match self.exited() {
                Some(status) => return Ok(status),
                None if Instant::now() >= deadline => {
                    return Err(anyhow!("{} still runs after {within:?}", self.name));
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Sends a signal; nothing happens if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exited().is_none()
            && let Some(pid) = i32::try_from(self.id()).ok().and_then(Pid::from_raw)
        {
            // It can only have ended this moment, which is what a signal mostly wants anyway.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.status = self.status.or_else(|| self.process.wait().ok());
    }

    /// SIGTERM, and SIGKILL if it still runs after `grace`. Blocks for as long.
    pub fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + grace;
        while self.exited().is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        self.kill();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(1));
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the only way to have the kernel end a child with its parent")]
fn die_with_us(command: &mut Command) {
    use rustix::process::{getppid, set_parent_process_death_signal};

    let parent = Pid::from_raw(std::process::id().cast_signed());
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these two are bare system calls.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // We may have died before that call; then nobody will tell the child.
            if getppid() == parent { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        });
    }
}

/// Elsewhere children end with their stdin, if they look at it.
#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

type Spawned = std::io::Result<std::process::Child>;

/// Forks on the thread that never ends.
fn spawn(command: Command) -> Result<std::process::Child> {
    static SPAWNER: OnceLock<mpsc::Sender<(Command, mpsc::Sender<Spawned>)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<(Command, mpsc::Sender<Spawned>)>();
        std::thread::spawn(move || {
            for (mut command, reply) in receiver {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, spawned) = mpsc::channel();
    spawner.send((command, reply)).context("the spawner is gone")?;
    Ok(spawned.recv().context("the spawner is gone")??)
}

fn forward_lines(from: impl std::io::Read, to: &mpsc::Sender<String>) {
    let lines = std::io::BufRead::lines(std::io::BufReader::new(from));
    for line in lines.map_while(|line| line.ok()) {
        if to.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("60");
        command
    }

    fn runs(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.split(") ").nth(1).is_some_and(|rest| !rest.starts_with('Z'))
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let child = Child::start("sleep", sleeper(), Output::File(dir.path().join("log"))).unwrap();
        let pid = child.id();
        assert!(runs(pid));
        drop(child);
        assert!(!runs(pid));
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut child =
            std::thread::spawn(move || Child::start("sleep", sleeper(), Output::File(log)).unwrap())
                .join()
                .unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.exited(), None);
    }

    #[tokio::test]
    async fn the_exit_status_and_the_lines_are_kept() {
        let (sender, lines) = mpsc::channel();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two >&2; exit 7"]);
        let mut child = Child::start("sh", command, Output::Lines(sender)).unwrap();
        assert_eq!(child.exit(Duration::from_secs(5)).await.unwrap().code(), Some(7));
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["one", "two"]);
    }
}
