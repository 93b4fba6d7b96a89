//! What the server under load uses, read from /proc.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;

/// Clock ticks a second in /proc/PID/stat; Linux reports 100 to user space on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Another process of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Fails when there is no such process.
    pub fn new(pid: u32) -> anyhow::Result<Process> {
        let process = Process { pid };
        process.cpu_seconds().map(|_| process)
    }

    /// User and system time of all its threads so far.
    pub fn cpu_seconds(self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = fs::read_to_string(&path).with_context(|| format!("no process {}: {path}", self.pid))?;
        // The second field, the name in parentheses, may itself hold spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        ensure!(fields.len() > 12, "{path} has an unknown form");
        let ticks = |index: usize| fields[index].parse::<f64>().with_context(|| path.clone());
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    }

    /// Resident memory now and at its highest, in bytes.
    pub fn memory(self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| format!("no process {}: {path}", self.pid))?;
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no memory line")?;
            anyhow::Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
        };
        Ok(Memory { resident: kibibytes("VmRSS:")?, peak: kibibytes("VmHWM:")? })
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

/// What lies in a data directory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Disk {
    pub parquet_files: u64,
    pub parquet_bytes: u64,
    /// Log and catalog.
    pub other_bytes: u64,
}

impl Disk {
    /// Files that vanish while it looks are left out.
    pub fn of(directory: &Path) -> Disk {
        let mut disk = Disk::default();
        let mut directories = vec![directory.to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    directories.push(entry.path());
                } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
                    disk.parquet_files += 1;
                    disk.parquet_bytes += metadata.len();
                } else {
                    disk.other_bytes += metadata.len();
                }
            }
        }
        disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let process = Process::new(std::process::id()).unwrap();
        assert!(process.cpu_seconds().unwrap() >= 0.0);
        let memory = process.memory().unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > 1 << 20, "{memory:?}");
        assert!(Process::new(u32::MAX - 7).is_err());
    }
}
