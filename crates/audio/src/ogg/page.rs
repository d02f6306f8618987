//! Ogg pages (RFC 3533 §6): what groups packets, and what their checksums protect.

use std::io::{self, Write};

use super::OggError;

const HEADER: usize = 27;
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Gathers whole packets into pages. Its buffers are kept, so that writing costs no allocation.
pub(super) struct PageWriter<W> {
    out: W,
    serial: u32,
    sequence: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    page: Vec<u8>,
}

impl<W: Write> PageWriter<W> {
    pub(super) fn new(out: W, serial: u32) -> Self {
        Self { out, serial, sequence: 0, lacing: Vec::new(), body: Vec::new(), page: Vec::new() }
    }

    /// Whether a packet of `length` bytes fits into this page as a whole.
    pub(super) fn has_room_for(&self, length: usize) -> bool {
        self.lacing.len() + lacing_values(length) <= 255
    }

    /// Adds a packet to the page. No packet of ours spans two pages; what no page can hold is refused.
    pub(super) fn push(&mut self, packet: &[u8]) -> io::Result<()> {
        if !self.has_room_for(packet.len()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a packet larger than an Ogg page"));
        }
        self.lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.lacing.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
        Ok(())
    }

    /// Writes the page out, in one piece.
    pub(super) fn flush(&mut self, granule: u64, last: bool) -> io::Result<()> {
        let flags = if self.sequence == 0 { FIRST } else { 0 } | if last { LAST } else { 0 };
        self.page.clear();
        self.page.extend_from_slice(b"OggS\0");
        self.page.push(flags);
        self.page.extend_from_slice(&granule.to_le_bytes());
        self.page.extend_from_slice(&self.serial.to_le_bytes());
        self.page.extend_from_slice(&self.sequence.to_le_bytes());
        self.page.extend_from_slice(&[0; 4]);
        self.page.push(self.lacing.len() as u8);
        self.page.extend_from_slice(&self.lacing);
        self.page.extend_from_slice(&self.body);
        let sum = checksum(&self.page);
        self.page[22..26].copy_from_slice(&sum.to_le_bytes());
        self.out.write_all(&self.page)?;
        self.sequence += 1;
        self.lacing.clear();
        self.body.clear();
        Ok(())
    }

    /// The file, with everything that was flushed in it.
    pub(super) fn into_inner(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// One page, taken apart.
pub(super) struct Page {
    pub(super) packets: Vec<Vec<u8>>,
    pub(super) granule: u64,
    pub(super) last: bool,
}

/// Takes pages off a file in memory. A packet that spans pages belongs to the one where it ends.
pub(super) struct PageReader<'a> {
    rest: &'a [u8],
    serial: Option<u32>,
    sequence: u32,
    partial: Option<Vec<u8>>,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { rest: file, serial: None, sequence: 0, partial: None }
    }

    /// The next page, or `None` at the end of the file.
    pub(super) fn next_page(&mut self) -> Result<Option<Page>, OggError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (header, lacing, body) = self.take_page().ok_or(OggError::Damaged("a page is cut off"))?;
        self.check_order(header)?;
        let mut packets = Vec::new();
        let mut packet = self.partial.take();
        if packet.is_some() != (header[5] & CONTINUED != 0) {
            return Err(OggError::Damaged("a packet has lost one of its pages"));
        }
        let mut from = 0;
        for &length in lacing {
            let to = from + usize::from(length);
            packet.get_or_insert_default().extend_from_slice(&body[from..to]);
            from = to;
            if length < 255 {
                packets.extend(packet.take());
            }
        }
        self.partial = packet;
        Ok(Some(Page { packets, granule: field64(header, 6), last: header[5] & LAST != 0 }))
    }

    /// The packet of a header page: alone on its pages, at granule position 0.
    pub(super) fn only_packet(&mut self) -> Result<Vec<u8>, OggError> {
        while let Some(mut page) = self.next_page()? {
            match (page.packets.pop(), page.packets.is_empty()) {
                (Some(packet), true) if page.granule == 0 && self.partial.is_none() => return Ok(packet),
                (None, _) => {}
                _ => break,
            }
        }
        Err(OggError::Damaged("a header does not stand alone on its page"))
    }

    /// Header, lacing values and body of the next page, all of them there and the checksum right.
    fn take_page(&mut self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        let (header, after) = self.rest.split_at_checked(HEADER)?;
        let (lacing, after) = after.split_at_checked(usize::from(header[26]))?;
        let (body, after) = after.split_at_checked(lacing.iter().map(|&n| usize::from(n)).sum())?;
        let mut page = self.rest[..HEADER + lacing.len() + body.len()].to_vec();
        page[22..26].fill(0);
        let sound = header.starts_with(b"OggS\0") && checksum(&page) == field32(header, 22);
        self.rest = after;
        sound.then_some((header, lacing, body))
    }

    fn check_order(&mut self, header: &[u8]) -> Result<(), OggError> {
        let (serial, sequence) = (field32(header, 14), field32(header, 18));
        if *self.serial.get_or_insert(serial) != serial {
            return Err(OggError::Damaged("more than one stream"));
        }
        if sequence != self.sequence || (sequence == 0) != (header[5] & FIRST != 0) {
            return Err(OggError::Damaged("a page is missing"));
        }
        self.sequence += 1;
        Ok(())
    }
}

fn lacing_values(length: usize) -> usize {
    length / 255 + 1
}

fn field32(header: &[u8], at: usize) -> u32 {
    (0..4).fold(0, |value, n| value | u32::from(header[at + n]) << (8 * n))
}

fn field64(header: &[u8], at: usize) -> u64 {
    u64::from(field32(header, at)) | u64::from(field32(header, at + 4)) << 32
}

/// CRC-32 with the polynomial 0x04c11db7, most significant bit first, nothing inverted (RFC 3533 §6).
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc, &byte| crc << 8 ^ CRC[usize::from((crc >> 24) as u8 ^ byte)])
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = (n as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};
