//! Where buckets end.

use std::sync::LazyLock;

use super::CUSTOM_BUCKETS_SCHEMA;

/// The lowest resolution: each bucket ends at 2^16 times where it begins.
pub const MIN_EXPONENTIAL_SCHEMA: i32 = -4;
/// The highest resolution: 256 buckets for each doubling.
pub const MAX_EXPONENTIAL_SCHEMA: i32 = 8;

pub fn is_exponential_schema(schema: i32) -> bool {
    (MIN_EXPONENTIAL_SCHEMA..=MAX_EXPONENTIAL_SCHEMA).contains(&schema)
}

/// 2^(2^-s) for s from 1 to 8 as the tables of Prometheus' client libraries were made with. The first is not the nearest
/// float to the square root of two, but the one below; the bounds have to be the clients' to the last bit.
#[expect(clippy::approx_constant, reason = "one unit in the last place below the constant, deliberately")]
const FACTORS: [f64; 8] = [
    1.414213562373095,
    1.189207115002721,
    1.0905077326652577,
    1.0442737824274138,
    1.0218971486541166,
    1.0108892860517005,
    1.0054299011128027,
    1.0027112750502025,
];

/// For each schema from 0 on the bounds between 0.5 (inclusive) and 1: where the buckets of one doubling begin.
static FRACTIONS: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| {
    let mut tables = vec![vec![0.5]];
    for factor in FACTORS {
        let mut table = Vec::new();
        for coarse in tables.last().into_iter().flatten() {
            // Every second bound is one of the schema below, and more exact there.
            table.push(*coarse);
            table.push(coarse * factor);
        }
        tables.push(table);
    }
    tables
});

/// 2^exponent; 0 and +Inf where that is no float.
fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (exponent + 1074)),
        -1022..1024 => f64::from_bits(((exponent + 1023) as u64) << 52),
        1024.. => f64::INFINITY,
    }
}

/// The upper bound of the positive bucket with this index in an exponential schema.
///
/// The bucket that would end at 2^1024 ends at the greatest float, so that the one after it holds infinities only.
pub fn exponential_bound(index: i32, schema: i32) -> f64 {
    let index = i64::from(index);
    if schema <= 0 {
        let exponent = index.saturating_mul(1 << (-i64::from(schema)).min(16));
        return if exponent == 1024 { f64::MAX } else { power_of_two(exponent) };
    }
    let Some(fractions) = FRACTIONS.get(schema as usize) else {
        // No schema of ours: histograms of higher resolution are reduced when they come in.
        return (index as f64 / f64::from(schema).exp2()).exp2();
    };
    let fraction = fractions.get((index & ((1 << schema) - 1)) as usize).copied().unwrap_or(0.5);
    // One less than the usual exponent, for fractions of at least 1: 2^1024 is no float.
    let exponent = index >> schema;
    if fraction == 0.5 && exponent == 1024 { f64::MAX } else { fraction * 2.0 * power_of_two(exponent) }
}

/// The upper bound of a positive bucket, of any schema. The last custom bucket ends at +Inf; the bound of index -1 is where
/// the first begins, -Inf.
pub fn bucket_bound(index: i32, schema: i32, custom_values: &[f64]) -> f64 {
    if schema != CUSTOM_BUCKETS_SCHEMA {
        return exponential_bound(index, schema);
    }
    if index < 0 {
        return f64::NEG_INFINITY;
    }
    custom_values.get(index as usize).copied().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_client_libraries() {
        for (index, schema, bound) in [
            (-1, 0, 0.5),
            (0, 0, 1.0),
            (1, 0, 2.0),
            (512, 0, 2f64.powi(512)),
            (1023, 0, 2f64.powi(1023)),
            (1024, 0, f64::MAX),
            (1025, 0, f64::INFINITY),
            (i32::MAX, 0, f64::INFINITY),
            (-1074, 0, f64::from_bits(1)),
            (-1075, 0, 0.0),
            (-1022, 0, f64::MIN_POSITIVE),
            (1, -1, 4.0),
            (512, -1, f64::MAX),
            (513, -1, f64::INFINITY),
            (64, -4, f64::MAX),
            (-1, -4, 2f64.powi(-16)),
            (1, 1, 0.7071067811865475 * 2.0),
            (-1, 2, 0.8408964152537144),
            (2, 2, 0.7071067811865475 * 2.0),
            (3, 3, 0.6484197773255048 * 2.0),
            (-1, 4, 0.9576032806985735),
            (31, 5, 0.9785720620876999 * 2.0),
            (-5, 5, 0.8973545375015533),
            (2048, 1, f64::MAX),
            (2047, 1, 0.7071067811865475 * 2.0 * 2f64.powi(1023)),
            (256 * 1024, 8, f64::MAX),
            (256 * 1024 + 1, 8, f64::INFINITY),
            (i32::MIN, 8, 0.0),
        ] {
            assert_eq!(exponential_bound(index, schema), bound, "bucket {index} of schema {schema}");
        }
    }

    #[test]
    fn a_higher_resolution_has_the_bounds_of_a_lower_one() {
        for schema in MIN_EXPONENTIAL_SCHEMA..MAX_EXPONENTIAL_SCHEMA {
            for index in -40..40 {
                assert_eq!(exponential_bound(index, schema), exponential_bound(2 * index, schema + 1));
                assert!(exponential_bound(index, schema) < exponential_bound(index + 1, schema));
            }
        }
    }

    #[test]
    fn custom_buckets_end_at_infinity() {
        let values = [5.0, 10.0];
        let bounds = (-1..4).map(|index| bucket_bound(index, CUSTOM_BUCKETS_SCHEMA, &values)).collect::<Vec<_>>();
        assert_eq!(bounds, [f64::NEG_INFINITY, 5.0, 10.0, f64::INFINITY, f64::INFINITY]);
    }
}
