//! The REST side: create, look up and delete calls, and the upgrade to the socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as Shared, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{CallRecord, EndReason};
use super::request::StartCall;
use super::script::CreateStep;
use super::{State, socket};

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/calls", post(create))
        .route("/api/calls/{id}", get(look_up).delete(delete))
        .route("/api/calls/{id}/send_data_message", post(send_data_message))
        .route("/api/voices", get(voices))
        .route("/calls/{id}/server_web_socket", get(join))
        .with_state(state)
}

/// POST /api/calls. Key and body are checked before the script's trouble begins, so that a scenario of
/// "no credit" also proves the request.
async fn create(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = answer_create(&state, &headers, &body).await;
    state.lock().statuses.push(answer.status().as_u16());
    answer
}

async fn answer_create(state: &Arc<State>, headers: &HeaderMap, body: &[u8]) -> Response {
    if !authorized(state, headers) {
        return problem(StatusCode::UNAUTHORIZED, "Invalid API key.");
    }
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return problem(StatusCode::BAD_REQUEST, "The body is not JSON.");
    };
    let start = match StartCall::parse(&request) {
        Ok(start) => start,
        Err(sentence) => return problem(StatusCode::BAD_REQUEST, &sentence),
    };
    let (script, step) = {
        let mut shared = state.lock();
        let nth = shared.create_answers;
        shared.create_answers += 1;
        (shared.script.clone(), shared.script.create_step(nth).cloned().unwrap_or_default())
    };
    if script.echo && start.rates.input != start.rates.output {
        return problem(StatusCode::BAD_REQUEST, "This stand-in echoes only at equal rates.");
    }
    tokio::time::sleep(Duration::from_millis(step.delay_ms.into())).await;
    if step.status.is_some() {
        return refusal(&step);
    }
    let mut call =
        CallRecord::new(uuid(), format!("{:032x}", rand::random::<u128>()), request, start, script);
    call.traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    if step.join_url {
        let (id, token) = (&call.id, &call.token);
        let server = call.script.public_url.clone().unwrap_or_else(|| format!("ws://{}", state.address));
        call.join_url = Some(format!("{server}/calls/{id}/server_web_socket?token={token}"));
    }
    let object = call.object();
    tokio::spawn(end_unjoined(state.clone(), call.id.clone(), call.start.join_timeout));
    state.lock().calls.push(call);
    let body = step.body.unwrap_or_else(|| object.to_string());
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn refusal(step: &CreateStep) -> Response {
    let status = step.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut answer = problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "As the script says.");
    if let Some(after) = step.retry_after.as_ref().and_then(|after| after.parse().ok()) {
        answer.headers_mut().insert(header::RETRY_AFTER, after);
    }
    if let Some(body) = &step.body {
        *answer.body_mut() = body.clone().into();
        answer.headers_mut().remove(header::CONTENT_LENGTH);
    }
    answer
}

/// GET /api/calls/{id}.
async fn look_up(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !authorized(&state, &headers) {
        return problem(StatusCode::UNAUTHORIZED, "Invalid API key.");
    }
    match state.with_call(&id, |call| call.looked_up()) {
        Some(object) => axum::Json(object).into_response(),
        None => problem(StatusCode::NOT_FOUND, "Not found."),
    }
}

/// POST /api/calls/{id}/send_data_message: `hang_up` ends a call that runs; what is not joined, or over, is 422.
async fn send_data_message(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    if !authorized(&state, &headers) {
        return problem(StatusCode::UNAUTHORIZED, "Invalid API key.");
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let hangs_up = match message["type"].as_str() {
        Some("hang_up") => true,
        Some("user_text_message" | "forced_agent_message") => false,
        _ => return problem(StatusCode::BAD_REQUEST, "This message cannot be sent so."),
    };
    let runs = state.with_call(&id, |call| {
        call.texts.push(message.to_string());
        let runs = call.joined.is_some() && call.ended.is_none();
        if runs && hangs_up {
            call.hung_up.notify_one();
        }
        runs
    });
    match runs {
        None => problem(StatusCode::NOT_FOUND, "Not found."),
        Some(false) => problem(StatusCode::UNPROCESSABLE_ENTITY, "The call is not in progress."),
        Some(true) => StatusCode::NO_CONTENT.into_response(),
    }
}

/// GET /api/voices: a page of one voice each, so that whoever reads the list must follow it.
async fn voices(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    if !authorized(&state, &headers) {
        return problem(StatusCode::UNAUTHORIZED, "Invalid API key.");
    }
    let voices = state.lock().script.voices.clone();
    let nth: usize = asked.get("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let next =
        (nth + 1 < voices.len()).then(|| format!("http://{}/api/voices?cursor={}", state.address, nth + 1));
    let results: Vec<Value> =
        voices.iter().skip(nth).take(1).map(|name| json!({ "voiceId": uuid(), "name": name })).collect();
    axum::Json(json!({ "next": next, "previous": null, "results": results, "total": voices.len() }))
        .into_response()
}

/// DELETE /api/calls/{id}. That a live call is refused is only known second-hand, and the status is a guess.
async fn delete(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !authorized(&state, &headers) {
        return problem(StatusCode::UNAUTHORIZED, "Invalid API key.");
    }
    match state.with_call(&id, |call| call.joined.is_some() && call.ended.is_none()) {
        None => problem(StatusCode::NOT_FOUND, "Not found."),
        Some(true) => problem(StatusCode::CONFLICT, "The call is in progress."),
        Some(false) => {
            state.lock().calls.retain(|call| call.id != id);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

/// The socket. One client per call: what the vendor answers a second one is not published; a refused
/// upgrade is the guess here.
async fn join(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let joined = state.with_call(&id, |call| {
        if query.get("token") != Some(&call.token) {
            return Err((StatusCode::FORBIDDEN, "The join URL is not valid."));
        }
        if let Some(status) = call.script.refuse_upgrade {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Err((status, "As the script says."));
        }
        if call.joined.is_some() || call.ended.is_some() {
            return Err((StatusCode::CONFLICT, "The call has been joined already, or is over."));
        }
        call.joined = Some(Timestamp::now());
        Ok((call.start.clone(), call.script.clone()))
    });
    match joined {
        None => problem(StatusCode::NOT_FOUND, "Not found."),
        Some(Err((status, detail))) => problem(status, detail),
        Some(Ok((start, script))) => {
            let (lost, lost_id) = (state.clone(), id.clone());
            upgrade
                .on_failed_upgrade(move |_| {
                    lost.with_call(&lost_id, |call| call.end(EndReason::ConnectionError));
                })
                .on_upgrade(move |socket| socket::run(state, id, start, script, socket))
        }
    }
}

async fn end_unjoined(state: Arc<State>, id: String, timeout: Duration) {
    let mut running = state.running.clone();
    tokio::select! {
        () = tokio::time::sleep(timeout) => {
            state.with_call(&id, |call| if call.joined.is_none() { call.end(EndReason::Unjoined) });
        }
        _ = running.changed() => {}
    }
}

fn authorized(state: &State, headers: &HeaderMap) -> bool {
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    match &state.lock().script.api_key {
        Some(expected) => key == expected,
        None => !key.is_empty(),
    }
}

/// An error. The shape of the vendor's bodies is not published; `detail` is what its users read.
fn problem(status: StatusCode, detail: &str) -> Response {
    (status, axum::Json(json!({ "detail": detail }))).into_response()
}

/// A random UUID (version 4, RFC 9562 §5.4).
fn uuid() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
