//! Arranging a call: who is called, who talks, and what the profile says. Placing it makes the job as the
//! router would and starts the real `bridge-task`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use calls::ids::{AttemptId, CallKey};
use calls::plan::{CallPlan, plan};
use calls::profile::{CountryProfile, Profiles};
use calls::secret::Secret;
use calls::trigger::TriggerCall;
use cloud::call_folder::documents::{Job, Launched, Message, Open, V};
use cloud::call_folder::{CallFolders, draw_nonce};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim::stack::CALLER_ID;
use sim::ultravox::Ultravox;
use sim::{stack, ultravox};

use crate::{LiveCall, Stage, agent, person};

/// The country of every call here.
pub const COUNTRY: &str = "BR";

/// A call to be placed.
pub struct Arrangement {
    stage: Arc<Stage>,
    dir: PathBuf,
    number: String,
    person: stack::Script,
    agent: ultravox::Script,
    profile: Value,
    env: BTreeMap<String, String>,
    prompt: String,
    agent_key: Secret,
    /// How long the job may wait before it dials.
    claim_within: Duration,
}

impl Arrangement {
    pub(crate) fn new(stage: Arc<Stage>, dir: PathBuf) -> Self {
        Self {
            stage,
            dir,
            number: fresh_number(),
            person: person::talkative(),
            agent: agent::silent(),
            profile: json!({
                "country": COUNTRY,
                "livekit": { "callerId": CALLER_ID },
                "dial": { "ringSeconds": 20, "maxCallSeconds": 60 },
                // The callee speaks first, so that all of the agent's words come when the line stands.
                "agent": { "voice": "test-voice", "languageHint": "pt-BR", "greetingDelaySeconds": 20 },
                "record": true,
            }),
            env: BTreeMap::new(),
            prompt: "You confirm an appointment.".to_owned(),
            agent_key: Secret::new(draw_nonce().0),
            claim_within: Duration::from_secs(120),
        }
    }

    /// Who picks up, or does not.
    #[must_use]
    pub fn person(self, person: stack::Script) -> Self {
        Self { person, ..self }
    }

    /// Who talks.
    #[must_use]
    pub fn agent(self, agent: ultravox::Script) -> Self {
        Self { agent, ..self }
    }

    /// Changes a field of the profile, such as `/dial/ringSeconds`, by its JSON pointer.
    #[must_use]
    pub fn profile(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = self.profile.pointer_mut(parent) {
            parent[field] = value.into();
        }
        self
    }

    /// Sets a variable of the task's environment, after those that it needs.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What the agent is told to be and do.
    #[must_use]
    pub fn prompt(self, prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..self }
    }

    /// How long after it was made the job may still take the permission to ring.
    #[must_use]
    pub fn claim_within(self, claim_within: Duration) -> Self {
        Self { claim_within, ..self }
    }

    /// The number that will be called, E.164.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Makes the job and starts the task.
    ///
    /// # Errors
    /// When one of them cannot be done; the call's own trouble shows in how it [ends](LiveCall::ends).
    pub async fn place(self) -> Result<LiveCall> {
        let mut call = self.plan().await?;
        call.start_task()?;
        Ok(call)
    }

    /// Makes the job and everybody around it, but starts no task yet.
    ///
    /// # Errors
    /// As [`place`](Self::place).
    pub async fn plan(mut self) -> Result<LiveCall> {
        let seat = self.stage.seats.clone().acquire_owned().await?;
        self.agent.api_key.get_or_insert_with(|| self.agent_key.expose().to_owned());
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), self.agent.clone()).await?;
        self.complete_profile(&vendor).await;
        std::fs::create_dir_all(&self.dir)?;
        let folders = CallFolders::in_directory(&self.dir)?;
        let (attempt, plan) = self.make_job(&folders).await?;

        let stack = self.stage.stack().await;
        // Without a SIP node there is nobody to tell.
        if let Ok(phone) = stack.phone() {
            phone.script(&self.number, &self.person).await?;
        }
        let (_, livekit_secret) = stack.livekit().credentials();
        let mut secrets = vec![self.agent_key.expose().to_owned(), livekit_secret.expose().to_owned()];
        let mut task = stack.bridge_task(COUNTRY, &self.agent_key);
        drop(stack);
        for (name, value) in &self.env {
            task = task.env(name, value);
            let is_secret = name.contains("_SECRET") || name.contains("ULTRAVOX_API_KEY");
            // An empty one is none, and stands everywhere.
            secrets.extend((is_secret && !value.is_empty()).then(|| value.clone()));
        }
        Ok(LiveCall::new(
            self.stage,
            seat,
            self.dir,
            folders,
            attempt,
            plan,
            self.number,
            vendor,
            task,
            secrets,
        ))
    }

    /// Addresses and trunk, where the story did not put in its own.
    async fn complete_profile(&mut self, vendor: &Ultravox) {
        let stack = self.stage.stack().await;
        for (section, field, value) in [
            ("livekit", "url", stack.livekit().url()),
            ("livekit", "trunkId", stack.trunk_id().to_owned()),
            ("agent", "callsUrl", vendor.calls_url()),
        ] {
            let field = &mut self.profile[section][field];
            if field.is_null() {
                *field = value.into();
            }
        }
    }

    /// What the router does with a message: identity, attempt, job, launched.
    async fn make_job(&self, folders: &CallFolders) -> Result<(AttemptId, CallPlan)> {
        let id = draw_nonce().0;
        let body = json!({
            "messageType": "TRIGGER_CALL",
            "id": id,
            "metadata": {
                "campaignId": "end-to-end",
                "phoneNumbers": [{ "number": self.number }],
                "subject": { "prompt": { "text": self.prompt } },
            },
        })
        .to_string();
        let trigger = TriggerCall::read(body.as_bytes()).map_err(|unusable| anyhow!("{unusable:?}"))?;
        let profile = CountryProfile::from_value(self.profile.clone());
        let key = CallKey::from_ids(None, None, &id);
        let plan =
            plan(&trigger, &Profiles::new([profile])?, &key).map_err(|no_plan| anyhow!("{no_plan:?}"))?;
        let attempt = AttemptId::new(key.clone(), 1);
        let now = Timestamp::now();
        folders.open_attempt(&attempt, &Open { v: V, at: now }).await?;
        let message = Message {
            v: V,
            owner: draw_nonce(),
            sqs_message_id: None,
            since: now,
            body,
            attributes: BTreeMap::new(),
        };
        ensure!(folders.claim_message(&key, &message).await?.is_ours(), "the identity is taken");
        let job = Job {
            v: V,
            owner: draw_nonce(),
            plan: plan.clone(),
            attempt: attempt.number,
            made_by: "tests".to_owned(),
            made_at: now,
            deadline: now + SignedDuration::try_from(self.claim_within).context("claim_within")?,
            traceparent: None,
        };
        ensure!(folders.claim_job(&attempt, &job).await?.is_ours(), "the attempt is taken");
        folders.note_launched(&attempt, &Launched { v: V, task: "tests".to_owned(), at: now }).await?;
        Ok((attempt, plan))
    }
}

/// A Brazilian mobile number that no other call of this process has.
pub fn fresh_number() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("+5511987{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}
