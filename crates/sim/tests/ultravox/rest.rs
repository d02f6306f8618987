//! Calls: created, refused, looked up, deleted.

use std::time::Duration;

use serde_json::{Value, json};
use sim::ultravox::{CreateStep, EndReason, Script};

use super::client::{Client, create, http, look_up, post, request, request_with, stand_in};

#[tokio::test]
async fn a_call_is_created_looked_up_and_deleted() {
    let ultravox = stand_in(Script::default()).await;
    let call = create(&ultravox, &request()).await;
    assert_eq!(call["metadata"], json!({"attempt": "a1"}));
    assert_eq!((&call["voice"], &call["endReason"]), (&json!("Camila"), &Value::Null));
    let join_url = url::Url::parse(call["joinUrl"].as_str().unwrap()).unwrap();
    assert_eq!(join_url.scheme(), "ws");
    assert!(join_url.query().unwrap().len() > 32, "a credential");

    let id = call["callId"].as_str().unwrap();
    assert_eq!(look_up(&ultravox, id).await["created"], call["created"]);
    let seen = &ultravox.calls()[0];
    assert_eq!((seen.id.as_str(), &seen.request), (id, &request()));

    let of_call = format!("{}/{id}", ultravox.calls_url());
    let delete = http().delete(&of_call).header("X-API-Key", "anything").send().await.unwrap();
    assert_eq!(delete.status(), 204);
    let gone = http().get(&of_call).header("X-API-Key", "anything").send().await.unwrap();
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn what_the_api_would_refuse_is_refused() {
    let ultravox = stand_in(Script { api_key: Some("right".into()), ..Script::default() }).await;
    for key in [None, Some(""), Some("wrong")] {
        let mut post = http().post(ultravox.calls_url()).json(&request());
        if let Some(key) = key {
            post = post.header("X-API-Key", key);
        }
        assert_eq!(post.send().await.unwrap().status(), 401, "{key:?}");
    }
    ultravox.set_script(Script::default()).unwrap();
    for (path, value) in [("/greeting", json!("Olá")), ("/joinTimeout", json!(45))] {
        let answer = post(&ultravox, &request_with(path, value)).await;
        assert_eq!(answer.status(), 400);
        let body: Value = answer.json().await.unwrap();
        assert!(body["detail"].as_str().unwrap().starts_with(&path[1..]), "{body}");
    }
    let no_json = http().post(ultravox.calls_url()).header("X-API-Key", "anything").body("{");
    assert_eq!(no_json.send().await.unwrap().status(), 400);
    assert_eq!(ultravox.create_statuses(), [401, 401, 401, 400, 400, 400]);
    assert!(ultravox.calls().is_empty());
}

#[tokio::test]
async fn creation_fails_as_scripted_and_then_does_not() {
    let step = |status| CreateStep { status: Some(status), ..CreateStep::default() };
    let script = Script {
        create: vec![
            CreateStep { times: 2, retry_after: Some("1".into()), ..step(429) },
            step(402),
            CreateStep { body: Some("<html>".into()), ..step(500) },
            CreateStep { join_url: false, ..CreateStep::default() },
            CreateStep { delay_ms: 300, ..CreateStep::default() },
        ],
        ..Script::default()
    };
    let ultravox = stand_in(script.clone()).await;
    for _ in 0..2 {
        let busy = post(&ultravox, &request()).await;
        assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    }
    assert_eq!(post(&ultravox, &request()).await.status(), 402);
    assert_eq!(post(&ultravox, &request()).await.text().await.unwrap(), "<html>");
    assert_eq!(create(&ultravox, &request()).await["joinUrl"], Value::Null);
    let asked = tokio::time::Instant::now();
    assert!(create(&ultravox, &request()).await["joinUrl"].is_string());
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(ultravox.create_statuses(), [429, 429, 402, 500, 201, 201]);
    ultravox.set_script(script).unwrap();
    assert_eq!(post(&ultravox, &request()).await.status(), 429, "a new script begins at its first step");
}

#[tokio::test]
async fn a_call_that_nobody_joins_ends_unjoined() {
    let ultravox = stand_in(Script::default()).await;
    let call = create(&ultravox, &request_with("/joinTimeout", json!("0.3s"))).await;
    let limit = Duration::from_secs(5);
    let ended = |calls: &[sim::ultravox::CallSnapshot]| calls[0].ended.is_some();
    let calls = ultravox.wait_until("the call ends", limit, ended).await.unwrap();
    assert_eq!(calls[0].end_reason, Some(EndReason::Unjoined));
    assert_eq!(look_up(&ultravox, &calls[0].id).await["endReason"], "unjoined");
    assert!(Client::join(&call).await.is_err());
}

#[tokio::test]
async fn the_join_url_lets_in_one_client_and_nobody_without_it() {
    let ultravox = stand_in(Script { hang_up: false, ..Script::default() }).await;
    let call = create(&ultravox, &request()).await;
    let url = call["joinUrl"].as_str().unwrap();
    for wrong in [url.split_once('?').unwrap().0.to_owned(), format!("{url}0")] {
        let mut other = call.clone();
        other["joinUrl"] = wrong.into();
        assert!(Client::join(&other).await.is_err());
    }
    let first = Client::join(&call).await.unwrap();
    assert!(Client::join(&call).await.is_err(), "one client per call");
    let of_call = format!("{}/{}", ultravox.calls_url(), first.id);
    let delete = http().delete(&of_call).header("X-API-Key", "anything").send().await.unwrap();
    assert_eq!(delete.status(), 409, "the call is in progress");
}
