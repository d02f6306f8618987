//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::explain::Explain;

/// Operates the Outbound Call Gateway: profiles, calls, dead letters.
///
/// Region and credentials are found as every AWS tool finds them (AWS_PROFILE, AWS_REGION …). Exit codes: 0 done,
/// 1 it did not work, 2 asked wrongly, 3 the answer is no.
#[derive(Debug, Parser)]
#[command(name = "ocg", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub everywhere: Everywhere,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Everywhere {
    /// The deployment, such as dev or prod (else OCG_STAGE).
    #[arg(long, global = true, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Its CloudFormation stack (else OCG_STACK, else ocg-<STAGE>).
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// Call folders in a directory, of a terminal or a worker, instead of the deployment's bucket.
    #[arg(long, global = true, value_name = "DIR")]
    pub calls: Option<PathBuf>,
    /// One JSON object a line, for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What would happen to a message, and why: by the router's own code.
    Explain(Explain),
    /// Prints what a shell completes ocg with: ocg completions bash > /etc/bash_completion.d/ocg
    Completions {
        /// Which shell.
        shell: Shell,
    },
}
