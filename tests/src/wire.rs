//! When sound leaves a process: its RTP packets as the kernel takes them over loopback, before any server has had them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use etherparse::{SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use rustix::process::Signal;
use sim::stack::{Arrival, Child, Output};

use crate::cloud::wait_for;

/// For tcpdump to begin and to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who listens: tcpdump, whose times are the kernel's and not those of when it comes to read.
pub struct Wire {
    tcpdump: Child,
    file: PathBuf,
}

impl Wire {
    /// Begins, in a directory of the caller's; `name` is of this run alone.
    ///
    /// # Errors
    /// When tcpdump is missing, or may not listen.
    pub async fn listen(dir: &Path, name: &str) -> Result<Self> {
        let file = dir.join(format!("{name}.pcap"));
        let log = dir.join(format!("{name}.tcpdump.log"));
        let mut command = Command::new("tcpdump");
        command.args(["-i", "lo", "-n", "--time-stamp-precision=nano", "-w"]).arg(&file);
        if rustix::process::geteuid().is_root() {
            // Else it becomes somebody who may not write here.
            command.args(["-Z", "root"]);
        }
        command.arg("udp");
        let help = "it shows when packets leave a process: apt-get install tcpdump, and be root or let it listen \
                    with setcap cap_net_raw+ep";
        let mut tcpdump = Child::start("tcpdump", command, Output::File(log.clone())).context(help)?;
        wait_for("tcpdump listens", PATIENCE, async || {
            let said = std::fs::read_to_string(&log)?;
            ensure!(tcpdump.exited().is_none(), "tcpdump ended: {said}; {help}");
            Ok(said.contains("listening on").then_some(()))
        })
        .await?;
        Ok(Self { tcpdump, file })
    }

    /// Ends, and returns the RTP packets that were sent from these ports, in their order.
    ///
    /// # Errors
    /// When tcpdump does not end, or left no file that can be read.
    pub async fn sent_from(mut self, ports: &[u16]) -> Result<Vec<Arrival>> {
        self.tcpdump.signal(Signal::TERM);
        let status = self.tcpdump.exit(PATIENCE).await?;
        ensure!(status.success(), "tcpdump ended with {status}");
        let file = std::fs::File::open(&self.file).with_context(|| self.file.display().to_string())?;
        let mut reader = PcapReader::new(file)?;
        let mut sent = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet?;
            let at_us = i64::try_from(packet.timestamp.as_micros())?;
            sent.extend(rtp_from(&packet.data, ports, at_us));
        }
        std::fs::remove_file(&self.file)?;
        Ok(sent)
    }
}

/// The RTP packet in this frame, if one of these ports sent it.
fn rtp_from(frame: &[u8], ports: &[u16], at_us: i64) -> Option<Arrival> {
    let Some(TransportSlice::Udp(udp)) = SlicedPacket::from_ethernet(frame).ok()?.transport else {
        return None;
    };
    if ports.contains(&udp.source_port()) { rtp(udp.payload(), at_us) } else { None }
}

/// Of what shares the port with it (RFC 7983 §7, RFC 5761 §4): RTP's first byte is 128 to 191, and a payload type of 64
/// to 95 is RTCP.
fn rtp(payload: &[u8], at_us: i64) -> Option<Arrival> {
    let header: &[u8; 12] = payload.first_chunk()?;
    let (version, payload_type) = (header[0] >> 6, header[1] & 0x7f);
    (version == 2 && !(64..=95).contains(&payload_type)).then(|| Arrival {
        at_us,
        sequence: u16::from_be_bytes([header[2], header[3]]),
        rtp_time: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use etherparse::PacketBuilder;

    use super::*;

    const LOCAL: [u8; 4] = [127, 0, 0, 1];

    fn frame(port: u16, payload: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4(LOCAL, LOCAL, 64).udp(port, 7882);
        let mut frame = Vec::new();
        builder.write(&mut frame, payload).unwrap();
        frame
    }

    #[test]
    fn only_rtp_of_its_ports_is_what_a_process_has_sent() {
        let packet = [0x80, 0xef, 0x01, 0x02, 0, 0, 0x03, 0xc0, 0, 0, 0, 9, 0xaa, 0xbb];
        let sent = rtp_from(&frame(4000, &packet), &[4000], 5).unwrap();
        assert_eq!((sent.at_us, sent.sequence, sent.rtp_time, sent.ssrc), (5, 0x0102, 960, 9));
        assert!(rtp_from(&frame(4001, &packet), &[4000], 5).is_none(), "somebody else's");
        let mut report = packet;
        report[1] = 200;
        assert!(rtp_from(&frame(4000, &report), &[4000], 5).is_none(), "RTCP");
        assert!(rtp_from(&frame(4000, &[0, 1, 0, 0]), &[4000], 5).is_none(), "STUN");
        assert!(rtp_from(&[0; 20], &[4000], 5).is_none(), "no frame");
    }
}
