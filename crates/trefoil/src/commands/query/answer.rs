//! Prometheus' answers to a query.

use std::fmt::{self, Display, Formatter};

use serde::Deserialize;
use trefoil_promql::labels::{Labels, METRIC_NAME};

use super::explain::Explained;

#[derive(Debug, Deserialize)]
pub struct Answer {
    pub data: Answered,
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub infos: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Answered {
    #[serde(flatten)]
    pub result: Data,
    /// If it was asked for.
    pub explain: Option<Explained>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum Data {
    Scalar(Point),
    String(Point),
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
}

impl Data {
    /// Leaves no more series than `limit`; Loki's API has none of its own for them.
    pub fn cut(&mut self, limit: Option<u32>) {
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let all = match self {
            Data::Scalar(_) | Data::String(_) => return,
            Data::Vector(samples) => cut(samples, limit),
            Data::Matrix(series) => cut(series, limit),
        };
        if let Some(all) = all {
            eprintln!("{limit} of {all} series; --limit says how many are shown");
        }
    }
}

/// How many there were, if that was more.
fn cut<T>(items: &mut Vec<T>, limit: usize) -> Option<usize> {
    let all = items.len();
    items.truncate(limit);
    (all > limit).then_some(all)
}

/// Seconds since the epoch, and the value.
#[derive(Debug, Deserialize)]
pub struct Point(pub f64, pub String);

#[derive(Debug, Deserialize)]
pub struct HistogramPoint(pub f64, pub Histogram);

#[derive(Debug, Deserialize)]
pub struct Histogram {
    pub count: String,
    pub sum: String,
}

#[derive(Debug, Deserialize)]
pub struct Sample {
    pub metric: Metric,
    pub value: Option<Point>,
    pub histogram: Option<HistogramPoint>,
}

#[derive(Debug, Deserialize)]
pub struct Series {
    pub metric: Metric,
    #[serde(default)]
    pub values: Vec<Point>,
    #[serde(default)]
    pub histograms: Vec<HistogramPoint>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "std::collections::BTreeMap<String, String>")]
pub struct Metric(pub Labels);

impl From<std::collections::BTreeMap<String, String>> for Metric {
    fn from(labels: std::collections::BTreeMap<String, String>) -> Self {
        Self(Labels::from_pairs(labels))
    }
}

/// `up{job="x"}`
impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels = self.0.without(&[METRIC_NAME]);
        f.write_str(self.0.metric_name())?;
        match labels.is_empty() && self.0.has(METRIC_NAME) {
            true => Ok(()),
            false => labels.fmt(f),
        }
    }
}

impl Display for Histogram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "count {}, sum {}", self.count, self.sum)
    }
}
