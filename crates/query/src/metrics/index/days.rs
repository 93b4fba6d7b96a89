//! The days on which a series was written to.

use crate::metrics::read::MILLIS_PER_DAY;

/// A day since the epoch, and when the series was first written to on it, as far as its rows of `series` say: samples that came
/// later may be from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: i32,
    /// Milliseconds from the day's beginning.
    first: u32,
}

impl Day {
    /// `first_ms` = milliseconds since the epoch.
    pub fn new(day: i32, first_ms: i64) -> Self {
        let since = first_ms.saturating_sub(i64::from(day) * MILLIS_PER_DAY).clamp(0, MILLIS_PER_DAY - 1);
        Self { day, first: u32::try_from(since).unwrap_or(0) }
    }

    /// Milliseconds since the epoch.
    pub fn first_ms(self) -> i64 {
        self.start_ms() + i64::from(self.first)
    }

    pub fn start_ms(self) -> i64 {
        i64::from(self.day) * MILLIS_PER_DAY
    }

    /// Its last millisecond.
    pub fn end_ms(self) -> i64 {
        self.start_ms() + MILLIS_PER_DAY - 1
    }
}

/// Ascending, each day once. Most series have one only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    One(Day),
    More(Box<[Day]>),
}

impl Days {
    pub fn all(&self) -> &[Day] {
        match self {
            Days::One(day) => std::slice::from_ref(day),
            Days::More(days) => days,
        }
    }

    /// One of them is from the first to the last of these.
    pub fn any_in(&self, (first, last): (i32, i32)) -> bool {
        self.all().iter().any(|day| (first..=last).contains(&day.day))
    }

    pub fn has(&self, day: i32) -> bool {
        self.all().iter().any(|known| known.day == day)
    }

    /// Says whether that was not known.
    pub fn add(&mut self, day: Day) -> bool {
        let days = self.all();
        match days.binary_search_by_key(&day.day, |known| known.day) {
            Ok(place) if days[place].first <= day.first => false,
            Ok(place) => {
                match self {
                    Days::One(known) => *known = day,
                    Days::More(days) => days[place] = day,
                }
                true
            }
            Err(place) => {
                let mut more = days.to_vec();
                more.insert(place, day);
                *self = Days::More(more.into());
                true
            }
        }
    }

    /// Beside the series itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Days::One(_) => 0,
            Days::More(days) => size_of_val(&**days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_once_with_their_first_sample() {
        let hour = 3_600_000;
        let day = |day: i32, hours: i64| Day::new(day, i64::from(day) * MILLIS_PER_DAY + hours * hour);
        let mut days = Days::One(day(7, 5));
        assert!(!days.add(day(7, 6)), "later on a day that is known");
        assert!(days.add(day(7, 4)) && days.add(day(-1, 3)) && days.add(day(9, 0)) && !days.add(day(9, 1)));
        let all: Vec<(i32, i64)> = days.all().iter().map(|day| (day.day, day.first_ms() - day.start_ms())).collect();
        assert_eq!(all, [(-1, 3 * hour), (7, 4 * hour), (9, 0)]);
        assert!(days.has(7) && !days.has(8) && days.any_in((8, 9)) && !days.any_in((0, 6)) && !days.any_in((10, 8)));
        assert_eq!(Day::new(3, 0).first_ms(), 3 * MILLIS_PER_DAY, "what is not of the day is its beginning");
    }
}
