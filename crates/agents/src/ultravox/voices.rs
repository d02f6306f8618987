//! The voices of an account. Source: <https://docs.ultravox.ai/api-reference/voices/voices-list>.

use std::time::Duration;

use calls::secret::Secret;
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::client::{Client, in_one_line, read_bounded, refusal};
use crate::failure::{AgentFailure, FailureKind};

/// Of one page.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// More pages than any account has; a list without an end is left after them.
const MOST_PAGES: usize = 200;

#[derive(Deserialize)]
struct Page {
    results: Vec<Voice>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Voice {
    #[serde(default)]
    voice_id: String,
    #[serde(default)]
    name: String,
}

impl Client {
    /// Reads the list of voices, beside the calls, page by page.
    pub(crate) async fn has_voice(&self, voice: &str, api_key: &Secret) -> Result<bool, AgentFailure> {
        let mut page = Some(self.beside_calls("voices"));
        for _ in 0..MOST_PAGES {
            let Some(url) = page else { return Ok(false) };
            let found = self.voices(&url, api_key).await?;
            if found.results.iter().any(|known| known.name == voice || known.voice_id == voice) {
                return Ok(true);
            }
            page = found.next.and_then(|next| self.own(&next));
        }
        Ok(false)
    }

    /// `…/api/calls` → `…/api/<what>`
    fn beside_calls(&self, what: &str) -> Url {
        let mut url = self.calls_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().pop().push(what);
        }
        url
    }

    /// The key goes to nobody but the vendor, at the address that the profile names; a vendor behind a proxy may
    /// name itself otherwise in its links.
    fn own(&self, link: &str) -> Option<Url> {
        let link = Url::parse(link).ok()?;
        let mut url = self.beside_calls("voices");
        url.set_query(link.query());
        Some(url)
    }

    async fn voices(&self, url: &Url, api_key: &Secret) -> Result<Page, AgentFailure> {
        let request =
            self.http.get(url.clone()).header("X-API-Key", api_key.expose()).timeout(ANSWERED_WITHIN);
        let response = request.send().await.map_err(|error| {
            AgentFailure::error(None, format!("the agent vendor cannot be reached: {}", in_one_line(&error)))
        })?;
        let status = response.status();
        let reply = read_bounded(response).await.unwrap_or_default();
        match status {
            StatusCode::OK => serde_json::from_slice(&reply).map_err(|_| {
                AgentFailure::error(Some(status.as_u16()), "the agent vendor's list of voices cannot be read")
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal(
                FailureKind::Account,
                status,
                None,
                "the agent vendor refused our API key",
                &reply,
            )),
            _ => Err(refusal(
                FailureKind::Error,
                status,
                None,
                "the agent vendor does not list its voices",
                &reply,
            )),
        }
    }
}
