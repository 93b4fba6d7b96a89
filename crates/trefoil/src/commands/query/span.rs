//! The time or range of time that a query is about.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use chrono::DateTime;
use trefoil_promql::parser::parse_duration;

use crate::cli::QueryArgs;

const DEFAULT_SINCE: i64 = 3_600_000;
/// Values of a range where no step is named.
const DEFAULT_POINTS: i64 = 120;

/// In milliseconds (since the epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// `None` is the server's now.
    Instant(Option<i64>),
    Range {
        start: i64,
        end: i64,
        step: i64,
    },
}

impl Span {
    pub fn of(args: &QueryArgs) -> anyhow::Result<Self> {
        let QueryArgs { since, start, end, step, .. } = args;
        if since.is_none() && start.is_none() && end.is_none() && step.is_none() {
            return Ok(Self::Instant(time("--time", args.time.as_deref())?));
        }
        let end = time("--end", end.as_deref())?.unwrap_or_else(now);
        let since = length("--since", since.as_deref())?.unwrap_or(DEFAULT_SINCE);
        let start = time("--start", start.as_deref())?.unwrap_or(end.saturating_sub(since));
        if end < start {
            bail!("the range ends before it begins");
        }
        let points = end.saturating_sub(start) / DEFAULT_POINTS;
        let whole_seconds = points.saturating_add(999) / 1000 * 1000;
        Ok(Self::Range { start, end, step: length("--step", step.as_deref())?.unwrap_or(whole_seconds.max(1000)) })
    }

    /// As the server takes them.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        match self {
            Span::Instant(time) => time.iter().map(|time| ("time", seconds(*time))).collect(),
            Span::Range { start, end, step } => {
                vec![("start", seconds(*start)), ("end", seconds(*end)), ("step", seconds(*step))]
            }
        }
    }
}

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let magnitude = millis.unsigned_abs();
    format!("{sign}{}.{:03}", magnitude / 1000, magnitude % 1000)
}

pub fn time(name: &str, text: Option<&str>) -> anyhow::Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    if let Some(seconds) = text.parse().ok().filter(|seconds: &f64| seconds.is_finite()) {
        return Ok(Some((seconds * 1000.0).round() as i64));
    }
    let parsed = DateTime::parse_from_rfc3339(text);
    let time = parsed.with_context(|| format!("{name}: {text:?} is neither seconds nor RFC 3339"))?;
    Ok(Some(time.timestamp_millis()))
}

pub fn length(name: &str, text: Option<&str>) -> anyhow::Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    let millis = match seconds {
        Some(seconds) => (seconds * 1000.0).round() as i64,
        None => parse_duration(text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?,
    };
    match millis {
        1.. => Ok(Some(millis)),
        _ => bail!("{name}: {text:?} must be longer than nothing"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn span(args: &[&str]) -> Result<Span, String> {
        let args = ["trefoil", "query", "up"].iter().chain(args);
        match Cli::try_parse_from(args).map_err(|error| error.to_string())?.command {
            Command::Query(args) => Span::of(&args).map_err(|error| format!("{error:#}")),
            _ => unreachable!("the command is query"),
        }
    }

    #[test]
    fn a_range_is_what_has_a_length() {
        assert_eq!(span(&[]), Ok(Span::Instant(None)));
        assert_eq!(span(&["--time", "1.5"]), Ok(Span::Instant(Some(1_500))));
        assert_eq!(span(&["--time", "1970-01-01T01:00:01+01:00"]), Ok(Span::Instant(Some(1_000))));
        let range = |start, end, step| Ok(Span::Range { start, end, step });
        assert_eq!(span(&["--end", "7200"]), range(3_600_000, 7_200_000, 30_000));
        assert_eq!(span(&["--end", "7200", "--since", "1m30s"]), range(7_110_000, 7_200_000, 1_000));
        assert_eq!(span(&["--start", "0", "--end", "100", "--step", "0.5"]), range(0, 100_000, 500));
        for (wrong, reason) in [
            (&["--time", "1", "--since", "1h"][..], "cannot be used with"),
            (&["--start", "1", "--since", "1h"], "cannot be used with"),
            (&["--time", "yesterday"], "neither seconds nor RFC 3339"),
            (&["--since", "1x"], "--since: unknown unit"),
            (&["--step", "0"], "must be longer than nothing"),
            (&["--start", "2", "--end", "1"], "ends before it begins"),
        ] {
            assert!(span(wrong).unwrap_err().contains(reason), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_sent_as_seconds() {
        assert_eq!(Span::Instant(Some(-1_500)).parameters(), [("time", "-1.500".to_owned())]);
        let range = Span::Range { start: 0, end: 1, step: 2_000 }.parameters();
        assert_eq!(range[2], ("step", "2.000".to_owned()));
    }
}
