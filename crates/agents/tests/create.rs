//! Creating an agent's call, against a small server that answers as it is told.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "a real server's Retry-After is compared with the real clock")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use agents::{Agent, AgentFailure, AskedToWait, Created, FailureKind};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use calls::ids::{AttemptId, CallKey};
use calls::outcome::Reason;
use calls::plan::{CallPlan, Leg};
use calls::profile::CountryProfile;
use calls::secret::Secret;
use calls::trigger::Tracking;
use serde_json::{Value, json};

/// What the vendor answers to one request after the other; the last answer stays.
type Answer = fn() -> Response<Body>;

#[derive(Default)]
struct Vendor {
    answers: Mutex<Vec<Answer>>,
    requests: Mutex<Vec<(HeaderMap, Value)>>,
    /// How often it was asked for a call.
    asked: AtomicU32,
}

async fn create(State(vendor): State<Arc<Vendor>>, headers: HeaderMap, body: String) -> Response<Body> {
    vendor.requests.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    let mut answers = vendor.answers.lock().unwrap();
    if answers.len() > 1 { answers.remove(0)() } else { answers[0]() }
}

async fn call(State(vendor): State<Arc<Vendor>>, Path(id): Path<String>, headers: HeaderMap) -> String {
    assert_eq!(headers["x-api-key"], "key-1");
    let asked = vendor.asked.fetch_add(1, Ordering::Relaxed);
    match id.as_str() {
        "slow" => {
            tokio::time::sleep(Duration::from_secs(20)).await;
            String::new()
        }
        "running" => json!({ "callId": id, "endReason": null }).to_string(),
        "ending" if asked < 3 => json!({ "callId": id, "endReason": null }).to_string(),
        _ => json!({ "callId": id, "endReason": "agent_hangup" }).to_string(),
    }
}

/// Starts a vendor and the agent client that knows it.
async fn vendor(answers: &[Answer]) -> (Arc<Vendor>, Agent, CallPlan) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let vendor = Arc::new(Vendor { answers: Mutex::new(answers.to_vec()), ..Vendor::default() });
    let app = Router::new()
        .route("/api/calls", post(create))
        .route("/api/calls/{id}", get(call))
        .with_state(Arc::clone(&vendor));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/calls", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let plan = plan(&url);
    (vendor, Agent::for_profile(&plan.profile.agent).unwrap(), plan)
}

fn plan(calls_url: &str) -> CallPlan {
    let profile = json!({
        "v": 1, "country": "BR",
        "livekit": { "url": "wss://a.example", "trunkId": "ST_1", "callerId": "+551130000000" },
        "agent": { "voice": "Mark", "callsUrl": calls_url },
    });
    CallPlan {
        call_id: "call-7".to_owned(),
        leg: Leg::Outbound { to: "+5511912345678".parse().unwrap() },
        profile: CountryProfile::from_json(&profile.to_string()).unwrap(),
        system_prompt: "Be kind.".to_owned(),
        greeting_message: None,
        tracking: Tracking::default(),
    }
}

async fn ask(
    agent: &Agent,
    plan: &CallPlan,
    within_ms: u64,
) -> (Result<Created, AgentFailure>, Vec<AskedToWait>) {
    let attempt = AttemptId::new(CallKey::from_sqs_message("m"), 1);
    let mut waits = Vec::new();
    let within = Duration::from_millis(within_ms);
    let created = agent.create(plan, &attempt, &Secret::new("key-1"), within, |wait| waits.push(wait)).await;
    (created, waits)
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}

fn made() -> Response<Body> {
    answer(201, &[], r#"{"callId":"c-1","joinUrl":"wss://agent.example/join?token=t","ended":null}"#)
}

#[tokio::test]
async fn a_call_is_created_with_the_key_in_its_header() {
    let (vendor, agent, plan) = vendor(&[made]).await;
    let (created, waits) = ask(&agent, &plan, 5000).await;
    let created = created.unwrap();
    assert_eq!(created.agent_call_id, "c-1");
    assert_eq!(created.join_url.expose(), "wss://agent.example/join?token=t");
    assert!(!format!("{created:?}").contains("token=t"));
    assert_eq!(waits, []);
    let requests = vendor.requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    let (headers, body) = &requests[0];
    assert_eq!(headers["x-api-key"], "key-1");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!((body["voice"].as_str(), body["metadata"]["callId"].as_str()), (Some("Mark"), Some("call-7")));
}

#[tokio::test]
async fn a_full_vendor_is_asked_again_when_it_says() {
    let full: Answer = || answer(429, &[("retry-after", "0")], r#"{"detail":"too many"}"#);
    let fuller: Answer = || {
        let now = SystemTime::now();
        let at = httpdate::fmt_http_date(now + Duration::from_secs(1));
        let date = httpdate::fmt_http_date(now);
        answer(503, &[("retry-after", &at), ("date", &date)], "")
    };
    let (vendor, agent, plan) = vendor(&[full, fuller, made]).await;
    let started = SystemTime::now();
    let (created, waits) = ask(&agent, &plan, 10_000).await;
    assert_eq!(created.unwrap().agent_call_id, "c-1");
    assert_eq!(
        waits,
        [
            AskedToWait { status: 429, wait: Duration::from_millis(500) },
            AskedToWait { status: 503, wait: Duration::from_secs(1) },
        ]
    );
    assert!(started.elapsed().unwrap() >= Duration::from_millis(1500), "it did wait");
    assert_eq!(vendor.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_wait_that_does_not_fit_is_not_begun() {
    let full: Answer = || answer(429, &[("retry-after", "60")], "");
    let (vendor, agent, plan) = vendor(&[full]).await;
    let started = SystemTime::now();
    let (created, waits) = ask(&agent, &plan, 30_000).await;
    let failure = created.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Busy, Some(429)));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(60)));
    assert_eq!(failure.kind.reason(), Reason::AgentBusy);
    assert!(waits.is_empty() && started.elapsed().unwrap() < Duration::from_secs(10));
    assert_eq!(vendor.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_vendor_that_stays_full_is_busy_when_the_time_is_over() {
    let full: Answer = || answer(503, &[], "busy");
    let (vendor, agent, plan) = vendor(&[full]).await;
    let (created, waits) = ask(&agent, &plan, 2000).await;
    assert_eq!(created.unwrap_err().kind, FailureKind::Busy);
    assert_eq!(waits, [AskedToWait { status: 503, wait: Duration::from_secs(1) }]);
    assert_eq!(vendor.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn refusals_are_told_apart_and_not_repeated() {
    let cases: [(Answer, FailureKind, Option<u16>, &str); 8] = [
        (|| answer(402, &[], r#"{"detail":"no credit"}"#), FailureKind::Account, Some(402), "no credit"),
        (|| answer(401, &[], ""), FailureKind::Account, Some(401), "API key"),
        (|| answer(500, &[], "<html>"), FailureKind::Error, Some(500), "HTTP 500"),
        (|| answer(400, &[], r#"{"detail":"bad voice"}"#), FailureKind::Error, Some(400), "bad voice"),
        (
            || answer(400, &[], r#"{"detail":"not to +5511912345678"}"#),
            FailureKind::Error,
            Some(400),
            "not to +5511•••••5678",
        ),
        (|| answer(201, &[], r#"{"callId":"c-1"}"#), FailureKind::Error, Some(201), "joinUrl"),
        (|| answer(201, &[], "oops"), FailureKind::Error, Some(201), "no call in it"),
        (|| answer(307, &[("location", "/elsewhere")], ""), FailureKind::Error, Some(307), "HTTP 307"),
    ];
    for (given, kind, status, words) in cases {
        let (vendor, agent, plan) = vendor(&[given]).await;
        let failure = ask(&agent, &plan, 5000).await.0.unwrap_err();
        assert_eq!((failure.kind, failure.status), (kind, status), "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
        assert_eq!(vendor.requests.lock().unwrap().len(), 1, "{failure}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_after_a_second_try() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let plan = plan("http://127.0.0.1:1/api/calls");
    let agent = Agent::for_profile(&plan.profile.agent).unwrap();
    let failure = ask(&agent, &plan, 5000).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Error, None));
    assert!(failure.to_string().contains("cannot be reached"), "{failure}");
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_repeated_and_the_limit_holds() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = plan(&format!("http://{}/api/calls", listener.local_addr().unwrap()));
    let agent = Agent::for_profile(&plan.profile.agent).unwrap();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(Ok(accepted)) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await {
            held.push(accepted);
        }
        held.len()
    });
    let started = SystemTime::now();
    let failure = ask(&agent, &plan, 400).await.0.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
    assert!(started.elapsed().unwrap() < Duration::from_secs(3));
    assert_eq!(silent.await.unwrap(), 1);
}

#[tokio::test]
async fn why_a_call_ended_is_asked_within_two_seconds() {
    let (vendor, agent, _) = vendor(&[made]).await;
    let key = Secret::new("key-1");
    assert_eq!(agent.why_ended("ending", &key).await.as_deref(), Some("agent_hangup"));
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 4, "asked until it knew");
    assert_eq!(agent.why_ended("c-1", &key).await.as_deref(), Some("agent_hangup"));
    assert_eq!(agent.why_ended("running", &key).await, None);
    assert_eq!(
        agent.why_ended("../../elsewhere", &key).await.as_deref(),
        Some("agent_hangup"),
        "one segment"
    );
    let started = SystemTime::now();
    assert_eq!(agent.why_ended("slow", &key).await, None);
    assert!(started.elapsed().unwrap() < Duration::from_secs(4));
}
