//! The router: SQS → country profile → one Fargate task a call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_lambda_events::sqs::SqsEvent;
use cloud::call_folder::CallFolders;
use cloud::launch::{Launcher, Pace};
use cloud::profiles::{ProfileSource, StoredProfiles};
use cloud::queue::Queue;
use lambda_runtime::{LambdaEvent, service_fn};
use lambdas::router::Function;
use lambdas::settings::Settings;
use lambdas::traces::traces;
use router::{Paces, Router};
use telemetry::metrics::{Meters, Stage};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// A request that is not answered is sent again, and given up well before the function's own time is over.
const ATTEMPT: Duration = Duration::from_secs(4);
const OPERATION: Duration = Duration::from_secs(9);
/// Longer than this a message does not wait for its turn to be launched; it comes again instead.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init(telemetry::Format::Json, false);
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|problems| anyhow!(problems))?;
    let function = Arc::new(OnceCell::new());
    // Most of a cold start is reading certificates: that is done while the first messages are asked for.
    let (cell, known) = (function.clone(), settings.clone());
    tokio::task::spawn_blocking(move || {
        Handle::current().block_on(cell.get_or_try_init(|| build(&known))).map(drop)
    });
    let handler = |event: LambdaEvent<SqsEvent>| async {
        let function: &Function = function.get_or_try_init(|| build(&settings)).await?;
        Ok::<_, lambda_runtime::Error>(function.handle(event.payload).await)
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn build(settings: &Settings) -> anyhow::Result<Function> {
    // What tells of traces needs it; a second time it is there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let patience =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
    let aws = aws_config::defaults(BehaviorVersion::latest()).timeout_config(patience).load().await;
    let sqs = aws_sdk_sqs::Client::new(&aws);
    // The SDK's own tries would not keep the pace; the message comes again anyway.
    let ecs = aws_sdk_ecs::config::Builder::from(&aws).retry_config(RetryConfig::disabled()).build();
    let pace = Pace::new(settings.run_tasks_per_second, LONGEST_WAIT);
    let profiles = StoredProfiles::new(aws_sdk_ssm::Client::new(&aws), &settings.stage);
    let router = Router {
        name: "router".to_owned(),
        folders: CallFolders::in_bucket(&settings.bucket)?,
        profiles: Arc::new(ProfileSource::Stored(profiles)),
        queue: Queue::new(sqs.clone(), &settings.trigger_call_queue_url),
        dead_letters: Queue::new(sqs.clone(), &settings.dead_letter_queue_url),
        call_history: settings.call_history_queue_url.as_ref().map(|url| Queue::new(sqs, url)),
        policy: settings.policy,
        paces: Paces::shared_by(settings.routers),
        meters: Meters { emf: Some(Stage::new(&settings.stage)), prometheus: None },
        traces: traces(settings.traces_endpoint.as_deref(), "router", &settings.stage)?,
    };
    let launcher = Launcher::new(aws_sdk_ecs::Client::from_conf(ecs), settings.task.clone(), pace);
    Ok(Function { router, launcher })
}
