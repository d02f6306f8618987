//! The connection that the agent's websocket is opened on.

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::http::Uri;

/// A connection that a websocket can be opened on.
pub type Stream = MaybeTlsStream<TcpStream>;

/// Connects to where a `ws://` or `wss://` URL points, TLS included, and asks for nothing yet.
pub async fn connect(url: &Uri) -> anyhow::Result<Stream> {
    let host = url.host().context("the URL has no host")?.trim_matches(['[', ']']);
    let secure = match url.scheme_str() {
        Some("wss") => true,
        Some("ws") => false,
        _ => bail!("the URL must be ws:// or wss://"),
    };
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let tcp = TcpStream::connect((host, port)).await.context("no connection")?;
    // 20 ms of sound must not wait for more sound.
    tcp.set_nodelay(true)?;
    if !secure {
        return Ok(MaybeTlsStream::Plain(tcp));
    }
    let name = ServerName::try_from(host.to_owned()).context("the host is no server name")?;
    let tls = TlsConnector::from(tls::config()?).connect(name, tcp).await.context("no TLS")?;
    Ok(MaybeTlsStream::Rustls(tls))
}
