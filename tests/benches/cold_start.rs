//! How long a function takes from the start of its process to its first request for work, beside the least that a
//! Rust function can be: `make bench`.
//!
//! The runtime API (AWS Lambda developer guide, "Using the Lambda runtime API") is a stand-in that notes when it is
//! first asked. What Lambda adds before the process starts is not in it. Runs take turns.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

const RUNS: usize = 50;
/// A function that asks for nothing is broken.
const LONGEST: Duration = Duration::from_secs(10);

/// What the template sets, for a router that is given no work.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "nobody"),
    ("AWS_SECRET_ACCESS_KEY", "nobody"),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("OCG_STAGE", "bench"),
    ("OCG_BUCKET", "bench"),
    ("TRIGGER_CALL_QUEUE_URL", "http://127.0.0.1:9/trigger"),
    ("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/dead"),
    ("ECS_CLUSTER", "bench"),
    ("TASK_DEFINITION", "bench"),
    ("TASK_CONTAINER", "bench"),
    ("TASK_CAPACITY_PROVIDER", "FARGATE"),
    ("TASK_SUBNETS", "subnet-1"),
    ("TASK_SECURITY_GROUPS", "sg-1"),
    ("TASK_PUBLIC_IP", "ENABLED"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (router, empty) = (program("ROUTER")?, program("EMPTY_FUNCTION")?);
    let (mut routers, mut empties) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        routers.push(first_request_ms(&router).await?);
        empties.push(first_request_ms(&empty).await?);
    }
    println!("\n| process start → first request for work, ms | median | least – most | n |\n|---|---|---|---|");
    let (router, empty) = (row("router", &mut routers), row("empty function", &mut empties));
    println!("\nThe router takes {:.1} times as long as an empty function.", router / empty);
    Ok(())
}

/// Starts it once, and ends it as soon as it has asked.
async fn first_request_ms(program: &PathBuf) -> Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT.iter().copied());
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let start = Instant::now();
    let mut child = command.spawn()?;
    let asked = timeout(LONGEST, async {
        let (mut socket, _) = listener.accept().await?;
        let mut request = [0; 64];
        let read = socket.read(&mut request).await?;
        anyhow::ensure!(request[..read].starts_with(b"GET /2018-06-01/runtime/invocation/next"), "another request");
        Ok(start.elapsed())
    });
    let elapsed = asked.await.with_context(|| format!("{} asks for nothing", program.display()))??;
    child.kill().await?;
    Ok(elapsed.as_secs_f64() * 1000.0)
}

/// Prints a line of the table; the median.
fn row(name: &str, values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
    println!("| {name} | {median:.1} | {:.1} – {:.1} | {} |", values[0], values[values.len() - 1], values.len());
    median
}

#[expect(clippy::disallowed_methods, reason = "a bench's programs come from the environment")]
fn program(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    path.with_context(|| format!("{variable} must name a program; `make bench` sets it"))
}
