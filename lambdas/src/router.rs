//! The hands of `calls::routing`: messages from SQS in, tasks on ECS and dead letters out.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use calls::fact::Fact;
use calls::routing::{DeadLetter, Delivery, Effect, Input, Policy, Routing, Verdict};
use cloud::call_folder::{CallFolders, FactsWriter, Signature, draw_nonce};
use cloud::launch::Launcher;
use cloud::profiles::StoredProfiles;
use cloud::queue::Queue;
use cloud::queue::attributes::{Attribute, Content};
use cloud::queue::dead_letter;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use telemetry::CallContext;
use telemetry::call_history::About;
use telemetry::metrics::{Metrics, Stage};
use tokio::time::timeout;

/// After this a message comes again, so that the others of its batch are acknowledged before the function's own timeout
/// (30 s). Whatever was left undone, its next delivery finds.
const CARRIED_WITHIN: Duration = Duration::from_secs(20);
/// How long what comes after the verdict may take: facts, upstream's event, putting a message off.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);

/// After its first delivery a message that could not be carried through comes again after this.
const SOONEST_AGAIN: Duration = Duration::from_secs(5);
/// However often it was tried.
const LATEST_AGAIN: Duration = Duration::from_secs(15 * 60);

/// Everything that a message's way needs.
pub struct Router {
    /// Where call folders are.
    pub folders: CallFolders,
    /// The countries.
    pub profiles: StoredProfiles,
    /// What starts tasks.
    pub launcher: Launcher,
    /// Where messages come from.
    pub queue: Queue,
    /// Where messages go that can never work.
    pub dead_letters: Queue,
    /// Where upstream is told, if it wants to be.
    pub call_history: Option<Queue>,
    /// What the deployment decided.
    pub policy: Policy,
    /// Whose refusals are counted.
    pub stage: Stage,
}

impl Router {
    /// Takes a batch all its way, all messages at once, and says which are to come again.
    pub async fn handle(&self, batch: SqsEvent) -> SqsBatchResponse {
        let routed = join_all(batch.records.into_iter().map(|message| async {
            let id = message.message_id.clone().unwrap_or_default();
            (id, self.route(message).await)
        }));
        let mut response = SqsBatchResponse::default();
        for (id, verdict) in routed.await {
            if matches!(verdict, Verdict::Retry(_)) {
                response.add_failure(id);
            }
        }
        response
    }

    async fn route(&self, message: SqsMessage) -> Verdict {
        let receipt_handle = message.receipt_handle.clone();
        let mut way = Way::of(self, message);
        let verdict = match timeout(CARRIED_WITHIN, way.walk()).await {
            Ok(verdict) => verdict,
            Err(_) => {
                let detail = format!("not carried through within {} s", CARRIED_WITHIN.as_secs());
                way.record(Fact::TryAgain { detail: detail.clone() });
                Verdict::Retry(detail)
            }
        };
        let again = async {
            if let (Verdict::Retry(_), Some(handle)) = (&verdict, receipt_handle) {
                self.put_off(&handle, &way).await;
            }
        };
        // All of it is done or left undone in a few seconds: the rest of the batch waits.
        tokio::join!(again, self.tell(way.refusal.as_ref()), way.write_facts(&verdict));
        verdict
    }

    /// What did not work now is tried again soon at first, then ever more seldom. By itself the queue would wait
    /// for its visibility timeout each time.
    async fn put_off(&self, receipt_handle: &str, way: &Way<'_>) {
        let waited = Timestamp::now().duration_since(way.sent_at).as_secs();
        Metrics::of_message_again(Timestamp::now(), &self.stage, u64::try_from(waited).unwrap_or(0)).emit();
        let putting_off = self.queue.put_off(receipt_handle, try_again_after(way.receive_count));
        if let Err(error) = at_most(putting_off).await {
            tracing::warn!(%error, "a message comes again later than it should");
        }
    }

    /// Tells upstream of a refusal, if its message could be read that far.
    async fn tell(&self, refusal: Option<&Value>) {
        let (Some(history), Some(event)) = (&self.call_history, refusal) else { return };
        let body = event.to_string();
        let sending = async { history.send(&body, &[]).await.map_err(|error| error.to_string()) };
        if let Err(error) = at_most(sending).await {
            tracing::warn!(%error, "upstream is not told of a refusal");
        }
    }
}

/// What nobody's call depends on does not hold it up.
async fn at_most<T>(doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let too_long = || Err(format!("not done within {} s", ASIDE_WITHIN.as_secs()));
    timeout(ASIDE_WITHIN, doing).await.unwrap_or_else(|_| too_long())
}

/// 5, 10, 20 … seconds, 15 minutes at most: twenty deliveries last over three hours.
fn try_again_after(receive_count: u32) -> Duration {
    let doubled = 1u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX);
    SOONEST_AGAIN.saturating_mul(doubled).min(LATEST_AGAIN)
}

/// One message on its way.
struct Way<'a> {
    router: &'a Router,
    routing: Routing,
    body: String,
    receive_count: u32,
    sent_at: Timestamp,
    attributes: Vec<Attribute>,
    signature: Signature,
    facts: Vec<(Timestamp, Fact)>,
    /// What upstream is to be told, once the letter is sent.
    refusal: Option<Value>,
}

impl<'a> Way<'a> {
    fn of(router: &'a Router, message: SqsMessage) -> Self {
        let delivery = delivery(&message);
        let attributes: Vec<Attribute> =
            message.message_attributes.iter().filter_map(|(name, value)| attribute(name, value)).collect();
        let texts = attributes.iter().filter_map(|attribute| match &attribute.content {
            Content::Text(text) => Some((attribute.name.clone(), text.clone())),
            Content::Bytes(_) => None,
        });
        let signature = Signature {
            name: "router".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            attributes: texts.collect::<BTreeMap<_, _>>(),
        };
        let (receive_count, sent_at) = (delivery.receive_count, delivery.sent_at);
        let routing = Routing::new(delivery, router.policy, Timestamp::now());
        let body = message.body.unwrap_or_default();
        let (facts, refusal) = (Vec::new(), None);
        Self { router, routing, body, receive_count, sent_at, attributes, signature, facts, refusal }
    }

    async fn walk(&mut self) -> Verdict {
        while let Some(effect) = self.routing.poll_effect() {
            match effect {
                Effect::Record(fact) => self.record(fact),
                Effect::Finish(verdict) => return verdict,
                effect => {
                    let answer = self.perform(effect).await;
                    self.routing.handle(answer);
                }
            }
        }
        // The core always ends with a verdict; should it not, nothing is lost.
        Verdict::Retry("routing ended without a verdict".to_owned())
    }

    async fn perform(&mut self, effect: Effect) -> Input {
        match self.router.folders.route(effect, &self.signature).await {
            Ok(input) => input,
            Err(Effect::LoadProfiles { fresh }) => self.load_profiles(fresh).await,
            Err(Effect::Launch(attempt)) => Input::Launched(self.router.launcher.launch(&attempt).await),
            Err(Effect::SendDeadLetter(letter)) => Input::LetterSent(self.bury(&letter).await),
            // The folder does everything else, and nothing waits for an answer to the rest.
            Err(_) => Input::Stored(Ok(())),
        }
    }

    async fn load_profiles(&mut self, fresh: bool) -> Input {
        match self.router.profiles.get(fresh).await {
            Ok(known) => {
                if let Some((age_seconds, detail)) = known.stale {
                    self.record(Fact::ProfilesStale { age_seconds, detail });
                }
                Input::Profiles(Ok(known.profiles))
            }
            Err(detail) => Input::Profiles(Err(detail)),
        }
    }

    /// The body as it came, with our attributes.
    async fn bury(&mut self, letter: &DeadLetter) -> Result<(), String> {
        let (at, version) = (Timestamp::now(), &self.signature.version);
        let attributes =
            dead_letter::attributes(letter, self.attributes.clone(), self.body.len(), at, version);
        self.router.dead_letters.send(&self.body, &attributes).await.map_err(|error| error.to_string())?;
        Metrics::of_refusal(at, &self.router.stage, letter.refusal.code).emit();
        self.refusal = letter.tracking.as_ref().map(|tracking| {
            let about = About::refused(&letter.attempt.key, letter.call_id.as_deref(), tracking);
            about.refusal(at, &letter.refusal)
        });
        Ok(())
    }

    fn record(&mut self, fact: Fact) {
        let attempt = self.routing.attempt();
        let context = CallContext {
            call_id: attempt.key.to_string(),
            attempt: attempt.to_string(),
            country: String::new(),
            words: false,
        };
        telemetry::log(&context, &fact);
        self.facts.push((Timestamp::now(), fact));
    }

    /// What happened goes into the call's folder, if there is one. A refusal leaves none.
    async fn write_facts(&self, verdict: &Verdict) {
        let in_folder = |(_, fact): &(Timestamp, Fact)| {
            matches!(fact, Fact::AttemptClaimed { .. } | Fact::DeliveredAgain | Fact::DuplicateMessage)
        };
        if !matches!(verdict, Verdict::Done) && !self.facts.iter().any(in_folder) {
            return;
        }
        let folders = self.router.folders.clone();
        let mut writer = FactsWriter::start(folders, self.routing.attempt(), draw_nonce());
        for (at, fact) in &self.facts {
            writer.note(*at, fact.clone());
        }
        if let Err(error) = writer.close(ASIDE_WITHIN).await {
            tracing::warn!(%error, "a message's facts were not written");
        }
    }
}

fn delivery(message: &SqsMessage) -> Delivery {
    let system = |name: &str| message.attributes.get(name).map(String::as_str);
    let own = |name: &str| {
        message.message_attributes.get(name).and_then(|attribute| attribute.string_value.clone())
    };
    let sent_at = system("SentTimestamp").and_then(|ms| ms.parse().ok());
    Delivery {
        message_id: message.message_id.clone().unwrap_or_default(),
        body: message.body.clone().unwrap_or_default().into_bytes(),
        call_key: own("OcgCallKey"),
        attempt: own("OcgAttempt"),
        receive_count: system("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1),
        sent_at: sent_at.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_else(Timestamp::now),
    }
}

fn attribute(name: &str, value: &SqsMessageAttribute) -> Option<Attribute> {
    let content = match (&value.string_value, &value.binary_value) {
        (Some(text), _) => Content::Text(text.clone()),
        (None, Some(bytes)) => Content::Bytes(bytes.to_vec()),
        (None, None) => return None,
    };
    let data_type = value.data_type.clone().unwrap_or_else(|| "String".to_owned());
    Some(Attribute { name: name.to_owned(), data_type, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_again_ever_more_seldom_and_outlasts_hours_of_trouble() {
        let seconds: Vec<u64> = (1..=20).map(|nth| try_again_after(nth).as_secs()).collect();
        assert_eq!(seconds[..9], [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert!(seconds[8..].iter().all(|wait| *wait == 900));
        assert!(seconds.iter().sum::<u64>() > 3 * 60 * 60);
        assert_eq!(try_again_after(u32::MAX).as_secs(), 900);
    }
}
