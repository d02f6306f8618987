//! A name server that knows one name (RFC 1035).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;

const HEADER: usize = 12;
/// QR and RA set; the code of a name that does not exist.
const ANSWER: [u8; 2] = [0x80, 0x80];
const NO_SUCH_NAME: u8 = 3;
/// Type A, class IN, TTL 60 s, four bytes; the name is the question's (a pointer to it).
const RECORD: [u8; 12] = [0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4];

/// Answers on port 53 of a loopback address of its own, until the test's process ends.
pub struct Names {
    server: Ipv4Addr,
    asked: Arc<AtomicUsize>,
}

impl Names {
    /// It knows `name`, as 127.0.0.1.
    pub async fn start(name: &str) -> Result<Self> {
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let server = Ipv4Addr::new(127, 53, high, low.clamp(1, 254));
        let socket = UdpSocket::bind(SocketAddr::from((server, 53))).await.context("no name server")?;
        let known: Vec<u8> = name.split('.').flat_map(label).chain([0]).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                let Some((answer, found)) = answer(&query[..len], &known) else { continue };
                counted.fetch_add(usize::from(found), Ordering::Relaxed);
                // Who asked asks again.
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Ok(Self { server, asked })
    }

    /// For resolv.conf.
    pub fn server(&self) -> Ipv4Addr {
        self.server
    }

    /// How often it could say where the name is.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn label(text: &str) -> impl Iterator<Item = u8> {
    std::iter::once(text.len() as u8).chain(text.bytes())
}

/// The answer to a query, and whether it holds an address: of the known name only, and only for type A.
fn answer(query: &[u8], known: &[u8]) -> Option<(Vec<u8>, bool)> {
    let name = HEADER + known.len();
    let question = query.get(HEADER..)?;
    let is_known = question.len() >= known.len() && question[..known.len()].eq_ignore_ascii_case(known);
    let is_a = is_known && query.get(name..name + 4)? == [0, 1, 0, 1];
    let end = if is_known { name + 4 } else { query.len() };
    let mut answer = query[..end].to_vec();
    answer[2..4].copy_from_slice(&[ANSWER[0], ANSWER[1] | if is_known { 0 } else { NO_SUCH_NAME }]);
    // One question; one answer or none; nothing else.
    answer[6..HEADER].copy_from_slice(&[0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        answer.extend(RECORD);
        answer.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some((answer, is_a))
}
