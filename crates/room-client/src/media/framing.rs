//! RFC 4571: packets on a TCP stream, each behind its length in two bytes.

/// Bytes of one stream, cut into packets as they come in.
pub(crate) struct Unframer {
    bytes: Vec<u8>,
    start: usize,
}

impl Unframer {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(4096), start: 0 }
    }

    /// Appends what was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Copies the next whole packet into `out` and returns its length; one that `out` cannot hold is
    /// cut off (no packet of ICE, DTLS or RTP is longer than a datagram).
    pub(crate) fn next(&mut self, out: &mut [u8]) -> Option<usize> {
        let rest = &self.bytes[self.start..];
        let (head, body) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let packet = body.get(..length)?;
        let kept = length.min(out.len());
        out[..kept].copy_from_slice(&packet[..kept]);
        self.start += 2 + length;
        Some(kept)
    }
}

/// Appends `packet` with its length; false if it is too long for one.
pub(crate) fn frame(packet: &[u8], stream: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else { return false };
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_survive_any_way_of_cutting_the_stream() {
        let packets: Vec<Vec<u8>> = (0..50u8).map(|n| vec![n; usize::from(n) * 7]).collect();
        let mut stream = Vec::new();
        for packet in &packets {
            assert!(frame(packet, &mut stream));
        }
        for cut in [1, 2, 3, 5, 100, 100_000] {
            let (mut unframer, mut seen, mut out) = (Unframer::new(), Vec::new(), [0; 2000]);
            for piece in stream.chunks(cut) {
                unframer.feed(piece);
                while let Some(length) = unframer.next(&mut out) {
                    seen.push(out[..length].to_vec());
                }
            }
            assert_eq!(seen, packets, "cut into {cut}");
        }
        assert!(!frame(&[0; 70_000], &mut stream));
    }
}
