//! The command line.

use std::path::PathBuf;

use calls::ids::AttemptId;
use clap::{Args, Parser, Subcommand};

/// Carries one phone call between a LiveKit room and a voice agent.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Log our own details too.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Where a call comes from.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry out the attempt that lies in a call folder. What Fargate starts.
    ///
    /// Example: bridge-task job --attempt 0123456789abcdef0123456789abcdef-a1 --calls ./calls
    Job(Job),
    /// Call somebody from this terminal.
    ///
    /// Example: bridge-task outbound --to +5511987654321 --scenario examples/scenarios/appointment.json
    Outbound(Outbound),
    /// Wait in a room for somebody who calls in, and let the agent greet them.
    ///
    /// Example: bridge-task inbound --country BR
    Inbound(Inbound),
}

/// `bridge-task job`
#[derive(Debug, Args)]
pub struct Job {
    /// The attempt: <call key>-a<n>.
    #[arg(long)]
    pub attempt: AttemptId,
    /// The directory of the call folders (default: the bucket OCG_BUCKET, else the directory OCG_CALLS, else ./calls).
    #[arg(long)]
    pub calls: Option<PathBuf>,
}

/// `bridge-task outbound`
#[derive(Debug, Args)]
pub struct Outbound {
    /// Whom to call, E.164: +5511987654321.
    #[arg(long)]
    pub to: String,
    /// The room (default: a new one for this call).
    #[arg(long)]
    pub room: Option<String>,
    /// What all calls from a terminal share.
    #[command(flatten)]
    pub common: Common,
}

/// `bridge-task inbound`
#[derive(Debug, Args)]
pub struct Inbound {
    /// The room that the caller is put into.
    #[arg(long, default_value = "asterisk-inbound-test")]
    pub room: String,
    /// Whose profile to use, such as BR; needed only where several are configured.
    #[arg(long)]
    pub country: Option<String>,
    /// What all calls from a terminal share.
    #[command(flatten)]
    pub common: Common,
}

/// What all calls from a terminal share.
#[derive(Debug, Args)]
pub struct Common {
    /// What the agent is and says: a JSON file with systemPrompt, greetingMessage, voiceId, languageHint
    /// and variables.
    #[arg(long)]
    pub scenario: Option<PathBuf>,
    /// Country profiles: a directory of JSON files (default: from the environment).
    #[arg(long)]
    pub profiles: Option<PathBuf>,
    /// The directory of the call folders (default: OCG_CALLS, else ./calls).
    #[arg(long)]
    pub calls: Option<PathBuf>,
}
