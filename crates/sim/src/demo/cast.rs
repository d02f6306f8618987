//! Who does what in the demo: the person who is called, the agent, and the countries' profiles.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::stack::{Reject, Script, Stack, Step};
use crate::ultravox::{self, Line, Ultravox};

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The person answers, talks, interrupts once; the agent says goodbye and hangs up.
    Conversation,
    /// The person is on the phone already.
    Busy,
    /// It never becomes a call.
    Refused,
}

/// By the name of the example: `br-…` is talked with, `cl-…` is busy, the others are broken.
pub(super) fn part_of(message: &Path) -> Part {
    let name = message.file_name().unwrap_or_default().to_string_lossy();
    match name.split('-').next() {
        Some("br") => Part::Conversation,
        Some("cl") => Part::Busy,
        _ => Part::Refused,
    }
}

/// What the agent says, in order; it hangs up after the last line.
pub(super) fn agent() -> ultravox::Script {
    let lines = ["agent-greeting", "agent-details", "agent-answer", "agent-goodbye"];
    ultravox::Script { lines: lines.map(|name| Line::Speech(name.into())).into(), ..Default::default() }
}

/// What the person does.
pub(super) fn person(part: Part) -> Script {
    if part == Part::Busy {
        let reject = Some(Reject { code: 486, text: "Busy Here".into() });
        return Script { ring_ms: Some(300), answer_after_ms: Some(300), reject, ..Script::default() };
    }
    let says = |name: &str| Step::wav(&assets().join(format!("{name}.wav")));
    let hears_out = || [Step::wait_for_voice(8000), Step::wait_for_silence(600)];
    let mut say = vec![Step::wait(300), says("callee-hello")];
    say.extend(hears_out());
    say.push(says("callee-listens"));
    // Into the middle of the long sentence.
    say.extend([Step::wait_for_voice(8000), Step::wait(2500), says("callee-interrupts")]);
    say.extend(hears_out());
    say.push(says("callee-accepts"));
    // The goodbye: heard out, and then the agent hangs up.
    Script { ring_ms: Some(400), answer_after_ms: Some(1500), say, ..Script::default() }
}

/// Where the recordings are in the source tree, from which alone the demo runs.
fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// The examples' profiles with this stack's addresses and trunks put in, in a directory of this run.
pub(super) async fn profiles(
    from: &Path,
    run_dir: &Path,
    stack: &Stack,
    agent: &Ultravox,
) -> Result<PathBuf> {
    let to = run_dir.join("profiles");
    std::fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for file in super::json_files(from)? {
        let name = file.file_name().unwrap_or_default();
        let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut profile: Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
        let caller_id = profile["livekit"]["callerId"].as_str().unwrap_or_default().to_owned();
        profile["livekit"]["trunkId"] = stack.create_trunk(&name.to_string_lossy(), &caller_id).await?.into();
        profile["livekit"]["url"] = stack.livekit().url().into();
        profile["agent"]["callsUrl"] = agent.calls_url().into();
        std::fs::write(to.join(name), serde_json::to_vec_pretty(&profile)?)?;
    }
    Ok(to)
}
