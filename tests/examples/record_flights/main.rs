//! Records `examples/flights` anew: six calls that end differently, each through a real queue, a real `bridge-task
//! worker`, the real livekit-server, the phone and the vendor's stand-in, and out of its call folder by `ocg flight export`.
//!
//! ```sh
//! cargo build --workspace --locked --bin bridge-task --bin ocg
//! LIVEKIT_SERVER=$(scripts/livekit-server) PHONE=$(scripts/phone) AWS_EMULATOR=$(scripts/aws-emulator) \
//!   OCG=target/debug/ocg cargo run --locked -p tests --example record_flights            # or only some: … -- busy
//! ```
//!
//! Then look at the pages (`ocg flight html examples/flights/busy -o busy.html`), and see that `examples/flights/README.md`
//! still answers right: `cargo test --test flights` holds the two to each other.

#![expect(clippy::print_stdout, reason = "says what it does")]
#![expect(clippy::disallowed_methods, reason = "its settings come from the environment")]

mod flights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::ids::CallKey;
use cloud::call_folder::CallFolders;
use serde_json::{Value, json};
use sim::aws::{AwsEmulator, NOBODY, REGION};
use sim::stack::{Binaries, CALLER_ID, Child, Output, Stack, StackConfig, free_tcp_port};
use sim::ultravox::Ultravox;
use tests::cloud::wait_for;

use flights::{Flight, flights};

/// Longer than any of them takes, its second attempt included.
const LONGEST: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights");
    let studio = Studio::open().await?;
    for flight in
        flights().into_iter().filter(|it| wanted.is_empty() || wanted.iter().any(|name| name == it.name))
    {
        println!("{}: {}", flight.name, flight.what);
        let outcome = studio.record(&flight, &to.join(flight.name)).await?;
        println!("  {outcome}");
    }
    Ok(())
}

/// Everybody who takes part.
struct Studio {
    stack: Stack,
    _emulator: AwsEmulator,
    aws: String,
    ocg: PathBuf,
    dir: tempfile::TempDir,
}

impl Studio {
    async fn open() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok();
        let program = |name: &str| {
            let path = set(name).map(PathBuf::from).filter(|path| path.is_file());
            path.with_context(|| format!("{name} must name a program"))
        };
        let binaries = Binaries::find(set)?;
        let (emulator, ocg) = (program("AWS_EMULATOR")?, std::path::absolute(program("OCG")?)?);
        let dir = tempfile::tempdir()?;
        let stack = Stack::start(&binaries, StackConfig::default()).await?;
        let port = free_tcp_port()?;
        let aws = format!("http://127.0.0.1:{port}");
        let emulator = AwsEmulator::start(&emulator, dir.path(), port, &aws).await?;
        Ok(Self { stack, _emulator: emulator, aws, ocg, dir })
    }

    /// One call from its message to its folder, and the last line of its outcome.
    async fn record(&self, flight: &Flight, to: &Path) -> Result<String> {
        let dir = self.dir.path().join(flight.name);
        let (profiles, calls) = (dir.join("profiles"), dir.join("folders"));
        std::fs::create_dir_all(&profiles)?;
        std::fs::create_dir_all(&calls)?;
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), flight.agent.clone()).await?;
        std::fs::write(profiles.join("br.json"), self.profile(flight, &vendor).to_string())?;
        self.stack.phone()?.script(flight.number, &flight.person).await?;
        let queue = self.queues(flight.name).await?;
        let mut worker = self.worker(&queue, &profiles, &calls, &dir.join("worker.log"))?;

        let key = CallKey::from_ids(Some(ORGANIZATION), None, flight.name);
        self.sqs().send_message().queue_url(&queue).message_body(message(flight).to_string()).send().await?;
        let folders = CallFolders::in_directory(&calls)?;
        let ended = wait_for("the call has ended", LONGEST, async || {
            let standing = folders.look(&key).await?;
            Ok(standing.has_ended().then_some(standing))
        });
        let log = || std::fs::read_to_string(dir.join("worker.log")).unwrap_or_default();
        let ended = ended.await.with_context(log)?;
        // What is left of the facts is written behind the outcome.
        tokio::time::sleep(Duration::from_secs(2)).await;
        worker.signal(rustix::process::Signal::TERM);
        worker.exit(LONGEST).await?;
        self.export(&key, &calls, to)?;
        let outcome =
            ended.last_attempt().and_then(|attempt| attempt.outcome.as_ref()).context("no outcome")?;
        Ok(serde_json::to_string(outcome)?)
    }

    fn profile(&self, flight: &Flight, vendor: &Ultravox) -> Value {
        let mut profile = json!({
            "v": 1, "country": "BR", "prefixes": ["+55"], "provider": "local",
            "livekit": { "url": self.stack.livekit().url(), "trunkId": self.stack.trunk_id(), "callerId": CALLER_ID },
            "dial": { "ringSeconds": 20, "maxCallSeconds": 90 },
            "agent": {
                "voice": "Keren-Brazilian-Portuguese", "languageHint": "pt-BR", "greetingDelaySeconds": 2.5,
                "callsUrl": vendor.calls_url(),
            },
            "transfer": { "targets": { "reception": "+551140040001" }, "ringSeconds": 5 },
            "record": true,
            "prices": {
                "currency": "USD",
                "room": { "perMinute": 0.001, "roundUpToSeconds": 60 },
                "trunk": { "perMinute": 0.03, "roundUpToSeconds": 60 },
                "agent": { "perMinute": 0.05, "roundUpToSeconds": 6 },
            },
        });
        for (pointer, value) in &flight.profile {
            let (section, field) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(section) = profile.pointer_mut(section) {
                section[field] = value.clone();
            }
        }
        profile
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
        let nobody = Credentials::new(NOBODY, NOBODY, None, None, "nobody");
        let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new(REGION)).credentials_provider(nobody);
        aws_sdk_sqs::Client::from_conf(config.endpoint_url(&self.aws).build())
    }

    /// A queue of this flight's own and its dead letters.
    async fn queues(&self, name: &str) -> Result<String> {
        let sqs = self.sqs();
        sqs.create_queue().queue_name(format!("{name}-dead")).send().await?;
        let dead = format!("arn:aws:sqs:{REGION}:000000000000:{name}-dead");
        let policy = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": "350" }).to_string();
        let queue = sqs.create_queue().queue_name(name);
        let queue =
            queue.attributes(aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy, policy).send().await?;
        queue.queue_url.context("no URL")
    }

    fn worker(&self, queue: &str, profiles: &Path, calls: &Path, log: &Path) -> Result<Child> {
        let (key, secret) = self.stack.livekit().credentials();
        let environment: BTreeMap<&str, &str> = BTreeMap::from([
            ("AWS_ENDPOINT_URL", self.aws.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", NOBODY),
            ("AWS_SECRET_ACCESS_KEY", NOBODY),
            ("SQS_QUEUE_URL", queue),
            ("LIVEKIT_API_KEY_BR", key),
            ("LIVEKIT_API_SECRET_BR", secret.expose()),
            ("ULTRAVOX_API_KEY", "key-of-nobody"),
            ("FIRST_DELAY_SECONDS", "1"),
            ("VISIBILITY_SECONDS", "30"),
        ]);
        let mut command = Command::new(&self.stack.binaries().bridge_task);
        command.args(["worker", "--profiles"]).arg(profiles).arg("--calls").arg(calls);
        command.env_clear().envs(environment);
        Child::start("worker", command, Output::File(log.to_owned()))
    }

    fn export(&self, key: &CallKey, calls: &Path, to: &Path) -> Result<()> {
        if to.exists() {
            std::fs::remove_dir_all(to)?;
        }
        let mut ocg = Command::new(&self.ocg);
        ocg.args(["flight", "export", key.as_str(), "--calls"]).arg(calls).arg("-o").arg(to);
        let exported = ocg.output()?;
        ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        Ok(())
    }
}

const ORGANIZATION: &str = "clinica-aurora";

fn message(flight: &Flight) -> Value {
    json!({
        "messageType": "TRIGGER_CALL",
        "id": flight.name,
        "organizationId": ORGANIZATION,
        "source": "campaigns",
        "metadata": {
            "callId": flight.name,
            "campaignId": "july-check-ups",
            "customerId": "customer-4711",
            "phoneNumbers": [{ "number": flight.number, "order": 0 }],
            "subject": { "prompt": { "text": "Você é a assistente da Clínica Aurora. Confirme a consulta de amanhã." } },
        },
    })
}
