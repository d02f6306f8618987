use std::io::Cursor;

use super::*;
use crate::opus::{Decoder, Encoder};
use crate::{SampleRate, levels};
use proptest::prelude::*;

/// `count` 20 ms packets of a 500 Hz tone.
fn tone_packets(count: usize) -> Vec<Vec<u8>> {
    let rate = SampleRate::Hz16000;
    let mut encoder = Encoder::new(rate).unwrap();
    let mut packet = [0; 1275];
    levels::tone(rate, 500.0, -12.0, count * rate.frame_samples())
        .chunks(rate.frame_samples())
        .map(|frame| {
            let bytes = encoder.encode(frame, &mut packet).unwrap();
            packet[..bytes].to_vec()
        })
        .collect()
}

fn writer() -> OggOpusWriter<Vec<u8>> {
    OggOpusWriter::new(Vec::new(), 7, &[("TITLE", "callee")]).unwrap()
}

fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(SampleRate::Hz48000).unwrap();
    let mut pcm = vec![0; SampleRate::Hz48000.max_packet_samples()];
    let mut sound = Vec::new();
    for packet in packets {
        let samples = decoder.decode(packet, &mut pcm).unwrap();
        sound.extend_from_slice(&pcm[..samples]);
    }
    sound
}

/// The file as the `ogg` crate takes it apart: packets, each with its page's granule position.
fn by_other_hands(file: &[u8]) -> Vec<(Vec<u8>, u64, bool)> {
    let mut reader = ::ogg::PacketReader::new(Cursor::new(file));
    std::iter::from_fn(|| reader.read_packet().unwrap())
        .map(|p| (p.data.clone(), p.absgp_page(), p.last_in_stream()))
        .collect()
}

#[test]
fn packets_come_back_as_they_were() {
    let packets = tone_packets(175);
    let mut file = writer();
    for (n, packet) in packets.iter().enumerate() {
        file.write(n as u64 * 960, packet).unwrap();
    }
    let bytes = file.finish(0).unwrap();
    let back = read(&bytes[..]).unwrap();
    assert_eq!(back.packets, packets);
    assert_eq!((back.pre_skip, back.end, back.finished), (PRE_SKIP, 175 * 960, true));
    assert_eq!(back.tags, ["outbound-call-gateway", "TITLE=callee"]);

    let theirs = by_other_hands(&bytes);
    assert!(theirs[0].0.starts_with(b"OpusHead") && theirs[1].0.starts_with(b"OpusTags"));
    assert!(theirs[2..].iter().map(|p| &p.0).eq(&packets));
    assert_eq!(theirs[2].1, 50 * 960, "a page a second");
    assert_eq!((theirs[176].1, theirs[176].2), (175 * 960, true));
}

#[test]
fn gaps_are_silence_of_the_right_length() {
    let packets = tone_packets(100);
    let mut file = writer();
    for (n, packet) in packets[..50].iter().enumerate() {
        file.write(n as u64 * 960, packet).unwrap();
    }
    let resumed = 50 * 960 + 48_000 + 24_000 + 360;
    for (n, packet) in packets[50..].iter().enumerate() {
        file.write(resumed + n as u64 * 960, packet).unwrap();
    }
    let back = read(&file.finish(240_000).unwrap()[..]).unwrap();
    assert_eq!((back.end, back.finished), (240_000, true));
    let sound = decoded(&back.packets);
    assert_eq!(sound.len(), 240_000);
    let level = |from: usize, to: usize| levels::rms_dbfs(&sound[from..to]);
    assert!(level(10_000, 48_000) > -14.0);
    assert!(level(50_000, resumed as usize) < -100.0);
    assert!(level(resumed as usize + 5_000, resumed as usize + 48_000) > -14.0);
    assert!(level(resumed as usize + 52_000, 240_000) < -100.0);
}

#[test]
fn what_is_no_packet_is_left_out_and_the_file_goes_on() {
    let packets = tone_packets(2);
    let mut file = writer();
    file.write(0, &packets[0]).unwrap();
    assert!(matches!(file.write(960, &[]), Err(OggError::NotOpus(0))));
    assert!(matches!(file.write(960, &[0x03, 0]), Err(OggError::NotOpus(2))));
    assert!(matches!(file.write(u64::MAX, &packets[1]), Err(OggError::Gap(_))));
    file.write(100, &packets[1]).unwrap();
    assert_eq!(file.position(), 2 * 960, "an early packet follows the one before it");
    assert_eq!(read(&file.finish(0).unwrap()[..]).unwrap().packets, packets);
}

#[test]
fn a_file_of_nothing_is_a_file() {
    let back = read(&writer().finish(0).unwrap()[..]).unwrap();
    assert_eq!((back.packets.len(), back.end, back.finished), (0, 0, true));
}

#[test]
fn a_file_that_was_never_finished_is_read_up_to_its_last_page() {
    /// A file that somebody else still sees after the writer is gone.
    #[derive(Clone, Default)]
    struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (packets, out) = (tone_packets(120), Shared::default());
    let mut file = OggOpusWriter::new(out.clone(), 7, &[]).unwrap();
    for (n, packet) in packets.iter().enumerate() {
        file.write(n as u64 * 960, packet).unwrap();
    }
    drop(file);
    let back = read(&out.0.borrow()[..]).unwrap();
    assert_eq!((&back.packets[..], back.finished), (&packets[..100], false));
}

#[test]
fn damage_is_noticed() {
    let mut file = writer();
    for (n, packet) in tone_packets(120).iter().enumerate() {
        file.write(n as u64 * 960, packet).unwrap();
    }
    let bytes = file.finish(0).unwrap();
    assert!(read(&bytes[..bytes.len() - 1]).is_err());
    assert!(matches!(read(&b""[..]), Err(OggError::Damaged(_))));
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(read(&damaged[..]).is_err(), "byte {at}");
    }
}

#[test]
fn what_other_hands_wrote_is_read() {
    let packets = tone_packets(60);
    let mut file = Vec::new();
    {
        use ::ogg::{PacketWriteEndInfo as End, PacketWriter};
        let mut writer = PacketWriter::new(&mut file);
        writer.write_packet(head(), 9, End::EndPage, 0).unwrap();
        // Tags longer than a page, so that a packet spans two.
        let long = "x".repeat(70_000);
        writer.write_packet(tags(&[("COMMENT", &long)]), 9, End::EndPage, 0).unwrap();
        for (n, packet) in packets.iter().enumerate() {
            let end = if n == 59 { End::EndStream } else { End::NormalPacket };
            // The end is trimmed by 10 ms.
            let granule = (n as u64 + 1) * 960 - if n == 59 { 480 } else { 0 };
            writer.write_packet(packet.clone(), 9, end, granule).unwrap();
        }
    }
    let back = read(&file[..]).unwrap();
    assert_eq!(back.packets, packets);
    assert_eq!((back.end, back.tags[1].len()), (60 * 960 - 480, 70_008));
}

proptest! {
    #[test]
    fn the_file_is_as_long_as_the_call_whatever_the_packets(
        steps in prop::collection::vec((0u64..100_000, 0u8..32, 0usize..1300), 0..60),
    ) {
        let mut file = writer();
        let mut at = 0;
        for (gap, config, length) in steps {
            let mut packet = vec![config << 3];
            packet.resize(1 + length, 0x55);
            at += gap;
            file.write(at, &packet).unwrap();
            let end = file.position();
            prop_assert!(end + 120 > at);
            at = end;
        }
        let bytes = file.finish(at + 1_000).unwrap();
        let back = read(&bytes[..]).unwrap();
        prop_assert!(back.end + 120 > at + 1_000 && back.end <= at + 1_000);
        let total: u64 = back.packets.iter().map(|p| u64::from(packet_duration_48k(p).unwrap())).sum();
        prop_assert_eq!(total, back.end);
        prop_assert_eq!(by_other_hands(&bytes).len(), back.packets.len() + 2);
    }
}
