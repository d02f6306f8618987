//! One request to LiveKit's server API (Twirp over HTTP, protobuf bodies), sent once.
//!
//! `livekit-api` has clients for this, and they will not do for a dial: they cannot pass the server
//! how long we are willing to wait (`X-Twirp-Timeout-Ms`; without it the server gives up after its own
//! 80 s), and they lose the HTTP status of an answer that is no Twirp error. A wrong API secret is
//! such an answer (401, plain text), and it must not look like a lost reply.
//! Twirp's wire protocol: <https://twitchtv.github.io/twirp/docs/spec_v7.html>.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use calls::secret::Secret;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::Livekit;
use crate::last_look::TooLate;

/// The longest reply that is read. The longest we expect is a list of all rooms of a project, less than 1 kB each.
const MAX_REPLY_BYTES: usize = 8 << 20;

/// The longest word or sentence of an error that is kept, in characters: it goes into outcomes and logs.
const LONGEST_SENTENCE: usize = 1000;

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum TwirpError {
    /// No connection came about: the server has not seen the request.
    NotSent(String),
    /// The connection stood too late, so the request was not sent on it.
    TooLate(String),
    /// The server refused our key, secret or token.
    Unauthorized,
    /// The server answered with an error.
    Refused(Refusal),
    /// Sent, and no usable answer: the server may have done what was asked.
    Lost(String),
}

/// A Twirp error as the server wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) msg: String,
    #[serde(default)]
    pub(crate) meta: HashMap<String, String>,
}

impl Refusal {
    /// As much of it as is of use, whoever wrote it: bounded texts, each in one line.
    fn in_short(mut self) -> Self {
        self.meta.retain(|name, _| name.starts_with("sip_status"));
        for text in [&mut self.code, &mut self.msg].into_iter().chain(self.meta.values_mut()) {
            *text =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_SENTENCE).collect();
        }
        self
    }
}

impl Livekit {
    /// Sends one request, its `body` encoded, and reads its reply. `server_limit` is what the server is told
    /// to keep to, `within` our own limit for all of it.
    pub(crate) async fn twirp<Reply: prost::Message + Default>(
        &self,
        method: &str,
        body: impl Into<reqwest::Body>,
        token: &Secret,
        server_limit: Option<Duration>,
        within: Duration,
    ) -> Result<Reply, TwirpError> {
        let mut url = self.http_url.clone();
        url.set_path(&format!("/twirp/livekit.{method}"));
        let mut request = self
            .http
            .post(url)
            .bearer_auth(token.expose())
            .header(CONTENT_TYPE, "application/protobuf")
            .body(body)
            .timeout(within);
        if let Some(limit) = server_limit {
            request = request.header("X-Twirp-Timeout-Ms", limit.as_millis().to_string());
        }
        let response = request.send().await.map_err(|error| not_sent_or_lost(&error))?;
        let status = response.status();
        let body = read_reply(response).await?;
        if status == StatusCode::OK {
            return Reply::decode(body.as_slice()).map_err(|error| TwirpError::Lost(error.to_string()));
        }
        Err(refusal(status, &body))
    }
}

async fn read_reply(mut response: reqwest::Response) -> Result<Vec<u8>, TwirpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TwirpError::Lost(in_one_line(&error)))? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Err(TwirpError::Lost("the server's reply is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an answer that is not 200 says. Whatever is not Twirp's own JSON comes from something in
/// between and proves nothing, but for 401: that one is LiveKit's door keeper, whose text repeats the
/// whole token and is therefore shown to nobody.
fn refusal(status: StatusCode, body: &[u8]) -> TwirpError {
    match serde_json::from_slice(body).map(Refusal::in_short) {
        // With a SIP status in it, it was the trunk that wanted credentials.
        Ok(refusal) if refusal.code == "unauthenticated" && !refusal.meta.contains_key("sip_status_code") => {
            TwirpError::Unauthorized
        }
        Ok(refusal) => TwirpError::Refused(refusal),
        Err(_) if status == StatusCode::UNAUTHORIZED => TwirpError::Unauthorized,
        Err(_) => TwirpError::Lost(format!("the answer was HTTP {} and not LiveKit's own", status.as_u16())),
    }
}

fn not_sent_or_lost(error: &reqwest::Error) -> TwirpError {
    let detail = in_one_line(error);
    if causes(error).any(|cause| cause.is::<TooLate>()) {
        TwirpError::TooLate(TooLate.to_string())
    } else if error.is_connect() || error.is_builder() {
        TwirpError::NotSent(detail)
    } else {
        TwirpError::Lost(detail)
    }
}

/// An error and its causes in one line; the outermost alone rarely says what happened.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

#[cfg(test)]
mod bad_input;
