//! Which series the bytes of a sender's labels stand for.
//!
//! Senders send their series in the same order again and again. So what labels stand for lies in the order in which it was
//! learned, and the one after the last is looked at before the hash table is: with many series a request reads memory from one
//! end to the other instead of waiting for it once or twice a series.

use indexmap::IndexMap;
use parking_lot::RwLockReadGuard;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::TenantSeries;

/// A series as the bytes of a sender's labels stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labelled {
    pub series_id: u64,
    /// Where the metric's name is in the labels; what the numbers mean is known to who put them here.
    pub name: (u32, u32),
    /// Where the series' entry probably is, see [`Flight::judge_labelled`](super::Flight::judge_labelled).
    pub(super) place: u32,
}

impl Labelled {
    pub fn new(series_id: u64, name: (u32, u32)) -> Self {
        Self { series_id, name, place: 0 }
    }
}

pub(super) type Labels = IndexMap<u128, Labelled, ahash::RandomState>;

/// See [`TenantSeries::labelled`].
pub struct LabelledSeries<'a> {
    labels: RwLockReadGuard<'a, Labels>,
    /// Where the next series is if the sender keeps its order.
    next: usize,
}

impl LabelledSeries<'_> {
    #[inline]
    pub fn get(&mut self, hash: u128) -> Option<Labelled> {
        let at = match self.labels.get_index(self.next) {
            Some((expected, _)) if *expected == hash => self.next,
            _ => self.labels.get_index_of(&hash)?,
        };
        self.next = at + 1;
        self.labels.get_index(at).map(|(_, labelled)| *labelled)
    }
}

impl TenantSeries {
    /// A hash of a sender's labels, for [`Self::labelled`].
    #[inline]
    pub fn hash_labels(&self, labels: &[u8]) -> u128 {
        xxh3_128_with_seed(labels, self.seed)
    }

    /// The series that labels stand for; to be held while many are looked up.
    pub fn labelled(&self) -> LabelledSeries<'_> {
        LabelledSeries { labels: self.labels.read(), next: 0 }
    }

    /// Takes note of what labels stand for.
    pub fn learn(&self, learned: &[(u128, Labelled)]) {
        if learned.is_empty() {
            return;
        }
        let mut labels = self.labels.write();
        // Different bytes may stand for one series (their order, two versions), but not often.
        if labels.len() + learned.len() > 2 * self.count() + (1 << 16) {
            labels.clear();
        }
        labels.extend(learned.iter().map(|(hash, labelled)| {
            let place = self.place(labelled.series_id).unwrap_or_default();
            (*hash, Labelled { place, ..*labelled })
        }));
    }

    /// Forgets labels of series that are not active any more.
    pub(super) fn forget_labels(&self) {
        let mut labels = self.labels.write();
        labels.retain(|_, known| match self.place(known.series_id) {
            Some(place) => {
                known.place = place;
                true
            }
            None => false,
        });
        if labels.capacity() > 4 * labels.len() {
            labels.shrink_to_fit();
        }
    }

    fn place(&self, series_id: u64) -> Option<u32> {
        let place = self.shard(series_id).lock().get_index_of(&series_id)?;
        Some(u32::try_from(place).unwrap_or_default())
    }
}
