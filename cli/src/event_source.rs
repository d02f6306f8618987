//! `ocg pause`, `ocg resume`: the router's event source, off and on.

use cloud::said;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;
use tokio::time::Instant;

use crate::failure::Answer;
use crate::output::{Output, YELLOW, styled};
use crate::settings::Settings;
use crate::stack::Stack;

/// Lambda takes some seconds, seldom a minute.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(500);

/// The router's event source: what hands it the messages.
#[derive(Clone, Debug)]
pub struct EventSource {
    /// Lambda's id of it.
    pub id: String,
    /// `Enabled`, `Disabled`, or on the way to either.
    pub state: String,
}

impl EventSource {
    /// Looks it up.
    ///
    /// # Errors
    /// When there is none, or Lambda does not answer.
    pub async fn find(stack: &Stack) -> anyhow::Result<Self> {
        let function = stack.output("RouterFunctionName")?;
        let client = aws_sdk_lambda::Client::new(&stack.aws);
        let listed = client.list_event_source_mappings().function_name(function).send().await;
        let listed = listed
            .map_err(|error| anyhow!("{}", said(&error)))
            .with_context(|| format!("cannot look up what calls {function}"))?;
        let queue = stack.output("TriggerCallQueueUrl")?.rsplit('/').next().unwrap_or_default();
        let found = listed.event_source_mappings().iter().find(|source| {
            source.event_source_arn().is_some_and(|arn| arn.rsplit(':').next() == Some(queue))
        });
        let found =
            found.with_context(|| format!("{function} has no event source on {queue}: deploy it again"))?;
        Ok(Self {
            id: found.uuid().unwrap_or_default().to_owned(),
            state: found.state().unwrap_or("?").to_owned(),
        })
    }

    /// Does it hand out messages, or will it soon?
    pub fn is_on(&self) -> bool {
        matches!(self.state.as_str(), "Enabled" | "Enabling")
    }
}

/// Turns it on or off and waits until that is done.
pub async fn turn(on: bool, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let stack = Stack::find(settings).await?;
    let wanted = if on { "Enabled" } else { "Disabled" };
    let mut source = EventSource::find(&stack).await?;
    let client = aws_sdk_lambda::Client::new(&stack.aws);
    let deadline = Instant::now() + PATIENCE;
    let mut told = source.state == wanted;
    while source.state != wanted {
        // While it is on its way to somewhere Lambda takes no orders (ResourceInUse).
        if !told && matches!(source.state.as_str(), "Enabled" | "Disabled") {
            let update = client.update_event_source_mapping().uuid(&source.id).enabled(on).send().await;
            update.map_err(|error| anyhow!("{}", said(&error)))?;
            told = true;
        }
        if Instant::now() >= deadline {
            bail!(
                "the event source is still {} after {} s: look at it in Lambda's console",
                source.state,
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(GLANCE).await;
        source = EventSource::find(&stack).await?;
    }
    let depth = stack.trigger_calls()?.depth().await.map_err(anyhow::Error::msg)?;
    if output.json {
        output.object(&json!({ "stage": stack.stage, "paused": !on, "waiting": depth.waiting }))?;
    } else if on {
        output.say(format!("{} routes messages again; {} are waiting", stack.stage, depth.waiting));
    } else {
        output.say(format!(
            "{}: {} is paused. Messages stay on the queue ({} now); calls that run go on (ocg calls ls --outcome \
             in-progress, ocg hangup). ocg resume ends it",
            styled(YELLOW, "paused"),
            stack.stage,
            depth.waiting
        ));
    }
    Ok(Answer::Yes)
}
