//! The rows of a source that a question is about.

use trefoil_logql::matcher::Matcher;

use super::columns::times;
use super::streams::{Run, runs};
use super::view::LogView;
use crate::QueryError;
use crate::sources::{Source, Sources};

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
    /// In the order of the source, which within a stream is that of their times, then that of their arrival, where the source is of a
    /// file; of the buffer it is that of their arrival.
    pub rows: Vec<Row>,
}

/// `period`: both ends belong to it.
pub async fn selected(
    sources: &Sources<'_>,
    source: &Source,
    view: &LogView,
    selector: &[Matcher],
    period: (i64, i64),
) -> Result<Selected, QueryError> {
    let mut runs = runs(sources, source, view).await?;
    runs.retain(|run| run.stream.is_selected(selector));
    if runs.is_empty() {
        return Ok(Selected::default());
    }
    let read = sources.read(source, &["time_unix_nano"]).await?;
    let times = times(&read)?;
    let mut rows = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let within = run.rows.clone().filter(|row| (period.0..=period.1).contains(&times[*row]));
        rows.extend(within.map(|row| Row { time: times[row], row, run: number }));
    }
    Ok(Selected { runs, rows })
}
