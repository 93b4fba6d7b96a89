//! What scraping says of itself, under Prometheus' own names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// `{scrape_job="node"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    scrape_job: String,
}

/// Of all jobs of all receivers. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct ScrapeMetrics {
    pub duplicates: Counter,
    pub out_of_order: Counter,
    pub out_of_bounds: Counter,
    pub unfit_histograms: Counter,
    pub sample_limit: Counter,
    pub body_size_limit: Counter,
    pub bucket_limit: Counter,
    pub target_limit: Counter,
    targets: Family<Labels, Gauge>,
}

impl ScrapeMetrics {
    /// The names have no prefix.
    pub fn register(&self, registry: &mut Registry) {
        let counters = [
            (
                "scrapes_sample_duplicate_timestamp",
                "Samples left out because their series has another value at the same time",
                &self.duplicates,
            ),
            (
                "scrapes_sample_out_of_order",
                "Samples left out because their series has newer ones than the window for late samples allows",
                &self.out_of_order,
            ),
            (
                "scrapes_sample_out_of_bounds",
                "Samples left out because their time is too far ahead",
                &self.out_of_bounds,
            ),
            (
                "scrapes_histogram_unfit",
                "Native histograms left out because they cannot be stored",
                &self.unfit_histograms,
            ),
            ("scrapes_exceeded_sample_limit", "Scrapes that failed by sample_limit", &self.sample_limit),
            ("scrapes_exceeded_body_size_limit", "Scrapes that failed by body_size_limit", &self.body_size_limit),
            (
                "scrapes_exceeded_native_histogram_bucket_limit",
                "Scrapes that failed by native_histogram_bucket_limit",
                &self.bucket_limit,
            ),
            (
                "scrape_pool_exceeded_target_limit",
                "How often a job came to have more targets than target_limit",
                &self.target_limit,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(format!("prometheus_target_{name}"), help, counter.clone());
        }
        registry.register("prometheus_target_scrape_pool_targets", "Targets of a job", self.targets.clone());
    }

    pub fn set_targets(&self, job: &str, targets: usize) {
        let labels = Labels { scrape_job: job.to_owned() };
        self.targets.get_or_create(&labels).set(i64::try_from(targets).unwrap_or(i64::MAX));
    }

    pub fn remove_pool(&self, job: &str) {
        self.targets.remove(&Labels { scrape_job: job.to_owned() });
    }
}
