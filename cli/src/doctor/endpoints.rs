//! The parts of a deployment: are they there, and do they do their work?

use crate::event_source::EventSource;
use crate::report::Line;
use crate::stack::Stack;
use cloud::said;

/// Open attempts that are no cause for thought: calls that run now.
const MANY_OPEN: usize = 10_000;
/// Events that are no cause for thought: calls that ended this minute.
const MANY_EVENTS: u64 = 1_000;

/// Who works in the deployment, as far as it can be looked up.
pub struct Parts {
    /// The router's role.
    pub router_role: Result<String, String>,
    /// The watcher's.
    pub watcher_role: Result<String, String>,
    /// The role of a call's process, and the one that starts it.
    pub task_roles: Result<(String, String), String>,
    function: Result<String, String>,
    watcher: Result<String, String>,
    image: Result<String, String>,
}

impl Parts {
    /// Looks them up.
    pub async fn find(stack: &Stack) -> Self {
        let (router_role, router) = both(function(stack, "RouterFunctionName").await);
        let (watcher_role, watcher) = both(function(stack, "WatcherFunctionName").await);
        let (task_roles, image) = both(task(stack).await);
        Self { router_role, watcher_role, task_roles, function: router, watcher, image }
    }
}

/// What was found, each by itself.
fn both<A, B>(found: Result<(A, B), String>) -> (Result<A, String>, Result<B, String>) {
    match found {
        Ok((one, other)) => (Ok(one), Ok(other)),
        Err(detail) => (Err(detail.clone()), Err(detail)),
    }
}

/// The role of the function that this output names, and its state.
async fn function(stack: &Stack, output: &str) -> Result<(String, String), String> {
    let name = stack.output(output).map_err(|error| error.to_string())?;
    let asked =
        aws_sdk_lambda::Client::new(&stack.aws).get_function_configuration().function_name(name).send();
    let found = asked.await.map_err(|error| said(&error))?;
    let state = found.state().map_or("Active", |state| state.as_str()).to_owned();
    Ok((found.role().unwrap_or_default().to_owned(), format!("{name} is {state}")))
}

async fn task(stack: &Stack) -> Result<((String, String), String), String> {
    let arn = stack.output("TaskDefinitionArn").map_err(|error| error.to_string())?;
    let asked = aws_sdk_ecs::Client::new(&stack.aws).describe_task_definition().task_definition(arn).send();
    let found = asked.await.map_err(|error| said(&error))?;
    let task = found.task_definition().ok_or("ECS does not describe it")?;
    let roles = (
        task.task_role_arn().unwrap_or_default().to_owned(),
        task.execution_role_arn().unwrap_or_default().to_owned(),
    );
    let image = task.container_definitions().first().and_then(|container| container.image());
    Ok((roles, image.unwrap_or_default().to_owned()))
}

/// A line for each part.
pub async fn check(stack: &Stack, parts: &Parts) -> Vec<Line> {
    let todo = "deploy it again: make deploy";
    let function = Line::of("router", parts.function.clone(), todo);
    let watcher = Line::of("watcher", parts.watcher.clone(), todo);
    let image = match &parts.image {
        Ok(image) if image.ends_with(":none") => Line::red(
            "task image",
            "none was ever pushed: no call can run",
            "make image push, then deploy its tag",
        ),
        Ok(image) => Line::green("task image", image.rsplit('/').next().unwrap_or(image)),
        Err(detail) => Line::red("task definition", detail, "deploy it again: make deploy"),
    };
    vec![
        stack_line(stack),
        function,
        watcher,
        event_source(stack).await,
        queue(stack).await,
        task_events(stack).await,
        dead_letters(stack).await,
        folders(stack).await,
        image,
        cluster(stack).await,
        history(stack).await,
    ]
}

fn stack_line(stack: &Stack) -> Line {
    let (what, status) = (format!("stack {}", stack.name), stack.status.as_str());
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => Line::green(what, status),
        status if status.ends_with("_IN_PROGRESS") => {
            Line::yellow(what, status, "somebody deploys; look again in a minute")
        }
        status => Line::red(what, status, "its last deployment failed: look at its events in CloudFormation"),
    }
}

async fn event_source(stack: &Stack) -> Line {
    match EventSource::find(stack).await {
        Ok(source) if source.is_on() => Line::green("event source", source.state),
        Ok(source) => Line::red("event source", format!("{}: messages wait", source.state), "ocg resume"),
        Err(problem) => Line::red("event source", format!("{problem:#}"), "deploy it again: make deploy"),
    }
}

async fn queue(stack: &Stack) -> Line {
    let todo = "is it there, and may these credentials read its attributes?";
    let depth = match stack.trigger_calls() {
        Ok(queue) => queue.depth().await,
        Err(problem) => Err(problem.to_string()),
    };
    let told = |depth: cloud::queue::Depth| {
        format!("{} waiting, {} being routed, {} put off", depth.waiting, depth.in_flight, depth.delayed)
    };
    Line::of("queue", depth.map(told), todo)
}

async fn task_events(stack: &Stack) -> Line {
    let depth = match stack.task_events() {
        Ok(queue) => queue.depth().await,
        Err(problem) => Err(problem.to_string()),
    };
    match depth {
        Ok(depth) if depth.waiting > MANY_EVENTS => Line::yellow(
            "news of tasks",
            format!("{} wait", depth.waiting),
            "the watcher does not keep up, or fails: look at its log",
        ),
        Ok(depth) => {
            Line::green("news of tasks", format!("{} wait, {} in hand", depth.waiting, depth.in_flight))
        }
        Err(detail) => Line::red("news of tasks", detail, "deploy it again: make deploy"),
    }
}

async fn dead_letters(stack: &Stack) -> Line {
    let depth = match stack.dead_letters() {
        Ok(queue) => queue.depth().await,
        Err(problem) => Err(problem.to_string()),
    };
    match depth {
        Ok(depth) if depth.waiting + depth.in_flight == 0 => Line::green("dead letters", "none"),
        Ok(depth) => {
            Line::yellow("dead letters", format!("{}", depth.waiting + depth.in_flight), "ocg dlq ls")
        }
        Err(detail) => Line::red("dead letters", detail, "is the queue there?"),
    }
}

async fn folders(stack: &Stack) -> Line {
    let open = match stack.folders() {
        Ok(folders) => folders.open_attempts().await.map_err(|error| error.to_string()),
        Err(problem) => Err(problem.to_string()),
    };
    match open {
        Ok(open) if open.len() > MANY_OPEN => Line::yellow(
            "call folders",
            format!("{} attempts are open", open.len()),
            "more than can be calling now: ocg calls ls",
        ),
        Ok(open) => Line::green("call folders", format!("{} attempts are open", open.len())),
        Err(detail) => {
            Line::red("call folders", detail, "is the bucket there, and may these credentials list it?")
        }
    }
}

async fn cluster(stack: &Stack) -> Line {
    let todo = "deploy it again: make deploy";
    let name = match stack.output("ClusterName") {
        Ok(name) => name,
        Err(problem) => return Line::red("cluster", problem.to_string(), todo),
    };
    let asked = aws_sdk_ecs::Client::new(&stack.aws).describe_clusters().clusters(name).send().await;
    let found = asked.map_err(|error| said(&error)).and_then(|found| {
        let cluster = found.clusters().first().ok_or_else(|| format!("there is no cluster {name}"))?;
        match cluster.status() {
            Some("ACTIVE") => Ok(format!("{} tasks run", cluster.running_tasks_count())),
            status => Err(format!("{name} is {}", status.unwrap_or("without a state"))),
        }
    });
    Line::of("cluster", found, todo)
}

async fn history(stack: &Stack) -> Line {
    let Some(url) = stack.parameter("CallHistoryQueueUrl") else {
        return Line::green("upstream", "is told nothing (CallHistoryQueueUrl is not set)");
    };
    let queue = cloud::queue::Queue::new(aws_sdk_sqs::Client::new(&stack.aws), url);
    match queue.depth().await {
        Ok(depth) => {
            Line::green("upstream", format!("is told on {url}; {} messages are there", depth.waiting))
        }
        // It may belong to somebody else, who lets us send and not look.
        Err(detail) => Line::yellow(
            "upstream",
            detail,
            format!("is there a queue {url}? It may only be hidden from you"),
        ),
    }
}
