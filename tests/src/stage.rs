//! The stage: one local stack for all stories of a test binary, or one of a story's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sim::stack::{Binaries, Stack, StackConfig};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};
use tokio::time::Instant;

use crate::Arrangement;

/// More calls at once would measure this machine instead of the gateway.
const CALLS_AT_ONCE: usize = 4;

/// A running stack and how many calls it carries.
pub struct Stage {
    stack: RwLock<Stack>,
    pub(crate) seats: Arc<Semaphore>,
}

/// A story's own view of the stage, with a directory for what it leaves.
pub struct Scene {
    stage: Arc<Stage>,
    dir: PathBuf,
    arranged: AtomicU32,
}

/// Tells a story on the stage that all stories of this test binary share. It may not break it.
///
/// # Panics
/// When the story fails. Without the programs of a stack it is skipped, which is said aloud, and is a
/// failure where `CI=true`.
pub fn story(tell: impl AsyncFnOnce(&Scene) -> Result<()>) {
    static SHARED: OnceCell<Arc<Stage>> = OnceCell::const_new();
    run(async |binaries, dir| {
        let common = dir.parent().unwrap_or(&dir).join("stack");
        let stage =
            SHARED.get_or_try_init(|| Stage::start(&binaries, common, StackConfig::default())).await?;
        tell(&Scene::new(stage.clone(), dir)).await
    });
}

/// Tells a story on a stage of its own, started as `config` says (its `dir` is the story's).
///
/// # Panics
/// As [`story`].
pub fn story_apart(config: StackConfig, tell: impl AsyncFnOnce(&Scene) -> Result<()>) {
    run(async |binaries, dir| {
        let stage = Stage::start(&binaries, dir.join("stack"), config).await?;
        tell(&Scene::new(stage, dir)).await
    });
}

/// Runs a measurement on a stage of its own.
///
/// # Errors
/// When the programs of a stack are missing, or the measurement fails.
pub fn measured(measure: impl AsyncFnOnce(&Scene) -> Result<()>) -> Result<()> {
    let binaries = binaries()?;
    let dir = directory("measured")?;
    runtime().block_on(async {
        let stage = Stage::start(&binaries, dir.join("stack"), StackConfig::default()).await?;
        measure(&Scene::new(stage, dir)).await
    })
}

pub(crate) fn run(tell: impl AsyncFnOnce(Binaries, PathBuf) -> Result<()>) {
    let binaries = match binaries() {
        Ok(binaries) => binaries,
        Err(missing) => return skip(&missing),
    };
    let dir = directory(&this_test()).expect("a directory for the story");
    let _evidence = Evidence(dir.clone());
    if let Err(error) = runtime().block_on(tell(binaries, dir)) {
        panic!("{error:?}");
    }
}

/// A story that fails shows what its tasks said.
struct Evidence(PathBuf);

#[expect(clippy::print_stderr, reason = "only where a test fails, for who reads why")]
impl Drop for Evidence {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let calls = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let files = calls.flat_map(|call| std::fs::read_dir(call.path()).into_iter().flatten().flatten());
        for log in files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "log")) {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            eprintln!("── {}\n{}", log.strip_prefix(&self.0).unwrap_or(&log).display(), end_of(&text));
        }
    }
}

/// The last lines, as many as one wants to read.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

#[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
fn binaries() -> Result<Binaries> {
    Binaries::find(|name| std::env::var(name).ok())
}

/// The file that a variable names, for tests that need one; `None` after the test was [skipped](skip).
#[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
pub fn given(variable: &str) -> Option<PathBuf> {
    let file = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    if file.is_none() {
        skip(&anyhow::anyhow!("{variable} must name a file; `make test` makes and sets it"));
    }
    file
}

/// Says aloud that a test is skipped.
///
/// # Panics
/// Where `CI=true`: there nothing is skipped.
#[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
pub fn skip(missing: &anyhow::Error) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "with CI=true nothing is skipped: {missing}");
    // Not by eprintln: the test harness would keep it to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
}

/// One for all tests: connections that a test leaves in the shared stack's clients outlive that test.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("an asynchronous runtime")
    })
}

/// `<target>/tmp/<binary>/<module>-<test>`, empty: logs and call folders stay there until the next run.
fn directory(story: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let binary = this.file_stem().and_then(|name| name.to_str()).context("no name")?;
    let binary = binary.rsplit_once('-').map_or(binary, |(name, _hash)| name);
    // <target>/<profile>/deps/<binary>-<hash>
    let target = this.ancestors().nth(3).context("not where cargo puts a test")?;
    let dir = target.join("tmp").join(binary).join(story);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// libtest names the thread of a test after it.
fn this_test() -> String {
    std::thread::current().name().unwrap_or("nameless").replace("::", "-")
}

impl Stage {
    async fn start(binaries: &Binaries, dir: PathBuf, config: StackConfig) -> Result<Arc<Self>> {
        let stack = Stack::start(binaries, StackConfig { dir: Some(dir), ..config }).await?;
        let seats = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        Ok(Arc::new(Self { stack: RwLock::new(stack), seats }))
    }

    /// The stack, to ask.
    pub async fn stack(&self) -> RwLockReadGuard<'_, Stack> {
        self.stack.read().await
    }

    /// The stack, to break. Only on a stage of one's own.
    pub async fn stack_mut(&self) -> RwLockWriteGuard<'_, Stack> {
        self.stack.write().await
    }

    /// Waits until no room whose name begins with `prefix` is left.
    ///
    /// # Errors
    /// Names what is left after `within`.
    pub async fn has_no_room(&self, prefix: &str, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let mut rooms = self.stack().await.rooms().await?;
            rooms.retain(|room| room.starts_with(prefix));
            if rooms.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "rooms left over: {}", rooms.join(", "));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Scene {
    fn new(stage: Arc<Stage>, dir: PathBuf) -> Self {
        Self { stage, dir, arranged: AtomicU32::new(0) }
    }

    /// Begins to arrange a call to a number that no other story has.
    pub fn arrange(&self) -> Arrangement {
        let number = self.arranged.fetch_add(1, Ordering::Relaxed) + 1;
        Arrangement::new(self.stage.clone(), self.dir.join(format!("call-{number}")))
    }

    /// The stage: its stack, its rooms.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Where this story's files are; kept until it is told again.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
