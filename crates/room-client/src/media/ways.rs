//! The server's addresses, and the ways to them: UDP first, TCP where that does not make it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::net::{Protocol, TcpType};
use str0m::{Candidate, RtcError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Media;
use crate::clock;

/// Head start of UDP before TCP is dialled too (the connection attempt delay of RFC 8305 §5).
const TCP_DELAY: Duration = Duration::from_millis(250);

/// How long a TCP candidate may take to connect.
const TCP_CONNECT: Duration = Duration::from_secs(5);

/// The server's addresses that are tried at most. It has a few; each new way through the network may bring others.
pub(super) const MOST_CANDIDATES: usize = 256;

/// The same for TCP, where each is dialled.
pub(super) const MOST_TCP_CANDIDATES: usize = 8;

/// A connected stream, and the server's candidate that it leads to.
type TcpWay = (TcpStream, Candidate);

/// What is known of one connection's ways.
pub(super) struct Ways {
    /// The server's UDP candidates.
    pub(super) udp: HashSet<SocketAddr>,
    /// The server's TCP candidates not tried yet, and when to try them.
    pub(super) tcp: Vec<Candidate>,
    pub(super) tcp_due: Option<Instant>,
    pub(super) connected: (mpsc::UnboundedSender<TcpWay>, mpsc::UnboundedReceiver<TcpWay>),
}

impl Default for Ways {
    fn default() -> Self {
        Self { udp: HashSet::new(), tcp: Vec::new(), tcp_due: None, connected: mpsc::unbounded_channel() }
    }
}

impl Media {
    pub(super) fn add_candidate(&mut self, text: &str) -> Result<(), RtcError> {
        // What str0m cannot read (host names, say) is no way that it could take.
        let Ok(candidate) = Candidate::from_sdp_string(text) else { return Ok(()) };
        match (candidate.proto(), candidate.tcptype()) {
            (Protocol::Udp, _) => {
                let is_known = self.ways.udp.contains(&candidate.addr());
                if !is_known && self.ways.udp.len() == MOST_CANDIDATES {
                    return Ok(());
                }
                self.ways.udp.insert(candidate.addr());
                // No route, no pair: the other candidates remain.
                if let Ok(Some(local)) = self.sockets.reach(candidate.addr()) {
                    if let Ok(local) = Candidate::host(local, "udp") {
                        self.peer.rtc.add_local_candidate(local);
                    }
                    self.drain()?;
                }
                self.peer.rtc.add_remote_candidate(candidate);
                self.tick_and_drain()
            }
            (Protocol::Tcp, Some(TcpType::Passive)) => {
                let is_known = self.ways.tcp.iter().any(|known| known.addr() == candidate.addr());
                if !is_known && self.ways.tcp.len() < MOST_TCP_CANDIDATES {
                    self.ways.tcp.push(candidate);
                    self.ways.tcp_due =
                        self.ways.tcp_due.or((!self.connected).then(|| clock::now() + TCP_DELAY));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Connects to the server's TCP candidates, aside from the loop, unless UDP has made it.
    pub(super) fn dial_tcp(&mut self) {
        if self.connected {
            return;
        }
        for candidate in &self.ways.tcp {
            let (candidate, connected) = (candidate.clone(), self.ways.connected.0.clone());
            tokio::spawn(async move {
                let connecting = TcpStream::connect(candidate.addr());
                if let Ok(Ok(stream)) = tokio::time::timeout(TCP_CONNECT, connecting).await {
                    // The media task may be over by now.
                    let _ = connected.send((stream, candidate));
                }
            });
        }
    }

    pub(super) fn add_tcp(&mut self, stream: TcpStream, remote: Candidate) -> Result<(), RtcError> {
        if self.connected {
            return Ok(());
        }
        let Ok(local) = self.sockets.add_tcp(stream) else { return Ok(()) };
        let Ok(local) = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build() else {
            return Ok(());
        };
        self.peer.rtc.add_local_candidate(local);
        self.drain()?;
        self.peer.rtc.add_remote_candidate(remote);
        self.tick_and_drain()
    }
}
