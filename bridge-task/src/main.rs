//! `bridge-task`: one phone call, from the joined room to the written outcome.
//!
//! Fargate starts it with `job`; people start it with `outbound` and `inbound` from a terminal.

mod agent;
mod cli;
mod clock;
mod deployment;
mod job;
mod known;
mod last_resort;
mod last_word;
mod leg;
mod perform;
mod recorder;
mod reports;
mod room;
mod run;
mod settings;
mod terminal;
mod tls;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use cli::{Cli, Command};
use settings::Settings;

/// The call was carried through, or ended as business does, or another task holds the permission to ring.
const CARRIED_THROUGH: u8 = 0;
/// A system error.
const FAILED: u8 = 1;
/// Something is missing or wrong in what we were told.
const MISCONFIGURED: u8 = 2;

/// How long threads that still write a file are waited for.
const SHUTDOWN_CAP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = match Settings::read(&cli) {
        Ok(settings) => settings,
        Err(problem) => return complain(&problem),
    };
    telemetry::init(settings.log_format, cli.verbose);
    // The provider of the whole process, for TLS and DTLS alike.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed already");
    }
    // One call is one thread's work: the media loop, the sockets and the codec take a few per cent of it.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("no asynchronous runtime")),
    };
    let code = match runtime.block_on(start(&cli, &settings)) {
        Ok(true) => ExitCode::from(CARRIED_THROUGH),
        Ok(false) => ExitCode::from(FAILED),
        Err(problem) => complain(&problem),
    };
    // A disk that hangs must not keep a process whose call is over.
    runtime.shutdown_timeout(SHUTDOWN_CAP);
    code
}

/// Runs what was asked for; `true` if the call was carried through.
async fn start(cli: &Cli, settings: &Settings) -> anyhow::Result<bool> {
    let job = match &cli.command {
        Command::Job(asked) => job::from_call_folder(asked, settings).await?,
        Command::Outbound(asked) => terminal::outbound(asked, settings).await?,
        Command::Inbound(asked) => terminal::inbound(asked, settings).await?,
    };
    run::run(job).await
}

#[expect(clippy::print_stderr, reason = "a person, or a task's log, reads why nothing was started")]
fn complain(problem: &anyhow::Error) -> ExitCode {
    eprintln!("bridge-task: {problem:#}");
    ExitCode::from(MISCONFIGURED)
}
