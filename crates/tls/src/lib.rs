//! TLS for every HTTP client and websocket of a process: rustls over the system's certificates (`SSL_CERT_FILE` and
//! `SSL_CERT_DIR` are honoured), which are read once.
//!
//! Once, because a bundle of them is a good part of what a call keeps in memory, and a worker carries many calls. What
//! is changed in it later is seen by the next process.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// This system has no certificates that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this system has no CA certificates: install them, or point SSL_CERT_FILE at a bundle")]
pub struct NoCertificates;

/// What this process trusts. It offers no protocol by ALPN, which suits a websocket.
///
/// The process must have installed a rustls crypto provider before. Blocks for some milliseconds the first time.
///
/// # Errors
/// When there are no certificates; they are looked for again the next time.
pub fn config() -> Result<Arc<ClientConfig>, NoCertificates> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    // Not within the lock: a thread that is stuck in reading would hold up those that have to hang up for it.
    let read = Arc::new(read()?);
    Ok(CONFIG.get_or_init(|| read).clone())
}

/// A builder of HTTP clients with what [`config`] trusts. Proxy variables of the environment are not looked at.
///
/// # Errors
/// Those of [`config`].
pub fn http() -> Result<reqwest::ClientBuilder, NoCertificates> {
    // A copy shares what was read of the certificates.
    let mut config = ClientConfig::clone(&*config()?);
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy())
}

fn read() -> Result<ClientConfig, NoCertificates> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err(NoCertificates);
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn certificates_are_read_once_and_an_http_client_takes_them() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = config().unwrap();
        assert!(Arc::ptr_eq(&config, &super::config().unwrap()));
        assert!(config.alpn_protocols.is_empty(), "a websocket needs HTTP/1.1");
        // A version of rustls that is not reqwest's own would show here.
        http().unwrap().build().unwrap();
    }
}
