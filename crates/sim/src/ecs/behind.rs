//! The AWS emulator behind the stand-in: what is not ours to answer goes through, unless it is cut off.

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// How ECS's actions are called in `x-amz-target`.
pub(super) const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";

/// Where everything else is.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    pub(super) url: String,
    pub(super) http: reqwest::Client,
}

/// Requests that get no answer, as if their service could not be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The service as a signature names it: `ssm`, `sqs`, `s3`.
    pub service: &'static str,
    /// Only those whose path, body or action (`AmazonSQS.DeleteMessage`) contains this; empty: all.
    pub containing: String,
}

impl Cut {
    pub(super) fn covers(&self, headers: &HeaderMap, uri: &Uri, body: &[u8]) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_meant = header("authorization").contains(&format!("/{}/aws4_request", self.service));
        is_meant
            && (uri.path().contains(&self.containing)
                || header("x-amz-target").contains(&self.containing)
                || String::from_utf8_lossy(body).contains(&self.containing))
    }
}

impl Behind {
    /// The request as it came, and the answer as it comes.
    pub(super) async fn pass(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        // The name that the caller used is part of what an answer may contain (queue URLs), so it stays.
        headers.remove("content-length");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = self.http.request(method, format!("{}{path}", self.url)).headers(headers).body(body);
        match self.send(request).await {
            Ok(response) => response,
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response> {
        let answer = request.send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        // Ours says how long the body is.
        headers.remove("transfer-encoding");
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// One of ECS's actions that the emulator does well.
    pub(super) async fn ecs(&self, action: &str, body: &Value) -> Result<Value> {
        self.act(&format!("{TARGET}{action}"), body).await
    }

    /// An action of any service that speaks AWS JSON.
    pub(super) async fn act(&self, action: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(&self.url).header("x-amz-target", action);
        let request = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string());
        let answer = request.send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        ensure!(status.is_success(), "{action}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).with_context(|| format!("{action} answers no JSON"))
    }
}
