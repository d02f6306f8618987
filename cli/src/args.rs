//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::call::Call;
use crate::calls::Calls;
use crate::doctor::Doctor;
use crate::explain::Explain;
use crate::hangup::Hangup;
use crate::profile::Profile;
use crate::tail::Tail;

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
    /// The countries that can be called, and their secrets.
    #[command(subcommand)]
    Profile(Profile),
    /// Calls somebody: a real message on the queue, followed until its outcome.
    #[command(
        after_help = "Example:\n  ocg call --stage dev --to +5511987654321 --prompt-file prompt.txt --greeting 'Bom dia!'\n\n\
                            Exits with 0 if somebody answered, with 3 if not."
    )]
    Call(Call),
    /// What happens in a call, as it happens.
    #[command(after_help = "Example:\n  ocg tail 3f2a9c --stage prod")]
    Tail(Tail),
    /// Which calls there were, and how they ended.
    #[command(subcommand)]
    Calls(Calls),
    /// Ends a call now; one that has not rung yet never will.
    Hangup(Hangup),
    /// Stops routing messages; they wait on the queue, and calls that run go on.
    #[command(after_help = "Example:\n  ocg pause --stage prod")]
    Pause,
    /// Routes messages again.
    #[command(after_help = "Example:\n  ocg resume --stage prod")]
    Resume,
    /// Every endpoint, permission and quota that the deployment needs: what is wrong, and what to do.
    Doctor(Doctor),
    /// What would happen to a message, and why: by the router's own code.
    Explain(Explain),
    /// Prints what a shell completes ocg with: ocg completions bash > /etc/bash_completion.d/ocg
    Completions {
        /// Which shell.
        shell: Shell,
    },
}
