//! What is asked of the stand-in, and what it answers. Source: Amazon ECS API Reference, Actions.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::registry::Registry;
use super::request::{Refused, RunTask};
use super::task::Task;
use super::{Shared, Trouble, behind};

/// What becomes of an answer.
enum Reply {
    Sent,
    Lost,
    Never,
}

impl Shared {
    async fn run_task(&self, body: &Value) -> Result<(Value, Reply), Refused> {
        let request = RunTask::read(body)?;
        self.lock().calls.push(Instant::now());
        let definition = self.registry.definition(&request.cluster, &request.task_definition).await?;
        request.fits(&definition)?;
        let mut state = self.lock();
        if let Some((before, arn)) = request.client_token.as_ref().and_then(|token| state.tokens.get(token)) {
            return if *before == request {
                let same = state.tasks.iter().find(|task| task.arn == *arn).map(|task| task.described(self));
                Ok((json!({ "tasks": [same], "failures": [] }), Reply::Sent))
            } else {
                let conflict =
                    Refused::new("ConflictException", "The client token was used with other parameters.");
                Err(Refused { resource_ids: vec![arn.clone()], ..conflict })
            };
        }
        let trouble = state.troubles.pop_front();
        match trouble {
            Some(Trouble::Throttle) => {
                return Err(Refused::new("ThrottlingException", "Rate exceeded"));
            }
            Some(Trouble::NoCapacity) => {
                let arn = self.cluster_arn(&request.cluster);
                let failure = json!({ "reason": "Capacity is unavailable at this time.", "arn": arn });
                return Ok((json!({ "tasks": [], "failures": [failure] }), Reply::Sent));
            }
            Some(Trouble::Hang) => return Ok((Value::Null, Reply::Never)),
            _ => {}
        }
        let task = Task::new(self, &request, &definition, trouble);
        if let Some(token) = &request.client_token {
            state.tokens.insert(token.clone(), (request.clone(), task.arn.clone()));
        }
        let described = task.described(self);
        state.tasks.push(task);
        if trouble == Some(Trouble::StartTwo) {
            state.tasks.push(Task::new(self, &request, &definition, None));
        }
        let reply = match trouble {
            Some(Trouble::LoseReply) => Reply::Lost,
            Some(Trouble::NeverReply) => Reply::Never,
            _ => Reply::Sent,
        };
        Ok((json!({ "tasks": [described], "failures": [] }), reply))
    }

    fn list_tasks(&self, body: &Value) -> Value {
        let started_by = body["startedBy"].as_str();
        let wanted = body["desiredStatus"].as_str().unwrap_or("RUNNING");
        let state = self.lock();
        let matching = state.tasks.iter().filter(|task| {
            task.desired_status() == wanted
                && started_by.is_none_or(|by| task.started_by.as_deref() == Some(by))
        });
        json!({ "taskArns": matching.map(|task| task.arn.clone()).collect::<Vec<_>>() })
    }

    fn describe_tasks(&self, body: &Value) -> Value {
        let state = self.lock();
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in body["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match state.tasks.iter().find(|task| task.is(name)) {
                Some(task) => tasks.push(task.described(self)),
                None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
            }
        }
        json!({ "tasks": tasks, "failures": failures })
    }

    fn stop_task(&self, body: &Value) -> Result<Value, Refused> {
        let name = body["task"].as_str().unwrap_or_default();
        let mut state = self.lock();
        let task = state.tasks.iter_mut().find(|task| task.is(name));
        let task = task
            .ok_or_else(|| Refused::new("InvalidParameterException", "The referenced task was not found."))?;
        task.stop(body["reason"].as_str().unwrap_or("Task stopped by user"));
        Ok(json!({ "task": task.described(self) }))
    }
}

pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if shared.is_cut(&headers, &uri, &body) {
        return lost();
    }
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix(behind::TARGET).unwrap_or_default();
    let asked: Value =
        if action.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or_default() };
    let answer = match action {
        "RunTask" => match shared.run_task(&asked).await {
            Ok((answer, Reply::Sent)) => Ok(answer),
            Ok((_, Reply::Lost)) => return lost(),
            Ok((_, Reply::Never)) => return std::future::pending().await,
            Err(refused) => Err(refused),
        },
        "ListTasks" => Ok(shared.list_tasks(&asked)),
        "DescribeTasks" => Ok(shared.describe_tasks(&asked)),
        "StopTask" => shared.stop_task(&asked),
        other => match &shared.registry {
            Registry::Registered(registered) => {
                return registered.behind.pass(method, &uri, headers, body).await;
            }
            Registry::Own { .. } => {
                Err(Refused::new("UnknownOperationException", &format!("{other:?} is not known here")))
            }
        },
    };
    let (status, answer) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err(refused) => (StatusCode::BAD_REQUEST, refused.wire()),
    };
    (status, [("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
}

/// A reply that breaks off: the client cannot know what was done.
fn lost() -> Response {
    let broken =
        futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))]);
    Response::new(axum::body::Body::from_stream(broken))
}

/// The task metadata endpoint, version 4: what a container can learn of itself.
pub(super) async fn metadata(
    State(shared): State<Arc<Shared>>,
    axum::extract::Path(id): axum::extract::Path<String>,
) -> Response {
    let state = shared.lock();
    let Some(task) = state.tasks.iter().find(|task| task.is(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body =
        json!({ "Cluster": shared.cluster_arn(&task.cluster), "TaskARN": task.arn, "Family": task.family });
    ([("content-type", "application/json")], body.to_string()).into_response()
}
