//! TLS in front of what speaks none: a certificate authority of a story's own, and proxies that it vouches
//! for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// More connections than any story makes.
const ALL: usize = 1_000_000;

/// What a proxy can be called by who can look names up (RFC 6761 §6.2 keeps `.test` for this).
pub const NAMES: [&str; 3] = ["127.0.0.1", "livekit.test", "vendor.test"];

/// A certificate authority that nobody trusts who was not told to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

/// Ends TLS and leads each connection on to a server on this machine. Stands until the test's process ends.
pub struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    places: Arc<Semaphore>,
    handshakes: Arc<AtomicUsize>,
}

impl Authority {
    /// A new one; its certificate lies in `dir` under this name.
    pub fn new(dir: &Path, name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key)?;
        // RFC 7468 §5.1
        let body = BASE64_STANDARD.encode(certificate.der());
        let lines = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"))?;
        Ok(Self { issuer: Issuer::new(params, key), file })
    }

    /// What `SSL_CERT_FILE` takes.
    pub fn file(&self) -> Result<&str> {
        self.file.to_str().context("no UTF-8")
    }

    /// A proxy on 127.0.0.1, with a certificate for [`NAMES`]. Connections wait until they are
    /// [led somewhere](Proxy::lead_to).
    pub async fn proxy(&self) -> Result<Proxy> {
        self.proxy_for(ALL).await
    }

    /// The same, but only so many connections get through; those after them are taken and hear nothing, until
    /// [all may pass](Proxy::let_all_through).
    pub async fn proxy_for(&self, connections: usize) -> Result<Proxy> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(NAMES.map(str::to_owned))?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Proxy::start(TlsAcceptor::from(Arc::new(config)), connections).await
    }
}

impl Proxy {
    async fn start(tls: TlsAcceptor, connections: usize) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (upstream, known) = watch::channel(None);
        let places = Arc::new(Semaphore::new(connections));
        let handshakes = Arc::new(AtomicUsize::new(0));
        let (free, counted) = (places.clone(), handshakes.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (tls, known, free, counted) = (tls.clone(), known.clone(), free.clone(), counted.clone());
                tokio::spawn(async move {
                    // A connection that breaks is its two ends' affair.
                    let _ = pass(client, &tls, known, &free, &counted).await;
                });
            }
        });
        Ok(Self { address, upstream, places, handshakes })
    }

    /// Where it listens: `127.0.0.1:<port>`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its connections go.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(Some(upstream));
    }

    /// Holds nobody back any more.
    pub fn let_all_through(&self) {
        self.places.add_permits(ALL);
    }

    /// How many clients have trusted it so far.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }
}

async fn pass(
    client: TcpStream,
    tls: &TlsAcceptor,
    mut known: watch::Receiver<Option<SocketAddr>>,
    places: &Semaphore,
    handshakes: &AtomicUsize,
) -> Result<()> {
    places.acquire().await?.forget();
    let upstream = known.wait_for(Option::is_some).await?.context("nowhere to go")?;
    client.set_nodelay(true)?;
    let mut client = tls.accept(client).await?;
    handshakes.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
