//! A call that has not ended, or not been answered, long after it had to: its thread is stuck, and may hold any lock and any connection. So
//! all that is used here is made anew, and logs, whose output may be what it is stuck in, come last.

use std::process::exit;
use std::sync::mpsc::channel;
use std::time::Duration;

use calls::ids::Nonce;
use calls::outcome::{EndReason, Ending, Outcome, OutcomeKind, Reason};
use cloud::call_folder::Claimed;
use cloud::profiles::Credentials;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::known::Known;
use crate::last_resort::Attempt;
use crate::{FAILED, clock};

/// How long hanging up may take.
const HANG_UP_CAP: Duration = Duration::from_secs(10);
/// How long writing the outcome may take: connections of the store's that nobody serves any more are given up first.
const WRITE_CAP: Duration = Duration::from_secs(30);
/// How long telling of it may take.
const TELL_CAP: Duration = Duration::from_secs(10);

/// All that is needed to end such a call.
pub struct Overdue {
    /// Somebody has picked up, as far as is known.
    pub was_answered: bool,
    /// Ours to delete, if any is.
    pub room: Option<String>,
    /// Whose it is.
    pub attempt: Attempt,
    /// To sign in to LiveKit with.
    pub credentials: Credentials,
    /// With which the call itself writes its outcome: what it managed to write stays.
    pub outcome_owner: Nonce,
    /// What it has shown.
    pub known: Known,
}

impl Overdue {
    /// Hangs up, leaves the outcome, and ends this process if nothing else is its business. Blocks.
    pub fn end(self) {
        let ended = self.end_call();
        let alone = self.attempt.alone;
        let (told, waiting) = channel();
        let telling = std::thread::Builder::new().name("overdue".to_owned()).spawn(move || {
            self.tell(&ended);
            // Who waits may have gone.
            let _ = told.send(());
        });
        if telling.is_ok() {
            // Told or not: the line is hung up.
            let _ = waiting.recv_timeout(TELL_CAP);
        }
        if alone {
            exit(FAILED.into());
        }
    }

    /// What was done, and what could not be.
    fn end_call(&self) -> Ended {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Ended { written: None, problems: vec![error.to_string()] },
        };
        runtime.block_on(async {
            let mut problems = Vec::new();
            problems.extend(self.hang_up().await.err());
            let outcome = self.outcome();
            let written = self.write(&outcome).await;
            let is_ours = matches!(written, Ok(true));
            problems.extend(written.err());
            Ended { written: is_ours.then_some(outcome), problems }
        })
    }

    async fn hang_up(&self) -> Result<(), String> {
        let Some(room) = &self.room else { return Ok(()) };
        let Credentials { livekit_api_key, livekit_api_secret, .. } = &self.credentials;
        let url = &self.attempt.plan.profile.livekit.url;
        let livekit = rooms::Livekit::new(url, livekit_api_key, livekit_api_secret);
        let livekit = livekit.map_err(|error| error.to_string())?;
        livekit
            .delete_room(room, HANG_UP_CAP)
            .await
            .map_err(|error| format!("the room is not deleted: {error}"))
    }

    fn outcome(&self) -> Outcome {
        let ending = if self.was_answered {
            let ended =
                Ending { end_reason: Some(EndReason::MaxDuration), ..Ending::of(OutcomeKind::Answered) };
            self.known.answered(ended, clock::now())
        } else {
            Ending { reason: Some(Reason::Unknown), ..Ending::of(OutcomeKind::Unknown) }
        };
        let detail = "the bridge was stuck: its hard limit ended the call";
        self.attempt.outcome_of(&self.known, ending, detail)
    }

    /// Whether it is this one that stands there.
    async fn write(&self, outcome: &Outcome) -> Result<bool, String> {
        let Attempt { folders, id, .. } = &self.attempt;
        match timeout(WRITE_CAP, folders.claim_outcome(id, &self.outcome_owner, outcome)).await {
            Ok(Ok(Claimed::Ours)) => Ok(true),
            Ok(Ok(Claimed::Theirs(_))) => Ok(false),
            Ok(Err(error)) => Err(format!("the outcome is not written: {error}")),
            Err(_) => Err("the outcome is not written: the store does not answer".to_owned()),
        }
    }

    fn tell(&self, ended: &Ended) {
        if let (Some(outcome), Ok(runtime)) =
            (&ended.written, Builder::new_current_thread().enable_all().build())
        {
            runtime.block_on(async {
                let reports = self.attempt.reports.anew();
                reports.outcome(outcome);
                reports.close().await;
            });
        }
        let mut detail = format!("{}: stuck beyond every limit; it was hung up", self.attempt.id);
        for problem in &ended.problems {
            detail.push_str("; ");
            detail.push_str(problem);
        }
        tracing::error!(detail, "hard limit");
    }
}

struct Ended {
    written: Option<Outcome>,
    problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use calls::fact::Fact;
    use calls::ids::{AttemptId, CallKey};
    use calls::phone::PhoneNumber;
    use calls::plan::Leg;
    use calls::secret::Secret;
    use cloud::call_folder::{CallFolders, draw_nonce};

    use super::*;
    use crate::hard_limit::HardLimit;
    use crate::reports::{Reports, Ways};

    /// A LiveKit that takes one request and says that it was done; gives back its address, and what was asked.
    fn livekit() -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = socket.read(&mut request).unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned()
        });
        (url, asked)
    }

    fn overdue(folder: &std::path::Path, url: String) -> Overdue {
        let mut plan =
            crate::reports::tests::plan(Leg::Outbound { to: PhoneNumber::parse("+5511987654321").unwrap() });
        plan.profile.livekit.url = url;
        let id = AttemptId::new(CallKey::from_sqs_message("m"), 1);
        let known = Known::default();
        known.agent_created("agent-7");
        known.note(&Fact::Answered { after_ms: 2500 }, clock::now() - Duration::from_secs(90), clock::wall());
        let secret = || Secret::new("hush");
        Overdue {
            was_answered: true,
            room: Some("room".into()),
            attempt: Attempt {
                reports: Reports::start(Ways::default(), &id, &plan, None),
                id,
                folders: CallFolders::in_directory(folder).unwrap(),
                plan,
                task: "test".into(),
                started_at: clock::wall(),
                alone: false,
            },
            credentials: Credentials {
                livekit_api_key: secret(),
                livekit_api_secret: secret(),
                agent_api_key: secret(),
            },
            outcome_owner: draw_nonce(),
            known,
        }
    }

    #[tokio::test]
    async fn a_call_whose_thread_is_stuck_is_hung_up_and_its_outcome_written() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (url, asked) = livekit();
        let overdue = overdue(folder.path(), url);
        let (folders, id) = (overdue.attempt.folders.clone(), overdue.attempt.id.clone());
        let (over, is_over) = channel();
        let limit = HardLimit::exactly_after(Duration::from_millis(20), move || {
            overdue.end();
            over.send(()).unwrap();
        });
        // This runtime has but this thread, and it does nothing until all is done.
        is_over.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(asked.join().unwrap(), "POST /twirp/livekit.RoomService/DeleteRoom HTTP/1.1");
        drop(limit);
        let outcome = folders.outcome(&id).await.unwrap().unwrap();
        assert_eq!(
            (outcome.outcome, outcome.end_reason),
            (OutcomeKind::Answered, Some(EndReason::MaxDuration))
        );
        assert_eq!((outcome.agent_call_id.as_deref(), outcome.retryable), (Some("agent-7"), false));
        assert!(outcome.duration_seconds.is_some_and(|seconds| (90.0..95.0).contains(&seconds)));
        assert!(outcome.detail.is_some_and(|detail| detail.contains("stuck")));
    }

    #[tokio::test]
    async fn an_outcome_is_left_though_livekit_is_gone_and_one_that_is_there_stays() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let overdue = overdue(folder.path(), "ws://127.0.0.1:9".into());
        let (folders, id) = (overdue.attempt.folders.clone(), overdue.attempt.id.clone());
        let busy = overdue.attempt.outcome(Ending::of(OutcomeKind::NotAnswered), "busy");
        let ended = std::thread::scope(|scope| scope.spawn(|| overdue.end_call()).join().unwrap());
        assert!(ended.written.is_some() && ended.problems[0].contains("room"), "{:?}", ended.problems);
        assert!(!folders.claim_outcome(&id, &draw_nonce(), &busy).await.unwrap().is_ours());

        let folder = tempfile::tempdir().unwrap();
        let overdue = Overdue { room: None, ..self::overdue(folder.path(), "ws://127.0.0.1:9".into()) };
        let Attempt { folders, id, .. } = &overdue.attempt;
        assert!(folders.claim_outcome(id, &draw_nonce(), &busy).await.unwrap().is_ours());
        let ended = std::thread::scope(|scope| scope.spawn(|| overdue.end_call()).join().unwrap());
        assert!(ended.written.is_none() && ended.problems.is_empty(), "{:?}", ended.problems);
        assert_eq!(folders.outcome(id).await.unwrap().unwrap().outcome, OutcomeKind::NotAnswered);
    }
}
