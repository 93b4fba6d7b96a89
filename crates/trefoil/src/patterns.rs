//! `patterns`: how much is known of what lines of logs look like. What Loki has (`pattern_ingester`) is named as there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_query::logs::PatternOptions;
use trefoil_storage::units::{self, ByteSize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatternsSection {
    /// `false`: lines are not looked at as they arrive. Questions look at stored ones.
    pub enabled: bool,
    /// How long counts are kept in memory.
    #[serde(with = "units::duration")]
    pub retain_for: Duration,
    /// Templates of a stream and level.
    pub max_clusters: usize,
    /// Streams of all tenants.
    pub max_streams: usize,
    /// What all of it may take.
    pub max_memory: ByteSize,
    /// So many of the newest lines are read for a time from before what is in memory; 0 reads none.
    pub stored_lines: usize,
    /// By tenant id.
    pub tenants: BTreeMap<String, TenantPatterns>,
}

/// What differs for one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantPatterns {
    pub enabled: bool,
}

impl Default for PatternsSection {
    fn default() -> Self {
        let options = PatternOptions::default();
        Self {
            enabled: options.enabled,
            retain_for: options.retain_for,
            max_clusters: options.max_clusters,
            max_streams: options.max_streams,
            max_memory: ByteSize(options.max_bytes as u64),
            stored_lines: options.stored_lines,
            tenants: BTreeMap::new(),
        }
    }
}

impl PatternsSection {
    /// What of it cannot be: the option and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let numbers = [
            ("max_clusters", self.max_clusters as u64),
            ("max_streams", self.max_streams as u64),
            ("max_memory", self.max_memory.get()),
        ];
        let none = numbers.into_iter().filter(|(_, number)| *number == 0);
        let mut problems: Vec<_> = none.map(|(option, _)| (option, "must be more than 0".to_owned())).collect();
        if self.retain_for < Duration::from_secs(10) {
            problems.push(("retain_for", "must be at least 10s, which is what lines are counted by".to_owned()));
        }
        problems
    }

    pub fn options(&self) -> PatternOptions {
        PatternOptions {
            enabled: self.enabled,
            enabled_for: self.tenants.iter().map(|(tenant, own)| (tenant.clone(), own.enabled)).collect(),
            retain_for: self.retain_for,
            max_clusters: self.max_clusters,
            max_streams: self.max_streams,
            max_bytes: usize::try_from(self.max_memory.get()).unwrap_or(usize::MAX),
            stored_lines: self.stored_lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_lokis_names() {
        let section =
            r#"{"retain_for": "1h", "max_clusters": 5, "max_memory": "1MiB", "tenants": {"a": {"enabled": false}}}"#;
        let section: PatternsSection = serde_json::from_str(section).unwrap();
        let options = PatternOptions {
            retain_for: Duration::from_secs(3600),
            max_clusters: 5,
            max_bytes: 1 << 20,
            enabled_for: BTreeMap::from([("a".to_owned(), false)]),
            ..PatternOptions::default()
        };
        assert_eq!((section.options(), section.problems()), (options, vec![]));
        assert_eq!(PatternsSection::default().options(), PatternOptions::default());
        let section: PatternsSection =
            serde_json::from_str(r#"{"retain_for": "1s", "max_clusters": 0, "max_streams": 0, "max_memory": 0}"#)
                .unwrap();
        let wrong: Vec<&str> = section.problems().into_iter().map(|(option, _)| option).collect();
        assert_eq!(wrong, ["max_clusters", "max_streams", "max_memory", "retain_for"]);
    }
}
