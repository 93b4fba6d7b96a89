//! Caches of things that are large beside the room for all of them: columns, what is known of a file.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The part of the room for what was asked for more than once; what is new needs room for something large, too.
const HOT: f64 = 0.75;

/// A cache in one part, of which nothing is refused that takes less than [`HOT`] of it. (The library's default is four parts for each
/// core, and what is larger than one is not kept.) `items` = about how many there are room for.
pub fn of_large<K, V, W>(items: usize, capacity: u64, weighter: W) -> Cache<K, V, W>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let mut options = OptionsBuilder::new();
    options.shards(1).hot_allocation(HOT).estimated_items_capacity(items).weight_capacity(capacity);
    let options = options.build().expect("both capacities are given");
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Own;

    impl Weighter<u64, u64> for Own {
        fn weight(&self, _: &u64, weight: &u64) -> u64 {
            *weight
        }
    }

    #[test]
    fn what_is_large_is_kept_however_many_cores_there_are() {
        let cache = of_large(1024, 60, Own);
        (0..5).for_each(|key| cache.insert(key, 10));
        assert!((0..5).all(|key| cache.get(&key).is_some()));
        (5..50).for_each(|key| cache.insert(key, 10));
        assert!(cache.weight() <= 60);
        cache.insert(50, 40);
        assert_eq!(cache.get(&50), Some(40));
    }
}
