//! The machine on which it is measured: what it is, and how busy.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tests::usage::{cpu_seconds, tree};
use tokio::time::Instant;

use crate::{AHEAD_MS, Settings};

/// How busy the machine was for a while.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// The load average of the last minute, at the end.
    pub load_1m: f64,
    /// The share of all cores' time that was not idle.
    pub busy: f64,
    /// The same without this program and what it started: the server, the phone, the bridge.
    pub busy_with_others: f64,
}

/// What has been used of the cores so far.
pub struct Busy {
    at: Instant,
    total: f64,
    idle: f64,
    ours_s: f64,
}

impl Busy {
    /// Begins to look.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let fields = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("no cpu line")?;
        // user nice system idle iowait irq softirq steal; guests are in user (proc(5)).
        let ticks: Vec<f64> = fields.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
        ensure!(ticks.len() == 8, "/proc/stat: {fields}");
        let processes = tree(std::process::id())?;
        let ours = processes.iter().map(|process| cpu_seconds(*process).map_or(0.0, |(all, _)| all));
        Ok(Self {
            at: Instant::now(),
            total: ticks.iter().sum(),
            idle: ticks[3] + ticks[4],
            ours_s: ours.sum(),
        })
    }

    /// What it was since then.
    pub fn until_now(&self) -> Result<Load> {
        let now = Self::now()?;
        let cores = std::thread::available_parallelism()?.get() as f64;
        let ours = (now.ours_s - self.ours_s) / (now.at - self.at).as_secs_f64() / cores;
        let busy = 1.0 - (now.idle - self.idle) / (now.total - self.total).max(1.0);
        let text = fs::read_to_string("/proc/loadavg")?;
        let load_1m = text.split_whitespace().next().context("/proc/loadavg is empty")?.parse()?;
        Ok(Load { load_1m, busy, busy_with_others: (busy - ours).max(0.0) })
    }
}

/// On what, and with what, it was measured.
#[derive(Debug, Serialize)]
pub struct Conditions {
    cpu: String,
    cores: usize,
    kernel: String,
    network: &'static str,
    rounds: u32,
    /// The profile of cargo's that `bridge-task` was built with, as its directory says.
    bridge_task_build: String,
    python: String,
    agent_ahead_ms: u32,
    /// What was measured alone comes from 0.
    median_busy_with_others: f64,
}

impl Conditions {
    /// As they are now.
    pub fn of(settings: &Settings, median_busy_with_others: f64) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let build = settings.bridge_task.parent().and_then(Path::file_name).unwrap_or_default();
        Ok(Self {
            cpu: model.map_or("a CPU that does not say its name", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            network: "everything over loopback",
            rounds: settings.rounds,
            bridge_task_build: build.to_string_lossy().into_owned(),
            python: python_with_packages(settings)?,
            agent_ahead_ms: AHEAD_MS,
            median_busy_with_others,
        })
    }

    /// How many calls each bridge carried.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// In one paragraph.
    pub fn sentence(&self) -> String {
        format!(
            "{}, {} cores, {}, {}; {} rounds. bridge-task: {} build. {}. The agent sends at most {} ms ahead of \
             playback. Others on this machine took {:.0} % of it (median).",
            self.cpu,
            self.cores,
            self.kernel,
            self.network,
            self.rounds,
            self.bridge_task_build,
            self.python,
            self.agent_ahead_ms,
            self.median_busy_with_others * 100.0,
        )
    }
}

/// `Python 3.11.7, livekit 1.2.0, …`.
fn python_with_packages(settings: &Settings) -> Result<String> {
    let script = "import platform; from importlib.metadata import version; \
                  names = ('livekit', 'livekit-api', 'websockets'); \
                  print(', '.join([f'Python {platform.python_version()}', *(f'{n} {version(n)}' for n in names)]))";
    answer(settings, script)
}

/// What must be installed for the Python bridge beside Python itself, in MB (10⁶ bytes).
pub fn python_install_mb(settings: &Settings) -> Result<f64> {
    let packages = answer(settings, "import sysconfig; print(sysconfig.get_paths()['purelib'])")?;
    let mut bytes = fs::metadata(crate::python::SCRIPT)?.len();
    for entry in fs::read_dir(&packages)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What installs is not what is installed.
        let installs = ["pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence"];
        if !installs.iter().any(|tool| name.starts_with(tool)) {
            bytes += size_of(&entry.path())?;
        }
    }
    Ok(bytes as f64 / 1e6)
}

/// Python itself, as it must be there: the program, its library if that is another file, and its modules without what
/// was added to them and what tests them, in MB (10⁶ bytes).
pub fn python_itself_mb(settings: &Settings) -> Result<f64> {
    let script = "import os, sys, sysconfig; lib = sysconfig.get_paths()['stdlib']; \
                  so = os.path.join(sysconfig.get_config_var('LIBDIR'), sysconfig.get_config_var('LDLIBRARY')); \
                  print(os.path.realpath(sys.executable), so if so.endswith('.so') and os.path.exists(so) else '', \
                  *(os.path.join(lib, name) for name in os.listdir(lib) \
                  if name not in ('site-packages', 'dist-packages', 'test', '__pycache__')), sep='\\n')";
    let paths = answer(settings, script)?;
    let sizes = paths.lines().filter(|path| !path.is_empty()).map(|path| size_of(&fs::canonicalize(path)?));
    Ok(sizes.sum::<Result<u64>>()? as f64 / 1e6)
}

/// The size of a file, or of everything in a directory, in bytes.
pub fn size_of(path: &Path) -> Result<u64> {
    let found = fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    fs::read_dir(path)?.map(|entry| size_of(&entry?.path())).sum()
}

fn answer(settings: &Settings, script: &str) -> Result<String> {
    let asked = Command::new(&settings.python).args(["-c", script]).output()?;
    ensure!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    Ok(String::from_utf8(asked.stdout)?.trim().to_owned())
}
