//! The rows of a source that a question is about.

use std::borrow::Cow;

use arrow::buffer::BooleanBuffer;
use trefoil_logql::matcher::Matcher;

use super::columns::times;
use super::ids::AskedIds;
use super::streams::{Run, Streams};
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// A row: when it happened (nanoseconds since the epoch), where it is, and which of the runs it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub time: i64,
    pub row: usize,
    pub run: usize,
}

/// Rows of selected streams within a period.
#[derive(Debug, Default)]
pub struct Selected {
    /// Those of streams that are selected.
    pub runs: Vec<Run>,
    times: Rows,
    period: (i64, i64),
    /// Of all rows of the source those that have the ids that are asked for, where some are.
    having_ids: Option<BooleanBuffer>,
}

impl Selected {
    /// In the order of the source, which within a stream is that of their times, then that of their arrival, where the source is of a
    /// file; of the buffer it is that of their arrival.
    pub fn rows(&self) -> Result<impl Iterator<Item = Row>, QueryError> {
        let times = self.times()?;
        Ok((0..self.runs.len()).flat_map(move |run| self.within(run, times)))
    }

    /// The rows of one run.
    pub fn rows_of(&self, run: usize) -> Result<impl Iterator<Item = Row>, QueryError> {
        Ok(self.within(run, self.times()?))
    }

    /// The times of the rows of one run.
    pub fn times_of(&self, run: usize) -> Result<Cow<'_, [i64]>, QueryError> {
        let all = self.times()?;
        let of_run = &all[self.runs[run].rows.clone()];
        let is_within = |time: &i64| (self.period.0..=self.period.1).contains(time);
        Ok(match self.having_ids.is_none() && of_run.iter().all(is_within) {
            true => Cow::Borrowed(of_run),
            false => Cow::Owned(self.within(run, all).map(|row| row.time).collect()),
        })
    }

    /// The runs that have rows within the period.
    pub fn runs_with_rows(&self) -> Result<Vec<Run>, QueryError> {
        let times = self.times()?;
        let has_rows = |run: &usize| self.within(*run, times).next().is_some();
        Ok((0..self.runs.len()).filter(has_rows).map(|run| self.runs[run].clone()).collect())
    }

    fn times(&self) -> Result<&[i64], QueryError> {
        if self.runs.is_empty() { Ok(&[]) } else { times(&self.times) }
    }

    fn within<'s>(&'s self, run: usize, times: &'s [i64]) -> impl Iterator<Item = Row> + use<'s> {
        let all = self.runs[run].rows.clone().map(move |row| Row { time: times[row], row, run });
        let has_ids = |row: &Row| self.having_ids.as_ref().is_none_or(|having| having.value(row.row));
        all.filter(move |row| (self.period.0..=self.period.1).contains(&row.time) && has_ids(row))
    }
}

/// `period`: both ends belong to it.
pub async fn selected(
    sources: &Sources<'_>,
    source: &Source,
    streams: &Streams,
    selector: &[Matcher],
    period: (i64, i64),
    asked: &AskedIds,
) -> Result<Selected, QueryError> {
    let runs = selected_runs(sources, source, streams, selector).await?;
    if runs.is_empty() {
        return Ok(Selected::default());
    }
    let times = sources.read(source, &["time_unix_nano"]).await?;
    let having_ids = asked.rows(sources, source).await?;
    Ok(Selected { runs, times, period, having_ids })
}

/// The runs of selected streams, whenever their lines are.
pub async fn selected_runs(
    sources: &Sources<'_>,
    source: &Source,
    streams: &Streams,
    selector: &[Matcher],
) -> Result<Vec<Run>, QueryError> {
    let runs = streams.runs(sources, source).await?;
    Ok(runs.iter().filter(|run| run.stream.is_selected(selector)).cloned().collect())
}
