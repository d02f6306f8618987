//! `bridge-task`: one phone call, from the joined room to the written outcome.
//!
//! Fargate starts it with `job`; people start it with `outbound` and `inbound` from a terminal. `worker` takes messages
//! from the queue itself and carries many calls, each as `job` would.

mod agent;
mod cli;
mod clock;
mod deployment;
mod hard_limit;
mod job;
mod known;
mod last_resort;
mod last_word;
mod leg;
mod memory;
mod overdue;
mod perform;
mod recorder;
mod reports;
mod room;
mod run;
mod settings;
mod sound;
mod stop;
mod terminal;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use cloud::profiles::Environment;
use tokio::runtime::{Builder, Runtime};

use cli::{Cli, Command};
use run::Ran;
use settings::Settings;
use stop::Stop;

/// The call was carried through, or ended as business does, or another task holds the permission to ring. A worker
/// stopped as it was told.
const CARRIED_THROUGH: u8 = 0;
/// A system error.
const FAILED: u8 = 1;
/// Something is missing or wrong in what we were told.
const MISCONFIGURED: u8 = 2;
/// What a shell reads as "ended by SIGINT": told to stop twice.
const STOPPED: u8 = 130;

/// How long threads that still write a file are waited for.
const SHUTDOWN_CAP: Duration = Duration::from_secs(1);
/// What a worker itself does is little: no call's sound is among it.
const WORKER_THREADS: usize = 2;

fn main() -> ExitCode {
    memory::share_one_arena();
    let cli = Cli::parse();
    let settings = match Settings::read(&cli) {
        Ok(settings) => settings,
        Err(problem) => return complain(&problem),
    };
    telemetry::init(settings.log_format, cli.verbose);
    if let Some(complaint) = Environment::complaint(&settings.unheard) {
        tracing::warn!(detail = complaint, "not used");
    }
    install_crypto();
    let runtime = match runtime(&cli.command) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("no asynchronous runtime")),
    };
    let code = match runtime.block_on(start(&cli, settings)) {
        Ok(Ran::Over { carried_through: true }) => ExitCode::from(CARRIED_THROUGH),
        Ok(Ran::Over { carried_through: false }) => ExitCode::from(FAILED),
        Ok(Ran::StoppedTwice) => ExitCode::from(STOPPED),
        Err(problem) => complain(&problem),
    };
    // A disk that hangs must not keep a process whose call is over.
    runtime.shutdown_timeout(SHUTDOWN_CAP);
    code
}

/// The provider of the whole process, for TLS and DTLS alike.
fn install_crypto() {
    // A second time it is there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// One call is one thread's work: the media loop, the sockets and the codec take a few per cent of it.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    match command {
        Command::Worker(_) => Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build(),
        _ => Builder::new_current_thread().enable_all().build(),
    }
}

/// Runs what was asked for.
async fn start(cli: &Cli, settings: Settings) -> anyhow::Result<Ran> {
    let job = match &cli.command {
        Command::Job(asked) => job::from_call_folder(asked, &settings).await?,
        Command::Outbound(asked) => terminal::outbound(asked, &settings).await?,
        Command::Inbound(asked) => terminal::inbound(asked, &settings).await?,
        Command::Worker(_) => return worker::run(settings).await,
    };
    job.log_context().is_of_process();
    run::run(job, Stop::listen).await
}

#[expect(clippy::print_stderr, reason = "a person, or a task's log, reads why nothing was started")]
fn complain(problem: &anyhow::Error) -> ExitCode {
    eprintln!("bridge-task: {problem:#}");
    ExitCode::from(MISCONFIGURED)
}
