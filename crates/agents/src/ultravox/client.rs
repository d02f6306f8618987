//! The REST side: create a call, end one, ask why one ended.

use std::error::Error;
use std::time::Duration;

use calls::phone::MaskedText;
use calls::secret::Secret;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::failure::{AgentFailure, FailureKind};
use crate::{AskedToWait, Created};

/// How long connecting (name, TCP, TLS) may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the question why a call ended may take, all in all.
const WHY_ENDED_LIMIT: Duration = Duration::from_secs(2);
/// How long the request to end a call may take.
const END_LIMIT: Duration = Duration::from_secs(10);
/// The vendor may close the socket a moment before it knows why; so long until it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How long to wait when the vendor is full and does not say for how long; doubles each time.
const UNTOLD_WAIT: Duration = Duration::from_secs(1);
/// However soon the vendor wants to be asked again, it is not asked more often than this.
const LEAST_WAIT: Duration = Duration::from_millis(500);
/// A reply repeats the prompt, which may be long; beyond this it is not read.
const LONGEST_REPLY: usize = 4 << 20;
/// So much of the vendor's own words goes into a failure's sentence.
const LONGEST_DETAIL: usize = 200;

/// Ultravox's REST API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) calls_url: Url,
    pub(super) http: reqwest::Client,
    traceparent: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedReply {
    call_id: Option<String>,
    join_url: Option<Secret>,
}

/// What one try came to.
enum Tried {
    Done(Result<Created, AgentFailure>),
    /// No connection: nothing was created, it may be tried again.
    NotSent(AgentFailure),
    /// The vendor is full.
    Full(AgentFailure),
}

impl Client {
    pub(crate) fn new(calls_url: &str) -> Result<Self, AgentFailure> {
        let calls_url = Url::parse(calls_url.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            .ok_or_else(|| AgentFailure::error(None, "the agent's callsUrl is no http(s) URL"))?;
        // Neither redirects (they would carry the key elsewhere) nor repeats by the library: a call
        // created twice holds two of the account's places.
        let no_client = |why: String| AgentFailure::error(None, format!("no HTTP client: {why}"));
        let http = tls::http()
            .map_err(|error| no_client(error.to_string()))?
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| no_client(in_one_line(&error)))?;
        Ok(Self { calls_url, http, traceparent: None })
    }

    pub(crate) async fn create(
        &self,
        body: &Value,
        api_key: &Secret,
        within: Duration,
        on_wait: impl FnMut(AskedToWait) + Send,
    ) -> Result<Created, AgentFailure> {
        let mut last = None;
        let tries = self.create_with_waits(body, api_key, within, on_wait, &mut last);
        match tokio::time::timeout(within, tries).await {
            Ok(done) => done,
            Err(_) => Err(last.unwrap_or_else(|| {
                AgentFailure::error(None, format!("no agent call within {} s", within.as_secs()))
            })),
        }
    }

    /// Tries until it is done. `last` is why it is not done yet, for when the time runs out.
    async fn create_with_waits(
        &self,
        body: &Value,
        api_key: &Secret,
        within: Duration,
        mut on_wait: impl FnMut(AskedToWait) + Send,
        last: &mut Option<AgentFailure>,
    ) -> Result<Created, AgentFailure> {
        let mut untold = UNTOLD_WAIT;
        let mut waited = Duration::ZERO;
        let mut connected_in_vain = false;
        loop {
            let failure = match self.create_once(body, api_key).await {
                Tried::Done(done) => return done,
                Tried::NotSent(failure) if connected_in_vain => return Err(failure),
                Tried::NotSent(failure) => {
                    connected_in_vain = true;
                    *last = Some(failure);
                    continue;
                }
                Tried::Full(failure) => failure,
            };
            let wait = failure.retry_after.unwrap_or(untold).max(LEAST_WAIT);
            untold *= 2;
            waited += wait;
            if waited >= within {
                return Err(failure);
            }
            on_wait(AskedToWait { status: failure.status.unwrap_or_default(), wait });
            *last = Some(failure);
            tokio::time::sleep(wait).await;
        }
    }

    async fn create_once(&self, body: &Value, api_key: &Secret) -> Tried {
        let mut request =
            self.http.post(self.calls_url.clone()).header("X-API-Key", api_key.expose()).json(body);
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let failure = AgentFailure::error(
                    None,
                    format!("the agent vendor cannot be reached: {}", in_one_line(&error)),
                );
                // Once it was sent, a call may exist. It is not asked for again: it would only expire.
                return if error.is_connect() { Tried::NotSent(failure) } else { Tried::Done(Err(failure)) };
            }
        };
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let Some(reply) = read_bounded(response).await else {
            let lost = AgentFailure::error(Some(status.as_u16()), "the agent vendor's reply broke off");
            return Tried::Done(Err(lost));
        };
        match status {
            StatusCode::OK | StatusCode::CREATED => Tried::Done(created(status, &reply)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Tried::Full(refusal(
                FailureKind::Busy,
                status,
                retry_after,
                "the agent vendor is full",
                &reply,
            )),
            StatusCode::PAYMENT_REQUIRED => Tried::Done(Err(refusal(
                FailureKind::Account,
                status,
                None,
                "the agent vendor's account has no credit",
                &reply,
            ))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Tried::Done(Err(refusal(
                FailureKind::Account,
                status,
                None,
                "the agent vendor refused our API key",
                &reply,
            ))),
            _ => Tried::Done(Err(refusal(
                FailureKind::Error,
                status,
                None,
                "the agent vendor refused the call",
                &reply,
            ))),
        }
    }

    pub(crate) fn within_trace(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }

    /// The vendor's `endReason` of a call, asked for until there is one.
    pub(crate) async fn why_ended(&self, agent_call_id: &str, api_key: &Secret) -> Option<String> {
        let asked = async {
            loop {
                if let Some(why) = self.end_reason(agent_call_id, api_key).await {
                    return why;
                }
                tokio::time::sleep(ASK_AGAIN_AFTER).await;
            }
        };
        tokio::time::timeout(WHY_ENDED_LIMIT, asked).await.ok()
    }

    /// Ultravox REST API, "Send data message to call": 204; 422 for a call that is not joined yet, or over.
    pub(crate) async fn end(&self, agent_call_id: &str, api_key: &Secret) -> Result<(), AgentFailure> {
        let mut url = self.calls_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(agent_call_id).push("send_data_message");
        }
        let request = self.http.post(url).header("X-API-Key", api_key.expose()).timeout(END_LIMIT);
        let answer =
            request.json(&serde_json::json!({ "type": "hang_up" })).send().await.map_err(|error| {
                AgentFailure::error(
                    None,
                    format!("the agent vendor cannot be reached: {}", in_one_line(&error)),
                )
            })?;
        let status = answer.status();
        match status {
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Ok(()),
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(refusal(FailureKind::Account, status, None, "the agent vendor refused our API key", &[]))
            }
            _ => {
                let reply = read_bounded(answer).await.unwrap_or_default();
                Err(refusal(FailureKind::Error, status, None, "the agent's call was not ended", &reply))
            }
        }
    }

    /// The vendor's `billedDuration`, once its `billingStatus` is final (Ultravox REST API, "Call").
    pub(crate) async fn billed_seconds(&self, agent_call_id: &str, api_key: &Secret) -> Option<f64> {
        billed_seconds(&self.call(agent_call_id, api_key).await?)
    }

    async fn end_reason(&self, agent_call_id: &str, api_key: &Secret) -> Option<String> {
        let reply = self.call(agent_call_id, api_key).await?;
        Some(reply.get("endReason")?.as_str()?.chars().take(LONGEST_DETAIL).collect())
    }

    /// The vendor's own object of a call.
    async fn call(&self, agent_call_id: &str, api_key: &Secret) -> Option<Value> {
        let mut url = self.calls_url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push(agent_call_id);
        let request = self.http.get(url).header("X-API-Key", api_key.expose());
        let response = request.send().await.ok()?.error_for_status().ok()?;
        serde_json::from_slice(&read_bounded(response).await?).ok()
    }
}

fn billed_seconds(call: &Value) -> Option<f64> {
    let status = call.get("billingStatus")?.as_str()?;
    if matches!(status, "BILLING_STATUS_PENDING" | "BILLING_STATUS_UNSPECIFIED") {
        return None;
    }
    // Protocol buffers' Duration in JSON: `"37s"`.
    let seconds: f64 = call.get("billedDuration")?.as_str()?.strip_suffix('s')?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

fn created(status: StatusCode, reply: &[u8]) -> Result<Created, AgentFailure> {
    let missing =
        |what| AgentFailure::error(Some(status.as_u16()), format!("the agent vendor's reply has no {what}"));
    let reply: CreatedReply = serde_json::from_slice(reply).map_err(|_| missing("call in it"))?;
    Ok(Created {
        join_url: reply.join_url.filter(|url| !url.expose().is_empty()).ok_or_else(|| missing("joinUrl"))?,
        agent_call_id: reply.call_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("callId"))?,
    })
}

pub(super) fn refusal(
    kind: FailureKind,
    status: StatusCode,
    retry_after: Option<Duration>,
    sentence: &str,
    reply: &[u8],
) -> AgentFailure {
    let status = status.as_u16();
    let detail = match vendors_words(reply) {
        Some(words) => format!("{sentence} (HTTP {status}): {words}"),
        None => format!("{sentence} (HTTP {status})"),
    };
    AgentFailure { kind, status: Some(status), retry_after, detail }
}

/// The `detail` of an error reply, which is where the vendor says what it did not like; it may quote our request.
fn vendors_words(reply: &[u8]) -> Option<String> {
    let reply: Value = serde_json::from_slice(reply).ok()?;
    let words = reply.get("detail")?.as_str()?;
    let line: String =
        words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect();
    Some(MaskedText::of(&line).into())
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110, section 10.2.3). A date counts from the reply's own
/// `Date`, so that our clock and the vendor's need not agree; without one it says nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.min(86_400.0)).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let replied = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(at.duration_since(replied).unwrap_or_default())
}

pub(super) async fn read_bounded(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LONGEST_REPLY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// An error and its causes in one line; the outermost alone rarely says what happened.
pub(super) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bill_counts_only_when_it_is_final() {
        let call = |status: &str, duration| json!({ "billingStatus": status, "billedDuration": duration });
        assert_eq!(billed_seconds(&call("BILLING_STATUS_BILLED", Some("66s"))), Some(66.0));
        assert_eq!(billed_seconds(&call("BILLING_STATUS_FREE_MINUTES", Some("0s"))), Some(0.0));
        for (status, duration) in [
            ("BILLING_STATUS_PENDING", Some("66s")),
            ("BILLING_STATUS_BILLED", None),
            ("BILLING_STATUS_BILLED", Some("a while")),
            ("BILLING_STATUS_BILLED", Some("-6s")),
        ] {
            assert_eq!(billed_seconds(&call(status, duration)), None, "{status} {duration:?}");
        }
        assert_eq!(billed_seconds(&json!([])), None);
    }
}
