//! Sends CALL_HISTORY events in a task of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud::queue::Queue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A call has four events; nobody waits for room beyond these.
const WAITING: usize = 16;
/// A request that is not answered by then is sent again; an event that came twice is recognised by its id.
const TRY_CAP: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Events on their way to a queue, in the order in which they were told.
#[derive(Debug)]
pub struct History {
    steps: mpsc::Sender<Step>,
    unsent: Arc<AtomicUsize>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Step {
    Send(String),
    End,
}

impl History {
    /// Starts to send to `queue`. Must be called within a tokio runtime.
    pub fn start(queue: Queue) -> Self {
        let (steps, inbox) = mpsc::channel(WAITING);
        let unsent = Arc::new(AtomicUsize::new(0));
        let task = Mutex::new(Some(tokio::spawn(send_all(queue, inbox, unsent.clone()))));
        Self { steps, unsent, task }
    }

    /// Has one event sent. Never waits.
    pub fn tell(&self, event: String) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
        // One that finds no room stays unsent, which is told at the end.
        let _ = self.steps.try_send(Step::Send(event));
    }

    /// Sends what is left, and gives up after `within`. Returns how many events were not acknowledged.
    pub async fn close(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task {
            let ending = async {
                let _ = self.steps.send(Step::End).await;
                // A task that broke leaves its events unsent.
                let _ = (&mut task).await;
            };
            if tokio::time::timeout_at(deadline, ending).await.is_err() {
                task.abort();
            }
        }
        self.unsent.load(Ordering::Relaxed)
    }
}

async fn send_all(queue: Queue, mut inbox: mpsc::Receiver<Step>, unsent: Arc<AtomicUsize>) {
    while let Some(Step::Send(event)) = inbox.recv().await {
        send(&queue, &event).await;
        unsent.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tries until the queue has it.
async fn send(queue: &Queue, event: &str) {
    let mut pause = FIRST_PAUSE;
    loop {
        let detail = match tokio::time::timeout(TRY_CAP, queue.send(event, &[])).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", TRY_CAP.as_secs()),
        };
        tracing::warn!(detail, "upstream not told yet");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use serde_json::Value;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A queue on a socket of ours that takes what it is sent, after it has failed so many times.
    pub struct Stand {
        address: std::net::SocketAddr,
        pub bodies: Arc<Mutex<Vec<String>>>,
    }

    impl Stand {
        pub async fn that_fails(times: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
            let (taken, failures) = (bodies.clone(), Arc::new(AtomicUsize::new(times)));
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(serve(socket, taken.clone(), failures.clone()));
                }
            });
            Self { address, bodies }
        }

        pub fn queue(&self) -> Queue {
            queue_at(self.address)
        }

        pub fn taken(&self) -> Vec<String> {
            self.bodies.lock().unwrap().clone()
        }
    }

    /// As much of HTTP as the SDK needs.
    async fn serve(socket: TcpStream, taken: Arc<Mutex<Vec<String>>>, failures: Arc<AtomicUsize>) {
        let mut socket = BufReader::new(socket);
        loop {
            let (mut length, mut line) = (0, String::new());
            loop {
                line.clear();
                if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                let lower = line.trim().to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if lower.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            socket.read_exact(&mut body).await.unwrap();
            let fails =
                failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let (status, answer) = if fails {
                ("500 Oops", "{}")
            } else {
                let request: Value = serde_json::from_slice(&body).unwrap();
                taken.lock().unwrap().push(request["MessageBody"].as_str().unwrap().to_owned());
                ("200 OK", r#"{"MessageId":"1","MD5OfMessageBody":"0"}"#)
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\n");
            let answer = format!("{head}content-length: {}\r\n\r\n{answer}", answer.len());
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn queue_at(address: std::net::SocketAddr) -> Queue {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("nobody", "nobody", None, None, "tests"))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(format!("http://{address}"));
        Queue::new(aws_sdk_sqs::Client::from_conf(config.build()), format!("http://{address}/1/history"))
    }

    #[tokio::test]
    async fn a_queue_that_fails_at_first_gets_all_in_their_order() {
        let stand = Stand::that_fails(3).await;
        let history = History::start(stand.queue());
        let events: Vec<String> = (1..=4).map(|nth| format!("event {nth}")).collect();
        events.iter().for_each(|event| history.tell(event.clone()));
        assert_eq!(history.close(Duration::from_secs(10)).await, 0);
        assert_eq!(stand.taken(), events);
    }

    #[tokio::test]
    async fn a_queue_that_never_answers_holds_nobody_up() {
        // The kernel takes connections for a listener that nobody asks for them.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let history = History::start(queue_at(silent.local_addr().unwrap()));
        let started = Instant::now();
        for nth in 0..3 * WAITING {
            history.tell(format!("event {nth}"));
        }
        assert!(started.elapsed() < Duration::from_millis(100));
        assert_eq!(history.close(Duration::from_millis(300)).await, 3 * WAITING);
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(history.close(Duration::from_secs(60)).await, 3 * WAITING, "closed once is closed");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
