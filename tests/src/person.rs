//! People who are called, as scripts for the phone.

use sim::stack::{Reject, Script, Step};

/// The tone with which people talk, in Hz.
pub const TONE_HZ: f64 = 660.0;
/// Its peak level in dBFS.
const PEAK_DBFS: f64 = -9.0;

/// Talks for `ms`.
pub fn talk(ms: u64) -> Step {
    Step::tone(TONE_HZ, ms, PEAK_DBFS)
}

/// Answers after a moment and then does these steps; stays on the line after the last.
pub fn who(say: impl IntoIterator<Item = Step>) -> Script {
    Script {
        ring_ms: Some(50),
        answer_after_ms: Some(200),
        say: say.into_iter().collect(),
        ..Script::default()
    }
}

/// Talks for a second, hears the agent out, and hangs up.
pub fn hears_out() -> Script {
    who([
        Step::wait(300),
        talk(1000),
        Step::wait_for_voice(8000),
        Step::wait_for_silence(600),
        Step::hang_up(),
    ])
}

/// Answers, talks for a second, and listens.
pub fn talkative() -> Script {
    who([Step::wait(300), talk(1000)])
}

/// The carrier's or the phone's final answer is no 200. It rings before.
pub fn rejecting(code: u16, text: &str) -> Script {
    let reject = Some(Reject { code, text: text.to_owned() });
    Script { ring_ms: Some(50), answer_after_ms: Some(200), reject, ..Script::default() }
}

/// Is on the phone.
pub fn busy() -> Script {
    rejecting(486, "Busy Here")
}
