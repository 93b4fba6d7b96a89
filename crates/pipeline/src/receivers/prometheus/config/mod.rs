//! The configuration of a Prometheus, whole: read strictly, checked as Prometheus checks it, with its defaults put in.
//!
//! What Prometheus would take and Trefoil has not is in [`PrometheusConfig::unsupported`], with its place: whoever wants to
//! run the configuration refuses it for that.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use self::http::check_header;
use self::names::{NameEscaping, NameValidation, Protocol};
use self::raw::{Root, Scrape, ScrapeFile};
use self::rest::check_rest;
use self::units::PromDuration;
use super::yaml::redacted;
use crate::config::{ConfigError, Document, Node, Problem, Problems, Section, Value};

pub mod http;
pub mod job;
pub mod names;
pub mod raw;
mod rest;
#[cfg(test)]
pub(super) mod tests;
pub mod units;
mod write;

pub use job::{Discovery, Job, Limits};
pub use write::Write;

const DEFAULT_INTERVAL: PromDuration = PromDuration(std::time::Duration::from_secs(60));
const DEFAULT_TIMEOUT: PromDuration = PromDuration(std::time::Duration::from_secs(10));

/// Jobs, and files with jobs, of one configuration.
const MAX_JOBS: usize = 10_000;

/// What is read and checked and changes nothing, and why.
const WITHOUT_EFFECT: [(&str, &str); 9] = [
    ("rule_files", "there are no rules and alerts yet; the files are not read"),
    ("alerting", "there are no alerts yet; nobody is told"),
    ("storage", "it has no effect; Trefoil's own configuration has a section `storage`"),
    ("tracing", "it has no effect; Trefoil's own configuration has a section `telemetry`"),
    ("otlp", "it has no effect; OTLP is read by Trefoil's own configuration"),
    ("runtime", "it has no effect: there is no garbage collector"),
    ("global.evaluation_interval", "there are no rules yet"),
    ("global.rule_query_offset", "there are no rules yet"),
    ("global.query_log_file", "it has no effect; slow queries are in the log"),
];

/// The same of each `remote_write`.
const WITHOUT_EFFECT_ON_WRITING: [(&str, &str); 1] =
    [("queue_config.capacity", "it has no effect: what waits lies on disk, not in memory")];

/// Mechanisms of service discovery that Prometheus has and Trefoil has not.
const OTHER_DISCOVERY: [&str; 30] = [
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "ecs_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "oci_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

/// A checked configuration.
#[derive(Debug, Clone, Default)]
pub struct PrometheusConfig {
    /// As in the file, with external labels expanded.
    pub root: Root,
    pub jobs: Vec<Job>,
    pub remote_write: Vec<Write>,
    /// What would have to be there to do all that the file says.
    pub unsupported: Vec<Problem>,
    /// What is read and has no effect here.
    pub warnings: Vec<Problem>,
    /// The file without secrets.
    pub yaml: String,
}

impl PrometheusConfig {
    /// Reads a `prometheus.yml`; paths in it are relative to its directory. `$` is no reference to the environment, but for
    /// external labels.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let document = Document::load_verbatim(path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&Section::new(document.root(), &[]), base, &|name| std::env::var(name).ok())
    }

    /// Reads a section; `base` is the directory that paths in it are relative to.
    pub fn parse(
        section: &Section<'_>,
        base: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut unsupported = Vec::new();
        let node = without_other_discovery(section.node(), &mut unsupported);
        let section = Section::new(&node, section.path());
        let root: Option<Root> = problems.note(section.parse());
        let Some(mut root) = root else { return Err(error_of(problems, &section)) };
        let mut warnings = Vec::new();
        check_global(&root, &section, &mut problems);
        expand_external_labels(&mut root, &section, environment, &mut warnings);
        let mut jobs = Jobs { root: &root, base, problems: &mut problems, found: Vec::new(), names: HashMap::new() };
        jobs.read(&root.scrape_configs, &section, "scrape_configs");
        jobs.read_files(&section, &mut unsupported);
        let jobs = jobs.found;
        check_rest(&root, &section, &mut problems);
        let remote_write = read_writes(&root, base, &section, &mut problems, &mut unsupported);
        unsupported.sort_by(|a, b| a.at.cmp(&b.at));
        let yaml = redacted(section.node());
        problems.or(Self { root, jobs, remote_write, unsupported, warnings, yaml })
    }

    /// Sections that have nothing to do with scraping, for who does nothing else. (The Collector refuses them, too.)
    pub fn not_for_scraping(&self, section: &Section<'_>) -> Vec<Problem> {
        let has = |name: &&&str| section.node().get(name).is_some_and(|node| !node.is_null());
        let tell = |name: &str| {
            section.problem(name, "the receiver scrapes only; this belongs into a prometheus.yml for --prometheus-config, or has a section of Trefoil's own")
        };
        ["alerting", "rule_files", "remote_write", "remote_read", "storage", "tracing", "otlp"]
            .iter()
            .filter(has)
            .map(|name| tell(name))
            .collect()
    }

    /// What a server that runs all of the configuration has not (an error), and what has no effect on it (a warning). `section`
    /// is the file.
    pub fn check_servable(&self, section: &Section<'_>) -> Result<Vec<Problem>, ConfigError> {
        let mut problems = Problems::default();
        self.unsupported.iter().cloned().for_each(|problem| problems.push(problem));
        if !self.root.remote_read.is_empty() {
            let message =
                "reading from other servers is not supported: queries read what is stored here; take the section out";
            problems.push(section.problem("remote_read", message));
        }
        let mut warnings = self.warnings.clone();
        for (name, message) in WITHOUT_EFFECT {
            let node = name.split('.').try_fold(section.node(), |node, part| node.get(part));
            if node.is_some_and(|node| !node.is_null()) {
                warnings.push(section.problem(name, message));
            }
        }
        let writes = section.node().get("remote_write");
        let write = |index| writes.and_then(|writes| item(writes, index));
        for (index, node) in (0..self.root.remote_write.len()).filter_map(|index| Some((index, write(index)?))) {
            for (name, message) in WITHOUT_EFFECT_ON_WRITING {
                let given = name.split('.').try_fold(node, |node, part| node.get(part));
                if given.is_some_and(|node| !node.is_null()) {
                    warnings.push(section.problem(&format!("remote_write[{index}].{name}"), message));
                }
            }
        }
        warnings.sort_by(|a, b| a.at.cmp(&b.at));
        problems.or(warnings)
    }

    /// The labels that tell this Prometheus from others.
    pub fn external_labels(&self) -> &BTreeMap<String, String> {
        &self.root.global.external_labels
    }
}

fn error_of(problems: Problems, section: &Section<'_>) -> ConfigError {
    problems.into_error().unwrap_or_else(|| section.invalid("", "cannot be read"))
}

/// The document without the mechanisms of service discovery that are not there, which are noted with their jobs.
fn without_other_discovery(root: &Node, unsupported: &mut Vec<Problem>) -> Node {
    let mut root = root.clone();
    let Value::Mapping(sections) = &mut root.value else { return root };
    for section in sections {
        match section.key.as_str() {
            "scrape_configs" => take_discovery(&mut section.value, unsupported),
            "alerting" => {
                let Value::Mapping(parts) = &mut section.value.value else { continue };
                // Alerting as a whole is told about.
                let managers = parts.iter_mut().filter(|part| part.key == "alertmanagers");
                managers.for_each(|managers| take_discovery(&mut managers.value, &mut Vec::new()));
            }
            _ => {}
        }
    }
    root
}

fn take_discovery(list: &mut Node, unsupported: &mut Vec<Problem>) {
    let Value::Sequence(items) = &mut list.value else { return };
    for (index, item) in items.iter_mut().enumerate() {
        let name = item.get("job_name").and_then(|name| match &name.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        });
        let job = name.map_or_else(|| format!("number {}", index + 1), |name| format!("`{name}`"));
        let Value::Mapping(options) = &mut item.value else { continue };
        options.retain(|option| {
            let is_other = OTHER_DISCOVERY.contains(&option.key.as_str());
            if is_other {
                let mechanism = option.key.trim_end_matches("_sd_configs");
                unsupported.push(Problem {
                    at: option.key_at.clone(),
                    path: format!("scrape_configs[{index}].{}", option.key),
                    message: format!("job {job}: service discovery by {mechanism} is not supported yet"),
                });
            }
            !is_other
        });
    }
}

fn check_global(root: &Root, section: &Section<'_>, problems: &mut Problems) {
    let global = &root.global;
    let mut report = |path: &str, reason: &str| problems.push(section.problem(&format!("global.{path}"), reason));
    let interval = given(global.scrape_interval).unwrap_or(DEFAULT_INTERVAL);
    if given(global.scrape_timeout).is_some_and(|timeout| timeout > interval) {
        report("scrape_timeout", "global scrape timeout greater than scrape interval");
    }
    if let Err(reason) = check_protocols(global.scrape_protocols.as_deref()) {
        report("scrape_protocols", &reason);
    }
    let validation = global.metric_name_validation_scheme.unwrap_or_default();
    if let Err(reason) = escaping(validation, global.metric_name_escaping_scheme) {
        report("metric_name_escaping_scheme", &reason);
    }
    for name in global.external_labels.keys() {
        if !validation.allows_label(name) {
            report(&format!("external_labels.{name}"), &format!("{name:?} is not a valid label name"));
        }
    }
}

/// 0 is as good as nothing, in Prometheus.
fn given(duration: Option<PromDuration>) -> Option<PromDuration> {
    duration.filter(|duration| !duration.0.is_zero())
}

fn check_protocols(protocols: Option<&[Protocol]>) -> Result<(), String> {
    let Some(protocols) = protocols else { return Ok(()) };
    if protocols.is_empty() {
        return Err("scrape_protocols cannot be empty".to_owned());
    }
    for (index, protocol) in protocols.iter().enumerate() {
        if protocols[..index].contains(protocol) {
            return Err(format!("{} is there twice", protocol.0.as_str()));
        }
    }
    Ok(())
}

/// What is asked for where nobody said it.
fn escaping(validation: NameValidation, told: Option<NameEscaping>) -> Result<NameEscaping, String> {
    match (validation, told) {
        (NameValidation::Legacy, Some(NameEscaping::AllowUtf8)) => {
            Err("utf8 metric names requested but validation scheme is not set to UTF8".to_owned())
        }
        (_, Some(told)) => Ok(told),
        (NameValidation::Utf8, None) => Ok(NameEscaping::AllowUtf8),
        (NameValidation::Legacy, None) => Ok(NameEscaping::Underscores),
    }
}

/// `$NAME` and `${NAME}` in the values of external labels.
fn expand_external_labels(
    root: &mut Root,
    section: &Section<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<Problem>,
) {
    for (label, value) in root.global.external_labels.iter_mut().filter(|(_, value)| value.contains('$')) {
        let mut text = String::new();
        let mut rest = value.as_str();
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, after) = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None if rest.starts_with('$') => rest.split_at(1),
                None => rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            };
            match name {
                "$" => text.push('$'),
                "" => {}
                name => match environment(name).filter(|value| !value.is_empty()) {
                    Some(value) => text.push_str(&value),
                    None => warnings.push(section.problem(
                        &format!("global.external_labels.{label}"),
                        format!("the environment variable {name} is empty"),
                    )),
                },
            }
            rest = after;
        }
        text.push_str(rest);
        *value = text;
    }
}

struct Jobs<'a> {
    root: &'a Root,
    base: &'a Path,
    problems: &'a mut Problems,
    found: Vec<Job>,
    /// Where each was found.
    names: HashMap<String, PathBuf>,
}

impl Jobs<'_> {
    fn read(&mut self, configs: &[Option<Scrape>], section: &Section<'_>, list: &str) {
        for (index, config) in configs.iter().enumerate() {
            let at = format!("{list}[{index}]");
            let Some(config) = config else {
                self.problems.push(section.problem(&at, "empty or null scrape config section"));
                continue;
            };
            let mut report =
                |option: &str, reason: String| self.problems.push(section.problem(&below(&at, option), reason));
            let name = config.job_name.as_deref().unwrap_or_default();
            let file: PathBuf = section.at().file.as_ref().into();
            if name.is_empty() {
                report("job_name", "job_name is empty".to_owned());
            } else if let Some(before) = self.names.get(name) {
                let place = if *before == file { String::new() } else { format!(", first in {}", before.display()) };
                report("job_name", format!("found multiple scrape configs with job name {name:?}{place}"));
            }
            self.names.entry(name.to_owned()).or_insert(file);
            let node = section.node().get(list).and_then(|list| item(list, index));
            if let Some(job) = Job::new(name, config, node, &self.root.global, self.base, &mut report) {
                self.found.push(job);
            }
        }
    }

    fn read_files(&mut self, section: &Section<'_>, unsupported: &mut Vec<Problem>) {
        for (index, pattern) in self.root.scrape_config_files.iter().enumerate() {
            let at = format!("scrape_config_files[{index}]");
            let mut report = |reason: String| self.problems.push(section.problem(&at, reason));
            if !is_file_pattern(pattern) {
                report(format!("invalid scrape config file path {pattern:?}: `*` only in the last part"));
                continue;
            }
            let files = match glob::glob(&self.base.join(pattern).to_string_lossy()) {
                Ok(files) => files.filter_map(Result::ok).take(MAX_JOBS).collect::<Vec<_>>(),
                Err(error) => {
                    report(format!("{pattern:?}: {error}"));
                    continue;
                }
            };
            for file in files {
                self.read_file(&file, unsupported);
            }
        }
    }

    fn read_file(&mut self, file: &Path, unsupported: &mut Vec<Problem>) {
        let Some(document) = self.problems.note(Document::load_verbatim(file)) else { return };
        let node = without_other_discovery(document.root(), unsupported);
        let section = Section::new(&node, &[]);
        if let Some(ScrapeFile { scrape_configs }) = self.problems.note(section.parse()) {
            self.read(&scrape_configs, &section, "scrape_configs");
        }
    }
}

/// The `remote_write` sections; two to one place need names.
fn read_writes(
    root: &Root,
    base: &Path,
    section: &Section<'_>,
    problems: &mut Problems,
    unsupported: &mut Vec<Problem>,
) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    for (index, config) in root.remote_write.iter().enumerate() {
        let Some(config) = config else { continue };
        let at = |option: &str| below(&format!("remote_write[{index}]"), option);
        let mut report = |option: &str, reason: String| problems.push(section.problem(&at(option), reason));
        let mut missing = |option: &str, reason: String| unsupported.push(section.problem(&at(option), reason));
        let Some(write) = Write::new(config, &root.global, base, &mut report, &mut missing) else { continue };
        if writes.iter().any(|other| other.id == write.id) {
            missing("url", "another remote_write has the same URL or name; give each a name of its own".to_owned());
        }
        writes.push(write);
    }
    writes
}

fn item(list: &Node, index: usize) -> Option<&Node> {
    match &list.value {
        Value::Sequence(items) => items.get(index),
        _ => None,
    }
}

/// `my/*.rules`: a star only behind the last slash.
fn is_file_pattern(pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => !pattern.is_empty(),
        Some((_, rest)) => !rest.contains('/'),
    }
}

fn below(at: &str, option: &str) -> String {
    if option.is_empty() { at.to_owned() } else { format!("{at}.{option}") }
}

/// Headers that `remote_write` and its like add.
fn check_headers(headers: &BTreeMap<String, String>, report: &mut dyn FnMut(&str, String)) {
    for name in headers.keys() {
        check_header("headers", name, report);
    }
}
