//! `ocg`: what the people who operate the gateway do at a terminal.
//!
//! One module a command. [`stack`] finds what a deployment is made of, [`output`] is all that is printed,
//! [`settings`] all that is read from the environment.

mod args;
mod call;
mod calls;
mod dlq;
mod doctor;
mod event_source;
mod explain;
mod failure;
mod flight;
mod hangup;
mod output;
mod profile;
mod report;
mod settings;
mod stack;
mod tail;
mod which;

use std::process::ExitCode;

use clap::Parser as _;
use cloud::profiles::Environment;

use args::{Cli, Command};
use failure::{Answer, exit_code};
use output::Output;
use settings::Settings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.everywhere.json);
    // For TLS to LiveKit and the agent's vendor.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli, &output)));
    if let Err(problem) = &done {
        output.complain(problem);
    }
    ExitCode::from(exit_code(&done))
}

async fn run(cli: Cli, output: &Output) -> anyhow::Result<Answer> {
    let settings = Settings::read(&cli.everywhere)?;
    if let Some(complaint) = Environment::complaint(&settings.unheard) {
        output.remark(complaint);
    }
    match cli.command {
        Command::Profile(asked) => profile::run(&asked, &settings, output).await,
        Command::Call(asked) => call::run(&asked, &settings, output).await,
        Command::Tail(asked) => tail::run(&asked, &settings, output).await,
        Command::Calls(asked) => calls::run(&asked, &settings, output).await,
        Command::Flight(asked) => flight::run(&asked, &settings, output).await,
        Command::Hangup(asked) => hangup::run(&asked, &settings, output).await,
        Command::Pause => event_source::turn(false, &settings, output).await,
        Command::Resume => event_source::turn(true, &settings, output).await,
        Command::Doctor(asked) => doctor::run(&asked, &settings, output).await,
        Command::Dlq(asked) => dlq::run(&asked, &settings, output).await,
        Command::Explain(asked) => explain::run(&asked, &settings, output).await,
        Command::Completions { shell } => {
            args::completions(shell);
            Ok(Answer::Yes)
        }
    }
}
