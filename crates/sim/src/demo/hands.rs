//! The hands of routing: its effects on a directory, a file of dead letters, and processes of our own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result};
use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::plan::{CallPlan, Leg};
use calls::routing::{DeadLetter, Delivery, Effect, Input, Place, Policy, Routing, Verdict};
use calls::secret::Secret;
use cloud::call_folder::{CallFolders, Signature};
use cloud::profiles::from_directory;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::cast::{self, Part};
use super::screen::{Screen, Tone};
use crate::stack::{Child, Output, Stack};

/// Where a message's way ended.
pub(super) enum Routed {
    /// With a task.
    Called(Box<Task>),
    /// With the dead letters.
    Refused,
    /// Elsewhere, which no example does.
    Otherwise(String),
}

/// A started `bridge-task job`.
pub(super) struct Task {
    pub ended: Ended,
    /// What it logs, line by line, until it ends.
    pub lines: mpsc::Receiver<String>,
    pub attempt: AttemptId,
    pub plan: CallPlan,
}

/// How one learns of its end.
pub(super) enum Ended {
    /// It is a process of ours.
    Process(Child),
    /// It is a task of ECS, and this waits for it.
    Task(JoinHandle<Result<i32>>),
}

impl Ended {
    /// The exit code, once the last line has come.
    pub(super) async fn code(self) -> Result<i32> {
        match self {
            Self::Process(mut process) => {
                let status = process.exit(Duration::from_secs(5)).await?;
                Ok(status.code().unwrap_or(-1))
            }
            Self::Task(waiting) => waiting.await?,
        }
    }
}

pub(super) struct Hands<'a> {
    stack: &'a Stack,
    agent_key: &'a Secret,
    folders: &'a CallFolders,
    profiles: &'a Path,
    run_dir: &'a Path,
    part: Part,
    screen: &'a mut Screen,
    body: Vec<u8>,
    plan: Option<CallPlan>,
    task: Option<Task>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(
        stack: &'a Stack,
        agent_key: &'a Secret,
        folders: &'a CallFolders,
        profiles: &'a Path,
        run_dir: &'a Path,
        part: Part,
        screen: &'a mut Screen,
    ) -> Self {
        let (body, plan, task) = (Vec::new(), None, None);
        Self { stack, agent_key, folders, profiles, run_dir, part, screen, body, plan, task }
    }

    /// Takes one delivery all its way.
    pub(super) async fn route(mut self, delivery: Delivery) -> Result<Routed> {
        self.body.clone_from(&delivery.body);
        let mut routing = Routing::new(delivery, Policy::default(), Timestamp::now());
        loop {
            let effect = routing.poll_effect().context("routing stopped without a verdict")?;
            match effect {
                Effect::Record(fact) => self.show(&fact),
                Effect::Finish(verdict) => {
                    return Ok(match (verdict, self.task.take()) {
                        (Verdict::Done, Some(task)) => Routed::Called(Box::new(task)),
                        (Verdict::Refused(_), _) => Routed::Refused,
                        (verdict, _) => Routed::Otherwise(format!("{verdict:?}")),
                    });
                }
                effect => {
                    let answer = self.perform(effect).await;
                    routing.handle(answer);
                }
            }
        }
    }

    async fn perform(&mut self, effect: Effect) -> Input {
        if let Effect::PutJob { plan, .. } = &effect {
            self.plan = Some((**plan).clone());
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let signature = Signature { name: "demo".to_owned(), version, ..Signature::default() };
        match self.folders.route(effect, &signature).await {
            Ok(input) => input,
            Err(Effect::LoadProfiles { .. }) => {
                Input::Profiles(from_directory(self.profiles).profiles.map(Arc::new))
            }
            Err(Effect::Launch(attempt)) => {
                Input::Launched(self.launch(attempt).await.map_err(|e| format!("{e:#}")))
            }
            Err(Effect::SendDeadLetter(letter)) => {
                Input::LetterSent(self.bury(&letter).map_err(|e| format!("{e:#}")))
            }
            // One call at a time is made here.
            Err(Effect::TakePlace { .. }) => Input::Place(Ok(Place::Taken)),
            // Nobody waits for it: that it has to wait is what there is to see.
            Err(Effect::PutBack { .. }) => Input::PutBack(Ok(())),
            // The folder does everything else, and nothing waits for an answer to the rest.
            Err(_) => Input::Stored(Ok(())),
        }
    }

    /// Where Fargate would be asked for a task: a process of our own, told nothing but the attempt.
    async fn launch(&mut self, attempt: AttemptId) -> Result<String> {
        let plan = self.plan.take().context("launched before it was planned")?;
        if let Leg::Outbound { to } = &plan.leg {
            self.stack.phone()?.script(to.as_e164(), &cast::person(self.part)).await?;
        }
        let name = format!("demo/{}-a{}", attempt.key.short(), attempt.number);
        let (sender, lines) = mpsc::channel();
        let calls = self.run_dir.as_os_str();
        let process = self
            .stack
            .bridge_task(&plan.profile.country, self.agent_key)
            .env("LOG_FORMAT", "json")
            .env("OCG_SHOW_WORDS", "1")
            .env("OCG_STAGE", "demo")
            .env("OCG_TASK", &name)
            .start(
                [
                    "job".as_ref(),
                    "--attempt".as_ref(),
                    attempt.to_string().as_ref(),
                    "--calls".as_ref(),
                    calls,
                ],
                Output::Lines(sender),
            )?;
        self.task = Some(Task { ended: Ended::Process(process), lines, attempt, plan });
        Ok(name)
    }

    /// A line in the file that stands for the dead-letter queue: the attributes, and the body untouched.
    fn bury(&mut self, letter: &DeadLetter) -> Result<()> {
        let path = self.run_dir.join("dead-letters.jsonl");
        let mut line = serde_json::json!({
            "RefusalCode": letter.refusal.code,
            "RefusalDetail": letter.refusal.detail,
            "RefusedAt": Timestamp::now(),
            "OriginalMessageId": letter.original_message_id,
            "OcgCallKey": letter.attempt.key,
            "OcgAttempt": letter.attempt.number,
            "body": String::from_utf8_lossy(&self.body),
        });
        for (name, value) in [("RefusalPath", &letter.refusal.path), ("CallId", &letter.call_id)] {
            if let Some(value) = value {
                line[name] = value.as_str().into();
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        writeln!(file, "{line}")?;
        let detail = format!("a line in {}, body untouched", super::shown(&path));
        self.screen.line("router", Tone::Warning, "dead letter", &detail);
        Ok(())
    }

    fn show(&mut self, fact: &Fact) {
        show_routed(fact, self.screen);
    }
}

/// What the router says of a message.
pub(super) fn show_routed(fact: &Fact, screen: &mut Screen) {
    let line = telemetry::line(fact, true);
    let tone = if line.level <= tracing::Level::WARN { Tone::Warning } else { Tone::Plain };
    screen.line("router", tone, line.title, &line.detail);
}
