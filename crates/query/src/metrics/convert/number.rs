//! Gauges and sums.

use trefoil_promql::source::{Samples, is_stale_nan};

use super::builder::Builder;
use super::totals::Totals;
use crate::metrics::read::Number;

pub fn samples(points: &[Number], is_delta: bool) -> Samples {
    let (mut builder, mut totals) = (Builder::default(), Totals::new(is_delta));
    for Number { at, value } in points {
        let at = totals.at(*at);
        match is_stale_nan(*value) {
            true => builder.stale(at),
            false => builder.float(at, totals.add(0, *value)),
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use trefoil_promql::source::STALE_NAN_BITS;

    use super::*;
    use crate::metrics::read::At;

    #[test]
    fn deltas_are_added_up() {
        let stale = f64::from_bits(STALE_NAN_BITS);
        let points: Vec<_> = [2.0, 3.0, stale, 4.0]
            .into_iter()
            .zip(1..)
            .map(|(value, second)| Number {
                at: At { time: second * 1_000_000_000, start: (second - 1) * 500_000_000 + 1_000_000 },
                value,
            })
            .collect();
        let totals = samples(&points, true);
        assert_eq!((totals.floats[1], totals.floats[3], totals.is_stale(2)), (5.0, 9.0, true));
        assert_eq!(totals.start_times, Some(vec![1; 4]));
        let values = samples(&points, false);
        assert_eq!((values.floats[1], values.floats[3]), (3.0, 4.0));
        assert_eq!(values.start_times, Some(vec![1, 501, 1001, 1501]));
    }
}
