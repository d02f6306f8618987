//! A worker's metrics for who asks: `GET /metrics`, Prometheus' text format.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use telemetry::metrics::prometheus::{self, Prometheus};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves them from now on.
///
/// # Errors
/// The address cannot be had.
pub(super) async fn serve(address: SocketAddr, metrics: Prometheus) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("METRICS_ADDRESS={address}: nobody can listen there; is another worker there?")
    })?;
    let answer = async move || ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], metrics.text());
    let routes = Router::new().route("/metrics", get(answer));
    tracing::info!(detail = format!("http://{}/metrics", listener.local_addr()?), "metrics");
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(detail = %error, "nobody is told of metrics any more");
        }
    }))
}
