//! `file_sd_configs`: target groups in JSON and YAML files.
//!
//! Files are looked at every few seconds and read when they have changed, and all of them every `refresh_interval`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::group;
use crate::config::{Document, Section};
use crate::receivers::prometheus::config::raw::{FileSd, StaticConfig};
use crate::receivers::prometheus::relabel::Labels;

const LOOK: Duration = Duration::from_secs(2);
const REFRESH: Duration = Duration::from_secs(300);
const MAX_FILES: usize = 10_000;
const MAX_BYTES: u64 = 64 << 20;
const FILE_PATH: &str = "__meta_filepath";

/// A path that ends in one of the three endings; a star only in its last part.
pub fn is_pattern(pattern: &str) -> bool {
    let named = Path::new(pattern).extension().and_then(|extension| extension.to_str());
    let named = named.is_some_and(|extension| matches!(extension, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML"));
    let stars = pattern.matches('*').count();
    let deep = pattern.find('*').is_some_and(|star| pattern[star..].contains('/'));
    named && stars <= 1 && !deep
}

/// When a file was changed, and its size.
type Stamp = (Option<SystemTime>, u64);

struct Known {
    stamp: Stamp,
    targets: Vec<Labels>,
}

pub async fn run(config: FileSd, job: &str, publish: impl Fn(Vec<Labels>)) {
    let refresh = config.refresh_interval.map_or(REFRESH, |refresh| refresh.0).max(Duration::from_secs(1));
    let mut ticks = interval(LOOK.min(refresh));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: BTreeMap<PathBuf, Known> = BTreeMap::new();
    let mut refreshed = Instant::now();
    loop {
        ticks.tick().await;
        let all = refreshed.elapsed() >= refresh;
        if all {
            refreshed = Instant::now();
        }
        let before: HashMap<PathBuf, Stamp> =
            known.iter().filter(|_| !all).map(|(file, known)| (file.clone(), known.stamp)).collect();
        let patterns = config.files.clone();
        let Ok(seen) = tokio::task::spawn_blocking(move || look(&patterns, &before)).await else { continue };
        known.retain(|file, _| seen.iter().any(|(seen, ..)| seen == file));
        for (file, stamp, read) in seen {
            match read {
                None => {}
                Some(Ok(targets)) => drop(known.insert(file, Known { stamp, targets })),
                Some(Err(error)) => {
                    tracing::error!(job, file = %file.display(), error, "a file of targets cannot be read; what it said before stays");
                    let targets = known.remove(&file).map(|known| known.targets).unwrap_or_default();
                    known.insert(file, Known { stamp, targets });
                }
            }
        }
        publish(known.values().flat_map(|known| &known.targets).cloned().collect());
    }
}

type Seen = (PathBuf, Stamp, Option<Result<Vec<Labels>, String>>);

/// All files that are there, and what those say that have changed.
fn look(patterns: &[String], before: &HashMap<PathBuf, Stamp>) -> Vec<Seen> {
    let mut files: Vec<PathBuf> =
        patterns.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().filter_map(Result::ok).collect();
    files.sort();
    files.dedup();
    files.truncate(MAX_FILES);
    let seen = files.into_iter().filter_map(|file| {
        let metadata = std::fs::metadata(&file).ok()?;
        let stamp = (metadata.modified().ok(), metadata.len());
        let read = (before.get(&file) != Some(&stamp)).then(|| read(&file, metadata.len()));
        Some((file, stamp, read))
    });
    seen.collect()
}

fn read(file: &Path, size: u64) -> Result<Vec<Labels>, String> {
    if size > MAX_BYTES {
        return Err(format!("{size} bytes are more than the limit of {MAX_BYTES}"));
    }
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let groups: Vec<Option<StaticConfig>> = if is_json {
        let text = std::fs::read(file).map_err(|error| error.to_string())?;
        serde_json::from_slice(&text).map_err(|error| error.to_string())?
    } else {
        let document = Document::load_verbatim(file).map_err(|error| error.to_string())?;
        Section::new(document.root(), &[]).parse().map_err(|error| error.to_string())?
    };
    if groups.iter().any(Option::is_none) {
        return Err("nil target group item found".to_owned());
    }
    let path = file.to_string_lossy();
    let targets = groups.iter().flatten().flat_map(group).map(|mut labels| {
        labels.set(FILE_PATH, &path);
        labels
    });
    Ok(targets.collect())
}
