//! The demo as people run it: what it says with its exit code, and what it leaves behind.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test on real time")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// However it ends, nothing that it started may live for longer.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// From nothing to a conversation, on a busy machine.
const TALKING_WITHIN: Duration = Duration::from_secs(60);

/// A demo in a session of its own, by which its processes are found again.
struct Demo {
    process: Child,
    dir: tempfile::TempDir,
}

/// `None`, said aloud, without the programs of a stack; on CI that is a failure.
fn demo(arguments: &[&str]) -> Option<Demo> {
    let set = |name: &&'static str| std::env::var_os(name).is_some_and(|path| Path::new(&path).is_file());
    if !["LIVEKIT_SERVER", "PHONE", "BRIDGE_TASK"].iter().all(set) {
        assert!(std::env::var_os("CI").is_none(), "on CI LIVEKIT_SERVER, PHONE and BRIDGE_TASK must be set");
        // Not by eprintln: the test harness would keep it to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: LIVEKIT_SERVER, PHONE and BRIDGE_TASK must name programs; `make test` sets them"
        );
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = File::create(dir.path().join("log")).unwrap();
    let process = Command::new("setsid")
        .arg(env!("CARGO_BIN_EXE_sim"))
        .args(["demo", "--examples", concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"), "--calls"])
        .arg(dir.path().join("calls"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Some(Demo { process, dir })
}

impl Demo {
    fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn waits_for(&self, words: &str) {
        let deadline = Instant::now() + TALKING_WITHIN;
        while !self.said().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} was not said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes of its session: itself, and all that it started.
    fn alive(&self) -> Vec<String> {
        let mut alive = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // proc(5): pid (comm) state ppid pgrp session …
            let Some((name, rest)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<&str> = rest.split_whitespace().collect();
            if fields[0] != "Z" && fields[3] == self.process.id().to_string() {
                alive.push(format!("{name})"));
            }
        }
        alive
    }

    fn leaves_nothing(&self) {
        let deadline = Instant::now() + GONE_WITHIN;
        while !self.alive().is_empty() {
            assert!(Instant::now() < deadline, "{:?} live on", self.alive());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the middle of a call the demo gets this signal.
fn is_ended_by(signal: Signal) {
    let Some(mut demo) = demo(&[]) else { return };
    demo.waits_for("bridge active");
    assert!(
        demo.alive().len() >= 5,
        "livekit-server, phone and its Redis, bridge-task and itself: {:?}",
        demo.alive()
    );
    kill_process(Pid::from_child(&demo.process), signal).unwrap();
    assert!(!demo.process.wait().unwrap().success());
    demo.leaves_nothing();
}

#[test]
fn it_goes_as_scripted() {
    let Some(mut demo) = demo(&[]) else { return };
    let status = demo.process.wait().unwrap();
    assert!(status.success(), "{status}:\n{}", demo.said());
    assert!(demo.said().contains("everything went as scripted"), "{}", demo.said());
    demo.leaves_nothing();
}

#[test]
fn ctrl_c_ends_everything() {
    is_ended_by(Signal::INT);
}

#[test]
fn being_told_to_stop_ends_everything() {
    is_ended_by(Signal::TERM);
}

#[test]
fn being_killed_ends_everything() {
    is_ended_by(Signal::KILL);
}

#[test]
fn a_broken_message_of_ones_own_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let message: PathBuf = dir.path().join("mine.json");
    File::create(&message).unwrap().write_all(br#"{"messageType":"TRIGGER_CALL","id":"mine"}"#).unwrap();
    let Some(mut demo) = demo(&["--message", message.to_str().unwrap()]) else { return };
    assert_eq!(demo.process.wait().unwrap().code(), Some(1));
    let said = demo.said();
    assert!(said.contains("missing_prompt") && said.contains("dead-letters.jsonl"), "{said}");
    demo.leaves_nothing();
}
