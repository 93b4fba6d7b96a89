//! Putting a full file aside under a name with the time in it, and deleting what is too old or too much.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Local, NaiveDateTime, TimeDelta, Utc};
use serde::Deserialize;

/// In the name of a file that was put aside: `spans-2026-01-31T12-00-00.000.json`.
const STAMP: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// The Collector's `rotation`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// The size at which a file is put aside.
    pub max_megabytes: u64,
    /// The age at which such a file is deleted; 0 for never.
    pub max_days: u32,
    /// How many of them are kept; 0 for all.
    pub max_backups: usize,
    /// Names carry local time instead of UTC.
    pub localtime: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

impl Rotation {
    pub fn max_bytes(&self) -> u64 {
        self.max_megabytes.max(1).saturating_mul(1 << 20)
    }

    /// Renames the file and deletes what it makes superfluous.
    pub fn rotate(&self, path: &Path, now: DateTime<Utc>) -> io::Result<()> {
        let now = if self.localtime { now.with_timezone(&Local).naive_local() } else { now.naive_utc() };
        let mut stamp = now;
        let mut aside = named(path, stamp);
        while aside.exists() {
            stamp += TimeDelta::milliseconds(1);
            aside = named(path, stamp);
        }
        fs::rename(path, aside)?;
        self.delete(path, now)
    }

    fn delete(&self, path: &Path, now: NaiveDateTime) -> io::Result<()> {
        let mut backups = backups(path)?;
        backups.sort_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
        for (place, (stamp, file)) in backups.iter().enumerate() {
            let too_many = self.max_backups > 0 && place >= self.max_backups;
            let too_old = self.max_days > 0 && now - *stamp > TimeDelta::days(self.max_days.into());
            if too_many || too_old {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }
}

/// The two halves of a name that the time goes between.
fn halves(path: &Path) -> (String, String) {
    let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map(|_| format!(".{}", part(path.extension()))).unwrap_or_default();
    (format!("{}-", part(path.file_stem())), extension)
}

fn named(path: &Path, stamp: NaiveDateTime) -> PathBuf {
    let (start, end) = halves(path);
    path.with_file_name(format!("{start}{}{end}", stamp.format(STAMP)))
}

fn backups(path: &Path) -> io::Result<Vec<(NaiveDateTime, PathBuf)>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (start, end) = halves(path);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stamp = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
        if let Some(Ok(stamp)) = stamp.map(|stamp| NaiveDateTime::parse_from_str(stamp, STAMP)) {
            found.push((stamp, file));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_touches_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spans.json");
        let other = directory.path().join("spans-of-mine.json");
        fs::write(&other, "mine").unwrap();
        let rotation = Rotation { max_backups: 2, ..Rotation::default() };
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for seconds in [0, 1, 1, 2] {
            fs::write(&path, "x").unwrap();
            rotation.rotate(&path, start + TimeDelta::seconds(seconds)).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected =
            ["spans-2023-11-14T22-13-21.001.json", "spans-2023-11-14T22-13-22.000.json", "spans-of-mine.json"];
        assert_eq!(names, expected);
    }

    #[test]
    fn deletes_what_is_too_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotation = Rotation { max_days: 1, ..Rotation::default() };
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for days in [0, 3] {
            fs::write(&path, "x").unwrap();
            rotation.rotate(&path, start + TimeDelta::days(days)).unwrap();
        }
        assert_eq!(backups(&path).unwrap().len(), 1);
    }
}
