//! The recordings: Portuguese sentences of the agent's and of the callee's (see `assets/README.md`).

use anyhow::Context;
use audio::SampleRate;
use audio::ogg;
use audio::opus::Decoder;

/// Who says what: `name|text`, a line each.
const LINES: &str = include_str!("../../assets/lines.txt");

macro_rules! recordings {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("../../assets/", $name, ".opus")).as_slice())),*]
    };
}

const RECORDINGS: [(&str, &[u8]); 9] = recordings!(
    "agent-greeting" "agent-details" "agent-answer" "agent-goodbye"
    "callee-hello" "callee-listens" "callee-interrupts" "callee-accepts" "callee-goodbye"
);

/// The names of all recordings.
pub const NAMES: [&str; 9] = {
    let mut names = [""; 9];
    let mut n = 0;
    while n < names.len() {
        names[n] = RECORDINGS[n].0;
        n += 1;
    }
    names
};

/// What is said in recording `name`.
pub fn text(name: &str) -> Option<&'static str> {
    LINES.lines().filter_map(|line| line.split_once('|')).find(|(key, _)| *key == name).map(|(_, text)| text)
}

/// Recording `name`, decoded at `rate`.
///
/// # Errors
/// When there is no such recording, or it is damaged.
pub fn pcm(name: &str, rate: SampleRate) -> anyhow::Result<Vec<i16>> {
    let (_, bytes) = RECORDINGS
        .into_iter()
        .find(|(key, _)| *key == name)
        .with_context(|| format!("there is no recording {name:?}"))?;
    let file = ogg::read(bytes).with_context(|| format!("recording {name:?}"))?;
    let mut decoder = Decoder::new(rate)?;
    let mut packet = vec![0; rate.max_packet_samples()];
    let mut sound = Vec::new();
    for bytes in &file.packets {
        let samples = decoder.decode(bytes, &mut packet)?;
        sound.extend_from_slice(&packet[..samples]);
    }
    let skip = usize::from(file.pre_skip) / rate.ticks_per_sample() as usize;
    sound.drain(..skip.min(sound.len()));
    Ok(sound)
}

/// All that the agent says, one recording after the other and over again, for `ms`.
///
/// # Errors
/// When a recording is damaged.
pub fn monologue(rate: SampleRate, ms: u32) -> anyhow::Result<Vec<i16>> {
    let mut once = Vec::new();
    for name in NAMES.into_iter().filter(|name| name.starts_with("agent-")) {
        once.extend(pcm(name, rate)?);
    }
    Ok(once.into_iter().cycle().take(rate.samples_in_ms(ms)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use audio::levels;

    #[test]
    fn every_recording_has_a_text_and_can_be_heard_at_every_rate() {
        for name in NAMES {
            assert!(text(name).unwrap().len() >= 5);
            let seconds: Vec<f64> = SampleRate::ALL
                .into_iter()
                .map(|rate| {
                    let sound = pcm(name, rate).unwrap();
                    let level = levels::rms_dbfs(&sound);
                    assert!((-30.0..-10.0).contains(&level), "{name} at {rate}: {level} dBFS");
                    sound.len() as f64 / f64::from(rate.hz())
                })
                .collect();
            assert!(seconds[0] > 0.3 && seconds[0] < 25.0, "{name}: {seconds:?}");
            assert!(seconds.iter().all(|s| (s - seconds[0]).abs() < 0.001), "{name}: {seconds:?}");
        }
        let long = monologue(SampleRate::Hz8000, 60_000).unwrap();
        let second = |at: usize| levels::rms_dbfs(&long[at * 8000..][..8000]);
        assert!(long.len() == 480_000 && (0..60).all(|at| second(at) > -45.0));
        assert_eq!(text("nobody"), None);
        assert!(pcm("nobody", SampleRate::Hz8000).is_err());
    }
}
