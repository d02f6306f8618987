//! `sim`: what runs the gateway on one machine.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use sim::aws::Programs;
use sim::demo::{self, Asked};
use sim::stack::Binaries;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put messages through the gateway, with real calls to a scripted phone, and watch.
    Demo(Demo),
}

#[derive(Args)]
struct Demo {
    /// Your own TRIGGER_CALL instead of the examples.
    #[arg(long)]
    message: Option<PathBuf>,
    /// Where example messages and profiles are.
    #[arg(long, default_value = "examples")]
    examples: PathBuf,
    /// Where call folders, dead letters and logs go, a directory for each run.
    #[arg(long, default_value = ".demo/calls")]
    calls: PathBuf,
    /// Deploy template.yaml to the AWS emulator and send the messages to its queue.
    #[arg(long)]
    stack: bool,
    /// End when the process that started us does, even if it is killed.
    #[arg(long)]
    end_with_parent: bool,
}

fn main() -> ExitCode {
    let Command::Demo(asked) = Cli::parse().command;
    if asked.end_with_parent {
        end_with_parent();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    match runtime.block_on(run(asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => complain(&problem),
    }
}

/// `true`: everything went as scripted. A signal drops the demo, and everything that it started with it.
async fn run(asked: Demo) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let asked = Asked {
        message: asked.message,
        examples: asked.examples,
        calls: asked.calls,
        binaries: Binaries::find(environment)?,
        cloud: if asked.stack { Some(Programs::find(environment)?) } else { None },
        colours: std::io::stdout().is_terminal() && environment("NO_COLOR").is_none_or(|set| set.is_empty()),
    };
    let ended = tokio::select! {
        ended = demo::run(asked) => return ended,
        _ = tokio::signal::ctrl_c() => "interrupted",
        _ = terminate.recv() => "told to stop",
        _ = hang_up.recv() => "the terminal is gone",
    };
    complain(&anyhow::anyhow!("{ended}; everything that was started has been ended"));
    Ok(false)
}

#[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(target_os = "linux")]
fn end_with_parent() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        tracing::warn!(%error, "this process may outlive its parent");
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() {}

#[expect(clippy::print_stderr, reason = "a person reads why nothing was started")]
fn complain(problem: &anyhow::Error) -> ExitCode {
    eprintln!("sim: {problem:#}");
    ExitCode::from(2)
}
