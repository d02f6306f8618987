//! The demo: messages through the core's routing, and real calls to a scripted phone, to watch.
//!
//! Real: the core, the call folder, `bridge-task` as a process, livekit-server with its SIP API. Stand-ins:
//! the agent's vendor, and the phone in the place of SIP, carrier and person.

mod call;
mod cast;
mod deployed;
mod hands;
mod screen;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use calls::routing::Delivery;
use calls::secret::Secret;
use cloud::call_folder::{CallFolders, draw_nonce};
use jiff::Timestamp;

use crate::aws::Programs;
use crate::stack::{Binaries, Stack, StackConfig};
use crate::ultravox::Ultravox;
use cast::Part;
use deployed::Deployed;
use hands::{Hands, Routed};
use screen::{Screen, Tone};

/// What the demo is to do.
pub struct Asked {
    /// A message of the user's own in place of the examples.
    pub message: Option<PathBuf>,
    /// Where `messages/*.json` and `profiles/*.json` are.
    pub examples: PathBuf,
    /// Where call folders go, a directory for each run.
    pub calls: PathBuf,
    /// What to run.
    pub binaries: Binaries,
    /// Deploy to the AWS emulator, and send the messages to its queue.
    pub cloud: Option<Programs>,
    /// May the screen have colours?
    pub colours: bool,
}

/// Runs the demo. `true`: everything went as scripted.
///
/// # Errors
/// When something could not be started or read; the screen has said what went before.
pub async fn run(asked: Asked) -> Result<bool> {
    let mut screen = Screen::new(asked.colours);
    let messages = match &asked.message {
        Some(message) => vec![message.clone()],
        None => json_files(&asked.examples.join("messages"))?,
    };
    screen.title("Outbound Call Gateway", "a demo on this machine alone");

    let run_dir = new_run_dir(&asked.calls)?;
    let stack_dir = run_dir.join("stack");
    let stack =
        Stack::start(&asked.binaries, StackConfig { dir: Some(stack_dir.clone()), ..StackConfig::default() })
            .await
            .context("the local stack does not start")?;
    let agent = Ultravox::start(([127, 0, 0, 1], 0).into(), cast::agent()).await?;
    screen.line(
        "stack",
        Tone::Plain,
        "livekit-server",
        &format!("the real one, on {}", stack.livekit().url()),
    );
    screen.line("stack", Tone::Plain, "phone", "stands in for SIP, carrier and person");
    screen.line("stack", Tone::Plain, "agent", &format!("stands in for Ultravox, on {}", agent.base_url()));

    let agent_key = Secret::new(draw_nonce().0);
    let profiles = cast::profiles(&asked.examples.join("profiles"), &run_dir, &stack, &agent).await?;
    let deployed = match asked.cloud {
        None => None,
        Some(programs) => {
            screen.line("stack", Tone::Plain, "AWS emulator", "sam deploy of template.yaml, some seconds");
            Some(Deployed::start(programs, &run_dir, &profiles, &stack, &agent_key).await?)
        }
    };
    let folders = match &deployed {
        None => CallFolders::in_directory(&run_dir)?,
        Some(deployed) => deployed.folders(),
    };
    let mut all_as_scripted = true;
    let mut finished = Vec::new();
    for message in &messages {
        screen.heading(&shown(message));
        let body = std::fs::read(message).with_context(|| format!("cannot read {}", message.display()))?;
        let part = if asked.message.is_some() { Part::Conversation } else { cast::part_of(message) };
        let routed = match &deployed {
            Some(deployed) => deployed.route(&body, part, &stack, &mut screen).await?,
            None => {
                let hands = Hands::new(&stack, &agent_key, &folders, &profiles, &run_dir, part, &mut screen);
                hands.route(delivery(body)).await?
            }
        };
        all_as_scripted &= match routed {
            Routed::Called(task) => {
                let call = call::watch(*task, &stack, &agent, &folders, &mut screen).await?;
                let as_scripted = verdict::judge(&call, part, &mut screen);
                finished.push(call);
                as_scripted
            }
            Routed::Refused => part == Part::Refused,
            Routed::Otherwise(what) => {
                screen.check(false, &what);
                false
            }
        };
    }

    if let Some(deployed) = &deployed {
        deployed.save(&run_dir).await?;
    }
    if !finished.is_empty() {
        screen.heading("in short");
    }
    for call in &finished {
        verdict::summary(call, &run_dir, &mut screen);
    }
    if let Err(error) = stack.wait_until_empty(Duration::from_secs(2)).await {
        screen.check(false, &error.to_string());
        all_as_scripted = false;
    }
    drop(stack);
    match (all_as_scripted, finished.is_empty()) {
        (true, _) => screen.end(Tone::Good, "everything went as scripted, and nothing is left running"),
        (false, false) => {
            screen.end(Tone::Bad, "not everything went as scripted");
            screen.end(Tone::Dim, &format!("logs: {}", shown(&stack_dir)));
        }
        (false, true) => {
            let end =
                "no call: the message can be sent again as it is once the cause is mended, with the same id";
            screen.end(Tone::Warning, end);
        }
    }
    Ok(all_as_scripted)
}

/// A directory of this run's own: call folders never forget, and the same message again would be a duplicate.
fn new_run_dir(calls: &Path) -> Result<PathBuf> {
    let failed = || format!("cannot create a directory in {}", calls.display());
    std::fs::create_dir_all(calls).with_context(failed)?;
    let now = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let mut names = std::iter::once(now.clone()).chain((2..).map(|n| format!("{now}-{n}")));
    loop {
        let dir = calls.join(names.next().unwrap_or_default());
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(failed),
        }
    }
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // What rings first, then what is refused.
    files.sort_by_key(|path| (cast::part_of(path), path.clone()));
    anyhow::ensure!(!files.is_empty(), "there is no *.json in {}", directory.display());
    Ok(files)
}

/// As the queue would deliver it for the first time.
fn delivery(body: Vec<u8>) -> Delivery {
    Delivery {
        message_id: draw_nonce().0,
        body,
        call_key: None,
        attempt: None,
        put_back: None,
        receive_count: 1,
        sent_at: Timestamp::now(),
    }
}

/// Relative to where the user stands, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
