//! LiveKit's server API, as much of it as a call needs: tokens, the dial, the transfer, rooms.
//!
//! [`Livekit`] is one LiveKit project: where it is, and how requests to it are signed. Joining a room
//! and its media belong to `room-client`, which is given a [`token`] made here.

mod last_look;
mod rooms;
mod sip;
mod token;
mod transfer;
mod trunks;
mod twirp;

use std::time::Duration;

use calls::secret::Secret;
use url::Url;

pub use rooms::{Room, RoomsError};
pub use sip::{DialRequest, Dialed};
pub use token::{JoinToken, RoomMetadata, TokenError};
pub use transfer::{TransferFailure, TransferRequest};
pub use trunks::Trunk;

/// How long connecting (name, TCP, TLS) to LiveKit may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One LiveKit project. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Livekit {
    http_url: Url,
    signal_url: Url,
    api_key: Secret,
    api_secret: Secret,
    http: reqwest::Client,
}

/// Why a [`Livekit`] could not be set up: what stands in the profile cannot work.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The URL is none.
    #[error("the LiveKit URL must be wss://, https://, ws:// or http:// and a host")]
    Url,
    /// Key or secret is empty.
    #[error("the LiveKit API key and secret must not be empty")]
    Keys,
    /// No TLS: the process has no crypto provider, or no root certificates were found.
    #[error("no HTTP client: {0}")]
    Client(String),
}

impl Livekit {
    /// Sets a project up; sends nothing. `url` is taken as `wss://`, `https://`, `ws://` or `http://`.
    ///
    /// The process must have installed a rustls crypto provider before. Proxy variables of the
    /// environment are not looked at: the room's own websocket and media could not follow them.
    pub fn new(url: &str, api_key: &Secret, api_secret: &Secret) -> Result<Self, BadSettings> {
        let (http_url, signal_url) = both_forms(url)?;
        if api_key.expose().is_empty() || api_secret.expose().is_empty() {
            return Err(BadSettings::Keys);
        }
        // A dial that is sent twice rings twice, so nothing below us may repeat a request either:
        // no redirects, and no retries by the HTTP library.
        let http = tls::http()
            .map_err(|error| BadSettings::Client(error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| BadSettings::Client(twirp::in_one_line(&error)))?;
        Ok(Self { http_url, signal_url, api_key: api_key.clone(), api_secret: api_secret.clone(), http })
    }

    /// Where a client joins: `ws://` or `wss://`.
    pub fn signal_url(&self) -> &str {
        self.signal_url.as_str()
    }
}

/// The `http(s)` and the `ws(s)` form of a LiveKit URL.
fn both_forms(text: &str) -> Result<(Url, Url), BadSettings> {
    let url = Url::parse(text.trim()).map_err(|_| BadSettings::Url)?;
    let (http, ws) = match url.scheme() {
        "wss" | "https" => ("https", "wss"),
        "ws" | "http" => ("http", "ws"),
        _ => return Err(BadSettings::Url),
    };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(BadSettings::Url);
    }
    let rest = &url.as_str()[url.scheme().len()..];
    let form = |scheme: &str| Url::parse(&format!("{scheme}{rest}")).map_err(|_| BadSettings::Url);
    Ok((form(http)?, form(ws)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_form_of_the_url_gives_both() {
        for (given, http, ws) in [
            ("wss://a.example", "https://a.example/", "wss://a.example/"),
            ("https://a.example", "https://a.example/", "wss://a.example/"),
            ("ws://127.0.0.1:7880", "http://127.0.0.1:7880/", "ws://127.0.0.1:7880/"),
            (" http://127.0.0.1:7880/ ", "http://127.0.0.1:7880/", "ws://127.0.0.1:7880/"),
        ] {
            let (h, w) = both_forms(given).unwrap();
            assert_eq!((h.as_str(), w.as_str()), (http, ws));
        }
        for bad in ["", "a.example", "ftp://a.example", "wss://"] {
            assert!(matches!(both_forms(bad), Err(BadSettings::Url)), "{bad}");
        }
    }
}
