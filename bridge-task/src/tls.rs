//! TLS for the agent's websocket: rustls over the system's certificates (`SSL_CERT_FILE` is honoured).

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
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
    let config = config().map_err(anyhow::Error::msg)?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.context("no TLS")?;
    Ok(MaybeTlsStream::Rustls(tls))
}

/// Reads the certificates, on a thread of its own: a bundle takes longer than a frame of sound. Done once, at the
/// start, so that nobody waits for it after the answer. Must be called within a tokio runtime.
pub fn prepare() {
    tokio::task::spawn_blocking(|| drop(config()));
}

/// What was read at first; who comes while it is being read waits.
fn config() -> Result<Arc<ClientConfig>, &'static str> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, &'static str>> = OnceLock::new();
    CONFIG.get_or_init(|| read_config().map(Arc::new)).clone()
}

fn read_config() -> Result<ClientConfig, &'static str> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err("this system has no CA certificates: install them, or point SSL_CERT_FILE at a bundle");
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
