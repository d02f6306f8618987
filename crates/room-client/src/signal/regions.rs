//! Where else a LiveKit Cloud project can be reached. The signalling client asks for that itself when its own region does
//! not answer, and tries the others; a server of one's own has none and is not asked.

use std::time::Duration;

use livekit_net::{Header, HttpClient, HttpMethod, HttpResponse, TransportError};

/// The one request that is made.
const PATH: &str = "/settings/regions";

/// A join must fit into ten seconds with all that follows.
const WITHIN: Duration = Duration::from_secs(2);

/// More than the addresses of all regions.
const LONGEST_ANSWER: usize = 64 << 10;

/// The signalling client's HTTP.
///
/// After a failed upgrade it also wants to ask `/rtc/validate` why, if it can. We have the upgrade's own status, which
/// says as much, so this answers no other request and the first error stands.
pub(super) struct Regions;

#[async_trait::async_trait]
impl HttpClient for Regions {
    async fn request(
        &self,
        method: HttpMethod,
        url: String,
        headers: Vec<Header>,
        _body: Option<Vec<u8>>,
    ) -> Result<HttpResponse, TransportError> {
        let asks_for_regions = url::Url::parse(&url).is_ok_and(|url| url.path() == PATH);
        if !asks_for_regions || !matches!(method, HttpMethod::Get) {
            return Err(TransportError::Other("no HTTP from the signalling client".to_owned()));
        }
        let client = tls::http().map_err(|error| TransportError::Connection(error.to_string()))?;
        ask(client, url, headers)
            .await
            .map_err(|error| TransportError::Connection(error.without_url().to_string()))
    }
}

async fn ask(
    client: reqwest::ClientBuilder,
    url: String,
    headers: Vec<Header>,
) -> Result<HttpResponse, reqwest::Error> {
    let client = client.timeout(WITHIN).redirect(reqwest::redirect::Policy::none()).build()?;
    let request = headers.into_iter().fold(client.get(url), |request, header| {
        // A value of a token's characters is one; whatever is none fails the request as a whole.
        request.header(header.name, header.value)
    });
    let mut response = request.send().await?;
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| Header { name: name.to_string(), value: text(value) }).collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let left = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    Ok(HttpResponse { status, headers, body })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn get(url: String) -> Result<HttpResponse, TransportError> {
        let token = Header { name: "Authorization".to_owned(), value: "Bearer token".to_owned() };
        Regions.request(HttpMethod::Get, url, vec![token], None).await
    }

    #[tokio::test]
    async fn regions_are_asked_for_and_nothing_else() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a request");
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.expect("read");
            let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
            assert!(request.starts_with("get /settings/regions http/1.1"), "{request}");
            assert!(request.contains("authorization: bearer token"), "{request}");
            let answer = b"HTTP/1.1 200 OK\r\ncache-control: max-age=9\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.expect("written");
        };
        let (answer, ()) = tokio::join!(get(format!("http://{address}/settings/regions")), serve);
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
        let is_age = |header: &Header| header.name == "cache-control" && header.value == "max-age=9";
        assert!(answer.headers.iter().any(is_age), "{:?}", answer.headers);
        get(format!("http://{address}/rtc/validate")).await.expect_err("nobody is asked");
    }
}
