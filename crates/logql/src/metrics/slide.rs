//! The summary of each window out of those of its pieces.

use super::summary::Summary;
use super::windows::Windows;

/// Hands over each window's summary. However much windows overlap, each piece is joined twice at most: the pieces of a window are
/// a queue of two parts, of which the older holds for each of its pieces what it and all later ones are together (two stacks
/// that make a queue). Nothing is ever taken away from a summary, so nothing is lost to rounding by that.
pub(super) fn slide<S: Summary>(pieces: &[S], windows: &Windows, mut take: impl FnMut(usize, &S)) {
    let none = S::default();
    // Of each piece from `from` up to `turned`, last first: all from it up to `turned` as one.
    let mut older: Vec<S> = Vec::new();
    let (mut turned, mut joined) = (0, 0);
    let mut newer = S::default();
    for window in 0..windows.count() {
        let (from, behind) = windows.pieces_of(window);
        if joined < from {
            // The pieces between are in no window.
            (turned, joined, newer) = (from, from, S::default());
            older.clear();
        }
        while joined < behind {
            newer = newer.join(pieces.get(joined).unwrap_or(&none));
            joined += 1;
        }
        older.truncate(turned.saturating_sub(from));
        if older.is_empty() {
            let mut all = S::default();
            for place in (from..joined).rev() {
                all = pieces.get(place).unwrap_or(&none).join(&all);
                older.push(all.clone());
            }
            (turned, newer) = (joined, S::default());
        }
        match older.last() {
            Some(older) => take(window, &older.join(&newer)),
            None => take(window, &newer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::super::Grid;
    use super::*;

    thread_local! {
        static JOINS: Cell<usize> = const { Cell::new(0) };
    }

    /// Keeps all values in order.
    #[derive(Debug, Clone, Default, PartialEq)]
    struct All(Vec<i64>);

    impl Summary for All {
        fn add(&mut self, time: i64, _: f64) {
            self.0.push(time);
        }

        fn join(&self, later: &Self) -> Self {
            JOINS.set(JOINS.get() + 1);
            All([self.0.as_slice(), &later.0].concat())
        }
    }

    proptest! {
        #[test]
        fn windows_have_their_pieces_in_order(count in 1_i64..30, step in 1_i64..6, range in 1_i64..90) {
            let windows = Windows::new(Grid::range(0, (count - 1) * step, step), range, 0);
            let pieces: Vec<All> = (0..windows.pieces()).map(|piece| All(vec![piece as i64])).collect();
            let mut taken = 0;
            JOINS.set(0);
            slide(&pieces, &windows, |window, all| {
                let (from, behind) = windows.pieces_of(window);
                assert_eq!(all.0, (from as i64..behind as i64).collect::<Vec<_>>());
                assert_eq!(window, taken);
                taken += 1;
            });
            prop_assert_eq!(taken, count as usize);
            prop_assert!(JOINS.get() <= 2 * pieces.len() + taken);
        }
    }
}
