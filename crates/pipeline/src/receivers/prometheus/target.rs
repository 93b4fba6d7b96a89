//! A target: what is left of discovered labels after relabelling, and where to scrape it. (Prometheus' `PopulateLabels`.)

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use url::Url;
use url::form_urlencoded::Serializer;

use super::config::Job;
use super::config::units::PromDuration;
use super::discovery::ADDRESS;
use super::relabel::{self, Labels};

const JOB: &str = "job";
const INSTANCE: &str = "instance";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PATH: &str = "__metrics_path__";
const SCHEME: &str = "__scheme__";
const PARAM: &str = "__param_";
const META: &str = "__meta_";
const RESERVED: &str = "__";

/// One thing to scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Before relabelling, the job's own among them.
    pub discovered: Labels,
    /// All that relabelling left but `__meta_*`.
    all: Labels,
    /// What its series get.
    pub labels: Labels,
    pub url: Url,
    pub interval: Duration,
    pub timeout: Duration,
}

/// What became of discovered labels.
#[derive(Debug)]
pub enum Populated {
    Target(Box<Target>),
    Dropped(Labels),
}

impl Target {
    /// Identifies it among the targets of its job: those with the same labels and URL are the same.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.all.hash(&mut hasher);
        self.url.as_str().hash(&mut hasher);
        hasher.finish()
    }
}

/// The labels that a target has before relabelling.
pub fn discovered(job: &Job, found: &Labels) -> Labels {
    let mut labels = found.clone();
    let interval = PromDuration(job.interval).to_string();
    let timeout = PromDuration(job.timeout).to_string();
    let own = [
        (JOB, job.name.as_str()),
        (INTERVAL, &interval),
        (TIMEOUT, &timeout),
        (PATH, &job.metrics_path),
        (SCHEME, job.scheme.as_str()),
    ];
    for (name, value) in own {
        labels.set_if_absent(name, value);
    }
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            labels.set_if_absent(&format!("{PARAM}{name}"), first);
        }
    }
    labels
}

/// Makes a target of what was found.
pub fn populate(job: &Job, found: &Labels) -> Result<Populated, String> {
    let discovered = discovered(job, found);
    let mut labels = discovered.clone();
    if !relabel::apply(&job.relabeling, &mut labels) {
        return Ok(Populated::Dropped(discovered));
    }
    let address = labels.get(ADDRESS).to_owned();
    if address.is_empty() {
        return Err("no address".to_owned());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let interval = duration(&labels, INTERVAL, "interval")?;
    let timeout = duration(&labels, TIMEOUT, "timeout")?;
    if timeout > interval {
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            labels.get(TIMEOUT),
            labels.get(INTERVAL)
        ));
    }
    labels.retain(|name| !name.starts_with(META));
    labels.set_if_absent(INSTANCE, &address);
    let url = url(job, &labels, &address)?;
    let public = labels.iter().filter(|(name, _)| !name.starts_with(RESERVED)).collect();
    Ok(Populated::Target(Box::new(Target { discovered, all: labels, labels: public, url, interval, timeout })))
}

fn duration(labels: &Labels, label: &str, what: &str) -> Result<Duration, String> {
    let parsed: Result<PromDuration, String> = labels.get(label).parse();
    let duration = parsed.map_err(|reason| format!("error parsing scrape {what}: {reason}"))?;
    if duration.0.is_zero() {
        return Err(format!("scrape {what} cannot be 0"));
    }
    Ok(duration.0)
}

fn url(job: &Job, labels: &Labels, address: &str) -> Result<Url, String> {
    let mut params: BTreeMap<String, Vec<String>> = job.params.clone();
    for (name, value) in labels.iter() {
        let Some(param) = name.strip_prefix(PARAM) else { continue };
        let values = params.entry(param.to_owned()).or_default();
        match values.first_mut() {
            Some(first) => *first = value.to_owned(),
            None => values.push(value.to_owned()),
        }
    }
    let scheme = labels.get(SCHEME);
    if !matches!(scheme, "http" | "https") {
        return Err(format!("unsupported scheme {scheme:?}"));
    }
    let path = labels.get(PATH);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let text = format!("{scheme}://{address}{slash}{path}");
    let mut url = Url::parse(&text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !params.is_empty() {
        let mut query = Serializer::new(url.query().unwrap_or_default().to_owned());
        for (name, values) in &params {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        url.set_query(Some(&query.finish()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::prometheus::config::tests::job;

    fn populated(config: &str, found: &[(&str, &str)]) -> Result<Populated, String> {
        populate(&job(config), &found.iter().copied().collect())
    }

    fn target(config: &str, found: &[(&str, &str)]) -> Target {
        match populated(config, found).unwrap() {
            Populated::Target(target) => *target,
            Populated::Dropped(labels) => panic!("{labels} is dropped"),
        }
    }

    #[test]
    fn a_target_has_its_jobs_labels_and_an_instance() {
        let found = target("job_name: j", &[("__address__", "h:1"), ("__meta_x", "y"), ("env", "e")]);
        assert_eq!(found.labels.to_string(), r#"{env="e", instance="h:1", job="j"}"#);
        assert_eq!(found.url.as_str(), "http://h:1/metrics");
        assert_eq!(found.discovered.get("__scrape_interval__"), "1m");
        assert_eq!((found.interval, found.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
    }

    #[test]
    fn labels_decide_where_and_how_it_is_scraped() {
        let config = "{job_name: j, metrics_path: /p, params: {module: [a, b], x: ['1 2']}, relabel_configs: [\
            {source_labels: [__address__], target_label: __param_target}, \
            {target_label: __address__, replacement: 'exporter:9115'}, {target_label: __scheme__, replacement: https}, \
            {target_label: __scrape_interval__, replacement: 5s}, {target_label: __scrape_timeout__, replacement: 2s}]}";
        let found = target(config, &[("__address__", "h:1")]);
        assert_eq!(found.url.as_str(), "https://exporter:9115/p?module=a&module=b&target=h%3A1&x=1+2");
        assert_eq!(found.labels.to_string(), r#"{instance="exporter:9115", job="j"}"#);
        assert_eq!((found.interval, found.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
    }

    #[test]
    fn what_cannot_be_scraped_says_why() {
        let replace = |label: &str, value: &str| {
            format!("{{job_name: j, relabel_configs: [{{target_label: {label}, replacement: '{value}'}}]}}")
        };
        for (label, value, expected) in [
            ("__address__", "", "no address"),
            ("__address__", "http://h", "is not a valid hostname"),
            ("__scrape_interval__", "x", "error parsing scrape interval"),
            ("__scrape_interval__", "0s", "scrape interval cannot be 0"),
            ("__scrape_timeout__", "2m", "scrape timeout cannot be greater than scrape interval"),
            ("__scheme__", "ftp", "unsupported scheme"),
            ("__address__", "a b", "is not a URL"),
        ] {
            let error = populated(&replace(label, value), &[("__address__", "h:1")]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let dropped = populated("{job_name: j, relabel_configs: [{action: drop, regex: ''}]}", &[("__address__", "h")]);
        assert!(matches!(dropped, Ok(Populated::Dropped(labels)) if labels.get("job") == "j"));
    }

    #[test]
    fn targets_are_the_same_by_what_relabelling_leaves() {
        let [a, b] = ["1", "2"].map(|meta| target("job_name: j", &[("__address__", "h:1"), ("__meta_x", meta)]));
        assert_eq!(a.hash(), b.hash());
        assert_ne!(a.hash(), target("job_name: j", &[("__address__", "h:2")]).hash());
    }
}
