//! Ogg Opus files (RFC 7845 in pages of RFC 3533): the packets of a call kept as they were on the wire,
//! at the time at which they were heard. Nothing is encoded again.

mod page;

use std::io::{self, Read, Write};

use crate::{OPUS_CLOCK_HZ, opus::packet_duration_48k};
use page::{PageReader, PageWriter};

/// What a decoder is told to throw away at the start, in 48 kHz samples: libopus' look-ahead in VoIP mode,
/// so that sound in the file is where it was at the microphone (RFC 7845 §4.2).
pub const PRE_SKIP: u16 = 312;

/// Audio in one page at most, in 48 kHz samples. It is also what a process that dies can lose.
const PAGE_SAMPLES: u64 = OPUS_CLOCK_HZ as u64;

/// A gap longer than any call is a broken clock, not silence to be written out.
const MAX_GAP: u64 = OPUS_CLOCK_HZ as u64 * 6 * 3600;

/// Silence to fill gaps with: CELT fullband mono frames that carry nothing but the silence flag
/// (RFC 6716 §4.3), with their lengths in 48 kHz samples. Longest first; the first is six of 20 ms.
const SILENCE: [(u64, &[u8]); 5] = [
    (5760, &[0xfb, 0x06, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe]),
    (960, &[0xf8, 0xff, 0xfe]),
    (480, &[0xf0, 0xff, 0xfe]),
    (240, &[0xe8, 0xff, 0xfe]),
    (120, &[0xe0, 0xff, 0xfe]),
];

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum OggError {
    /// The file below.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A packet whose TOC byte no decoder takes; it was left out, and the file goes on.
    #[error("not an Opus packet ({0} bytes)")]
    NotOpus(usize),
    /// A packet further away than any call is long; it was left out, and the file goes on.
    #[error("a gap of {0} samples at 48 kHz is no gap in a call")]
    Gap(u64),
    /// Not an Ogg Opus file, or one that is damaged.
    #[error("not a sound Ogg Opus file: {0}")]
    Damaged(&'static str),
}

/// Writes one mono Ogg Opus file. Every page is one `write_all`; the file is playable up to its last page
/// even if nobody calls [`finish`](Self::finish).
pub struct OggOpusWriter<W: Write> {
    pages: PageWriter<W>,
    /// End of all packets written or held, in 48 kHz samples since the start of the file.
    position: u64,
    /// Where the page that is being filled began.
    page_start: u64,
    /// The newest packet, held back because the last page must be marked and only the next call tells.
    held: Vec<u8>,
}

impl<W: Write> OggOpusWriter<W> {
    /// Writes the two header pages. `serial` names the stream within the file (any number); `comments` are
    /// `NAME=value` pairs for the tags, such as `("TITLE", "callee")`.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn new(out: W, serial: u32, comments: &[(&str, &str)]) -> Result<Self, OggError> {
        let mut pages = PageWriter::new(out, serial);
        for header in [head(), tags(comments)] {
            pages.push(&header)?;
            pages.flush(0, false)?;
        }
        Ok(Self { pages, position: 0, page_start: 0, held: Vec::new() })
    }

    /// Appends `packet`, heard `at` 48 kHz samples after the start of the file. Time missing before it
    /// becomes silence (to 2.5 ms; what remains is made up later). A packet that comes before the end of
    /// the one before it is put right behind that.
    ///
    /// # Errors
    /// [`OggError::NotOpus`] and [`OggError::Gap`] leave the packet out; otherwise when the file fails.
    pub fn write(&mut self, at: u64, packet: &[u8]) -> Result<(), OggError> {
        let duration = packet_duration_48k(packet).ok_or(OggError::NotOpus(packet.len()))?;
        self.fill(at)?;
        self.append(packet, u64::from(duration))
    }

    /// Where the file ends so far, in 48 kHz samples since its start.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills up with silence until `until` (48 kHz samples; at or before [`position`](Self::position):
    /// nothing), marks the end and flushes. Files of one call that end at the same time line up.
    ///
    /// # Errors
    /// [`OggError::Gap`], or when the file fails.
    pub fn finish(mut self, until: u64) -> Result<W, OggError> {
        self.fill(until)?;
        if !self.held.is_empty() {
            self.pages.push(&self.held)?;
        }
        self.pages.flush(self.position, true)?;
        Ok(self.pages.into_inner()?)
    }

    fn fill(&mut self, until: u64) -> Result<(), OggError> {
        let gap = until.saturating_sub(self.position);
        if gap > MAX_GAP {
            return Err(OggError::Gap(gap));
        }
        for (duration, packet) in SILENCE {
            while until.saturating_sub(self.position) >= duration {
                self.append(packet, duration)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, packet: &[u8], duration: u64) -> Result<(), OggError> {
        if !self.held.is_empty() {
            self.pages.push(&self.held)?;
            let full = self.position + duration - self.page_start > PAGE_SAMPLES;
            if full || !self.pages.has_room_for(packet.len()) {
                self.pages.flush(self.position, false)?;
                self.page_start = self.position;
            }
        }
        self.held.clear();
        self.held.extend_from_slice(packet);
        self.position += duration;
        Ok(())
    }
}

/// The identification header (RFC 7845 §5.1): version 1, mono, 48 kHz, no gain, mapping family 0.
fn head() -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend_from_slice(&PRE_SKIP.to_le_bytes());
    head.extend_from_slice(&OPUS_CLOCK_HZ.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// The comment header (RFC 7845 §5.2).
fn tags(comments: &[(&str, &str)]) -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let mut text = |text: &str| {
        tags.extend_from_slice(&(text.len() as u32).to_le_bytes());
        tags.extend_from_slice(text.as_bytes());
    };
    text("outbound-call-gateway");
    let mut list = Vec::new();
    for (name, value) in comments {
        let comment = format!("{name}={value}");
        list.extend_from_slice(&(comment.len() as u32).to_le_bytes());
        list.extend_from_slice(comment.as_bytes());
    }
    tags.extend_from_slice(&(comments.len() as u32).to_le_bytes());
    tags.extend_from_slice(&list);
    tags
}

/// A whole Ogg Opus file, read.
#[derive(Clone, Debug, PartialEq)]
pub struct OggOpus {
    /// 48 kHz samples to throw away at the start of the decoded sound.
    pub pre_skip: u16,
    /// The vendor and the `NAME=value` comments, as they stand in the tags.
    pub tags: Vec<String>,
    /// Every audio packet, in order.
    pub packets: Vec<Vec<u8>>,
    /// The granule position of the last page: the file's end in 48 kHz samples, pre-skip included.
    pub end: u64,
    /// Whether the last page says that it is the last.
    pub finished: bool,
}

/// Reads a mono file of one stream and checks what a player relies on: checksums, page order, headers, and
/// granule positions that agree with the packets. A file cut off between two pages is read up to there.
///
/// # Errors
/// [`OggError::Damaged`] says what is wrong; [`OggError::Io`] when `input` fails.
pub fn read(mut input: impl Read) -> Result<OggOpus, OggError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let mut pages = PageReader::new(&bytes);
    let head = pages.only_packet()?;
    if head.len() < 19 || !head.starts_with(b"OpusHead") || head[8] >> 4 != 0 {
        return Err(OggError::Damaged("the first packet is no OpusHead of version 1"));
    }
    if (head[9], head[18]) != (1, 0) {
        return Err(OggError::Damaged("more than one channel"));
    }
    let mut file = OggOpus {
        pre_skip: u16::from_le_bytes([head[10], head[11]]),
        tags: parse_tags(&pages.only_packet()?).ok_or(OggError::Damaged("no OpusTags"))?,
        packets: Vec::new(),
        end: 0,
        finished: false,
    };
    let mut samples = 0;
    while let Some(page) = pages.next_page()? {
        if file.finished {
            return Err(OggError::Damaged("pages after the last one"));
        }
        for packet in page.packets {
            let duration = packet_duration_48k(&packet).ok_or(OggError::Damaged("a packet is not Opus"))?;
            samples += u64::from(duration);
            file.packets.push(packet);
        }
        // Only the last page may say less than its packets hold: it trims the end (RFC 7845 §4.4).
        let trims = page.last && page.granule >= file.end && page.granule < samples;
        if page.granule != samples && !trims && page.granule != u64::MAX {
            return Err(OggError::Damaged("a granule position does not agree with the packets"));
        }
        (file.end, file.finished) = (page.granule, page.last);
    }
    Ok(file)
}

fn parse_tags(packet: &[u8]) -> Option<Vec<String>> {
    let mut rest = packet.strip_prefix(b"OpusTags")?;
    let number = |rest: &mut &[u8]| {
        let (number, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        Some(u32::from_le_bytes(*number) as usize)
    };
    let text = |rest: &mut &[u8]| {
        let length = number(rest)?;
        let (text, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let mut tags = vec![text(&mut rest)?];
    let (count, after) = rest.split_first_chunk::<4>()?;
    rest = after;
    for _ in 0..u32::from_le_bytes(*count) {
        tags.push(text(&mut rest)?);
    }
    Some(tags)
}

#[cfg(test)]
mod tests;
