//! Lines that were shown, so that none is shown again.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use trefoil_loki::TakenLine;

/// Lines that are remembered; of what is older than the oldest of them nothing is asked again.
const REMEMBERED: usize = 20_000;

/// The newest lines that were shown, by their times. Two that are the same in everything are one, as in Loki.
#[derive(Debug)]
pub struct Seen {
    hashes: BTreeMap<i64, HashSet<u64>>,
    count: usize,
    /// Everything from here on that was shown is remembered.
    since: i64,
}

impl Seen {
    pub fn new(since: i64) -> Self {
        Self { hashes: BTreeMap::new(), count: 0, since }
    }

    pub fn since(&self) -> i64 {
        self.since
    }

    /// Whether a line is to be shown. Then it is remembered.
    pub fn is_new(&mut self, line: &TakenLine) -> bool {
        // Nothing is asked again about that time.
        if line.timestamp < self.since {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        if !self.hashes.entry(line.timestamp).or_default().insert(hasher.finish()) {
            return false;
        }
        self.count += 1;
        while self.count > REMEMBERED && self.hashes.len() > 1 {
            self.forget_oldest();
        }
        true
    }

    /// Nothing before `time` is asked again.
    pub fn begin(&mut self, time: i64) {
        self.since = self.since.max(time);
    }

    fn forget_oldest(&mut self) {
        if let Some((time, hashes)) = self.hashes.pop_first() {
            self.count -= hashes.len();
            self.since = self.since.max(time.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(timestamp: i64, text: &str) -> TakenLine {
        TakenLine { timestamp, line: text.to_owned(), ..TakenLine::default() }
    }

    #[test]
    fn a_line_is_new_once() {
        let mut seen = Seen::new(10);
        assert!(seen.is_new(&line(10, "a")) && seen.is_new(&line(10, "b")) && seen.is_new(&line(11, "a")));
        assert!(!seen.is_new(&line(10, "a")) && !seen.is_new(&line(11, "a")));
        assert!(seen.is_new(&line(9, "late")) && seen.is_new(&line(9, "late")));
        seen.begin(5);
        assert_eq!(seen.since(), 10);
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut seen = Seen::new(0);
        let count = REMEMBERED as i64 + 5;
        assert!((0..count).all(|time| seen.is_new(&line(time, "x"))));
        assert_eq!((seen.since(), seen.count), (5, REMEMBERED));
        assert!(!seen.is_new(&line(5, "x")) && seen.is_new(&line(4, "x")));
    }
}
