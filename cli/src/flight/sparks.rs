//! What passed in each second, as one character a second.

use calls::fact::Fact;
use calls::sound::SoundSecond;
use jiff::Timestamp;
use telemetry::flight::Attempt;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// So much on a line.
const MINUTE: usize = 60;
/// From here to 0 dBFS is drawn; speech on the telephone lies between −35 and −10.
const FLOOR_DBFS: f64 = -50.0;

/// One curve: its name, and how high a second is from 0 to 1; `None`: nothing to draw.
type Curve = (&'static str, fn(&SoundSecond) -> Option<f64>);

const CURVES: [Curve; 4] = [
    ("callee", |second| level(second.room_to_agent.level_dbfs)),
    ("agent", |second| level(second.queue_to_room.level_dbfs)),
    ("queued", |second| (second.queued_ms > 0).then(|| (f64::from(second.queued_ms) / 10_000.0).sqrt())),
    ("lost", |second| (second.trunk_to_room.lost > 0).then(|| f64::from(second.trunk_to_room.lost) / 25.0)),
];

/// Lines of a minute each, under the time since the answer at which they begin; curves that are empty are left out.
pub fn lines(attempt: &Attempt) -> Vec<String> {
    let seconds: Vec<SoundSecond> = seconds(attempt).map(|(_, second)| *second).collect();
    let curves: Vec<&Curve> =
        CURVES.iter().filter(|(_, height)| seconds.iter().any(|second| height(second).is_some())).collect();
    let mut lines = Vec::new();
    for (minute, of_minute) in seconds.chunks(MINUTE).enumerate() {
        for (nth, (name, height)) in curves.iter().enumerate() {
            let clock = if nth == 0 { format!("{minute}:00") } else { String::new() };
            let bars: String = of_minute.iter().map(|second| height(second).map_or('·', bar)).collect();
            lines.push(format!("{clock:>7}  {name:<8} {bars}"));
        }
    }
    lines
}

/// The counters of each second.
pub fn seconds(attempt: &Attempt) -> impl Iterator<Item = (Timestamp, &SoundSecond)> {
    attempt.facts.iter().filter_map(|(at, fact)| match fact {
        Fact::SoundSecond(second) => Some((*at, second)),
        _ => None,
    })
}

fn level(dbfs: Option<i8>) -> Option<f64> {
    let height = 1.0 - f64::from(dbfs?) / FLOOR_DBFS;
    (height > 0.0).then_some(height)
}

fn bar(height: f64) -> char {
    BARS[((height * 8.0) as usize).min(7)]
}

#[cfg(test)]
mod tests {
    use calls::sound::HopSecond;

    use super::*;

    #[test]
    fn a_minute_is_a_line_and_what_nothing_tells_of_is_left_out() {
        let second = |level_dbfs, queued_ms| {
            let room_to_agent =
                HopSecond { frames: 50, level_dbfs: Some(level_dbfs), ..HopSecond::default() };
            Fact::SoundSecond(SoundSecond { room_to_agent, queued_ms, ..SoundSecond::default() })
        };
        let mut facts =
            vec![(Timestamp::UNIX_EPOCH, second(-10, 5000)), (Timestamp::UNIX_EPOCH, second(-120, 0))];
        let lines_of =
            |facts: &Vec<(Timestamp, Fact)>| lines(&Attempt { facts: facts.clone(), ..Attempt::default() });
        assert_eq!(lines_of(&facts), ["   0:00  callee   ▇·", "         queued   ▆·"]);
        facts.extend((0..60).map(|_| (Timestamp::UNIX_EPOCH, second(-20, 0))));
        assert_eq!(lines_of(&facts)[2], "   1:00  callee   ▅▅");
    }
}
