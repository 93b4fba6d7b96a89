//! What tells an entry of a log from all others: a hash of its stream and of its bytes.
//!
//! Whoever sends a record again sends the same bytes, but for the time at which somebody on the way has seen it. That one counts only
//! where a record has no time of its own. docs/decisions/0040-entries-once.md has the reasons.

use std::collections::HashMap;
use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::Tenant;

/// Odd, and as good as random: the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// When a record happened.
pub(super) enum Timed {
    /// It says so. Where in its bytes the time of observation lies, if it has one.
    Own(Range<usize>),
    /// Only when it was observed is known; 0: not even that.
    Observed(i64),
}

/// The hashes of a request's rows.
pub(super) struct Entries {
    tenant: u64,
    /// Of the records; those from `open` on are of the stream that has not ended.
    hashes: Vec<u64>,
    open: usize,
    /// Rows that have no time of their own.
    observed: Vec<usize>,
}

impl Entries {
    pub fn new(tenant: &Tenant) -> Self {
        Self { tenant: xxh3_64(tenant.as_str().as_bytes()), hashes: Vec::new(), open: 0, observed: Vec::new() }
    }

    /// The next row.
    pub fn push(&mut self, record: &[u8], time: Timed) {
        let hash = match time {
            Timed::Own(observed) => {
                let (before, after) = (&record[..observed.start], &record[observed.end..]);
                match after {
                    [] => xxh3_64(before),
                    after => mixed(xxh3_64(before), xxh3_64(after)),
                }
            }
            // Two of them may be two lines that look the same.
            Timed::Observed(0) => 0,
            Timed::Observed(_) => {
                self.observed.push(self.hashes.len());
                xxh3_64(record)
            }
        };
        self.hashes.push(hash);
    }

    /// The rows since the last call are of this stream.
    pub fn end_stream(&mut self, stream_id: u64) {
        let stream = mixed(stream_id, self.tenant);
        for hash in self.hashes[self.open..].iter_mut().filter(|hash| **hash != 0) {
            *hash = mixed(*hash, stream).max(1);
        }
        self.open = self.hashes.len();
    }

    /// Lines that a collector read at the same moment may look the same and be several: of a request all of those are entries.
    pub fn finish(mut self) -> Vec<u64> {
        let mut seen: HashMap<u64, u64, ahash::RandomState> = HashMap::default();
        for row in self.observed {
            let hash = &mut self.hashes[row];
            let times = seen.entry(*hash).or_default();
            if *times > 0 {
                *hash = xxh3_64_with_seed(&times.to_le_bytes(), *hash).max(1);
            }
            *times += 1;
        }
        self.hashes
    }
}

fn mixed(hash: u64, other: u64) -> u64 {
    (hash.rotate_left(23) ^ other).wrapping_mul(MIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(tenant: &str, stream: u64, records: &[(&str, Timed)]) -> Vec<u64> {
        let mut entries = Entries::new(&Tenant::new(tenant).unwrap());
        for (record, time) in records {
            let time = match time {
                Timed::Own(range) => Timed::Own(range.clone()),
                Timed::Observed(time) => Timed::Observed(*time),
            };
            entries.push(record.as_bytes(), time);
        }
        entries.end_stream(stream);
        entries.finish()
    }

    #[test]
    fn when_somebody_saw_a_record_is_not_what_it_is() {
        let of = |record: &str, observed: Range<usize>| hashes("t", 1, &[(record, Timed::Own(observed))])[0];
        assert_eq!(of("line-111", 4..8), of("line-222", 4..8));
        assert_eq!(of("line-111-more", 4..8), of("line-222-more", 4..8));
        assert_ne!(of("line-111-more", 4..8), of("line-111-less", 4..8));
        assert_eq!(of("line", 0..0), of("line", 0..0));
        assert_ne!(of("line", 0..0), of("lime", 0..0));
    }

    #[test]
    fn tenants_and_streams_are_told_apart() {
        let of = |tenant, stream| hashes(tenant, stream, &[("line", Timed::Own(0..0))])[0];
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1), of("b", 1));
        assert_ne!(of("a", 1), of("a", 2));
    }

    #[test]
    fn lines_that_were_read_at_the_same_moment_are_several() {
        let of = |records: &[(&str, Timed)]| hashes("t", 1, records);
        let read = [("x", Timed::Observed(5)), ("x", Timed::Observed(5)), ("y", Timed::Observed(5))];
        let (first, again) = (of(&read), of(&read));
        assert_eq!(first, again, "all of them again are the same");
        assert_ne!(first[0], first[1]);
        assert_eq!(of(&read[..1])[0], first[0]);
        assert_eq!(of(&[("x", Timed::Observed(0))]), [0]);
        let own = of(&[("x", Timed::Own(0..0)), ("x", Timed::Own(0..0))]);
        assert_eq!(own[0], own[1]);
    }
}
