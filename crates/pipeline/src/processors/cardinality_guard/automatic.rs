//! Which labels have too many values: counted over windows of time, per tenant, metric and label.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use trefoil_model::Tenant;

/// (tenant, metric, label) that are watched at once.
const MOST_WATCHED: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watched {
    pub tenant: Tenant,
    pub metric: String,
    pub label: String,
}

#[derive(Debug, Default)]
struct Watch {
    /// Hashes of values in this window, at most one more than are allowed.
    values: HashSet<u64>,
    /// Unix nanoseconds.
    window_ends: u64,
    removed_since: Option<u64>,
}

#[derive(Debug)]
pub struct Automatic {
    watches: HashMap<Watched, Watch>,
    window: u64,
    /// Values that are remembered at once, of all labels.
    capacity: usize,
    remembered: usize,
}

/// What a value of a label leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// `is_news`: it is the value that was too much.
    Remove {
        since: u64,
        is_news: bool,
    },
}

impl Automatic {
    pub fn new(window: u64, capacity: usize) -> Self {
        Self { watches: HashMap::new(), window, capacity, remembered: 0 }
    }

    /// Takes note of a value. A label that had too many is removed until it has had few enough for a whole window.
    pub fn observe(&mut self, watched: &Watched, value: impl Hash, max_values: usize, now: u64) -> Verdict {
        if !self.watches.contains_key(watched) {
            if self.watches.len() >= MOST_WATCHED {
                return Verdict::Keep;
            }
            self.watches
                .insert(watched.clone(), Watch { window_ends: now.saturating_add(self.window), ..Watch::default() });
        }
        let Some(watch) = self.watches.get_mut(watched) else { return Verdict::Keep };
        if now >= watch.window_ends {
            if watch.values.len() <= max_values {
                watch.removed_since = None;
            }
            self.remembered -= watch.values.len();
            watch.values.clear();
            watch.window_ends = now.saturating_add(self.window);
        }
        if watch.values.len() <= max_values && self.remembered < self.capacity {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            if watch.values.insert(hasher.finish()) {
                self.remembered += 1;
            }
        }
        let is_news = watch.removed_since.is_none() && watch.values.len() > max_values;
        if is_news {
            watch.removed_since = Some(now);
        }
        match watch.removed_since {
            Some(since) => Verdict::Remove { since, is_news },
            None => Verdict::Keep,
        }
    }

    /// Forgets what was not seen for a whole window beyond its own; returns the labels that are removed now.
    pub fn removed(&mut self, now: u64) -> Vec<Watched> {
        let (window, remembered) = (self.window, &mut self.remembered);
        self.watches.retain(|_, watch| {
            let stays = watch.window_ends.saturating_add(window) > now;
            if !stays {
                *remembered -= watch.values.len();
            }
            stays
        });
        let removed = self.watches.iter().filter(|(_, watch)| watch.removed_since.is_some());
        removed.map(|(watched, _)| watched.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(label: &str) -> Watched {
        Watched { tenant: Tenant::default(), metric: "requests".into(), label: label.into() }
    }

    #[test]
    fn a_label_goes_at_its_first_value_too_many_and_comes_back_after_a_quiet_window() {
        let mut automatic = Automatic::new(100, 1000);
        let user = watched("user_id");
        for value in 0..3 {
            assert_eq!(automatic.observe(&user, value, 3, 10), Verdict::Keep);
        }
        assert_eq!(automatic.observe(&user, 0, 3, 11), Verdict::Keep, "it is known");
        assert_eq!(automatic.observe(&user, 3, 3, 12), Verdict::Remove { since: 12, is_news: true });
        assert_eq!(automatic.observe(&user, 0, 3, 13), Verdict::Remove { since: 12, is_news: false });
        assert_eq!(automatic.observe(&watched("code"), 0, 3, 13), Verdict::Keep, "another label");
        assert_eq!(automatic.removed(14), [watched("user_id")]);
        // The window in which there were too many is over, and in the next there are few.
        assert_eq!(automatic.observe(&user, 0, 3, 120), Verdict::Remove { since: 12, is_news: false });
        assert_eq!(automatic.observe(&user, 0, 3, 230), Verdict::Keep);
        assert_eq!(automatic.removed(230), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut automatic = Automatic::new(100, 50);
        for label in 0..100 {
            for value in 0..10 {
                automatic.observe(&watched(&label.to_string()), value, 5, 10);
            }
        }
        assert_eq!(automatic.remembered, 50);
        automatic.removed(1000);
        assert_eq!((automatic.remembered, automatic.watches.len()), (0, 0));
    }
}
