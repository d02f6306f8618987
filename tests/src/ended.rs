//! A call that is over, from all sides.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use audio::opus::Decoder;
use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::outcome::{EndReason, Outcome, OutcomeKind};
use cloud::call_folder::{CallFolders, RecordedFact, Recording as Direction, paths};
use sim::stack::{Call, Recording};
use sim::ultravox::CallSnapshot;

use crate::leaks::Leaks;

/// A call that is over.
pub struct EndedCall {
    /// Which attempt.
    pub attempt: AttemptId,
    /// How the tasks ended, in the order of their start; `None`: by a signal.
    pub exit_codes: Vec<Option<i32>>,
    /// What the call folder keeps.
    pub kept: Kept,
    /// Every dial that reached the phone.
    pub phone: Vec<Call>,
    /// What the phone heard and said, if its only call was answered.
    pub(crate) recording: Option<Recording>,
    /// What the agent's vendor knows of its first call.
    pub agent: Option<CallSnapshot>,
    /// What that agent heard, and at which rate.
    pub(crate) agent_heard: Option<(SampleRate, Vec<i16>)>,
    /// How the vendor answered each request to create a call.
    pub create_statuses: Vec<u16>,
    /// What the tasks logged.
    pub logs: Vec<String>,
}

/// What an attempt's folder keeps.
#[derive(Debug)]
pub struct Kept {
    /// How the attempt ended.
    pub outcome: Option<Outcome>,
    /// What happened, in the order of the times.
    pub facts: Vec<RecordedFact>,
    /// Every text in it by its path below the folder.
    texts: Vec<(PathBuf, String)>,
    folder: PathBuf,
}

impl EndedCall {
    /// How the attempt ended.
    pub fn outcome(&self) -> Result<&Outcome> {
        self.kept.outcome.as_ref().context("there is no outcome")
    }

    /// The only dial that reached the phone.
    pub fn leg(&self) -> Result<&Call> {
        ensure!(self.phone.len() == 1, "one dial was expected: {:#?}", self.phone);
        Ok(&self.phone[0])
    }

    /// What the person heard, at [`Recording::RATE`].
    pub fn heard(&self) -> Result<&[i16]> {
        Ok(&self.recording.as_ref().context("the phone has no recording")?.heard)
    }

    /// What the person said, at [`Recording::RATE`].
    pub fn said(&self) -> Result<&[i16]> {
        Ok(&self.recording.as_ref().context("the phone has no recording")?.said)
    }

    /// What the agent heard, and at which rate.
    pub fn agent_heard(&self) -> Result<(SampleRate, &[i16])> {
        let (rate, heard) = self.agent_heard.as_ref().context("there was no agent")?;
        Ok((*rate, heard))
    }

    /// What the agent's `nth` call of a tool of ours was answered with.
    pub fn tool_answer(&self, nth: usize) -> Result<&str> {
        let used = self.agent()?.tools.get(nth).with_context(|| format!("tool call {nth} was not made"))?;
        let (_, answer) = used.answer.as_ref().with_context(|| format!("not answered: {used:?}"))?;
        Ok(answer)
    }

    /// What the vendor knows of its only call.
    pub fn agent(&self) -> Result<&CallSnapshot> {
        self.agent.as_ref().context("no agent was created")
    }

    /// The call was carried through and ended so: exit code, outcome, one dial, one agent.
    pub fn is_answered(&self, end_reason: EndReason) -> Result<()> {
        let outcome = self.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Answered, "not answered: {outcome:#?}");
        ensure!(outcome.end_reason == Some(end_reason), "{end_reason} was expected: {outcome:#?}");
        ensure!(
            !outcome.retryable && outcome.reason.is_none() && outcome.sip_status.is_none(),
            "{outcome:#?}"
        );
        ensure!(outcome.answer_delay_seconds.is_some() && outcome.duration_seconds.is_some(), "{outcome:#?}");
        ensure!(outcome.agent_call_id.as_ref() == Some(&self.agent()?.id), "another agent: {outcome:#?}");
        ensure!(self.leg()?.is_answered(), "the phone knows of no answer: {:#?}", self.phone);
        self.exits_with(0)
    }

    /// A business outcome: one dial, nobody talked, not tried again.
    pub fn is_not_answered(&self, reason: &str, sip_status: Option<u16>) -> Result<()> {
        self.is(OutcomeKind::NotAnswered, reason, sip_status, false)?;
        self.nobody_talked()?;
        ensure!(self.phone.len() == 1, "one dial was expected: {:#?}", self.phone);
        self.exits_with(0)
    }

    /// A system error after a dial that reached the phone.
    pub fn is_failed(&self, reason: &str, sip_status: Option<u16>, retryable: bool) -> Result<()> {
        self.is(OutcomeKind::Failed, reason, sip_status, retryable)?;
        self.nobody_talked()?;
        ensure!(self.phone.len() == 1, "one dial was expected: {:#?}", self.phone);
        self.exits_with(1)
    }

    /// A system error before anything reached the phone: it is tried again.
    pub fn is_failed_without_dial(&self, reason: &str) -> Result<()> {
        self.is(OutcomeKind::Failed, reason, None, true)?;
        self.nobody_talked()?;
        ensure!(self.phone.is_empty(), "it reached the phone: {:#?}", self.phone);
        self.exits_with(1)
    }

    /// Whether a fact like this was recorded.
    pub fn has_fact(&self, like: impl Fn(&Fact) -> bool) -> bool {
        self.kept.facts.iter().any(|recorded| like(&recorded.fact))
    }

    /// A recording of the call folder, decoded at `rate`, from the answer on.
    ///
    /// # Errors
    /// When it is not there, not a sound file, or not finished.
    pub fn recorded(&self, direction: Direction, rate: SampleRate) -> Result<Vec<i16>> {
        let path = self.kept.folder.join(direction.file_name());
        let file = std::fs::File::open(&path).with_context(|| format!("no {}", direction.file_name()))?;
        let file = audio::ogg::read(file)?;
        ensure!(file.finished, "{} has no end", direction.file_name());
        let mut decoder = Decoder::new(rate)?;
        let mut packet = vec![0; rate.max_packet_samples()];
        let mut sound = Vec::new();
        for bytes in &file.packets {
            let samples = decoder.decode(bytes, &mut packet)?;
            sound.extend_from_slice(&packet[..samples]);
        }
        let skip = usize::from(file.pre_skip) / rate.ticks_per_sample() as usize;
        Ok(sound.split_off(skip.min(sound.len())))
    }

    fn is(&self, kind: OutcomeKind, reason: &str, sip_status: Option<u16>, retryable: bool) -> Result<()> {
        let outcome = self.outcome()?;
        let found = (
            outcome.outcome,
            outcome.reason.as_deref(),
            outcome.end_reason,
            outcome.sip_status,
            outcome.retryable,
        );
        let wanted = (kind, Some(reason), None, sip_status, retryable);
        ensure!(found == wanted, "wanted {wanted:?}, found {outcome:#?}");
        Ok(())
    }

    /// No answer, and an agent that joins nobody bills nobody.
    fn nobody_talked(&self) -> Result<()> {
        ensure!(!self.phone.iter().any(Call::is_answered), "answered after all: {:#?}", self.phone);
        let joined = self.agent.as_ref().is_some_and(|agent| agent.joined.is_some());
        ensure!(!joined, "the agent's socket was opened before the answer: {:#?}", self.agent);
        Ok(())
    }

    fn exits_with(&self, code: i32) -> Result<()> {
        ensure!(self.exit_codes == [Some(code)], "exit code {code} was expected: {:?}", self.exit_codes);
        Ok(())
    }
}

impl Kept {
    pub(crate) async fn read(folders: &CallFolders, dir: &Path, attempt: &AttemptId) -> Result<Self> {
        let folder = dir.join(paths::attempt_folder(attempt).as_ref());
        let mut texts = Vec::new();
        collect_texts(&dir.join(paths::call_folder(&attempt.key).as_ref()), &mut texts)?;
        let mut facts: Vec<RecordedFact> = Vec::new();
        for (path, text) in texts.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "jsonl")) {
            for line in text.lines() {
                let fact = serde_json::from_str(line);
                facts.push(fact.with_context(|| format!("{}: {line}", path.display()))?);
            }
        }
        facts.sort_by_key(|recorded| recorded.at);
        Ok(Self { outcome: folders.outcome(attempt).await?, facts, texts, folder })
    }

    /// No secret anywhere; the number only where it is told whom to dial.
    pub(crate) fn holds_no(&self, leaks: &Leaks) -> Result<()> {
        let mut plans = 0;
        for (path, text) in &self.texts {
            let name = path.display().to_string();
            leaks.no_secret_in(&name, text)?;
            match path.file_name().and_then(|file| file.to_str()) {
                // Here it must stand: the search would find it.
                Some("message.json" | "job.json") => {
                    plans += 1;
                    ensure!(leaks.no_number_in(&name, text).is_err(), "{name} does not say whom to dial");
                }
                _ => leaks.no_number_in(&name, text)?,
            }
        }
        ensure!(plans == 2, "the call folder has no message or no job");
        Ok(())
    }
}

fn collect_texts(dir: &Path, texts: &mut Vec<(PathBuf, String)>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect_texts(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl") {
            let text = std::fs::read_to_string(&path)?;
            texts.push((path, text));
        }
    }
    Ok(())
}
