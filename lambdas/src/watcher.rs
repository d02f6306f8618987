//! The watcher function: news of tasks that have stopped, and every few minutes a sweep.

pub mod settings;
mod stopped;

use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use calls::settle::{Cause, Settled};
use cloud::call_folder::CallFolders;
use cloud::profiles::{CredentialSource, ProfileSource, StoredProfiles};
use cloud::queue::Queue;
use cloud::tasks::Tasks;
use futures_util::future::join_all;
use serde_json::Value;
use settler::Settler;
use telemetry::metrics::{Meters, Stage};
use tokio::time::timeout;

use crate::traces::traces;
use settings::Settings;
use stopped::StoppedTask;

/// A request that is not answered is sent again, and given up well before the function's own time is over.
const ATTEMPT: Duration = Duration::from_secs(4);
const OPERATION: Duration = Duration::from_secs(9);
/// After this an event comes again, so that the others of its batch are acknowledged before the function's own timeout
/// (60 s). Whatever was left undone then, its next delivery or a sweep finds.
const SETTLED_WITHIN: Duration = Duration::from_secs(45);
/// A sweep ends so early before that timeout that what is on its way can end too.
const SWEPT_WITHIN: Duration = Duration::from_secs(40);
/// Of putting an event off.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);

/// What the function is made of.
pub struct Function {
    /// What settles attempts.
    pub settler: Settler,
    /// Where events come from.
    pub events: Queue,
}

impl Function {
    /// Puts it together; sends nothing.
    ///
    /// # Errors
    /// When the settings make no store.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let patience =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
        let aws = aws_config::defaults(BehaviorVersion::latest()).timeout_config(patience).load().await;
        // Requests to LiveKit and to the agent's vendor need it; a second time it is there.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (sqs, ssm) = (aws_sdk_sqs::Client::new(&aws), aws_sdk_ssm::Client::new(&aws));
        let queue = |url: &str| Queue::new(sqs.clone(), url);
        let settler = Settler {
            name: "watcher".to_owned(),
            stage: settings.stage.clone(),
            folders: CallFolders::in_bucket(&settings.bucket)?,
            queue: queue(&settings.trigger_call_queue_url),
            dead_letters: queue(&settings.dead_letter_queue_url),
            call_history: settings.call_history_queue_url.as_deref().map(queue),
            profiles: Arc::new(ProfileSource::Stored(StoredProfiles::new(ssm.clone(), &settings.stage))),
            credentials: CredentialSource::Stored { client: ssm, stage: settings.stage.clone() },
            tasks: Some(Tasks::new(aws_sdk_ecs::Client::new(&aws), &settings.cluster)),
            policy: settings.policy,
            meters: Meters { emf: Some(Stage::new(&settings.stage)), prometheus: None },
            traces: traces(settings.traces_endpoint.as_deref(), "watcher", &settings.stage)?,
        };
        Ok(Self { settler, events: queue(&settings.task_events_queue_url) })
    }

    /// A batch of events from the queue is settled, all of them at once, and those that did not work are named; anything
    /// else is the schedule, and means: sweep.
    ///
    /// # Errors
    /// A batch that cannot be read comes again as a whole.
    pub async fn handle(&self, event: Value) -> Result<Value, serde_json::Error> {
        if event.get("Records").is_none() {
            self.settler.sweep(SWEPT_WITHIN).await;
            return Ok(Value::Null);
        }
        let batch: SqsEvent = serde_json::from_value(event)?;
        let taken = join_all(batch.records.iter().map(|message| self.take(message))).await;
        let mut response = SqsBatchResponse::default();
        for (message, is_done) in batch.records.into_iter().zip(taken) {
            if !is_done {
                response.add_failure(message.message_id.unwrap_or_default());
            }
        }
        serde_json::to_value(response)
    }

    /// `false`: it is to come again.
    async fn take(&self, message: &SqsMessage) -> bool {
        let task = match StoppedTask::read(message.body.as_deref().unwrap_or_default()) {
            Ok(task) => task,
            Err(detail) => {
                tracing::info!(detail, "not an event of an attempt");
                return true;
            }
        };
        let StoppedTask { attempt, task, detail, phases } = task;
        let settling = self.settler.settle_task(&attempt, Cause::Stopped { task, detail }, phases);
        match timeout(SETTLED_WITHIN, settling).await {
            Ok(Settled::Done(_) | Settled::NotYet | Settled::Stuck(_)) => true,
            Ok(Settled::Again(wait)) => {
                self.put_off(message, wait).await;
                false
            }
            Ok(Settled::Retry(_)) => {
                let receives = message.attributes.get("ApproximateReceiveCount");
                let receives = receives.and_then(|count| count.parse().ok()).unwrap_or(1);
                self.put_off(message, calls::routing::try_again_after(receives)).await;
                false
            }
            Err(_) => {
                let within = SETTLED_WITHIN.as_secs();
                tracing::warn!(%attempt, detail = format!("not settled within {within} s"), "try again");
                false
            }
        }
    }

    /// Should this fail, it comes again when the queue's own time is over.
    async fn put_off(&self, message: &SqsMessage, delay: Duration) {
        let handle = message.receipt_handle.as_deref().unwrap_or_default();
        let problem = match timeout(ASIDE_WITHIN, self.events.put_off(handle, delay)).await {
            Ok(done) => done.err(),
            Err(_) => Some(format!("no answer within {} s", ASIDE_WITHIN.as_secs())),
        };
        if let Some(detail) = problem {
            tracing::warn!(detail, "an event comes again later than it should");
        }
    }
}
