//! What is kept of the values of a piece of time.

/// Values in the form that an aggregation needs. `Default` is that of no values.
pub(super) trait Summary: Clone + Default {
    fn add(&mut self, time: i64, value: f64);

    /// Both as one.
    fn join(&self, later: &Self) -> Self;

    /// Adds values of the same times.
    fn merge(&mut self, other: &Self) {
        *self = self.join(other);
    }
}

/// How many values there are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count(pub u64);

impl Summary for Count {
    fn add(&mut self, _: i64, _: f64) {
        self.0 += 1;
    }

    fn join(&self, later: &Self) -> Self {
        Count(self.0 + later.0)
    }
}

/// Their sum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub count: u64,
    sum: f64,
    /// What the sum lost to rounding so far (Neumaier).
    lost: f64,
}

impl Sum {
    pub fn value(&self) -> f64 {
        self.sum + self.lost
    }

    fn plus(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_finite() {
            let lost = if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
            self.lost += lost;
        }
        self.sum = sum;
    }
}

impl Summary for Sum {
    fn add(&mut self, _: i64, value: f64) {
        self.count += 1;
        self.plus(value);
    }

    fn join(&self, later: &Self) -> Self {
        let mut both = *self;
        both.plus(later.sum);
        Sum { count: self.count + later.count, lost: both.lost + later.lost, ..both }
    }
}

/// The least of them; NaN only where there is nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Least(pub Option<f64>);

impl Summary for Least {
    fn add(&mut self, _: i64, value: f64) {
        if self.0.is_none_or(|known| value < known || known.is_nan()) {
            self.0 = Some(value);
        }
    }

    fn join(&self, later: &Self) -> Self {
        let mut both = *self;
        if let Some(value) = later.0 {
            both.add(0, value);
        }
        both
    }
}

/// The greatest of them; NaN only where there is nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Greatest(pub Option<f64>);

impl Summary for Greatest {
    fn add(&mut self, _: i64, value: f64) {
        if self.0.is_none_or(|known| value > known || known.is_nan()) {
            self.0 = Some(value);
        }
    }

    fn join(&self, later: &Self) -> Self {
        let mut both = *self;
        if let Some(value) = later.0 {
            both.add(0, value);
        }
        both
    }
}

/// How far they are from their mean.
///
/// Source of both steps: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
/// 1979.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    pub count: u64,
    mean: f64,
    /// The sum of squared distances.
    squares: f64,
}

impl Spread {
    /// That of all values, not of a sample of them.
    pub fn variance(&self) -> f64 {
        self.squares / self.count as f64
    }
}

impl Summary for Spread {
    fn add(&mut self, _: i64, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    fn join(&self, later: &Self) -> Self {
        match (self.count, later.count) {
            (0, _) => *later,
            (_, 0) => *self,
            (left, right) => {
                let (left, right, count) = (left as f64, right as f64, self.count + later.count);
                let distance = later.mean - self.mean;
                let share = right / count as f64;
                Spread {
                    count,
                    mean: self.mean + distance * share,
                    squares: self.squares + later.squares + distance * distance * left * share,
                }
            }
        }
    }
}

/// The earliest of them, with its time. Of those at one time the first that was added.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct First(pub Option<(i64, f64)>);

impl Summary for First {
    fn add(&mut self, time: i64, value: f64) {
        if self.0.is_none_or(|(known, _)| time < known) {
            self.0 = Some((time, value));
        }
    }

    fn join(&self, later: &Self) -> Self {
        First(self.0.or(later.0))
    }

    fn merge(&mut self, other: &Self) {
        if let Some((time, value)) = other.0 {
            self.add(time, value);
        }
    }
}

/// The latest of them, with its time. Of those at one time the last that was added.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Last(pub Option<(i64, f64)>);

impl Summary for Last {
    fn add(&mut self, time: i64, value: f64) {
        if self.0.is_none_or(|(known, _)| time >= known) {
            self.0 = Some((time, value));
        }
    }

    fn join(&self, later: &Self) -> Self {
        Last(later.0.or(self.0))
    }

    fn merge(&mut self, other: &Self) {
        if let Some((time, value)) = other.0 {
            self.add(time, value);
        }
    }
}

/// All of them, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(pub Vec<f64>);

/// All of them with their times, likewise.
#[derive(Debug, Clone, Default)]
pub(super) struct Timed(pub Vec<(i64, f64)>);
