//! What kind of metric a metric is, and what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use trefoil_model::Tenant;
use trefoil_prometheus::names::{NameTranslation, unit_name};

use super::MetricMetadata;
use super::error::PromqlError;
use super::family::Family;
use super::read::{Period, TARGET_INFO};
use crate::Engine;

/// Metrics that were written to so long ago are looked at first: in a store of years nearly all metrics are old ones.
const RECENT_MS: i64 = 86_400_000;

const EVER: Period = Period { start_ms: i64::MIN, end_ms: i64::MAX };

impl Engine {
    /// Type, help and unit of each metric written to yesterday or today (where there is none: ever), or of `metric` alone, by
    /// Prometheus' name of the metric (of a classic histogram or a summary without its suffixes).
    pub async fn metric_metadata(
        &self,
        tenant: &Tenant,
        metric: Option<&str>,
    ) -> Result<BTreeMap<String, Vec<MetricMetadata>>, PromqlError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let recent = Period { start_ms: now.saturating_sub(RECENT_MS), end_ms: i64::MAX };
        let families = self.in_time(async {
            let store = self.listing_store(tenant).await?;
            let families = store.families(recent);
            Ok(if families.is_empty() { store.families(EVER) } else { families })
        });
        let translation = self.metrics.view.translation;
        let mut known: BTreeMap<String, BTreeSet<MetricMetadata>> = BTreeMap::new();
        let families = families.await?;
        for family in families.iter() {
            let name = metric_of(family);
            if metric.is_none_or(|metric| metric == name) {
                known.entry(name.to_owned()).or_default().extend(of_family(family, translation));
            }
        }
        let has_resources = families.iter().any(|family| !family.is_literal());
        if has_resources && metric.is_none_or(|metric| metric == TARGET_INFO) {
            let target =
                MetricMetadata { kind: "gauge".to_owned(), help: "Target metadata".to_owned(), unit: String::new() };
            known.entry(TARGET_INFO.to_owned()).or_default().insert(target);
        }
        Ok(known.into_iter().map(|(name, metadata)| (name, metadata.into_iter().collect())).collect())
    }
}

/// What came as series of Prometheus has the parts of histograms and summaries as metrics of their own.
fn metric_of(family: &Family) -> &str {
    let suffixes: &[&str] = match family.literal_type.as_deref() {
        Some("histogram" | "gaugehistogram") => &["_bucket", "_count", "_sum", "_gcount", "_gsum"],
        Some("summary") => &["_count", "_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| family.name.strip_suffix(suffix)).unwrap_or(&family.name)
}

fn of_family(family: &Family, translation: NameTranslation) -> Vec<MetricMetadata> {
    let unit = match family.is_literal() {
        true => family.key.unit.clone(),
        false => unit_name(translation, &family.key.unit),
    };
    let metadata = |help: &str| MetricMetadata {
        kind: family.prometheus_type().to_owned(),
        help: help.to_owned(),
        unit: unit.clone(),
    };
    match family.descriptions.is_empty() {
        true => vec![metadata("")],
        false => family.descriptions.iter().map(|help| metadata(help)).collect(),
    }
}
