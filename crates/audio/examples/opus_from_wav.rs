//! `opus_from_wav FROM TO`: makes an Ogg Opus file at 16 kbit/s in directory `TO` of every WAV (16-bit mono,
//! 16 kHz, plain 44-byte header) in directory `FROM`. How the recordings of the stand-ins are made.

use std::error::Error;
use std::path::Path;

use audio::SampleRate;
use audio::ogg::OggOpusWriter;
use audio::opus::Encoder;

const RATE: SampleRate = SampleRate::Hz16000;
const BITRATE: i32 = 16_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &args[..] else { return Err("usage: opus_from_wav FROM TO".into()) };
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let opus = encode(&std::fs::read(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_name().ok_or("a file without a name")?;
        std::fs::write(Path::new(to).join(name).with_extension("opus"), opus)?;
    }
    Ok(())
}

fn encode(wav: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (header, sound) = wav.split_at_checked(44).ok_or("too short")?;
    if header[36..40] != *b"data" || header[22..28] != [1, 0, 0x80, 0x3e, 0, 0] {
        return Err("not a plain 16 kHz mono WAV".into());
    }
    let mut pcm: Vec<i16> =
        sound.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    pcm.resize(pcm.len().next_multiple_of(RATE.frame_samples()), 0);
    let mut encoder = Encoder::with_bitrate(RATE, BITRATE)?;
    let mut file = OggOpusWriter::new(Vec::new(), 1, &[("ENCODER", "espeak-ng 1.51, libopus")])?;
    let mut packet = [0; 1275];
    for frame in pcm.chunks(RATE.frame_samples()) {
        let bytes = encoder.encode(frame, &mut packet)?;
        file.write(file.position(), &packet[..bytes])?;
    }
    Ok(file.finish(0)?)
}
