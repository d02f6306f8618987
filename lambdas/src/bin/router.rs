//! The router: SQS → country profile → one Fargate task a call.

use std::time::Duration;

use anyhow::anyhow;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_lambda_events::sqs::SqsEvent;
use cloud::call_folder::CallFolders;
use cloud::launch::{Launcher, Pace};
use cloud::profiles::StoredProfiles;
use cloud::queue::Queue;
use lambda_runtime::{LambdaEvent, service_fn};
use lambdas::router::Router;
use lambdas::settings::Settings;

/// Longer than this a message does not wait for its turn to be launched; it comes again instead.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init(telemetry::Format::Json, false);
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|problems| anyhow!(problems))?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let sqs = aws_sdk_sqs::Client::new(&aws);
    // The SDK's own tries would not keep the pace; the message comes again anyway.
    let ecs = aws_sdk_ecs::config::Builder::from(&aws).retry_config(RetryConfig::disabled()).build();
    let pace = Pace::new(settings.run_tasks_per_second, LONGEST_WAIT);
    let router = Router {
        folders: CallFolders::in_bucket(&settings.bucket)?,
        profiles: StoredProfiles::new(aws_sdk_ssm::Client::new(&aws), &settings.stage),
        launcher: Launcher::new(aws_sdk_ecs::Client::from_conf(ecs), settings.task, pace),
        queue: Queue::new(sqs.clone(), settings.trigger_call_queue_url),
        dead_letters: Queue::new(sqs.clone(), settings.dead_letter_queue_url),
        call_history: settings.call_history_queue_url.map(|url| Queue::new(sqs, url)),
        policy: settings.policy,
    };
    let handler = |event: LambdaEvent<SqsEvent>| async { Ok::<_, lambda_runtime::Error>(router.handle(event.payload).await) };
    lambda_runtime::run(service_fn(handler)).await
}
