//! Who does what in each of the six.

use std::path::Path;

use serde_json::{Value, json};
use sim::stack::{Script, Step, Transfer};
use sim::ultravox::{self, CreateStep, Line, Trouble};
use tests::{agent, person};

/// A call to be recorded.
pub struct Flight {
    /// Its folder, its id.
    pub name: &'static str,
    /// For who watches.
    pub what: &'static str,
    /// Who is called: nobody's number.
    pub number: &'static str,
    /// What the person does.
    pub person: Script,
    /// What the agent does.
    pub agent: ultravox::Script,
    /// Fields of the profile by their JSON pointers.
    pub profile: Vec<(&'static str, Value)>,
}

/// All of them.
pub fn flights() -> [Flight; 6] {
    [moved(), busy(), agent_falls_silent(), nobody_there(), passed_on(), second_attempt()]
}

/// The agent's four sentences.
fn clara() -> ultravox::Script {
    let lines = ["agent-greeting", "agent-details", "agent-answer", "agent-goodbye"];
    agent::who_says(lines.map(|name| Line::Speech(name.into())))
}

fn says(name: &str) -> Step {
    Step::wav(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sim/assets").join(format!("{name}.wav")))
}

fn hears_out() -> [Step; 2] {
    [Step::wait_for_voice(8000), Step::wait_for_silence(600)]
}

fn moved() -> Flight {
    let mut say = vec![Step::wait(300), says("callee-hello")];
    say.extend(hears_out());
    say.push(says("callee-listens"));
    // Into the middle of the long sentence.
    say.extend([Step::wait_for_voice(8000), Step::wait(2500), says("callee-interrupts")]);
    say.extend(hears_out());
    say.push(says("callee-accepts"));
    say.extend(hears_out());
    say.extend([says("callee-goodbye"), Step::wait(300), Step::hang_up()]);
    Flight {
        name: "moved",
        what: "an appointment is moved; the callee interrupts, and hangs up",
        number: "+5511987654101",
        person: Script { ring_ms: Some(400), answer_after_ms: Some(1500), say, ..Script::default() },
        agent: clara(),
        profile: vec![],
    }
}

fn busy() -> Flight {
    Flight {
        name: "busy",
        what: "the callee is on the phone",
        number: "+5511987654102",
        person: person::busy(),
        agent: clara(),
        profile: vec![],
    }
}

/// Its connection stands, and nothing comes any more: a black hole.
fn agent_falls_silent() -> Flight {
    let mut say = vec![Step::wait(300), says("callee-hello")];
    say.extend(hears_out());
    say.extend([says("callee-listens"), Step::wait(6000), says("callee-hello")]);
    Flight {
        name: "agent-falls-silent",
        what: "the agent's connection stands still in the middle of the call",
        number: "+5511987654103",
        person: Script { ring_ms: Some(200), answer_after_ms: Some(1000), say, ..Script::default() },
        agent: agent::with_trouble(
            ultravox::Script { ahead_ms: Some(1000), ..clara() },
            9000,
            Trouble::Stall,
        ),
        profile: vec![("/agent/silenceSeconds", json!(8))],
    }
}

fn nobody_there() -> Flight {
    Flight {
        name: "no-packets",
        what: "the phone answers and sends nothing",
        number: "+5511987654104",
        person: Script { hang_up_after_ms: Some(13_000), ..person::who([Step::stop_sending()]) },
        agent: clara(),
        profile: vec![],
    }
}

/// On a line that loses every fifth packet.
fn passed_on() -> Flight {
    let mut say = vec![Step::loss(0.2, 40, 7), Step::wait(300), says("callee-hello")];
    say.extend(hears_out());
    say.push(says("callee-interrupts"));
    let to = json!({ "to": "reception" });
    Flight {
        name: "passed-on",
        what: "the line is bad, and the agent passes the callee on",
        number: "+5511987654105",
        person: Script {
            transfer: Some(Transfer { after_ms: Some(1200), ..Transfer::default() }),
            ..person::who(say)
        },
        agent: agent::with_tool(clara(), 16_000, "transferCall", to),
        profile: vec![],
    }
}

/// The vendor fails at first; then it answers, and its agent says nothing.
fn second_attempt() -> Flight {
    let say = [
        Step::wait(300),
        says("callee-hello"),
        Step::wait(1500),
        says("callee-hello"),
        says("callee-listens"),
    ];
    Flight {
        name: "second-attempt",
        what: "the first attempt gets no agent, the second one that is not heard",
        number: "+5511987654106",
        person: Script { hang_up_after_ms: Some(16_000), ..person::who(say) },
        agent: ultravox::Script {
            create: vec![CreateStep { status: Some(402), ..CreateStep::default() }],
            ..agent::silent()
        },
        profile: vec![],
    }
}
