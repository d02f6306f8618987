//! The AWS emulator (MiniStack) as a child process: S3, SQS, SSM, and Lambda, which really runs the zip that it
//! is given. No account.
//!
//! What AWS's SDKs are here for is done with them; the few requests that would need one more SDK are sent by
//! hand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stack::{Child, Output, free_tcp_port, wait_for_200};

/// The only region there is.
pub const REGION: &str = "eu-central-1";
/// The emulator takes any key; this one says whose it is.
pub const NOBODY: &str = "nobody";
const ACCOUNT: &str = "000000000000";

/// A running emulator.
pub struct AwsEmulator {
    _child: Child,
    url: String,
    http: reqwest::Client,
}

impl AwsEmulator {
    /// Starts the emulator `binary` on a free local port; its log and its files go into `dir`.
    ///
    /// # Errors
    /// With the end of its log, when it does not answer.
    pub async fn start(binary: &Path, dir: &Path) -> Result<Self> {
        crate::stack::install_crypto();
        let port = free_tcp_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let log = dir.join("aws-emulator.log");
        let mut command = Command::new(binary);
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &url)
            .env("AWS_ACCESS_KEY_ID", NOBODY)
            .env("AWS_SECRET_ACCESS_KEY", NOBODY)
            .current_dir(dir);
        let mut child = Child::start("aws-emulator", command, Output::File(log.clone()))?;
        wait_for_200(&format!("{url}/_ministack/health"), Some(&mut child), &log).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { _child: child, url, http })
    }

    /// What stands in for every AWS endpoint (`AWS_ENDPOINT_URL`).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// What the emulator says.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        let reply = self.ask("s3", Method::PUT, &format!("/{bucket}"), Vec::new()).await?;
        ensure!(reply.status().is_success(), "no bucket: {}", reply.text().await?);
        Ok(())
    }

    /// An object that holds JSON, `None` if there is no such object.
    ///
    /// # Errors
    /// What the emulator says.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Option<Value>> {
        let reply = self.ask("s3", Method::GET, &format!("/{bucket}/{key}"), Vec::new()).await?;
        if reply.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(reply.status().is_success(), "{}", reply.text().await?);
        Ok(Some(serde_json::from_slice(&reply.bytes().await?)?))
    }

    /// Makes a function of the program at `bootstrap`, as its zip would hold it.
    ///
    /// # Errors
    /// What the emulator says.
    pub async fn create_function(
        &self,
        name: &str,
        bootstrap: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<()> {
        let zip = base64::engine::general_purpose::STANDARD.encode(zipped(bootstrap)?);
        let body = json!({
            "FunctionName": name,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "Timeout": 30,
            "Code": { "ZipFile": zip },
            "Environment": { "Variables": environment },
        });
        self.lambda("/2015-03-31/functions", &body).await
    }

    /// Has the queue's messages delivered to the function, in batches, with partial batch responses.
    ///
    /// # Errors
    /// What the emulator says.
    pub async fn feed(&self, function: &str, queue: &str, batch: u32) -> Result<()> {
        let body = json!({
            "FunctionName": function,
            "EventSourceArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"),
            "BatchSize": batch,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        self.lambda("/2015-03-31/event-source-mappings/", &body).await
    }

    async fn lambda(&self, path: &str, body: &Value) -> Result<()> {
        let reply = self.ask("lambda", Method::POST, path, body.to_string().into_bytes()).await?;
        ensure!(reply.status().is_success(), "{path}: {}", reply.text().await?);
        Ok(())
    }

    /// The emulator looks at the signature's scope alone, to know which service is meant.
    async fn ask(&self, service: &str, method: Method, path: &str, body: Vec<u8>) -> Result<reqwest::Response> {
        let scope = format!("Credential={NOBODY}/20260101/{REGION}/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none");
        let request = self.http.request(method, format!("{}{path}", self.url)).header("authorization", authorization);
        request.body(body).send().await.with_context(|| format!("{service}: no answer to {path}"))
    }
}

/// A zip with one executable file in it, `bootstrap`.
fn zipped(program: &Path) -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&std::fs::read(program).with_context(|| format!("no program at {}", program.display()))?)?;
    Ok(zip.finish()?.into_inner())
}
