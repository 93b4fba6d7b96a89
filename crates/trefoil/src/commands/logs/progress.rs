//! How far an export is: a bar on standard error, where that is a terminal and the lines go elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::period::Period;

/// A bar has as many places as milliseconds are asked about.
const NANOS_PER_MILLI: u64 = 1_000_000;

pub struct Progress {
    bar: Option<ProgressBar>,
    period: Period,
    forward: bool,
    pub lines: u64,
    bytes: u64,
}

impl Progress {
    pub fn new(period: Period, forward: bool, is_terminal: bool) -> Self {
        let is_wanted = stderr().is_terminal() && !is_terminal;
        let bar = is_wanted.then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg} {eta}");
            let bar = ProgressBar::new(period.end.abs_diff(period.start) / NANOS_PER_MILLI);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, period, forward, lines: 0, bytes: 0 }
    }

    /// `time`: of the last line. They come in order, so everything on this side of it is done.
    pub fn advance(&mut self, lines: u64, bytes: u64, time: i64) {
        self.lines += lines;
        self.bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(done(self.period, self.forward, time));
            bar.set_message(format!("{} lines, {}", self.lines, HumanBytes(self.bytes)));
        }
    }

    pub fn finish(self, limit: Option<u64>) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let lines = if self.lines == 1 { "line" } else { "lines" };
        match limit.is_some_and(|limit| self.lines >= limit) {
            true => eprintln!("{} {lines}; there may be more, --limit says how many are shown", self.lines),
            false => eprintln!("{} {lines}", self.lines),
        }
    }
}

fn done(period: Period, forward: bool, time: i64) -> u64 {
    let time = time.clamp(period.start, period.end);
    let from = if forward { period.start } else { period.end };
    time.abs_diff(from) / NANOS_PER_MILLI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_with_the_order_of_lines() {
        let period = Period { start: 0, end: 10_000_000 };
        assert_eq!((done(period, true, 0), done(period, true, 4_000_000), done(period, true, 99_000_000)), (0, 4, 10));
        assert_eq!((done(period, false, 10_000_000), done(period, false, 4_000_000)), (0, 6));
    }
}
