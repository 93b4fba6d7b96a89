use std::path::{Path, PathBuf};

use super::*;

pub fn read(text: &str) -> Result<PrometheusConfig, ConfigError> {
    let document = Document::verbatim("prometheus.yml", text)?;
    let environment = |name: &str| (name == "REGION").then(|| "north".to_owned());
    PrometheusConfig::parse(&Section::new(document.root(), &[]), Path::new("/etc/prometheus"), &environment)
}

/// The one job of `scrape_configs: [text]`.
pub fn job(text: &str) -> Job {
    let indented = text.replace('\n', "\n    ");
    let mut config = read(&format!("scrape_configs:\n  - {indented}\n")).unwrap();
    config.jobs.remove(0)
}

fn error(text: &str) -> String {
    read(text).map(|_| ()).unwrap_err().to_string()
}

fn conformance() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let root = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let folder = root.join("prometheus/config/testdata");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", folder.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", folder.display());
    None
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

#[test]
fn every_good_file_of_prometheus_loads_or_names_what_is_missing() {
    let Some(folder) = conformance() else { return };
    let files = files(&folder, ".good.yml");
    assert!(files.len() > 40, "{}", files.len());
    let mut unsupported = Vec::new();
    for file in &files {
        let config = PrometheusConfig::load(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for problem in config.unsupported {
            let names_itself = problem.message.starts_with("job `") || problem.path.starts_with("remote_write[");
            assert!(problem.at.line > 1 && names_itself, "{problem}");
            unsupported.push(format!("{name}:{}: {}", problem.at.line, problem.message));
        }
    }
    insta::assert_snapshot!(unsupported.join("\n"));
}

/// Nothing that Prometheus refuses is taken. (A mechanism that is not there is refused as such.)
#[test]
fn every_bad_file_of_prometheus_is_refused() {
    let Some(folder) = conformance() else { return };
    let mut files = files(&folder, ".bad.yml");
    files.extend(files_incompatible(&folder));
    assert!(files.len() > 100, "{}", files.len());
    let mut taken = Vec::new();
    let mut told = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let problems = match PrometheusConfig::load(file) {
            Ok(config) => config.unsupported,
            Err(error) => error.problems().to_vec(),
        };
        if problems.is_empty() {
            taken.push(name);
            continue;
        }
        for problem in problems {
            let place = Path::new(problem.at.file.as_ref()).file_name().unwrap().to_string_lossy().into_owned();
            let message = problem.message.replace(&format!("{}/", folder.display()), "");
            told.push(format!("{name}: {place}:{}: {}: {message}", problem.at.line, problem.path));
        }
    }
    assert_eq!(taken, Vec::<String>::new());
    insta::assert_snapshot!(told.join("\n"));
}

/// Files that are no longer good under an older name of another ending.
fn files_incompatible(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder, ".incompatible.yml");
    found.push(folder.join("config_with_deprecated_am_api_config.yml"));
    found
}

#[test]
fn the_defaults_are_prometheus_own() {
    let job = job("job_name: j");
    assert_eq!((job.interval.as_secs(), job.timeout.as_secs()), (60, 10));
    assert!(job.honor_timestamps && job.compression && job.http.follow_redirects && job.http.enable_http2);
    assert_eq!((job.metrics_path.as_str(), job.scheme.as_str()), ("/metrics", "http"));
    assert_eq!(job.protocols, names::DEFAULT_PROTOCOLS);
    let config = read("global: {scrape_interval: 5s, sample_limit: 7}\nscrape_configs: [{job_name: a}, {job_name: b, scrape_interval: 3s, scrape_native_histograms: true, sample_limit: 8}]").unwrap();
    let seconds: Vec<_> = config.jobs.iter().map(|job| (job.interval.as_secs(), job.timeout.as_secs())).collect();
    assert_eq!(seconds, [(5, 5), (3, 3)]);
    assert_eq!(config.jobs[1].protocols, names::PROTO_FIRST);
    assert_eq!((config.jobs[0].limits.samples, config.jobs[1].limits.samples), (7, 8));
}

#[test]
fn paths_are_relative_to_the_file() {
    let job = job(
        "{job_name: j, basic_auth: {password_file: p}, tls_config: {ca_file: /ca}, file_sd_configs: [{files: [t/*.json]}]}",
    );
    assert_eq!(job.http.basic_auth.unwrap().password_file, Some("/etc/prometheus/p".into()));
    assert_eq!(job.http.tls_config.ca_file, Some("/ca".into()));
    assert!(matches!(&job.discovery[0], Discovery::File(config) if config.files == ["/etc/prometheus/t/*.json"]));
}

#[test]
fn external_labels_know_the_environment() {
    let config = read("global: {external_labels: {a: '${REGION}-$REGION', b: 'x$$y', c: $NONE}}").unwrap();
    let labels: Vec<_> = config.external_labels().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["a=north-north", "b=x$y", "c="]);
    assert_eq!(config.warnings.len(), 1);
    // Nothing else does.
    assert_eq!(job("{job_name: j, relabel_configs: [{target_label: a, replacement: $REGION}]}").relabeling.len(), 1);
}

#[test]
fn all_mistakes_are_told_with_their_places() {
    let text = "\
global:
  scrape_interval: 1s
  scrape_timeout: 2s
scrape_configs:
  - job_name: a
    scrape_interval: 5s
    scrape_timeout: 6s
    relabel_configs:
      - action: drop
        regex: '('
    static_configs:
      - targets: [http://x]
  - job_name: a
rule_files: [a/*/b]
";
    insta::assert_snapshot!(error(text), @r#"
    prometheus.yml:3:19: global.scrape_timeout: global scrape timeout greater than scrape interval
    prometheus.yml:7:21: scrape_configs[0].scrape_timeout: scrape timeout greater than scrape interval for scrape config with job name "a"
    prometheus.yml:10:16: scrape_configs[0].relabel_configs[0].regex: `(` is not a regular expression: regex parse error:
        \A(?s:()\z
          ^
    error: unclosed group
    prometheus.yml:12:19: scrape_configs[0].static_configs[0].targets[0]: "http://x" is not a valid hostname
    prometheus.yml:13:15: scrape_configs[1].job_name: found multiple scrape configs with job name "a"
    prometheus.yml:14:14: rule_files[0]: invalid rule file path "a/*/b": `*` only in the last part
    "#);
    insta::assert_snapshot!(error("scrape_configs: [{job_nam: a, scrape_interval: 15}]"), @r#"
    prometheus.yml:1:19: scrape_configs[0].job_nam: unknown option; did you mean `job_name`?
    prometheus.yml:1:48: scrape_configs[0].scrape_interval: not a valid duration string: "15" (such as 15s, 1m30s or 2d)
    "#);
}

#[test]
fn ways_to_authorize_exclude_each_other() {
    let of = |options: &str| error(&format!("scrape_configs: [{{job_name: j, {options}}}]"));
    for options in [
        "basic_auth: {username: a}, bearer_token: x",
        "authorization: {credentials: x}, oauth2: {client_id: a, token_url: 'http://t'}",
        "basic_auth: {password: a, password_file: b}",
        "authorization: {type: Basic, credentials: x}",
        "oauth2: {client_id: a}",
        "tls_config: {cert_file: a}",
        "tls_config: {min_version: TLS13, max_version: TLS12}",
        "tls_config: {min_version: '1.2'}",
        "no_proxy: a",
        "proxy_url: 'socks5://a:1'",
        "proxy_url: 'http://a:1', proxy_from_environment: true",
        "http_headers: {Authorization: {values: [a]}}",
    ] {
        assert!(of(options).starts_with("prometheus.yml:1:"), "{options}: {}", of(options));
    }
}

#[test]
fn secrets_do_not_show() {
    let job = job("{job_name: j, basic_auth: {username: a, password: hidden}}");
    assert!(!format!("{job:?}").contains("hidden"));
}

#[test]
fn what_has_no_effect_is_warned_about_and_what_is_missing_refused() {
    let text = "\
global: {evaluation_interval: 1m}
rule_files: [a.yml]
alerting: {alertmanagers: [{kubernetes_sd_configs: []}]}
scrape_configs: [{job_name: a}]
storage: {tsdb: {out_of_order_time_window: 30m}}
";
    let document = Document::verbatim("p.yml", text).unwrap();
    let section = Section::new(document.root(), &[]);
    let config = PrometheusConfig::parse(&section, Path::new(""), &|_| None).unwrap();
    let warnings: Vec<String> = config.check_servable(&section).unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    p.yml:1:31: global.evaluation_interval: there are no rules yet
    p.yml:2:13: rule_files: there are no rules and alerts yet; the files are not read
    p.yml:3:11: alerting: there are no alerts yet; nobody is told
    p.yml:5:10: storage: it has no effect; Trefoil's own configuration has a section `storage`
    ");
    let text = "remote_read: [{url: 'http://a'}]\nscrape_configs: [{job_name: a, ec2_sd_configs: []}]\n\
        remote_write: [{url: 'http://a', sigv4: {}}, {url: 'a:9090/w'}, {url: 'http://a', round_robin_dns: true}]\n";
    let document = Document::verbatim("p.yml", text).unwrap();
    let section = Section::new(document.root(), &[]);
    let config = PrometheusConfig::parse(&section, Path::new(""), &|_| None).unwrap();
    insta::assert_snapshot!(config.check_servable(&section).unwrap_err(), @r"
    p.yml:1:14: remote_read: reading from other servers is not supported: queries read what is stored here; take the section out
    p.yml:2:32: scrape_configs[0].ec2_sd_configs: job `a`: service discovery by ec2 is not supported yet
    p.yml:3:41: remote_write[0].sigv4: sigv4 is not supported yet
    p.yml:3:52: remote_write[1].url: it must begin with http:// or https://
    p.yml:3:71: remote_write[2].url: another remote_write has the same URL or name; give each a name of its own
    p.yml:3:100: remote_write[2].round_robin_dns: round_robin_dns is not supported yet
    ");
}

#[test]
fn remote_write_has_prometheus_own_defaults() {
    let config = read("global: {external_labels: {a: b}}\nremote_write: [{url: 'http://h/w'}]").unwrap();
    let write = &config.remote_write[0];
    assert!(write.id.to_string().starts_with("prometheus_config/") && write.id.name().len() == 6, "{}", write.id);
    assert_eq!((write.is_v2, write.exemplars, write.native_histograms), (false, false, false));
    assert_eq!((write.timeout.as_secs(), write.min_shards, write.samples_per_send), (30, 1, 2000));
    assert_eq!((write.min_backoff.as_millis(), write.max_backoff.as_millis()), (30, 5000));
    assert_eq!((write.retries_on_429, write.max_age), (false, None));
    assert_eq!(write.metadata, Some((std::time::Duration::from_secs(60), 2000)));
    assert_eq!(write.external_labels["a"], "b");
}

#[test]
fn remote_write_keeps_its_place_on_disk_whatever_else_changes() {
    let ids = |text: &str| -> Vec<String> {
        read(&format!("remote_write: {text}")).unwrap().remote_write.iter().map(|write| write.id.to_string()).collect()
    };
    let [by_url, named] = &ids("[{url: 'http://h/w'}, {url: 'http://h/w', name: far}]")[..] else { panic!() };
    assert_eq!(named, "prometheus_config/far");
    let changed = ids("[{url: 'http://h/w', remote_timeout: 1s, protobuf_message: io.prometheus.write.v2.Request}]");
    assert_eq!(changed[0], *by_url);
    assert_eq!(ids("[{url: 'http://h/w', name: 'a b/c'}]")[0].len(), by_url.len(), "a name that is no id");
    let twice = read("remote_write: [{url: 'http://h/w'}, {url: 'http://h/w'}]").unwrap().unsupported;
    assert!(twice[0].to_string().contains("give each a name of its own"), "{twice:?}");
}

#[test]
fn headers_of_remote_write_are_headers() {
    let told = error("remote_write: [{url: 'http://h', headers: {a: \"b\\nc\"}}]");
    assert!(told.contains("remote_write[0].headers.a: it holds characters that no header may have"), "{told}");
}
