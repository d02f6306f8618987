//! The hands of routing: its effects on a directory, a file of dead letters, and processes of our own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, mpsc};

use anyhow::{Context as _, Result};
use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::plan::{CallPlan, Leg};
use calls::routing::{Claim, DeadLetter, Delivery, Effect, Input, Policy, Routing, StoredMessage, Verdict};
use calls::secret::Secret;
use cloud::call_folder::documents::{ByDay, Follow, Job, Launched, Message, Next, Open, V};
use cloud::call_folder::{CallFolders, Claimed, StoreError, draw_nonce};
use cloud::profiles::from_directory;
use jiff::Timestamp;

use super::cast::{self, Part};
use super::screen::{Screen, Tone};
use crate::stack::{Child, Output, Stack};

/// Where a message's way ended.
pub(super) struct Routed {
    pub verdict: Verdict,
    /// The task that was started for it.
    pub task: Option<Task>,
}

/// A started `bridge-task job`.
pub(super) struct Task {
    pub process: Child,
    /// What it logs, line by line.
    pub lines: mpsc::Receiver<String>,
    pub attempt: AttemptId,
    pub plan: CallPlan,
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
    pub(super) async fn route(&mut self, delivery: Delivery) -> Result<Routed> {
        self.body.clone_from(&delivery.body);
        let mut routing = Routing::new(delivery, Policy::default(), Timestamp::now());
        loop {
            let effect = routing.poll_effect().context("routing stopped without a verdict")?;
            match effect {
                Effect::Record(fact) => self.show(&fact),
                Effect::Finish(verdict) => return Ok(Routed { verdict, task: self.task.take() }),
                effect => {
                    let answer = self.perform(effect).await;
                    routing.handle(answer);
                }
            }
        }
    }

    async fn perform(&mut self, effect: Effect) -> Input {
        match effect {
            Effect::LoadFolder(key) => {
                Input::Folder(self.folders.look(&key).await.map(|standing| (&standing).into()).map_err(text))
            }
            Effect::LoadProfiles { .. } => {
                Input::Profiles(Ok(Arc::new(from_directory(self.profiles).profiles)))
            }
            Effect::PutOpen(attempt) => {
                let open = Open { v: V, at: Timestamp::now() };
                Input::Stored(self.folders.open_attempt(&attempt, &open).await.map(drop).map_err(text))
            }
            Effect::PutMessage(key, message) => {
                Input::Claimed(claim(self.folders.claim_message(&key, &document(message)).await))
            }
            Effect::PutJob { attempt, plan, deadline } => self.put_job(attempt, *plan, deadline).await,
            Effect::Launch(attempt) => {
                Input::Launched(self.launch(attempt).await.map_err(|e| format!("{e:#}")))
            }
            Effect::PutLaunched { attempt, task } => {
                let launched = Launched { v: V, task, at: Timestamp::now() };
                Input::Stored(self.folders.note_launched(&attempt, &launched).await.map_err(text))
            }
            Effect::SendDeadLetter(letter) => {
                Input::LetterSent(self.bury(&letter).map_err(|e| format!("{e:#}")))
            }
            Effect::PutNext(attempt) => {
                let next = Next { v: V, next: Follow::DeadLetter, at: Timestamp::now() };
                Input::Stored(self.folders.claim_next(&attempt, &next).await.map(drop).map_err(text))
            }
            Effect::DeleteOpen(attempt) => {
                Input::Stored(self.folders.close_attempt(&attempt).await.map(drop).map_err(text))
            }
            // Only what was delivered many times is given up, and here everything is delivered once.
            Effect::TakeDial(..) | Effect::PutOutcome(..) => {
                Input::Claimed(Claim::Failed("the demo gives no message up".into()))
            }
            Effect::Record(_) | Effect::Finish(_) => Input::Stored(Ok(())),
        }
    }

    async fn put_job(&mut self, attempt: AttemptId, plan: CallPlan, deadline: Timestamp) -> Input {
        let job = Job {
            v: V,
            owner: draw_nonce(),
            plan: plan.clone(),
            attempt: attempt.number,
            made_by: "demo".into(),
            made_at: Timestamp::now(),
            deadline,
        };
        let claim = claim(self.folders.claim_job(&attempt, &job).await);
        if claim == Claim::Ours {
            self.folders.note_by_day(&attempt.key, &pointer(&attempt, &job)).await;
            self.plan = Some(plan);
        }
        Input::Claimed(claim)
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
        self.task = Some(Task { process, lines, attempt, plan });
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
        let line = telemetry::line(fact, true);
        let tone = if line.level <= tracing::Level::WARN { Tone::Warning } else { Tone::Plain };
        self.screen.line("router", tone, line.title, &line.detail);
    }
}

fn document(message: StoredMessage) -> Message {
    Message {
        v: V,
        owner: draw_nonce(),
        sqs_message_id: Some(message.message_id),
        since: message.sent_at,
        body: String::from_utf8_lossy(&message.body).into_owned(),
        attributes: std::collections::BTreeMap::new(),
    }
}

fn pointer(attempt: &AttemptId, job: &Job) -> ByDay {
    let to = match &job.plan.leg {
        Leg::Outbound { to } => Some(to),
        Leg::Inbound => None,
    };
    ByDay {
        v: V,
        key: attempt.key.clone(),
        at: job.made_at,
        call_id: job.plan.call_id.clone(),
        country: job.plan.profile.country.clone(),
        masked_number: to.map(|to| to.masked()),
        number_sha256: to.map(|to| to.sha256()),
        campaign_id: job.plan.tracking.campaign_id.clone(),
        customer_id: job.plan.tracking.customer_id.clone(),
    }
}

fn claim<T>(claimed: Result<Claimed<T>, StoreError>) -> Claim {
    match claimed {
        Ok(Claimed::Ours) => Claim::Ours,
        Ok(Claimed::Theirs(_)) => Claim::Theirs,
        Err(error) => Claim::Failed(text(error)),
    }
}

fn text(error: StoreError) -> String {
    error.to_string()
}
