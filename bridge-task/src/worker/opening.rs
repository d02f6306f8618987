//! Before the first message: everything that is missing or wrong, at once, and what is in effect.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use calls::profile::Profiles;
use cloud::call_folder::CallFolders;
use cloud::profiles::{
    CredentialSource, Credentials, DirectoryProfiles, Loaded, ProfileSource, StoredProfiles, from_directory,
    from_environment, stored_credentials,
};
use cloud::queue::{Queue, Redrive};
use router::{Paces, Router};
use settler::Settler;

use super::settings::{ProfilesFrom, QueueAt, WorkerSettings};
use crate::deployment;
use crate::settings::Settings;
use crate::stop::STOP_TIMEOUT_SECONDS;

/// A long poll is answered by the server after 20 s at the latest.
const POLL_CAP: Duration = Duration::from_secs(30);

/// What a worker works with.
pub struct Opened {
    /// Takes messages their way.
    pub router: Router,
    /// Settles what calls leave behind.
    pub settler: Settler,
    /// The same queue as the router's, for long polls.
    pub inbox: Queue,
}

/// Finds and tries everything that can be tried before a message is there.
///
/// # Errors
/// All that is missing or wrong, a line each.
pub async fn open(settings: &Settings, worker: &WorkerSettings) -> anyhow::Result<Opened> {
    let aws = deployment::aws().await;
    if aws.region().is_none_or(|region| region.as_ref().is_empty()) {
        bail!("no AWS Region is set: AWS_REGION, or a profile of the AWS CLI");
    }
    let mut problems = Vec::new();
    let queues = queues(&aws, worker).await.map_err(|mut wrong| problems.append(&mut wrong)).ok();
    let folders = folders(&aws, settings).await.map_err(|problem| problems.push(format!("{problem:#}"))).ok();
    let profiles =
        profiles(&aws, settings, worker).await.map_err(|mut wrong| problems.append(&mut wrong)).ok();
    let (Some(queues), Some(folders), Some(profiles)) = (queues, folders, profiles) else {
        return Err(anyhow!(problems.join("\n")));
    };
    tell(settings, worker, &queues);
    let history = settings.call_history_queue_url.as_deref();
    let name = format!("worker ({})", settings.task);
    let profiles = Arc::new(profiles);
    let settler = Settler {
        name: name.clone(),
        stage: settings.stage.clone(),
        folders: folders.clone(),
        queue: queues.queue.clone(),
        dead_letters: queues.dead_letters.clone(),
        call_history: history.map(|url| deployment::call_history(&aws, url)),
        profiles: profiles.clone(),
        credentials: match settings.secrets_stage.clone() {
            Some(stage) => CredentialSource::Stored { client: aws_sdk_ssm::Client::new(&aws), stage },
            None => CredentialSource::Environment(settings.variables.clone()),
        },
        tasks: None,
        policy: worker.settling,
        meters: settings.meters.clone(),
        traces: settings.traces.clone(),
    };
    let router = Router {
        name,
        folders,
        profiles,
        queue: queues.queue,
        dead_letters: queues.dead_letters,
        call_history: history.map(|url| deployment::call_history(&aws, url)),
        policy: worker.policy,
        paces: Paces::shared_by(1.0),
        meters: settings.meters.clone(),
        traces: settings.traces.clone(),
    };
    Ok(Opened { router, settler, inbox: queues.inbox })
}

/// The call folders, tried out.
async fn folders(aws: &SdkConfig, settings: &Settings) -> anyhow::Result<CallFolders> {
    let folders = settings.folders(Some(aws))?;
    let named = settings.deployment.as_ref().map(|deployment| format!("the bucket {}", deployment.bucket));
    folders.try_out().await.with_context(|| named.unwrap_or_else(|| "the call folders".to_owned()))?;
    Ok(folders)
}

struct Queues {
    queue: Queue,
    inbox: Queue,
    dead_letters: Queue,
    dead_letters_from: &'static str,
}

async fn queues(aws: &SdkConfig, worker: &WorkerSettings) -> Result<Queues, Vec<String>> {
    let sqs = aws_sdk_sqs::Client::new(aws);
    let told = async {
        match &worker.dead_letters {
            Some(named) => Some(find_letters(&sqs, named).await),
            None => None,
        }
    };
    let (found, told) = tokio::join!(find_with_redrive(&sqs, &worker.queue), told);
    let mut problems = Vec::new();
    let (queue, redrive) = match found {
        Ok(found) => found,
        Err(problem) => {
            problems.push(problem);
            problems.extend(told.and_then(Result::err));
            return Err(problems);
        }
    };
    problems.extend(redrive.as_ref().and_then(|redrive| comes_too_soon(redrive, worker)));
    let (dead_letters, dead_letters_from) = match told {
        Some(told) => (told, "as told"),
        None => (letters_of(&sqs, redrive).await, "the queue's RedrivePolicy"),
    };
    match dead_letters {
        Ok(dead_letters) if problems.is_empty() => {
            let patient = TimeoutConfig::builder().operation_attempt_timeout(POLL_CAP).build();
            let patient = aws_sdk_sqs::config::Builder::from(aws).timeout_config(patient).build();
            let inbox = Queue::new(aws_sdk_sqs::Client::from_conf(patient), queue.url());
            Ok(Queues { queue, inbox, dead_letters, dead_letters_from })
        }
        dead_letters => {
            problems.extend(dead_letters.err());
            Err(problems)
        }
    }
}

async fn find_with_redrive(
    sqs: &aws_sdk_sqs::Client,
    named: &QueueAt,
) -> Result<(Queue, Option<Redrive>), String> {
    let queue = find(sqs, named).await?;
    let redrive = queue.redrive().await?;
    Ok((queue, redrive))
}

/// The queue's own limit must come after ours, which writes a reason on the letter.
fn comes_too_soon(redrive: &Redrive, worker: &WorkerSettings) -> Option<String> {
    let (theirs, ours) = (redrive.max_receive_count, worker.policy.max_receives);
    (theirs <= ours).then(|| {
        format!(
            "the queue itself moves a message after {theirs} deliveries, before MAX_RECEIVES={ours}, so it would be a \
             dead letter without a reason: raise its maxReceiveCount, or set MAX_RECEIVES lower"
        )
    })
}

async fn letters_of(sqs: &aws_sdk_sqs::Client, redrive: Option<Redrive>) -> Result<Queue, String> {
    match redrive {
        Some(redrive) => Queue::find(sqs.clone(), &redrive.queue_name, Some(&redrive.account)).await,
        None => Err(
            "nobody says where refused messages go: set DEAD_LETTER_QUEUE_URL or DEAD_LETTER_QUEUE_NAME, or \
                     give the queue a RedrivePolicy"
                .to_owned(),
        ),
    }
}

async fn find(sqs: &aws_sdk_sqs::Client, named: &QueueAt) -> Result<Queue, String> {
    match named {
        QueueAt::Url(url) => Ok(Queue::new(sqs.clone(), url)),
        QueueAt::Name(name) => Queue::find(sqs.clone(), name, None).await,
    }
}

/// A queue that nobody asks before the first refusal is asked now.
async fn find_letters(sqs: &aws_sdk_sqs::Client, named: &QueueAt) -> Result<Queue, String> {
    let queue = find(sqs, named).await?;
    match queue.depth().await {
        Ok(_) => Ok(queue),
        Err(problem) => Err(format!("the dead-letter queue {} cannot be used: {problem}", queue.url())),
    }
}

/// Where countries come from, after a first look at them.
async fn profiles(
    aws: &SdkConfig,
    settings: &Settings,
    worker: &WorkerSettings,
) -> Result<ProfileSource, Vec<String>> {
    match &worker.profiles {
        ProfilesFrom::Parameters => {
            let ssm = aws_sdk_ssm::Client::new(aws);
            let stage = settings.stage.as_str();
            let stored = StoredProfiles::new(ssm.clone(), stage);
            let known = stored.get(false).await.map_err(|problem| vec![problem])?;
            let mut ready = 0;
            for profile in known.profiles.usable() {
                let missing = stored_credentials(&ssm, stage, &profile.country).await.err();
                ready += usize::from(missing.is_none());
                tell_country(&profile.country, &Vec::from_iter(missing));
            }
            tell_broken(&known.profiles);
            if ready == 0 {
                let detail = format!("no country of /ocg/{stage} is ready yet; every message has to wait");
                tracing::error!(detail, "no country");
            }
            Ok(ProfileSource::Stored(stored))
        }
        ProfilesFrom::Directory(directory) => {
            look_at(&from_directory(directory), settings)?;
            Ok(ProfileSource::Directory(DirectoryProfiles::new(directory.clone())))
        }
        ProfilesFrom::Environment => {
            let loaded = from_environment(&settings.variables);
            look_at(&loaded, settings)?;
            loaded
                .profiles
                .map(|profiles| ProfileSource::Environment(Arc::new(profiles)))
                .map_err(|p| vec![p])
        }
    }
}

/// What is wrong with all of them stands in the way; what is wrong with one is its own trouble, unless no other is left.
fn look_at(loaded: &Loaded, settings: &Settings) -> Result<(), Vec<String>> {
    let of_all = loaded.problems.iter().filter(|problem| problem.country.is_none());
    let of_all: Vec<String> = of_all.map(ToString::to_string).collect();
    let profiles = match &loaded.profiles {
        Ok(profiles) if of_all.is_empty() => profiles,
        _ => return Err(loaded.problems.iter().map(ToString::to_string).collect()),
    };
    let mut all_missing = Vec::new();
    let mut ready = 0;
    for profile in profiles.usable() {
        let missing = Credentials::from_environment(&profile.country, &settings.variables).err();
        let missing: Vec<String> = missing.iter().flatten().map(ToString::to_string).collect();
        ready += usize::from(missing.is_empty());
        tell_country(&profile.country, &missing);
        all_missing.extend(missing);
    }
    tell_broken(profiles);
    if ready > 0 {
        return Ok(());
    }
    all_missing.extend(loaded.problems.iter().map(ToString::to_string));
    all_missing.sort();
    all_missing.dedup();
    Err(all_missing)
}

fn tell_country(country: &str, missing: &[String]) {
    if missing.is_empty() {
        return tracing::info!(detail = country, "country ready");
    }
    let detail = format!("{country}: its messages come again until this is mended: {}", missing.join("; "));
    tracing::warn!(detail, "country not ready");
}

fn tell_broken(profiles: &Profiles) {
    for broken in profiles.broken() {
        let detail = format!("its messages come again until this is mended: {broken}");
        tracing::warn!(detail, "country not ready");
    }
}

/// The settings in effect, and where each came from. Secrets are told by country, as ready or not.
fn tell(settings: &Settings, worker: &WorkerSettings, queues: &Queues) {
    let from = |name: &'static str| if worker.set.contains(&name) { name } else { "default" };
    let (profiles, secrets) = match &worker.profiles {
        ProfilesFrom::Parameters => {
            let path = format!("/ocg/{}", settings.stage);
            (format!("{path}/profiles"), format!("{path}/secrets"))
        }
        ProfilesFrom::Directory(directory) => (directory.display().to_string(), "the environment".to_owned()),
        ProfilesFrom::Environment => ("the environment".to_owned(), "the environment".to_owned()),
    };
    let folders = match &settings.deployment {
        Some(deployment) => format!("{} (OCG_BUCKET)", deployment.bucket),
        None => settings.calls.display().to_string(),
    };
    let named = match &worker.queue {
        QueueAt::Url(_) => "SQS_QUEUE_URL",
        QueueAt::Name(_) => "SQS_QUEUE_NAME",
    };
    let age = worker.policy.max_age.map_or_else(|| "any".to_owned(), |age| format!("{} s", age.as_secs()));
    let detail = format!(
        "queue {} ({named}), dead letters {} ({}), call folders {folders}, profiles {profiles}, secrets {secrets}, \
         upstream {}, calls at once {} ({}), visibility {} s ({}), deliveries {} ({}), age {age} ({}), claim within \
         {} s ({}), attempts {} ({}), the second after {} s ({}), told to stop calls go on for {} s ({})",
        queues.queue.url(),
        queues.dead_letters.url(),
        queues.dead_letters_from,
        settings.call_history_queue_url.as_deref().unwrap_or("is not told"),
        worker.calls_at_once,
        from("MAX_CONCURRENT_CALLS"),
        worker.visibility.as_secs(),
        from("VISIBILITY_SECONDS"),
        worker.policy.max_receives,
        from("MAX_RECEIVES"),
        from("MAX_AGE_SECONDS"),
        worker.policy.claim_within.as_secs(),
        from("CLAIM_WITHIN_SECONDS"),
        worker.settling.max_attempts,
        from("MAX_ATTEMPTS"),
        worker.settling.first_delay.as_secs(),
        from("FIRST_DELAY_SECONDS"),
        settings.drain_for.as_secs(),
        from(STOP_TIMEOUT_SECONDS),
    );
    tracing::info!(detail, "worker begins");
}
