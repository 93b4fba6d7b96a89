//! The time that lines are of.

use anyhow::{Context, bail};
use chrono::DateTime;

use super::super::query::span::{length, now};
use crate::cli::LogsArgs;

const DEFAULT_SINCE: i64 = 3_600_000;
const NANOS_PER_MILLI: i64 = 1_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Whole numbers up to it are seconds, others nanoseconds.
const MOST_DIGITS_OF_SECONDS: usize = 10;

/// Nanoseconds since the epoch; the end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub start: i64,
    pub end: i64,
}

impl Period {
    pub fn of(args: &LogsArgs) -> anyhow::Result<Self> {
        let end = match &args.to {
            Some(text) => time("--to", text)?,
            None => now().saturating_mul(NANOS_PER_MILLI),
        };
        let since = length("--since", args.since.as_deref())?.unwrap_or(DEFAULT_SINCE);
        let start = match &args.from {
            Some(text) => time("--from", text)?,
            None => end.saturating_sub(since.saturating_mul(NANOS_PER_MILLI)),
        };
        if end < start && !args.follow {
            bail!("the time ends before it begins");
        }
        Ok(Self { start, end })
    }
}

fn time(name: &str, text: &str) -> anyhow::Result<i64> {
    let seconds = |seconds: f64| seconds * NANOS_PER_SECOND as f64;
    let nanos = match text.parse::<i64>() {
        Ok(number) if text.trim_start_matches('-').len() <= MOST_DIGITS_OF_SECONDS => {
            number.checked_mul(NANOS_PER_SECOND)
        }
        Ok(number) => Some(number),
        Err(_) => {
            text.parse().ok().map(seconds).filter(|nanos| nanos.abs() < i64::MAX as f64).map(|nanos| nanos as i64)
        }
    };
    if let Some(nanos) = nanos {
        return Ok(nanos);
    }
    let parsed = DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_nanos_opt());
    parsed.with_context(|| format!("{name}: {text:?} is neither a Unix time nor RFC 3339"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn period(args: &[&str]) -> Result<(i64, i64), String> {
        let args = ["trefoil", "logs", "{a=\"b\"}"].iter().chain(args);
        match Cli::try_parse_from(args).map_err(|error| error.to_string())?.command {
            Command::Logs(args) => {
                Period::of(&args).map(|period| (period.start, period.end)).map_err(|error| format!("{error:#}"))
            }
            _ => unreachable!("the command is logs"),
        }
    }

    #[test]
    fn times_are_written_in_many_ways() {
        let second = NANOS_PER_SECOND;
        assert_eq!(period(&["--from", "5", "--to", "7.5"]), Ok((5 * second, 7_500_000_000)));
        assert_eq!(period(&["--from", "-1", "--to", "1970-01-01T00:00:01.000000002Z"]), Ok((-second, second + 2)));
        assert_eq!(
            period(&["--to", "1700000000000000001", "--since", "1s"]),
            Ok((1_699_999_999_000_000_001, 1_700_000_000_000_000_001))
        );
        let (start, end) = period(&[]).unwrap();
        assert_eq!(end - start, 3600 * second);
        for (wrong, reason) in [
            (&["--from", "soon"][..], "--from: \"soon\" is neither a Unix time nor RFC 3339"),
            (&["--to", "1e30"], "--to: "),
            (&["--from", "9", "--to", "8"], "ends before it begins"),
            (&["--from", "9", "--since", "1h"], "cannot be used with"),
            (&["--to", "9", "--follow"], "cannot be used with"),
            (&["--forward", "--follow"], "cannot be used with"),
            (&["--since", "1x"], "--since: "),
            (&["--limit", "0"], "0 is not in 1.."),
        ] {
            let error = period(wrong).unwrap_err();
            assert!(error.contains(reason), "{wrong:?}: {error}");
        }
    }
}
