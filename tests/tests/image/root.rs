//! The image's root file system, unpacked into an empty directory, and what Fargate adds to it.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sim::stack::{Child, Output};

/// Whom the image runs as.
const NOBODY: &str = "65532:65532";
/// Where `chroot` and `mknod` are.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory that is a task's whole world.
pub struct Root {
    path: PathBuf,
    log: PathBuf,
}

/// The image's layer, or `None` if the test is skipped.
pub fn layer() -> Option<PathBuf> {
    let layer = tests::given("IMAGE_LAYER")?;
    if !rustix::process::getuid().is_root() {
        tests::skip(&anyhow::anyhow!("only root may change a process's root"));
        return None;
    }
    Some(layer)
}

impl Root {
    /// Unpacks it below `dir`.
    pub fn unpack(layer: &Path, dir: &Path) -> Result<Self> {
        let root = Self { path: dir.join("root"), log: dir.join("bridge-task.log") };
        std::fs::create_dir(&root.path)?;
        this_machines(
            Command::new("tar").args(["--numeric-owner", "-xpf"]).arg(layer).arg("-C").arg(&root.path),
        )?;
        Ok(root)
    }

    /// Where it is for us; for a task it is `/`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Files and empty directories, sorted.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            let entries: Vec<_> = std::fs::read_dir(&directory)?.collect::<Result<_, _>>()?;
            if entries.is_empty() {
                files.push(self.name_of(&directory)?);
            }
            for entry in entries {
                if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                } else {
                    files.push(self.name_of(&entry.path())?);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Names are looked up there.
    pub fn asks(&self, server: Ipv4Addr) -> Result<()> {
        Ok(std::fs::write(self.path.join("etc/resolv.conf"), format!("nameserver {server}\n"))?)
    }

    /// This name needs no looking up: it is 127.0.0.1.
    pub fn knows(&self, name: &str) -> Result<()> {
        Ok(std::fs::write(self.path.join("etc/hosts"), format!("127.0.0.1 {name}\n"))?)
    }

    /// One more authority vouches for servers, after those that the image knows.
    pub fn trusts(&self, certificate: &str) -> Result<()> {
        let bundle = self.path.join("etc/ssl/certs/ca-certificates.crt");
        let mut bundle = std::fs::OpenOptions::new().append(true).open(bundle)?;
        Ok(bundle.write_all(&std::fs::read(certificate)?)?)
    }

    /// What is written to `outside` lies in the root, here.
    pub fn shows(&self, inside: &str, outside: &Path) -> Result<()> {
        let inside = self.path.join(inside);
        std::fs::create_dir_all(&inside)?;
        Ok(std::os::unix::fs::symlink(inside, outside)?)
    }

    /// Gives this directory to whom the image runs as.
    pub fn hands_over(&self, inside: &str) -> Result<()> {
        this_machines(Command::new("chown").args(["-R", NOBODY]).arg(self.path.join(inside)))
    }

    /// Runs the image's program in it.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, String)]) -> Result<Child> {
        std::fs::create_dir(self.path.join("dev"))?;
        // Linux: major 1, minor 9.
        let urandom = self.path.join("dev/urandom");
        this_machines(Command::new("mknod").args(["-m", "444"]).arg(urandom).args(["c", "1", "9"]))?;
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={NOBODY}")).arg(&self.path).arg("/bridge-task").args(arguments);
        command.env_clear().env("PATH", PATH);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Child::start("bridge-task", command, Output::File(self.log.clone()))
    }

    /// What that program has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn name_of(&self, path: &Path) -> Result<String> {
        Ok(path.strip_prefix(&self.path)?.to_str().context("no UTF-8")?.to_owned())
    }
}

/// Runs a program of this machine to its end.
fn this_machines(command: &mut Command) -> Result<()> {
    let output = command.env("PATH", PATH).output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
