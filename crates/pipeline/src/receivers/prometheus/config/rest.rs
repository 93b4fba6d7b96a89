//! Checks of the sections that do not scrape: remote write and read, alerting, rules, storage, OTLP, tracing.

use std::collections::HashSet;

use super::http::{HttpClientConfig, check_header};
use super::names::NameValidation;
use super::raw::{Alertmanager, Otlp, QueueConfig, Relabeling, RemoteRead, RemoteWrite, Root, TranslationStrategy};
use super::{below, check_headers, is_file_pattern};
use crate::config::{Problems, Section};
use crate::receivers::prometheus::discovery::{check_dns, check_file, check_http, check_static};
use crate::receivers::prometheus::relabel::Rule;

const WRITE_MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

type Report<'a> = &'a mut dyn FnMut(&str, String);

pub fn check_rest(root: &Root, section: &Section<'_>, problems: &mut Problems) {
    let mut report = |path: &str, reason: String| problems.push(section.problem(path, reason));
    let validation = root.global.metric_name_validation_scheme.unwrap_or_default();
    for (index, pattern) in root.rule_files.iter().enumerate() {
        if !is_file_pattern(pattern) {
            let reason = format!("invalid rule file path {pattern:?}: `*` only in the last part");
            report(&format!("rule_files[{index}]"), reason);
        }
    }
    check_alerting(root, validation, &mut report);
    let mut names = HashSet::new();
    for (index, config) in root.remote_write.iter().enumerate() {
        let at = format!("remote_write[{index}]");
        match config {
            None => report(&at, "empty or null remote write config section".to_owned()),
            Some(config) => {
                check_name(config.name.as_deref(), &mut names, "remote write", &mut |o, r| report(&below(&at, o), r));
            }
        }
    }
    let mut names = HashSet::new();
    for (index, config) in root.remote_read.iter().enumerate() {
        let at = format!("remote_read[{index}]");
        match config {
            None => report(&at, "empty or null remote read config section".to_owned()),
            Some(config) => {
                check_name(config.name.as_deref(), &mut names, "remote read", &mut |o, r| report(&below(&at, o), r));
                check_remote_read(config, validation, &mut |option, reason| report(&below(&at, option), reason));
            }
        }
    }
    check_storage(root, &mut report);
    check_tracing(root, &mut report);
    check_otlp(&root.otlp, validation, &mut report);
}

fn check_name(name: Option<&str>, names: &mut HashSet<String>, what: &str, report: Report<'_>) {
    let name = name.unwrap_or_default();
    if !name.is_empty() && !names.insert(name.to_owned()) {
        report("name", format!("found multiple {what} configs with job name {name:?}"));
    }
}

pub fn check_relabeling(rules: &Relabeling, validation: NameValidation, at: &str, report: Report<'_>) -> Vec<Rule> {
    let mut checked = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{at}[{index}]");
        match rule.clone().map(|rule| Rule::new(rule, validation)) {
            None => report(&at, "empty or null relabeling rule".to_owned()),
            Some(Ok(rule)) => checked.push(rule),
            Some(Err((option, reason))) => report(&format!("{at}.{option}"), reason),
        }
    }
    checked
}

fn check_alerting(root: &Root, validation: NameValidation, report: Report<'_>) {
    let alerting = &root.alerting;
    check_relabeling(&alerting.alert_relabel_configs, validation, "alerting.alert_relabel_configs", report);
    for (index, manager) in alerting.alertmanagers.iter().enumerate() {
        let at = format!("alerting.alertmanagers[{index}]");
        match manager {
            None => report(&at, "empty or null Alertmanager config section".to_owned()),
            Some(manager) => {
                check_alertmanager(manager, validation, &mut |option, reason| report(&below(&at, option), reason));
            }
        }
    }
}

fn check_alertmanager(manager: &Alertmanager, validation: NameValidation, report: Report<'_>) {
    if let Some(version) = manager.api_version.as_deref().filter(|version| *version != "v2") {
        report("api_version", format!("expected Alertmanager api version to be one of [v2] but got {version}"));
    }
    manager.http().check(report);
    check_relabeling(&manager.relabel_configs, validation, "relabel_configs", report);
    check_relabeling(&manager.alert_relabel_configs, validation, "alert_relabel_configs", report);
    check_static(&manager.static_configs, validation, report);
    check_file(&manager.file_sd_configs, report);
    check_http(&manager.http_sd_configs, report);
    check_dns(&manager.dns_sd_configs, report);
}

fn check_url(url: Option<&str>, what: &str, report: Report<'_>) {
    match url {
        None | Some("") => report("url", format!("url for {what} is empty")),
        // Prometheus takes relative ones and fails to send.
        Some(url) => {
            if let Err(error) = url::Url::parse(url)
                && error != url::ParseError::RelativeUrlWithoutBase
            {
                report("url", format!("{url:?} is not a URL: {error}"));
            }
        }
    }
}

pub fn check_remote_write(config: &RemoteWrite, validation: NameValidation, report: Report<'_>) {
    check_url(config.url.as_deref(), "remote_write", report);
    if let Some(message) = config.protobuf_message.as_deref().filter(|message| !WRITE_MESSAGES.contains(message)) {
        report("protobuf_message", format!("unknown type {message:?}; supported: {}", WRITE_MESSAGES.join(", ")));
    }
    check_headers(&config.headers, report);
    check_relabeling(&config.write_relabel_configs, validation, "write_relabel_configs", report);
    let http = config.http();
    http.check(report);
    let cloud = [config.sigv4.is_some(), config.azuread.is_some(), config.google_iam.is_some(), authorizes(&http)];
    if cloud.iter().filter(|given| **given).count() > 1 {
        report(
            "",
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread & google_iam must be configured".into(),
        );
    }
    check_queue(&config.queue_config, report);
    if config.metadata_config.max_samples_per_send == Some(0) {
        report("metadata_config.max_samples_per_send", "it must be greater than 0".to_owned());
    }
}

fn authorizes(http: &HttpClientConfig) -> bool {
    http.basic_auth.is_some() || http.authorization.is_some() || http.oauth2.is_some()
}

fn check_queue(queue: &QueueConfig, report: Report<'_>) {
    let numbers = [
        ("capacity", queue.capacity),
        ("max_shards", queue.max_shards),
        ("min_shards", queue.min_shards),
        ("max_samples_per_send", queue.max_samples_per_send),
    ];
    for (option, _) in numbers.into_iter().filter(|(_, number)| *number == 0) {
        report(&format!("queue_config.{option}"), format!("remote write queue {option} must be greater than 0"));
    }
    if queue.min_shards > queue.max_shards {
        report("queue_config.min_shards", "it must not be greater than max_shards".to_owned());
    }
    if queue.min_backoff > queue.max_backoff {
        report("queue_config.min_backoff", "it must not be greater than max_backoff".to_owned());
    }
}

fn check_remote_read(config: &RemoteRead, validation: NameValidation, report: Report<'_>) {
    check_url(config.url.as_deref(), "remote_read", report);
    check_headers(&config.headers, report);
    config.http().check(report);
    for name in config.required_matchers.keys().filter(|name| !validation.allows_label(name)) {
        report("required_matchers", format!("{name:?} is not a valid label name"));
    }
}

fn check_storage(root: &Root, report: Report<'_>) {
    let Some(tsdb) = &root.storage.tsdb else { return };
    let percentage = tsdb.retention.as_ref().and_then(|retention| retention.percentage);
    if percentage.is_some_and(|percentage| !(0.0..=100.0).contains(&percentage)) {
        report("storage.tsdb.retention.percentage", "it must be between 0 and 100".to_owned());
    }
    if tsdb.stale_series_compaction_threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        report("storage.tsdb.stale_series_compaction_threshold", "it must be between 0 and 1".to_owned());
    }
}

fn check_tracing(root: &Root, report: Report<'_>) {
    let Some(tracing) = &root.tracing else { return };
    if tracing.endpoint.as_deref().is_none_or(str::is_empty) {
        report("tracing.endpoint", "tracing endpoint must be set".to_owned());
    }
    for name in tracing.headers.keys() {
        check_header("tracing.headers", name, report);
    }
    if tracing.sampling_fraction.is_some_and(|fraction| !(0.0..=1.0).contains(&fraction)) {
        report("tracing.sampling_fraction", "it must be between 0 and 1".to_owned());
    }
}

fn check_otlp(otlp: &Otlp, validation: NameValidation, report: Report<'_>) {
    use TranslationStrategy::{NoTranslation, NoUTF8EscapingWithSuffixes};
    if otlp.promote_all_resource_attributes && !otlp.promote_resource_attributes.is_empty() {
        report(
            "otlp.promote_resource_attributes",
            "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously"
                .to_owned(),
        );
    }
    if !otlp.promote_all_resource_attributes && !otlp.ignore_resource_attributes.is_empty() {
        report(
            "otlp.ignore_resource_attributes",
            "'ignore_resource_attributes' can only be configured with 'promote_all_resource_attributes'".to_owned(),
        );
    }
    for (option, keys) in [
        ("promote_resource_attributes", &otlp.promote_resource_attributes),
        ("ignore_resource_attributes", &otlp.ignore_resource_attributes),
    ] {
        let mut seen = HashSet::new();
        for (index, key) in keys.iter().map(|key| key.trim()).enumerate() {
            let at = format!("otlp.{option}[{index}]");
            if key.is_empty() {
                report(&at, "empty OTel resource attribute".to_owned());
            } else if !seen.insert(key) {
                report(&at, format!("duplicated OTel resource attribute {key:?}"));
            }
        }
    }
    if let Some(strategy @ (NoTranslation | NoUTF8EscapingWithSuffixes)) = otlp.translation_strategy
        && validation == NameValidation::Legacy
    {
        let reason = format!("{strategy:?} is not allowed when metric name validation scheme is legacy");
        report("otlp.translation_strategy", reason);
    }
}
