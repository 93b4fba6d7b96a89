//! What became of a request: what was written, what was not, and why.

use std::fmt::Display;

use trefoil_model::active::Reason;

use super::labels::{Labels, describe};

/// How many problems an answer spells out.
const TOLD: usize = 5;

/// Items that were written, as 2.0 wants them told in every answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
}

impl Written {
    /// Without `count` points that were refused further on: nobody says which, so that samples are taken off first.
    pub fn without(self, count: u64) -> Self {
        let samples = self.samples.saturating_sub(count);
        let rest = count - (self.samples - samples);
        Self { samples, histograms: self.histograms.saturating_sub(rest), exemplars: self.exemplars }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub written: Written,
    /// Samples and histograms that are not taken.
    pub refused: u64,
    /// Of these, by the reasons that the store has, in the order of [`Reason::ALL`].
    pub reasons: [u64; Reason::ALL.len()],
    problems: u64,
    told: Vec<String>,
}

impl Report {
    /// `points` of the series are not taken.
    pub fn refuse(&mut self, points: u64, labels: &Labels<'_>, reason: impl Display) {
        self.refused += points;
        self.problems += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("series {}: {reason}", describe(labels)));
        }
    }

    /// Adds what became of another part of the same request.
    pub fn add(&mut self, other: Report) {
        let Written { samples, histograms, exemplars } = other.written;
        self.written.samples += samples;
        self.written.histograms += histograms;
        self.written.exemplars += exemplars;
        self.refused += other.refused;
        self.reasons.iter_mut().zip(other.reasons).for_each(|(mine, theirs)| *mine += theirs);
        self.problems += other.problems;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// Counts one refused sample by what the store has against it.
    pub fn count(&mut self, reason: Reason) {
        self.reasons[reason as usize] += 1;
    }

    /// The text for the sender, if something is wrong with the request.
    pub fn message(&self) -> Option<String> {
        if self.problems == 0 {
            return None;
        }
        let Written { samples, histograms, .. } = self.written;
        let all = self.refused + samples + histograms;
        let more = self.problems - self.told.len() as u64;
        let more = if more > 0 { format!("; and {more} more like these") } else { String::new() };
        Some(format!("{} of {all} samples are not stored: {}{more}", self.refused, self.told.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_problems_are_told() {
        let mut report = Report { written: Written { samples: 3, ..Written::default() }, ..Report::default() };
        assert_eq!(report.message(), None);
        report.refuse(2, &vec![("__name__", "a"), ("b", "c\"")], "bad");
        let first = r#"series {__name__="a", b="c\""}: bad"#;
        assert_eq!(report.message(), Some(format!("2 of 5 samples are not stored: {first}")));
        for _ in 0..10 {
            report.refuse(1, &vec![], "bad");
        }
        let message = report.message().unwrap();
        assert!(message.starts_with(&format!("12 of 15 samples are not stored: {first}; series {{}}: bad;")));
        assert!(message.ends_with("; and 6 more like these"), "{message}");
    }

    #[test]
    fn what_is_refused_further_on_is_taken_off() {
        let written = Written { samples: 3, histograms: 2, exemplars: 1 };
        assert_eq!(written.without(0), written);
        assert_eq!(written.without(4), Written { samples: 0, histograms: 1, exemplars: 1 });
        assert_eq!(written.without(9), Written { samples: 0, histograms: 0, exemplars: 1 });
    }
}
