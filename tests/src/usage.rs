//! What a process takes of the machine, as Linux counts it (proc(5)).

use std::fs;

use anyhow::{Context as _, Result};

/// Memory of a process in MB (10⁶ bytes).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Everything mapped and present.
    pub rss: f64,
    /// The same, with what is shared counted by share.
    pub pss: f64,
}

/// What `pid` holds now.
///
/// # Errors
/// When there is no such process.
pub fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> Result<f64> {
        let line = text.lines().find(|line| line.starts_with(name)).context("no such line")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024.0 / 1e6)
    };
    Ok(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
}

/// Seconds of CPU that the threads of `pid` have used: all, and the first thread alone.
///
/// # Errors
/// When there is no such process, or the kernel does not keep schedstat.
pub fn cpu_seconds(pid: u32) -> Result<(f64, f64)> {
    let (mut all, mut first) = (0.0, 0.0);
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        // A thread may end between the listing and this.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let nanoseconds: f64 = text.split_whitespace().next().context("no schedstat")?.parse()?;
        all += nanoseconds / 1e9;
        if task.file_name().to_str() == Some(&pid.to_string()) {
            first = nanoseconds / 1e9;
        }
    }
    Ok((all, first))
}

/// `pid`, and every process that descends from it.
///
/// # Errors
/// When there is no such process, or the kernel does not list children (`CONFIG_PROC_CHILDREN`).
pub fn tree(pid: u32) -> Result<Vec<u32>> {
    let mut processes = vec![pid];
    let mut at = 0;
    while let Some(process) = processes.get(at).copied() {
        at += 1;
        let tasks = match fs::read_dir(format!("/proc/{process}/task")) {
            Ok(tasks) => tasks,
            Err(error) if process == pid => return Err(error.into()),
            // Threads and children may end meanwhile.
            Err(_) => continue,
        };
        for task in tasks {
            let Ok(children) = fs::read_to_string(task?.path().join("children")) else { continue };
            processes.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Ok(processes)
}

/// The UDP ports that `pid` is bound to, of IPv4.
///
/// # Errors
/// When there is no such process.
pub fn udp_ports(pid: u32) -> Result<Vec<u16>> {
    let open: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))?
        // A descriptor may be closed between the listing and this.
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .map(|link| link.display().to_string())
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/udp"))?;
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let socket = format!("socket:[{}]", fields.get(9)?);
        let (_, port) = fields.get(1)?.split_once(':')?;
        open.contains(&socket).then(|| u16::from_str_radix(port, 16).ok())?
    };
    Ok(table.lines().skip(1).filter_map(port).collect())
}

/// How many threads `pid` has.
///
/// # Errors
/// When there is no such process.
pub fn threads(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::BufRead as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_bound_socket_is_a_port_of_its_process() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(udp_ports(std::process::id()).unwrap().contains(&port));
        assert!(!udp_ports(1).is_ok_and(|ports| ports.contains(&port)), "it is ours alone");
        drop(socket);
        assert!(!udp_ports(std::process::id()).unwrap().contains(&port));
    }

    #[test]
    fn a_child_of_a_child_is_counted() {
        // Nobody has to end it: it ends by itself.
        let mut parent = Command::new("sh")
            .args(["-c", "sleep 5 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child: u32 = line.trim().parse().unwrap();
        let found = tree(parent.id()).unwrap();
        assert_eq!(found, [parent.id(), child]);
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert!(tree(parent.id()).is_err());
    }
}
