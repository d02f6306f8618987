//! Agents, as scripts for the vendor's stand-in.

use serde_json::Value;
use sim::ultravox::{CreateStep, Line, Misstep, Script, Trouble};

/// The tone with which agents talk, in Hz.
pub const TONE_HZ: f64 = 440.0;

/// A line of `ms` in the agent's voice.
pub fn line(ms: u32) -> Line {
    Line::Tone { hz: TONE_HZ, ms }
}

/// Listens, says nothing, stays.
pub fn silent() -> Script {
    Script { lines: Vec::new(), hang_up: false, ..Script::default() }
}

/// Says these lines, one each time that the callee has talked, and stays on the line.
pub fn who_says(lines: impl IntoIterator<Item = Line>) -> Script {
    Script { lines: lines.into_iter().collect(), ..silent() }
}

/// Says these lines and hangs up when it has sent the last of them.
pub fn who_says_and_hangs_up(lines: impl IntoIterator<Item = Line>) -> Script {
    Script { hang_up: true, ..who_says(lines) }
}

/// The vendor answers so many requests to create a call with this status.
pub fn refused(status: u16, times: u32) -> Script {
    Script { create: vec![CreateStep { status: Some(status), times, ..CreateStep::default() }], ..silent() }
}

/// Something goes wrong on its socket so long after it was opened.
pub fn with_trouble(mut script: Script, at_ms: u32, does: Trouble) -> Script {
    script.missteps.push(Misstep { at_ms, does });
    script
}

/// It calls a tool that runs at our end, so long after its socket was opened.
pub fn with_tool(script: Script, at_ms: u32, name: &str, parameters: Value) -> Script {
    with_trouble(script, at_ms, Trouble::CallTool { name: name.to_owned(), parameters })
}
