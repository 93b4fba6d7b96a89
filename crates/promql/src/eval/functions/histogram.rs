//! Functions of one native histogram.

use crate::histogram::FloatHistogram;
use crate::points::{PointRef, Points};

pub(super) fn unary(name: &str) -> Option<fn(&FloatHistogram) -> f64> {
    Some(match name {
        "histogram_count" => |histogram| histogram.count,
        "histogram_sum" => |histogram| histogram.sum,
        "histogram_avg" => FloatHistogram::avg,
        "histogram_stdvar" => FloatHistogram::stdvar,
        "histogram_stddev" => FloatHistogram::stddev,
        _ => return None,
    })
}

/// Steps with floats lose their value.
pub(super) fn map(points: &Points, f: fn(&FloatHistogram) -> f64) -> Points {
    let mut mapped = Points::empty(points.len());
    if !points.has_histograms() {
        return mapped;
    }
    for (step, point) in points.iter() {
        if let PointRef::Histogram(histogram) = point {
            mapped.set_float(step, f(histogram));
        }
    }
    mapped
}
