//! What the demo says while it runs: one line that is written over on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::load::Tally;
use crate::telemetry::Status;

const ON_TERMINAL: Duration = Duration::from_millis(500);
const ELSEWHERE: Duration = Duration::from_secs(10);
const DEFAULT_WIDTH: usize = 80;

/// Writes to standard error.
pub struct Progress<'a> {
    pub tally: &'a Tally,
    pub status: &'a Status,
    pub endpoint: String,
}

impl Progress<'_> {
    /// Tells how it goes, for ever.
    pub async fn run(&self) {
        let terminal = std::io::stderr().is_terminal();
        let mut ticks = interval(if terminal { ON_TERMINAL } else { ELSEWHERE });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut since = (Instant::now(), 0);
        loop {
            ticks.tick().await;
            let requests = get(&self.tally.requests);
            let rate = (requests - since.1) as f64 / since.0.elapsed().as_secs_f64();
            if terminal {
                write_over(&self.line(Some(rate)));
            } else {
                eprintln!("{}", self.line(Some(rate)));
            }
            since = (Instant::now(), requests);
        }
    }

    /// The last line.
    pub fn conclude(&self) {
        if std::io::stderr().is_terminal() {
            write_over("");
        }
        eprintln!("{}", self.line(None));
    }

    fn line(&self, rate: Option<f64>) -> String {
        let Self { tally, status, endpoint } = self;
        // What is wrong comes first, where a narrow terminal cuts nothing off.
        let mut line = status.problem().map(|problem| format!("{problem}; ")).unwrap_or_default();
        line.push_str(&format!("{} requests", get(&tally.requests)));
        if let Some(rate) = rate {
            line.push_str(&format!(" ({rate:.0}/s)"));
        }
        line.push_str(&format!(", {} checkouts, {} errors", get(&tally.checkouts), get(&tally.errors)));
        let turned_away = get(&tally.turned_away);
        if turned_away > 0 {
            line.push_str(&format!(", {turned_away} turned away"));
        }
        line.push_str(&format!("; {} spans sent to {endpoint}", get(&status.spans.sent)));
        let lost = status.lost();
        if lost > 0 {
            line.push_str(&format!(", {lost} items lost"));
        }
        line
    }
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Replaces the line that the terminal shows; a longer one would stay behind when it is replaced.
fn write_over(line: &str) {
    let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(DEFAULT_WIDTH, |(width, _)| width.0.into());
    let line: String = line.chars().take(width.saturating_sub(1)).collect();
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_wrong() {
        let (tally, status) = (Tally::default(), Status::default());
        tally.requests.store(120, Ordering::Relaxed);
        status.spans.add_sent(900);
        let progress = Progress { tally: &tally, status: &status, endpoint: "http://e:1".into() };
        let good = "120 requests (20/s), 0 checkouts, 0 errors; 900 spans sent to http://e:1";
        assert_eq!(progress.line(Some(20.2)), good);
        status.records.add_lost(7);
        status.set_problem(Some("http://e:1 does not take telemetry: Connection refused".into()));
        let bad = "http://e:1 does not take telemetry: Connection refused; 120 requests, 0 checkouts, 0 errors; 900 spans \
                   sent to http://e:1, 7 items lost";
        assert_eq!(progress.line(None), bad);
    }
}
