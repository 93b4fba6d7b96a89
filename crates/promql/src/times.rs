//! When samples were taken.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Milliseconds since the epoch, ascending. Series that are measured together have the same times and share one list of them,
/// or parts of it: to copy times is cheap, and to find that they are the same often takes no look at them.
#[derive(Debug, Clone, Default)]
pub struct Times {
    list: Arc<Vec<i64>>,
    range: Range<usize>,
}

impl Times {
    /// Those at these places; places that there are not are left out.
    #[must_use]
    pub fn part(&self, places: Range<usize>) -> Self {
        let end = self.range.start.saturating_add(places.end).min(self.range.end);
        let start = self.range.start.saturating_add(places.start).min(end);
        Self { list: self.list.clone(), range: start..end }
    }

    /// Copies the list if it is shared.
    pub fn push(&mut self, time: i64) {
        self.own().push(time);
        self.range.end += 1;
    }

    /// Copies the list if it is shared.
    pub fn extend_from_slice(&mut self, times: &[i64]) {
        self.own().extend_from_slice(times);
        self.range.end += times.len();
    }

    pub fn pop(&mut self) {
        self.range.end = self.range.end.saturating_sub(1).max(self.range.start);
    }

    /// The list, nothing in it beyond these times.
    fn own(&mut self) -> &mut Vec<i64> {
        let list = Arc::make_mut(&mut self.list);
        list.truncate(self.range.end);
        list
    }

    /// Whether both are one and the same list. Times that are equal need not be.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list) && self.range == other.range
    }
}

impl Deref for Times {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        self.list.get(self.range.clone()).unwrap_or_default()
    }
}

impl From<Vec<i64>> for Times {
    fn from(times: Vec<i64>) -> Self {
        let range = 0..times.len();
        Self { list: Arc::new(times), range }
    }
}

impl FromIterator<i64> for Times {
    fn from_iter<I: IntoIterator<Item = i64>>(times: I) -> Self {
        Vec::from_iter(times).into()
    }
}

impl PartialEq for Times {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || **self == **other
    }
}

impl Eq for Times {}

impl<const N: usize> PartialEq<[i64; N]> for Times {
    fn eq(&self, other: &[i64; N]) -> bool {
        **self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_list_until_they_change() {
        let all = Times::from(vec![1, 2, 3, 4]);
        let mut part = all.part(1..3);
        assert!(part == [2, 3] && all.part(1..9) == [2, 3, 4] && all.part(7..9).is_empty());
        assert!(part.is_shared_with(&all.part(1..3)) && !part.is_shared_with(&all));
        assert_eq!(part, Times::from(vec![2, 3]));
        part.push(9);
        part.extend_from_slice(&[10, 11]);
        part.pop();
        assert!(part == [2, 3, 9, 10] && all == [1, 2, 3, 4]);
        let mut none = Times::default();
        none.pop();
        none.push(5);
        assert!(none == [5]);
    }
}
