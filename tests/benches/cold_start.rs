//! How long a function takes from the start of its process to its first request for work, beside the least that a
//! Rust function can be: `make bench`.
//!
//! The runtime API (AWS Lambda developer guide, "Using the Lambda runtime API") is a stand-in that notes when it is
//! first asked, and then hands out one message; AWS is a port that notes when the router first turns to it. What Lambda
//! adds before the process starts is not in it. Runs take turns.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
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
    let (mut routers, mut at_work, mut empties) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let run = Run::start(&router).await?;
        routers.push(run.asked_ms);
        at_work.push(run.turns_to_aws_ms().await?);
        empties.push(Run::start(&empty).await?.asked_ms);
    }
    println!("\n| from the start of the process, ms | median | least – most | n |\n|---|---|---|---|");
    let router = row("router: asks for work", &mut routers);
    row("router: first turns to AWS with a message", &mut at_work);
    let empty = row("empty function: asks for work", &mut empties);
    println!("\nThe router takes {:.1} times as long as an empty function to ask for work.", router / empty);
    Ok(())
}

/// A function that has asked for work.
struct Run {
    start: Instant,
    asked_ms: f64,
    runtime_api: TcpStream,
    aws: TcpListener,
    _child: Child,
}

impl Run {
    async fn start(program: &PathBuf) -> Result<Self> {
        let (listener, aws) =
            (TcpListener::bind(("127.0.0.1", 0)).await?, TcpListener::bind(("127.0.0.1", 0)).await?);
        let mut command = Command::new(program);
        command.env_clear().envs(ENVIRONMENT.iter().copied());
        command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
        command.env("AWS_ENDPOINT_URL", format!("http://{}", aws.local_addr()?));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let start = Instant::now();
        let child = command.spawn()?;
        let asked = timeout(LONGEST, async {
            let (mut socket, _) = listener.accept().await?;
            let mut request = [0; 4096];
            let read = socket.read(&mut request).await?;
            ensure!(
                request[..read].starts_with(b"GET /2018-06-01/runtime/invocation/next"),
                "another request"
            );
            Ok((socket, start.elapsed()))
        });
        let (runtime_api, asked) =
            asked.await.with_context(|| format!("{} asks for nothing", program.display()))??;
        Ok(Self { start, asked_ms: asked.as_secs_f64() * 1000.0, runtime_api, aws, _child: child })
    }

    /// Hands out a message; until the function turns to AWS.
    async fn turns_to_aws_ms(mut self) -> Result<f64> {
        let event = json!({ "Records": [{
            "messageId": "1", "receiptHandle": "1", "body": "{}", "eventSource": "aws:sqs",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "0" }, "messageAttributes": {},
        }] })
        .to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:000000000000:function:bench\r\n\
             Content-Length: {}\r\n\r\n{event}",
            event.len()
        );
        self.runtime_api.write_all(answer.as_bytes()).await?;
        timeout(LONGEST, self.aws.accept()).await.context("the router never turns to AWS")??;
        Ok(self.start.elapsed().as_secs_f64() * 1000.0)
    }
}

/// Prints a line of the table; the median.
fn row(name: &str, values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
    println!(
        "| {name} | {median:.1} | {:.1} – {:.1} | {} |",
        values[0],
        values[values.len() - 1],
        values.len()
    );
    median
}

#[expect(clippy::disallowed_methods, reason = "a bench's programs come from the environment")]
fn program(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    path.with_context(|| format!("{variable} must name a program; `make bench` sets it"))
}
