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
    /// Take messages from a queue and carry their calls in this one process, without Lambda and without ECS.
    ///
    /// Example: SQS_QUEUE_NAME=trigger-call MAX_CONCURRENT_CALLS=20 bridge-task worker --profiles ./profiles
    #[command(after_long_help = WORKER_VARIABLES)]
    Worker(Worker),
}

const WORKER_VARIABLES: &str = "\
Variables:
  SQS_QUEUE_URL or SQS_QUEUE_NAME
      the queue of TRIGGER_CALL messages; one of them must be set
  DEAD_LETTER_QUEUE_URL or DEAD_LETTER_QUEUE_NAME
      where refused messages go (default: as the queue's RedrivePolicy says)
  MAX_CONCURRENT_CALLS
      calls at once, 1 to 500 (default: 10)
  VISIBILITY_SECONDS
      a message in hand is hidden from others for so long, again and again; what a worker that
      was killed had in hand comes again after it (3 to 3600, default: 60)
  MAX_RECEIVES, MAX_AGE_SECONDS, CLAIM_WITHIN_SECONDS
      as the router's (defaults: 20, no limit, 14400)
  STOP_TIMEOUT_SECONDS
      how long after the first signal the machine lets it live; 15 s less is what calls may go on for
      (0 to 86400, default: 120, which is systemd's TimeoutStopSec in docs/operations.md)
  OCG_BUCKET and OCG_STAGE
      a deployment's call folders, parameters and metrics
  METRICS_ADDRESS
      where Prometheus finds this worker's metrics, such as 127.0.0.1:9464 (default: nowhere)
  CALL_HISTORY_QUEUE_URL
      a queue that is told each step of a call
Credentials and Region of AWS are found as every AWS tool finds them.

The first SIGTERM or SIGINT: no new calls; those that ring or talk may go on for the time that
there is, and are then ended in order.
The second: every line is hung up at once.
Exit code 0: stopped as told. 130: told twice. 2: something is missing or wrong. 1: it broke.";

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

/// `bridge-task worker`
#[derive(Debug, Args)]
pub struct Worker {
    /// Country profiles: a directory of JSON files, `ssm` (the parameter store, with its secrets) or `env` (default:
    /// ssm if OCG_BUCKET is set, else env). Beside a directory or `env`, secrets come from the environment.
    #[arg(long, value_name = "DIR|ssm|env")]
    pub profiles: Option<String>,
    /// The directory of the call folders (default: the bucket OCG_BUCKET, else the directory OCG_CALLS, else ./calls).
    #[arg(long)]
    pub calls: Option<PathBuf>,
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
