//! Entries that are not taken, and what their sender hears.

use std::borrow::Cow;
use std::fmt;

/// So many reasons are told; the rest is counted.
const TOLD: usize = 5;

/// No reason is longer, in bytes: labels and values of others stand in it.
const LONGEST: usize = 4 << 10;

/// Entries that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    pub entries: u64,
    reasons: u64,
    told: Vec<String>,
}

impl Rejected {
    /// `entries` are left out for one reason.
    pub(crate) fn add(&mut self, entries: u64, reason: fmt::Arguments<'_>) {
        self.entries += entries;
        self.reasons += 1;
        if self.told.len() < TOLD {
            self.told.push(cut(&reason.to_string(), LONGEST).into_owned());
        }
    }

    /// One more for the reason that was told last.
    pub(crate) fn again(&mut self) {
        self.entries += 1;
    }

    /// One line in Loki's words; `None` if nothing was left out.
    pub fn message(&self) -> Option<String> {
        let more = self.reasons.checked_sub(self.told.len() as u64).filter(|_| self.entries > 0)?;
        let more = if more > 0 { format!("; and {more} more like these") } else { String::new() };
        Some(format!("{}{more}", self.told.join("; ")))
    }
}

/// No more than `most` bytes beside what tells that the middle is left out: what is long stands before what is wrong with it.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let first = text.floor_char_boundary(most / 2);
    let last = text.ceil_char_boundary(text.len() - most / 2);
    Cow::Owned(format!("{}…{}", &text[..first], &text[last..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reasons_are_told() {
        let mut rejected = Rejected::default();
        assert_eq!(rejected.message(), None);
        rejected.add(1, format_args!("bad"));
        rejected.again();
        assert_eq!((rejected.entries, rejected.message().as_deref()), (2, Some("bad")));
        for _ in 0..9 {
            rejected.add(1, format_args!("worse"));
        }
        let told = "bad; worse; worse; worse; worse; and 5 more like these";
        assert_eq!((rejected.entries, rejected.message().as_deref()), (11, Some(told)));
    }

    #[test]
    fn no_reason_is_too_long() {
        let mut rejected = Rejected::default();
        rejected.add(1, format_args!("{}", "é".repeat(LONGEST)));
        assert_eq!(rejected.message().map(|message| message.len()), Some(LONGEST + '…'.len_utf8()));
        let mut rejected = Rejected::default();
        rejected.add(1, format_args!("stream {} has too many labels", "é".repeat(LONGEST)));
        let message = rejected.message().unwrap();
        assert!(message.len() <= LONGEST + '…'.len_utf8());
        assert!(message.starts_with("stream é") && message.ends_with("é has too many labels"), "{message}");
    }
}
