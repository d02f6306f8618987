//! The watcher: news of stopped tasks, and a sweep every few minutes → what is left of a call is settled.

use anyhow::anyhow;
use lambda_runtime::{LambdaEvent, service_fn};
use lambdas::watcher::Function;
use lambdas::watcher::settings::Settings;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init(telemetry::Format::Json, false);
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|problems| anyhow!(problems))?;
    let function = Function::build(&settings).await?;
    let handler = |event: LambdaEvent<Value>| async {
        Ok::<_, lambda_runtime::Error>(function.handle(event.payload).await?)
    };
    lambda_runtime::run(service_fn(handler)).await
}
