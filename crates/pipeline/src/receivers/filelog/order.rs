//! `ordering_criteria`: of files that belong together, only the first few are read.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use regex::Regex;
use serde::Deserialize;
use trefoil_go::pattern;

use crate::config::{ConfigError, Problems, Section, duration};
use crate::stanza::entry::Entry;
use crate::stanza::time::{LayoutType, TimeConfig, TimeParser};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderingOptions {
    regex: String,
    group_by: String,
    top_n: usize,
    sort_by: Vec<SortOptions>,
}

impl Default for OrderingOptions {
    fn default() -> Self {
        Self { regex: String::new(), group_by: String::new(), top_n: 1, sort_by: Vec::new() }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SortOptions {
    sort_type: String,
    regex_key: String,
    ascending: bool,
    layout: String,
    location: Option<String>,
    #[serde(with = "duration::option")]
    max_age: Option<Duration>,
}

#[derive(Debug, Clone)]
enum By {
    Numeric(String),
    Alphabetical(String),
    Timestamp(String, Box<TimeParser>),
    Modified { within: Option<Duration> },
}

#[derive(Debug, Clone)]
struct Sort {
    by: By,
    ascending: bool,
}

#[derive(Debug, Clone)]
pub struct Choice {
    pattern: Option<Regex>,
    group: Option<Regex>,
    top: usize,
    sorts: Vec<Sort>,
}

/// What a file is sorted by.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Rank {
    Number(i64),
    Text(String),
    Time(u64),
    Modified(SystemTime),
}

impl OrderingOptions {
    pub fn build(self, section: &Section<'_>) -> Result<Choice, ConfigError> {
        let mut problems = Problems::default();
        let mut wrong = |option: &str, reason: String| {
            problems.push(section.problem(&format!("ordering_criteria.{option}"), reason))
        };
        let mut compiled = |option: &str, text: &str| match text {
            "" => None,
            text => {
                pattern::search(text).map_err(|error| wrong(option, format!("`{text}` is no pattern: {error}"))).ok()
            }
        };
        let (pattern, group) = (compiled("regex", &self.regex), compiled("group_by", &self.group_by));
        if self.top_n == 0 {
            wrong("top_n", "must be positive".to_owned());
        }
        let mut sorts = Vec::new();
        for (place, options) in self.sort_by.into_iter().enumerate() {
            let key = options.regex_key.clone();
            let is_named =
                pattern.as_ref().is_some_and(|pattern| pattern.capture_names().flatten().any(|name| name == key));
            if options.sort_type != "mtime" && !is_named {
                wrong(&format!("sort_by[{place}].regex_key"), format!("`{key}` is no group of `regex`"));
                continue;
            }
            let ascending = options.ascending;
            match options.build(section, place) {
                Ok(by) => sorts.push(Sort { by, ascending }),
                Err((option, reason)) => wrong(&format!("sort_by[{place}].{option}"), reason),
            }
        }
        let top = if sorts.is_empty() { usize::MAX } else { self.top_n };
        problems.or(Choice { pattern, group, top, sorts })
    }
}

impl SortOptions {
    fn build(self, section: &Section<'_>, place: usize) -> Result<By, (&'static str, String)> {
        let SortOptions { sort_type, regex_key, layout, location, max_age, .. } = self;
        match sort_type.as_str() {
            "numeric" => Ok(By::Numeric(regex_key)),
            "alphabetical" => Ok(By::Alphabetical(regex_key)),
            "mtime" => Ok(By::Modified { within: max_age }),
            "timestamp" => {
                let config = TimeConfig::of_body(layout, LayoutType::Strptime, location);
                let parser = config.build(section, &format!("ordering_criteria.sort_by[{place}]"));
                let reason =
                    |error: ConfigError| error.problems().iter().map(|problem| problem.message.clone()).collect();
                parser
                    .map(|parser| By::Timestamp(regex_key, Box::new(parser)))
                    .map_err(|error| ("layout", reason(error)))
            }
            other => {
                let known = "known are numeric, alphabetical, timestamp and mtime";
                Err(("sort_type", format!("unknown value `{other}`; {known}")))
            }
        }
    }
}

impl Choice {
    /// The first files of each group. Those whose name does not fit, or cannot be sorted by, are left out.
    pub fn chosen(&self, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut groups: BTreeMap<String, Vec<(Vec<Rank>, PathBuf)>> = BTreeMap::new();
        for path in paths {
            let Some(ranks) = self.sorts.iter().map(|sort| self.rank(sort, &path)).collect::<Option<Vec<_>>>() else {
                continue;
            };
            if let Some(group) = self.group_of(&path) {
                groups.entry(group).or_default().push((ranks, path));
            }
        }
        let mut chosen = Vec::new();
        for (_, mut files) in groups {
            files.sort_by(|(a, _), (b, _)| self.compare(a, b));
            chosen.extend(files.into_iter().take(self.top).map(|(_, path)| path));
        }
        chosen
    }

    fn compare(&self, a: &[Rank], b: &[Rank]) -> Ordering {
        let each = self.sorts.iter().zip(a.iter().zip(b)).map(|(sort, (a, b))| {
            let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
            if sort.ascending { order } else { order.reverse() }
        });
        each.fold(Ordering::Equal, Ordering::then)
    }

    fn group_of(&self, path: &Path) -> Option<String> {
        let Some(group) = &self.group else { return Some(String::new()) };
        let name = path.to_string_lossy();
        let captures = group.captures(&name)?;
        Some(captures.iter().skip(1).flatten().map(|part| part.as_str()).collect::<Vec<_>>().join("\0"))
    }

    fn rank(&self, sort: &Sort, path: &Path) -> Option<Rank> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let part = |key: &str| Some(self.pattern.as_ref()?.captures(&name)?.name(key)?.as_str().to_owned());
        match &sort.by {
            By::Numeric(key) => part(key)?.parse().ok().map(Rank::Number),
            By::Alphabetical(key) => part(key).map(Rank::Text),
            By::Timestamp(key, parser) => {
                let mut entry = Entry::new(part(key)?.as_str().into(), 0);
                parser.parse(&mut entry).ok().map(|()| Rank::Time(entry.timestamp))
            }
            By::Modified { within } => {
                let modified = path.metadata().ok()?.modified().ok()?;
                let age = SystemTime::now().duration_since(modified).unwrap_or_default();
                (within.is_none_or(|within| age <= within)).then_some(Rank::Modified(modified))
            }
        }
    }
}
