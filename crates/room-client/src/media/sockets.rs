//! The peer connection's sockets: one UDP socket for each local address that the server can be reached
//! from, and ICE-TCP (RFC 6544) where UDP does not get through.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::task::{Context, Poll};

use str0m::net::{Protocol, Transmit};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::framing::{self, Unframer};

/// More local addresses than this are not tried: a server that lists hundreds of candidates is broken.
const MOST_SOCKETS: usize = 8;

/// Unsent bytes on a TCP path after which packets are dropped: over a second of sound, which is too late.
const MOST_UNSENT: usize = 16 * 1024;

/// All sockets of one peer connection.
#[derive(Default)]
pub(crate) struct Sockets {
    udp: Vec<Udp>,
    tcp: Vec<Tcp>,
}

/// One packet's way here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) proto: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) length: usize,
}

/// Nobody waits for it to take a packet, so it wakes nobody when one has left: tokio's own does so after each.
struct Udp {
    socket: AsyncFd<UdpSocket>,
    local: SocketAddr,
}

struct Tcp {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    incoming: Unframer,
    unsent: Vec<u8>,
    broken: bool,
}

impl Sockets {
    /// Opens the socket by which a server named `host` will most likely be reached, and returns its
    /// address. A guess without a name lookup: names lead to where the default route leads.
    pub(crate) fn toward(&mut self, host: Option<url::Host<&str>>) -> Option<SocketAddr> {
        let remote: IpAddr = match host? {
            url::Host::Ipv4(ip) => ip.into(),
            url::Host::Ipv6(ip) => ip.into(),
            url::Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
            // TEST-NET-1 (RFC 5737): nobody's address, routed like anybody's.
            url::Host::Domain(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        };
        self.reach(SocketAddr::new(remote, 9)).ok()?
    }

    /// Makes sure that there is a UDP socket to reach `remote` from. Returns its address if it is new.
    pub(crate) fn reach(&mut self, remote: SocketAddr) -> std::io::Result<Option<SocketAddr>> {
        let local = route_to(remote)?;
        if self.udp.iter().any(|udp| udp.local.ip() == local) || self.udp.len() == MOST_SOCKETS {
            return Ok(None);
        }
        let udp = Udp::bind(local)?;
        let local = udp.local;
        self.udp.push(udp);
        Ok(Some(local))
    }

    /// Takes over a connected TCP stream. Returns its local address.
    pub(crate) fn add_tcp(&mut self, stream: TcpStream) -> std::io::Result<SocketAddr> {
        stream.set_nodelay(true)?;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let (incoming, unsent) = (Unframer::new(), Vec::new());
        self.tcp.push(Tcp { stream, local, remote, incoming, unsent, broken: false });
        Ok(local)
    }

    /// Sends one packet, or drops it: what cannot go now is not worth sending later.
    pub(crate) fn send(&mut self, transmit: &Transmit) {
        let (source, destination) = (transmit.source, transmit.destination);
        if transmit.proto == Protocol::Udp {
            if let Some(udp) = self.udp.iter().find(|udp| udp.local == source) {
                // A full buffer or an unreachable address is a lost packet to the layers above.
                let _ = udp.socket.get_ref().send_to(&transmit.contents, destination);
            }
        } else if let Some(tcp) =
            self.tcp.iter_mut().find(|tcp| tcp.local == source && tcp.remote == destination)
        {
            tcp.send(&transmit.contents);
        }
    }

    /// The next packet from any socket, written to `buffer`. Keeps TCP's unsent bytes moving meanwhile.
    /// Cancel safe.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Received {
        std::future::poll_fn(|cx| self.poll_receive(cx, buffer)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Received> {
        for udp in &self.udp {
            if let Poll::Ready((length, source)) = udp.poll_receive(cx, buffer) {
                let destination = udp.local;
                return Poll::Ready(Received { proto: Protocol::Udp, source, destination, length });
            }
        }
        for tcp in &mut self.tcp {
            if let Poll::Ready(length) = tcp.poll_receive(cx, buffer) {
                let (source, destination) = (tcp.remote, tcp.local);
                return Poll::Ready(Received { proto: Protocol::Tcp, source, destination, length });
            }
        }
        self.tcp.retain(|tcp| !tcp.broken);
        Poll::Pending
    }
}

impl Udp {
    fn bind(local: IpAddr) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(local, 0))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        #[expect(unsafe_code, reason = "tokio has no safe way to wait for a socket to be readable alone")]
        // SAFETY: the socket is owned, and closed only with the registration.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket, local })
    }

    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<(usize, SocketAddr)> {
        while let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            match ready.map(|mut readable| readable.try_io(|socket| socket.get_ref().recv_from(buffer))) {
                Ok(Ok(Ok(received))) => return Poll::Ready(received),
                // Nothing is there any more.
                Ok(Err(_)) => {}
                // A leftover of an earlier send that bounced; look again when something comes.
                Ok(Ok(Err(_))) | Err(_) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Pending
    }
}

impl Tcp {
    fn send(&mut self, packet: &[u8]) {
        if self.unsent.len() <= MOST_UNSENT {
            framing::frame(packet, &mut self.unsent);
        }
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) => {
                    self.broken |= error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// Ready with the length of a packet. Pending also once the stream is broken: ICE notices by itself.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        self.poll_unsent(cx);
        let mut chunk = [0; 4096];
        while !self.broken {
            if let Some(length) = self.incoming.next(buffer) {
                return Poll::Ready(length);
            }
            let mut read = ReadBuf::new(&mut chunk);
            match std::pin::Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => self.incoming.feed(read.filled()),
                Poll::Ready(_) => self.broken = true,
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) {
        while !self.unsent.is_empty() && !self.broken {
            match std::pin::Pin::new(&mut self.stream).poll_write(cx, &self.unsent) {
                Poll::Ready(Ok(written)) => drop(self.unsent.drain(..written)),
                Poll::Ready(Err(_)) => self.broken = true,
                Poll::Pending => return,
            }
        }
    }
}

/// The local address that packets to `remote` leave from, asked from the routing table; sends nothing.
fn route_to(remote: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = std::net::UdpSocket::bind(SocketAddr::new(any, 0))?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_socket_for_each_local_address() {
        let mut sockets = Sockets::default();
        let first = sockets.reach("127.0.0.1:7000".parse().expect("address")).expect("reachable");
        assert!(first.is_some_and(|local| local.ip().is_loopback() && local.port() != 0));
        assert_eq!(sockets.reach("127.0.0.1:7001".parse().expect("address")).expect("reachable"), None);
    }

    #[tokio::test]
    async fn a_broken_tcp_path_is_forgotten() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let stream = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connected");
        let mut sockets = Sockets::default();
        sockets.add_tcp(stream).expect("added");
        drop(listener.accept().await.expect("accepted"));
        let mut buffer = [0; 100];
        let waiting = sockets.receive(&mut buffer);
        tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await.expect_err("nothing comes");
        assert!(sockets.tcp.is_empty());
    }
}
