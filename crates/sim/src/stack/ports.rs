//! Free loopback ports. Whoever takes one may find it taken by then, so starters try again.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::Result;

/// A TCP port that nothing on 127.0.0.1 listened on a moment ago.
pub fn free_tcp_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A UDP port that nothing on 127.0.0.1 used a moment ago.
pub fn free_udp_port() -> Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
