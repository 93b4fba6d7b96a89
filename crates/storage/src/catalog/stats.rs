//! Bounds as text: what DuckDB's `CAST(value AS VARCHAR)` gives, which is what DuckLake compares files by.

use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;

/// Longer strings get no bound on that side (as DuckDB cuts them off there): a text that long prunes nothing.
const MAX_TEXT_BYTES: usize = 256;

const DATE: &str = "%Y-%m-%d";
const TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S%.9f";

/// `None` = no bound (NULL, NaN, too long, or a type without one), which is always safe: the file is kept.
pub(super) fn encode(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Boolean(value) => value.map(|value| if value { "1" } else { "0" }.to_string()),
        ScalarValue::Int32(value) => value.map(|value| value.to_string()),
        ScalarValue::Int64(value) => value.map(|value| value.to_string()),
        ScalarValue::UInt32(value) => value.map(|value| value.to_string()),
        ScalarValue::UInt64(value) => value.map(|value| value.to_string()),
        // Shortest form that reads back the same: 0.0, 1.5, 1e300, inf.
        ScalarValue::Float64(value) => value.filter(|value| !value.is_nan()).map(|value| format!("{value:?}")),
        ScalarValue::Utf8(value) | ScalarValue::Utf8View(value) | ScalarValue::LargeUtf8(value) => {
            // PostgreSQL's text has no NUL.
            value.as_ref().filter(|text| text.len() <= MAX_TEXT_BYTES && !text.contains('\0')).cloned()
        }
        ScalarValue::Binary(value) | ScalarValue::BinaryView(value) | ScalarValue::FixedSizeBinary(_, value) => {
            value.as_ref().filter(|bytes| bytes.len() <= MAX_TEXT_BYTES / 2).map(hex::encode_upper)
        }
        ScalarValue::Date32(value) => {
            let date = NaiveDate::from_ymd_opt(1970, 1, 1)?
                .checked_add_signed(chrono::Duration::days(i64::from((*value)?)))?;
            (0..=9999).contains(&date.year()).then(|| date.format(DATE).to_string())
        }
        ScalarValue::TimestampNanosecond(value, None) => {
            value.map(|nanos| DateTime::from_timestamp_nanos(nanos).format(TIMESTAMP).to_string())
        }
        ScalarValue::Dictionary(_, value) => encode(value),
        _ => None,
    }
}

/// The bound of a column of type `data_type`; `None` for what it does not understand, which is as good as no bound.
pub(super) fn decode(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Boolean => ScalarValue::Boolean(Some(match text {
            "0" | "false" => false,
            "1" | "true" => true,
            _ => return None,
        })),
        DataType::Int32 => ScalarValue::Int32(Some(text.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(text.parse().ok()?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(text.parse().ok()?)),
        DataType::UInt64 => ScalarValue::UInt64(Some(text.parse().ok()?)),
        DataType::Float64 => ScalarValue::Float64(Some(text.parse().ok()?)),
        DataType::Utf8View => ScalarValue::Utf8View(Some(text.to_string())),
        DataType::FixedSizeBinary(size) => {
            let bytes = hex::decode(text).ok().filter(|bytes| i32::try_from(bytes.len()) == Ok(*size))?;
            ScalarValue::FixedSizeBinary(*size, Some(bytes))
        }
        DataType::Date32 => {
            let days = NaiveDate::parse_from_str(text, DATE).ok()? - NaiveDate::from_ymd_opt(1970, 1, 1)?;
            ScalarValue::Date32(Some(i32::try_from(days.num_days()).ok()?))
        }
        DataType::Timestamp(_, None) => {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            ScalarValue::TimestampNanosecond(Some(time.and_utc().timestamp_nanos_opt()?), None)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trefoil_model::schema::TIMESTAMP;

    #[test]
    fn writes_what_duckdb_writes() {
        let cases = [
            (ScalarValue::Boolean(Some(true)), "1"),
            (ScalarValue::UInt64(Some(u64::MAX)), "18446744073709551615"),
            (ScalarValue::Float64(Some(0.0)), "0.0"),
            (ScalarValue::Float64(Some(2998.5)), "2998.5"),
            (ScalarValue::Float64(Some(f64::INFINITY)), "inf"),
            (ScalarValue::FixedSizeBinary(3, Some(vec![0xAA, 0, 0xBB])), "AA00BB"),
            (ScalarValue::Date32(Some(19723)), "2024-01-01"),
            (ScalarValue::TimestampNanosecond(Some(1_700_000_000_123_456_789), None), "2023-11-14 22:13:20.123456789"),
            (ScalarValue::TimestampNanosecond(Some(0), None), "1970-01-01 00:00:00.000000000"),
        ];
        for (value, text) in cases {
            assert_eq!(encode(&value).as_deref(), Some(text));
        }
    }

    #[test]
    fn has_no_bound_where_there_is_no_safe_one() {
        for value in [
            ScalarValue::Float64(Some(f64::NAN)),
            ScalarValue::Utf8View(None),
            ScalarValue::Utf8View(Some("x".repeat(257))),
            ScalarValue::Utf8View(Some("a\0b".to_string())),
            ScalarValue::Date32(Some(i32::MIN)),
        ] {
            assert_eq!(encode(&value), None, "{value:?}");
        }
        assert_eq!(decode("not a number", &DataType::Int64), None);
        assert_eq!(decode("AABB", &DataType::FixedSizeBinary(16)), None);
    }

    proptest! {
        #[test]
        fn bounds_come_back(nanos: i64, int: i64, unsigned: u64, text in "[^\0]{0,60}", id: [u8; 16], day in -700_000i32..2_900_000) {
            let float = f64::from_bits(unsigned);
            for (value, data_type) in [
                (ScalarValue::TimestampNanosecond(Some(nanos), None), TIMESTAMP),
                (ScalarValue::Int64(Some(int)), DataType::Int64),
                (ScalarValue::UInt64(Some(unsigned)), DataType::UInt64),
                (ScalarValue::Float64(Some(if float.is_nan() { 0.5 } else { float })), DataType::Float64),
                (ScalarValue::Utf8View(Some(text)), DataType::Utf8View),
                (ScalarValue::FixedSizeBinary(16, Some(id.to_vec())), DataType::FixedSizeBinary(16)),
                (ScalarValue::Date32(Some(day)), DataType::Date32),
            ] {
                let encoded = encode(&value);
                prop_assert_eq!(encoded.and_then(|text| decode(&text, &data_type)), Some(value));
            }
        }
    }
}
