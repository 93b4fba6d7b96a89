//! Streams as such: their labels, how much there is of each.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_logql::matcher::Matcher;
use trefoil_model::Tenants;
use trefoil_promql::labels::Labels;

use super::entries::{Selected, selected, selected_runs};
use super::ids::AskedIds;
use super::record::lengths;
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

/// How much there is of some streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamStats {
    pub streams: u64,
    /// Row groups and batches of the buffer that lines of them lie in.
    pub chunks: u64,
    pub entries: u64,
    /// Of their lines.
    pub bytes: u64,
}

/// How many bytes of lines there are of streams with these labels, in each part of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamVolume {
    pub labels: Labels,
    /// By the part's number, those without lines left out.
    pub bytes: BTreeMap<usize, u64>,
}

/// The labels of the volumes that a stream counts in, by its own.
pub type VolumeGroups = Box<dyn Fn(&Labels) -> Vec<Labels> + Send>;

impl Engine {
    /// The labels of all streams of `tenants` that are selected and have lines within `period` (nanoseconds since the epoch, both
    /// inclusive), each once, sorted.
    pub async fn log_streams(
        &self,
        tenants: impl Into<Tenants>,
        selector: Vec<Matcher>,
        period: (i64, i64),
        limits: Limits,
    ) -> Result<Vec<Labels>, QueryError> {
        let tenants = tenants.into();
        let answer = move |engine: Engine| async move {
            let mut streams = BTreeSet::new();
            for logs in engine.logs_of(&tenants).await?.iter().filter(|logs| logs.is_selected(&selector)) {
                let sources = engine.log_sources(logs);
                for (source, times) in sources.within_times(period).await? {
                    tokio::task::yield_now().await;
                    let runs = match times.is_some_and(|(first, last)| period.0 <= first && last <= period.1) {
                        // All lines are within the period, whatever their times.
                        true => selected_runs(&sources, &source, &logs.streams, &selector).await?,
                        false => {
                            let ids = AskedIds::default();
                            selected(&sources, &source, &logs.streams, &selector, period, &ids)
                                .await?
                                .runs_with_rows()?
                        }
                    };
                    for run in runs {
                        if !streams.contains(&run.stream.labels) {
                            streams.insert(run.stream.labels.clone());
                        }
                    }
                    if streams.len() > limits.max_series {
                        return Err(QueryError::LimitExceeded(format!(
                            "there are more than {} streams; ask for fewer by a selector, or for a shorter time",
                            limits.max_series
                        )));
                    }
                }
            }
            Ok(streams.into_iter().collect())
        };
        self.on_thread(limits, answer).await
    }

    /// How much there is of selected streams within a period.
    pub async fn log_stats(
        &self,
        tenants: impl Into<Tenants>,
        selector: Vec<Matcher>,
        period: (i64, i64),
        limits: Limits,
    ) -> Result<StreamStats, QueryError> {
        let tenants = tenants.into();
        let answer = move |engine: Engine| async move {
            let (mut stats, mut streams) = (StreamStats::default(), BTreeSet::new());
            let take = async |sources: &Sources<'_>, source: &Source, selected: &Selected| {
                let lengths = lengths(sources, source).await?;
                for (number, run) in selected.runs.iter().enumerate() {
                    let (mut entries, mut bytes) = (0, 0);
                    for row in selected.rows_of(number)? {
                        entries += 1;
                        bytes += u64::from(lengths.value(row.row));
                    }
                    if entries > 0 {
                        stats.chunks += 1;
                        streams.insert(run.stream.labels.clone());
                    }
                    stats.entries += entries;
                    stats.bytes += bytes;
                }
                Ok(())
            };
            engine.each_selected(&tenants, &selector, period, take).await?;
            stats.streams = streams.len() as u64;
            Ok(stats)
        };
        self.on_thread(limits, answer).await
    }

    /// How many bytes there are of selected streams in each `step` of a period, by the volumes that they count in.
    pub async fn log_volume(
        &self,
        tenants: impl Into<Tenants>,
        selector: Vec<Matcher>,
        period: (i64, i64),
        step: i64,
        group: VolumeGroups,
        limits: Limits,
    ) -> Result<Vec<StreamVolume>, QueryError> {
        let tenants = tenants.into();
        let answer = move |engine: Engine| async move {
            let mut volumes: BTreeMap<Labels, BTreeMap<usize, u64>> = BTreeMap::new();
            let part_of = |time: i64| usize::try_from(time.saturating_sub(period.0) / step.max(1)).unwrap_or_default();
            let take = async |sources: &Sources<'_>, source: &Source, selected: &Selected| {
                let lengths = lengths(sources, source).await?;
                for (number, run) in selected.runs.iter().enumerate() {
                    // Neighbouring rows are mostly of one part.
                    let mut parts: BTreeMap<usize, u64> = BTreeMap::new();
                    let (mut part, mut bytes) = (0, 0);
                    for row in selected.rows_of(number)? {
                        let its = part_of(row.time);
                        if its != part {
                            add(&mut parts, part, std::mem::take(&mut bytes));
                            part = its;
                        }
                        bytes += u64::from(lengths.value(row.row));
                    }
                    add(&mut parts, part, bytes);
                    for labels in if parts.is_empty() { Vec::new() } else { group(&run.stream.labels) } {
                        let of = volumes.entry(labels).or_default();
                        parts.iter().for_each(|(part, bytes)| add(of, *part, *bytes));
                    }
                }
                match volumes.len() > limits.max_series {
                    true => {
                        Err(QueryError::LimitExceeded(format!("there are more than {} volumes", limits.max_series)))
                    }
                    false => Ok(()),
                }
            };
            engine.each_selected(&tenants, &selector, period, take).await?;
            Ok(volumes.into_iter().map(|(labels, bytes)| StreamVolume { labels, bytes }).collect())
        };
        self.on_thread(limits, answer).await
    }

    /// `take` gets what is selected of each source.
    async fn each_selected(
        &self,
        tenants: &Tenants,
        selector: &[Matcher],
        period: (i64, i64),
        mut take: impl AsyncFnMut(&Sources<'_>, &Source, &Selected) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for logs in self.logs_of(tenants).await?.iter().filter(|logs| logs.is_selected(selector)) {
            let sources = self.log_sources(logs);
            for (source, _) in sources.within_times(period).await? {
                tokio::task::yield_now().await;
                let ids = AskedIds::default();
                let selected = selected(&sources, &source, &logs.streams, selector, period, &ids).await?;
                take(&sources, &source, &selected).await?;
            }
        }
        Ok(())
    }
}

fn add(parts: &mut BTreeMap<usize, u64>, part: usize, bytes: u64) {
    if bytes > 0 {
        *parts.entry(part).or_default() += bytes;
    }
}
