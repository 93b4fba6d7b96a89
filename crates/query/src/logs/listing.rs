//! Streams as such: their labels, how much there is of each.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_logql::matcher::Matcher;
use trefoil_model::Tenants;
use trefoil_promql::labels::Labels;

use super::entries::selected;
use super::record::{LINE, line};
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
            engine
                .each_selected(&tenants, &selector, period, |selected, _| {
                    let runs: BTreeSet<usize> = selected.rows.iter().map(|row| row.run).collect();
                    streams.extend(runs.into_iter().map(|run| selected.runs[run].stream.labels.clone()));
                    match streams.len() > limits.max_series {
                        true => Err(QueryError::LimitExceeded(format!(
                            "there are more than {} streams; ask for fewer by a selector, or for a shorter time",
                            limits.max_series
                        ))),
                        false => Ok(()),
                    }
                })
                .await?;
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
            engine
                .each_selected(&tenants, &selector, period, |selected, lengths| {
                    let runs: BTreeSet<usize> = selected.rows.iter().map(|row| row.run).collect();
                    stats.chunks += runs.len() as u64;
                    streams.extend(runs.into_iter().map(|run| selected.runs[run].stream.labels.clone()));
                    stats.entries += selected.rows.len() as u64;
                    stats.bytes += lengths.iter().sum::<u64>();
                    Ok(())
                })
                .await?;
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
            engine
                .each_selected(&tenants, &selector, period, |selected, lengths| {
                    let groups: Vec<Vec<Labels>> = selected.runs.iter().map(|run| group(&run.stream.labels)).collect();
                    for (row, length) in selected.rows.iter().zip(lengths) {
                        let part = usize::try_from(row.time.saturating_sub(period.0) / step.max(1)).unwrap_or_default();
                        for labels in &groups[row.run] {
                            let of = match volumes.get_mut(labels) {
                                Some(of) => of,
                                None => volumes.entry(labels.clone()).or_default(),
                            };
                            *of.entry(part).or_default() += length;
                        }
                    }
                    match volumes.len() > limits.max_series {
                        true => {
                            Err(QueryError::LimitExceeded(format!("there are more than {} volumes", limits.max_series)))
                        }
                        false => Ok(()),
                    }
                })
                .await?;
            Ok(volumes.into_iter().map(|(labels, bytes)| StreamVolume { labels, bytes }).collect())
        };
        self.on_thread(limits, answer).await
    }

    /// `take` gets what is selected of each source, and how long the lines are.
    async fn each_selected(
        &self,
        tenants: &Tenants,
        selector: &[Matcher],
        period: (i64, i64),
        mut take: impl FnMut(&super::entries::Selected, &[u64]) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for logs in self.logs_of(tenants).await?.iter().filter(|logs| logs.is_selected(selector)) {
            let sources = self.log_sources(logs);
            for (source, _) in sources.within_times(period).await? {
                tokio::task::yield_now().await;
                let selected = selected(&sources, &source, &logs.view, selector, period).await?;
                if selected.rows.is_empty() {
                    continue;
                }
                let read = sources.read(&source, &LINE).await?;
                let lengths = selected.rows.iter().map(|row| Ok(line(&read, row.row)?.len() as u64));
                take(&selected, &lengths.collect::<Result<Vec<u64>, QueryError>>()?)?;
            }
        }
        Ok(())
    }
}
