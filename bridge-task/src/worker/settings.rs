//! What a worker is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use calls::routing::Policy;
use cloud::profiles::Variables;
use router::variables::Reader;

use crate::cli;
use crate::stop::STOP_TIMEOUT_SECONDS;

const MAX_CONCURRENT_CALLS: &str = "MAX_CONCURRENT_CALLS";
const VISIBILITY_SECONDS: &str = "VISIBILITY_SECONDS";
const METRICS_ADDRESS: &str = "METRICS_ADDRESS";
/// A machine with four cores carries more, but one process that ends then ends them all.
const MOST_CALLS: u32 = 500;

/// A worker's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// `SQS_QUEUE_URL` or `SQS_QUEUE_NAME`: where messages come from.
    pub queue: QueueAt,
    /// `DEAD_LETTER_QUEUE_URL` or `DEAD_LETTER_QUEUE_NAME`; none: as the queue's redrive policy says.
    pub dead_letters: Option<QueueAt>,
    /// Where countries come from, and with them their secrets.
    pub profiles: ProfilesFrom,
    /// `MAX_CONCURRENT_CALLS`.
    pub calls_at_once: u32,
    /// `VISIBILITY_SECONDS`: a message in hand is hidden for so long, again and again.
    pub visibility: Duration,
    /// `MAX_RECEIVES`, `MAX_AGE_SECONDS`, `CLAIM_WITHIN_SECONDS`.
    pub policy: Policy,
    /// `METRICS_ADDRESS`: where it tells its metrics to who asks; none: nowhere.
    pub metrics: Option<SocketAddr>,
    /// `MAX_ATTEMPTS`, `FIRST_DELAY_SECONDS`.
    pub settling: calls::settle::Policy,
    /// Which of these were set, by name.
    pub set: Vec<&'static str>,
}

/// How a queue was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAt {
    /// By its URL.
    Url(String),
    /// By its name, in our own account.
    Name(String),
}

/// Where country profiles come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfilesFrom {
    /// The parameter store of `OCG_STAGE`, secrets too.
    Parameters,
    /// A directory; secrets from the environment.
    Directory(PathBuf),
    /// The environment, like the secrets.
    Environment,
}

impl WorkerSettings {
    /// Reads them, and says everything that is missing or wrong. `deployed`: call folders are in `OCG_BUCKET`.
    pub fn read(asked: &cli::Worker, deployed: bool, variables: &Variables) -> (Self, Vec<String>) {
        let mut reader = Reader::new(|name: &str| variables.get(name).map(str::to_owned));
        let queue = queue(&reader, "SQS_QUEUE_URL", "SQS_QUEUE_NAME").unwrap_or_else(|| {
            reader.complain(
                "neither SQS_QUEUE_URL nor SQS_QUEUE_NAME is set: the queue of TRIGGER_CALL messages",
            );
            QueueAt::Name(String::new())
        });
        let profiles = match asked.profiles.as_deref() {
            Some("ssm") => ProfilesFrom::Parameters,
            Some("env") => ProfilesFrom::Environment,
            Some(directory) => ProfilesFrom::Directory(directory.into()),
            None if deployed => ProfilesFrom::Parameters,
            None => ProfilesFrom::Environment,
        };
        if profiles == ProfilesFrom::Parameters {
            reader.required("OCG_STAGE", "the deployment's name, such as prod");
        }
        let metrics = metrics_address(&mut reader);
        let set = [
            MAX_CONCURRENT_CALLS,
            VISIBILITY_SECONDS,
            "MAX_RECEIVES",
            "MAX_AGE_SECONDS",
            "CLAIM_WITHIN_SECONDS",
            "MAX_ATTEMPTS",
            "FIRST_DELAY_SECONDS",
            STOP_TIMEOUT_SECONDS,
            METRICS_ADDRESS,
        ];
        let settings = Self {
            queue,
            dead_letters: queue_of_letters(&reader),
            profiles,
            calls_at_once: between(&mut reader, MAX_CONCURRENT_CALLS, 10, 1, MOST_CALLS),
            visibility: Duration::from_secs(between(&mut reader, VISIBILITY_SECONDS, 60, 3, 3600).into()),
            policy: reader.policy(),
            metrics,
            settling: reader.settling(),
            set: set.into_iter().filter(|name| reader.optional(name).is_some()).collect(),
        };
        (settings, reader.into_problems())
    }
}

fn queue_of_letters(reader: &Reader<impl Fn(&str) -> Option<String>>) -> Option<QueueAt> {
    queue(reader, "DEAD_LETTER_QUEUE_URL", "DEAD_LETTER_QUEUE_NAME")
}

/// The URL is exact, so it wins.
fn queue(reader: &Reader<impl Fn(&str) -> Option<String>>, url: &str, name: &str) -> Option<QueueAt> {
    let url = reader.optional(url).map(QueueAt::Url);
    url.or_else(|| reader.optional(name).map(QueueAt::Name))
}

fn metrics_address(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> Option<SocketAddr> {
    let text = reader.optional(METRICS_ADDRESS)?;
    let address = text.parse().ok();
    if address.is_none() {
        reader.complain(format!(
            "{METRICS_ADDRESS}={text} must be an address and a port such as 127.0.0.1:9464"
        ));
    }
    address
}

fn between(
    reader: &mut Reader<impl Fn(&str) -> Option<String>>,
    name: &str,
    default: u32,
    least: u32,
    most: u32,
) -> u32 {
    let Some(text) = reader.optional(name) else { return default };
    text.parse().ok().filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
        reader.complain(format!("{name}={text} must be a whole number from {least} to {most}"));
        default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(profiles: Option<&str>, variables: &[(&str, &str)]) -> (WorkerSettings, Vec<String>) {
        let asked = cli::Worker { profiles: profiles.map(str::to_owned), calls: None };
        let variables: Variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let deployed = variables.get("OCG_BUCKET").is_some();
        WorkerSettings::read(&asked, deployed, &variables)
    }

    #[test]
    fn a_queue_is_enough_and_its_url_beats_its_name() {
        let (settings, problems) = read(None, &[("SQS_QUEUE_NAME", "calls")]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((settings.calls_at_once, settings.visibility.as_secs()), (10, 60));
        assert_eq!((settings.queue, settings.dead_letters), (QueueAt::Name("calls".into()), None));
        assert_eq!((settings.profiles, settings.policy), (ProfilesFrom::Environment, Policy::default()));
        let (settings, _) =
            read(None, &[("SQS_QUEUE_NAME", "calls"), ("SQS_QUEUE_URL", "http://queue/calls")]);
        assert_eq!(settings.queue, QueueAt::Url("http://queue/calls".into()));
    }

    #[test]
    fn everything_that_is_missing_or_wrong_is_told_at_once() {
        let wrong = [("MAX_CONCURRENT_CALLS", "0"), ("VISIBILITY_SECONDS", "2"), ("MAX_RECEIVES", "many")];
        let (_, problems) = read(Some("ssm"), &wrong);
        let told = problems.join("\n");
        for part in [
            "SQS_QUEUE_URL",
            "OCG_STAGE",
            "MAX_CONCURRENT_CALLS=0",
            "VISIBILITY_SECONDS=2",
            "MAX_RECEIVES=many",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_deployment_has_its_countries_in_the_parameter_store_unless_told_otherwise() {
        let deployed = [("SQS_QUEUE_NAME", "calls"), ("OCG_BUCKET", "calls"), ("OCG_STAGE", "prod")];
        assert_eq!(read(None, &deployed).0.profiles, ProfilesFrom::Parameters);
        assert_eq!(read(Some("env"), &deployed).0.profiles, ProfilesFrom::Environment);
        assert_eq!(read(Some("./here"), &deployed).0.profiles, ProfilesFrom::Directory("./here".into()));
    }
}
