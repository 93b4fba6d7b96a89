//! The processor's options.

use std::collections::HashSet;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

use crate::config::{ConfigError, Problems, Section};

/// Labels that tell the series of one metric's buckets and quantiles apart: without them its points mean nothing.
const NEEDED: [&str; 3] = ["__name__", "le", "quantile"];

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    #[serde(with = "crate::config::duration")]
    interval: Duration,
    #[serde(with = "crate::config::duration")]
    staleness: Duration,
    #[serde(with = "crate::config::duration")]
    window: Duration,
    max_series: usize,
    rules: Vec<RuleConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            staleness: Duration::from_secs(300),
            window: Duration::from_secs(3600),
            max_series: 1_000_000,
            rules: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RuleConfig {
    metrics: Vec<String>,
    match_type: MatchType,
    tenants: Vec<String>,
    labels: Vec<String>,
    action: Action,
    function: Function,
    #[serde(with = "crate::config::duration::option")]
    interval: Option<Duration>,
    max_values: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MatchType {
    #[default]
    Strict,
    /// Anchored at both ends, as in Prometheus' relabelling.
    Regexp,
}

/// What becomes of points whose labels are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They go on at once, without the label. For labels that do not tell series apart.
    Drop,
    /// They are kept here and become one series for all values of the label.
    #[default]
    Aggregate,
}

/// How values of gauges become one. (Counters and histograms are summed always: nothing else makes sense of them.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    #[default]
    Sum,
    Min,
    Max,
    Count,
    Last,
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Options {
    pub rules: Vec<Rule>,
    /// Of members that are silent: how long gauges among them count.
    pub staleness: Duration,
    /// Over which values of labels are counted for `max_values`.
    pub window: Duration,
    /// Series that are remembered at once.
    pub max_series: usize,
}

#[derive(Debug, Clone)]
pub struct Rule {
    metrics: Names,
    /// Empty: all.
    tenants: HashSet<String>,
    /// Empty: any, with `max_values`.
    labels: Vec<String>,
    pub action: Action,
    pub function: Function,
    pub interval: Duration,
    /// Labels are removed only where they have more values than this.
    pub max_values: Option<usize>,
}

#[derive(Debug, Clone)]
enum Names {
    All,
    Strict(Vec<String>),
    Regexp(Vec<Regex>),
}

pub fn read(section: &Section<'_>) -> Result<Options, ConfigError> {
    let config: Config = section.parse()?;
    let mut problems = Problems::default();
    if config.rules.is_empty() {
        problems.push(section.problem("rules", "at least one rule is needed"));
    }
    if config.max_series == 0 {
        problems.push(section.problem("max_series", "must be more than 0"));
    }
    for (option, duration) in [("staleness", config.staleness), ("window", config.window)] {
        if duration.is_zero() {
            problems.push(section.problem(option, "must be more than 0"));
        }
    }
    let mut rules = Vec::with_capacity(config.rules.len());
    for (index, rule) in config.rules.into_iter().enumerate() {
        let place = |option: &str| format!("rules[{index}].{option}");
        let interval = rule.interval.unwrap_or(config.interval);
        if interval < Duration::from_secs(1) {
            let option = if rule.interval.is_some() { place("interval") } else { "interval".to_owned() };
            problems.push(section.problem(&option, "must be at least 1s"));
        }
        if rule.labels.is_empty() && rule.max_values.is_none() {
            let message = "name at least one of `labels`, or with `max_values` how many values any label may have";
            problems.push(section.problem(&format!("rules[{index}]"), message));
        }
        for (at, label) in rule.labels.iter().enumerate().filter(|(_, label)| NEEDED.contains(&label.as_str())) {
            let message = format!("`{label}` cannot be removed: it is what the metric's series mean");
            problems.push(section.problem(&place(&format!("labels[{at}]")), message));
        }
        let metrics = match rule.match_type {
            _ if rule.metrics.is_empty() => Names::All,
            MatchType::Strict => Names::Strict(rule.metrics),
            MatchType::Regexp => {
                let mut patterns = Vec::with_capacity(rule.metrics.len());
                for (at, pattern) in rule.metrics.iter().enumerate() {
                    match Regex::new(&format!("^(?s:{pattern})$")) {
                        Ok(pattern) => patterns.push(pattern),
                        Err(error) => {
                            let error = error.to_string();
                            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                            let message = format!("not a regular expression: {reason}");
                            problems.push(section.problem(&place(&format!("metrics[{at}]")), message));
                        }
                    }
                }
                Names::Regexp(patterns)
            }
        };
        rules.push(Rule {
            metrics,
            tenants: rule.tenants.into_iter().collect(),
            labels: rule.labels,
            action: rule.action,
            function: rule.function,
            interval,
            max_values: rule.max_values,
        });
    }
    problems.or(Options { rules, staleness: config.staleness, window: config.window, max_series: config.max_series })
}

impl Rule {
    pub fn concerns_tenant(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.contains(tenant)
    }

    /// By the metric's name as it came, or with everything that Prometheus' names cannot have as `_`.
    pub fn concerns_metric(&self, name: &str) -> bool {
        match &self.metrics {
            Names::All => true,
            Names::Strict(names) => names.iter().any(|wanted| is_named(name, wanted)),
            Names::Regexp(patterns) => {
                let classic: String = name.chars().map(classic).collect();
                patterns.iter().any(|pattern| pattern.is_match(name) || pattern.is_match(&classic))
            }
        }
    }

    /// Whether an attribute is one of the rule's labels.
    pub fn concerns_label(&self, key: &str) -> bool {
        match self.labels.is_empty() {
            true => !NEEDED.contains(&key),
            false => self.labels.iter().any(|label| is_named(key, label)),
        }
    }
}

/// `user.id` is `user_id` to Prometheus.
fn is_named(name: &str, wanted: &str) -> bool {
    name == wanted || (name.len() == wanted.len() && name.is_ascii() && name.chars().map(classic).eq(wanted.chars()))
}

fn classic(character: char) -> char {
    match character.is_ascii_alphanumeric() || character == ':' {
        true => character,
        false => '_',
    }
}
