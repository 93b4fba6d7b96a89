//! Service discovery: where the targets of a job come from.
//!
//! Each mechanism is a task that publishes all targets it knows whenever they change; what it cannot find out it leaves as
//! it was.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::config::Discovery;
use super::config::names::NameValidation;
use super::config::raw::{DnsSd, FileSd, HttpSd, RecordKind, StaticConfig};
use super::relabel::Labels;

mod dns;
mod file;
mod http;
mod resolver;
#[cfg(test)]
mod tests;

pub const ADDRESS: &str = "__address__";

/// Targets of one mechanism of one job, before relabelling.
const MAX_TARGETS: usize = 200_000;

/// The targets of all mechanisms of a job.
#[derive(Clone, Default)]
pub struct Found(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// By mechanism; `None` before the first answer.
    targets: Mutex<Vec<Option<Vec<Labels>>>>,
    changed: Notify,
}

impl Found {
    pub fn new(mechanisms: usize) -> Self {
        let found = Self::default();
        found.0.targets.lock().resize(mechanisms, None);
        found
    }

    fn publish(&self, mechanism: usize, mut targets: Vec<Labels>) {
        if targets.len() > MAX_TARGETS {
            tracing::error!(found = targets.len(), kept = MAX_TARGETS, "too many targets are discovered");
            targets.truncate(MAX_TARGETS);
        }
        let mut all = self.0.targets.lock();
        if let Some(slot) = all.get_mut(mechanism)
            && slot.as_ref() != Some(&targets)
        {
            *slot = Some(targets);
            self.0.changed.notify_one();
        }
    }

    /// Waits for the next change; changes while nobody waited count.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    pub fn targets(&self) -> Vec<Labels> {
        self.0.targets.lock().iter().flatten().flatten().cloned().collect()
    }
}

impl Discovery {
    /// Runs until it is dropped. `job` is for messages.
    pub async fn run(self, job: String, mechanism: usize, found: Found) {
        match self {
            Discovery::Static(groups) => found.publish(mechanism, groups.iter().flat_map(group).collect()),
            Discovery::File(config) => file::run(config, &job, |targets| found.publish(mechanism, targets)).await,
            Discovery::Http(config, client) => {
                http::run(*config, *client, &job, |targets| found.publish(mechanism, targets)).await;
            }
            Discovery::Dns(config) => dns::run(config, &job, |targets| found.publish(mechanism, targets)).await,
        }
    }
}

/// The targets of a group, each with the labels of the group.
fn group(group: &StaticConfig) -> impl Iterator<Item = Labels> {
    group.targets.iter().map(|address| {
        let mut labels: Labels = group.labels.iter().collect();
        labels.set(ADDRESS, address);
        labels
    })
}

type Report<'a> = &'a mut dyn FnMut(&str, String);

pub fn check_static(groups: &[Option<StaticConfig>], validation: NameValidation, report: Report<'_>) {
    for (index, group) in groups.iter().enumerate() {
        let at = format!("static_configs[{index}]");
        let Some(group) = group else {
            report(&at, "empty or null section in static_configs".to_owned());
            continue;
        };
        for (index, target) in group.targets.iter().enumerate() {
            if target.contains('/') {
                report(&format!("{at}.targets[{index}]"), format!("{target:?} is not a valid hostname"));
            }
        }
        for name in group.labels.keys().filter(|name| !validation.allows_label(name)) {
            report(&format!("{at}.labels"), format!("{name:?} is not a valid label name"));
        }
    }
}

pub fn check_file(configs: &[Option<FileSd>], report: Report<'_>) {
    for (index, config) in configs.iter().enumerate() {
        let at = format!("file_sd_configs[{index}]");
        let Some(config) = config else {
            report(&at, "empty or null section in file_sd_configs".to_owned());
            continue;
        };
        if config.files.is_empty() {
            report(&at, "file service discovery config must contain at least one path name".to_owned());
        }
        for (index, file) in config.files.iter().enumerate().filter(|(_, file)| !file::is_pattern(file)) {
            let reason = format!("path name {file:?} is not valid for file discovery (*.json, *.yml, *.yaml)");
            report(&format!("{at}.files[{index}]"), reason);
        }
    }
}

pub fn check_http(configs: &[Option<HttpSd>], report: Report<'_>) {
    for (index, config) in configs.iter().enumerate() {
        let at = format!("http_sd_configs[{index}]");
        let Some(config) = config else {
            report(&at, "empty or null section in http_sd_configs".to_owned());
            continue;
        };
        let wrong = match url::Url::parse(&config.url) {
            _ if config.url.is_empty() => Some("URL is missing".to_owned()),
            Err(url::ParseError::EmptyHost) => Some("host is missing in URL".to_owned()),
            Err(error) => Some(format!("{:?} is not a URL: {error}", config.url)),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                Some("URL scheme must be 'http' or 'https'".to_owned())
            }
            Ok(_) => None,
        };
        if let Some(reason) = wrong {
            report(&format!("{at}.url"), reason);
        }
        config.http().check(&mut |option, reason| {
            let dot = if option.is_empty() { "" } else { "." };
            report(&format!("{at}{dot}{option}"), reason);
        });
    }
}

pub fn check_dns(configs: &[Option<DnsSd>], report: Report<'_>) {
    for (index, config) in configs.iter().enumerate() {
        let at = format!("dns_sd_configs[{index}]");
        let Some(config) = config else {
            report(&at, "empty or null section in dns_sd_configs".to_owned());
            continue;
        };
        if config.names.is_empty() {
            report(&at, "DNS-SD config must contain at least one SRV record name".to_owned());
        }
        let mut seen = HashSet::new();
        for name in config.names.iter().filter(|name| !seen.insert(name.as_str())) {
            report(&format!("{at}.names"), format!("{name:?} is there twice"));
        }
        if config.kind != RecordKind::Srv && config.port.is_none() {
            report(&at, "a port is required in DNS-SD configs for all record types except SRV".to_owned());
        }
    }
}
