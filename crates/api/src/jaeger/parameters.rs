//! Parameters as Jaeger reads them, with the messages of Go's parsers.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use trefoil_go::duration;
use trefoil_go::quote::quote;

use super::failure::Failure;
use crate::ids::parse_trace_id;

pub(super) const MICROSECOND: i64 = 1_000;
pub(super) const MILLISECOND: i64 = 1_000_000;

/// Times before it are milliseconds, after it microseconds since the epoch: the year 1973 or 5138.
const LEAST_MICROSECONDS: i64 = 100_000_000_000_000;

/// Of a query string, in their order. What Go cannot read is left out, as Go does.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default()))
    }
}

impl Parameters {
    #[cfg(test)]
    pub fn parse(query: &str) -> Self {
        Self(Query::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap().0)
    }

    /// The first of this name; empty without one.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first of several names that is not empty, with its name; the last name without any.
    pub fn either<'p>(&'p self, names: &[&'static str]) -> (&'static str, &'p str) {
        let last = names.last().copied().unwrap_or_default();
        names.iter().map(|name| (*name, self.get(name))).find(|(_, value)| !value.is_empty()).unwrap_or((last, ""))
    }

    /// Nanoseconds since the epoch, or of a length of time, of a number of `unit`s.
    pub fn number_of(&self, name: &str, unit: i64) -> Result<Option<i64>, Failure> {
        match self.get(name) {
            "" => Ok(None),
            text => integer(text).map(|number| Some(number.saturating_mul(unit))).map_err(|error| of(name, &error)),
        }
    }

    /// Nanoseconds, of a duration as Go writes it.
    pub fn duration(&self, name: &str) -> Result<i64, Failure> {
        match self.get(name) {
            "" => Ok(0),
            text => parse_duration(text).map_err(|error| of(name, &error)),
        }
    }

    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            "" => Ok(false),
            text => parse_bool(text).map_err(|error| of(name, &error)),
        }
    }

    /// When the trace ran, nanoseconds since the epoch, which spares files. Jaeger means microseconds, Grafana sends milliseconds.
    pub fn hint(&self) -> Result<Option<(i64, i64)>, Failure> {
        let (start, end) = (self.number_of("start", 1)?, self.number_of("end", 1)?);
        let nanos = |time: i64| {
            let unit = if time.abs() < LEAST_MICROSECONDS { MILLISECOND } else { MICROSECOND };
            time.saturating_mul(unit)
        };
        Ok(start
            .zip(end)
            .filter(|(start, end)| *start > 0 && start <= end)
            .map(|(start, end)| (nanos(start), nanos(end))))
    }
}

pub(super) fn of(name: &str, error: &str) -> Failure {
    Failure::bad_request(format!("unable to parse param '{name}': {error}"))
}

pub(super) fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing {}: invalid syntax", quote(text)))
}

pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match duration::parse(digits) {
        Some(nanos) if digits.len() < text.len() => Ok(-nanos),
        Some(nanos) => Ok(nanos),
        None if digits == "0" => Ok(0),
        None => Err(format!("time: invalid duration {}", quote(text))),
    }
}

pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// The id of a trace: up to 32 hexadecimal digits, or its 8 or 16 bytes in either alphabet of Base64.
pub(super) fn trace_id(text: &str) -> Result<[u8; 16], Failure> {
    let error = match parse_trace_id(text) {
        Ok(id) => return Ok(id),
        Err(error) => error,
    };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded =
        [STANDARD, URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok());
    let bytes = decoded.unwrap_or_default();
    match bytes.len() {
        8 | 16 => {
            let mut id = [0; 16];
            id[16 - bytes.len()..].copy_from_slice(&bytes);
            Ok(id)
        }
        _ => Err(Failure::bad_request(error)),
    }
}

/// Nanoseconds since the epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn ids_are_hexadecimal_or_base64() {
        let long = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        let short = 0xa3ce_929d_0e0e_4736_u128.to_be_bytes();
        for (text, id) in [
            ("4bf92f3577b34da6a3ce929d0e0e4736", long),
            ("a3ce929d0e0e4736", short),
            ("00a3ce929d0e0e4736", short),
            ("S/kvNXezTaajzpKdDg5HNg==", long),
            ("S_kvNXezTaajzpKdDg5HNg", long),
            ("o86SnQ4ORzY=", short),
            ("1", 1_u128.to_be_bytes()),
        ] {
            assert_eq!(trace_id(text), Ok(id), "{text}");
        }
        for wrong in ["", "xyz", "4bf92f3577b34da6a3ce929d0e0e47360", "S/kv"] {
            assert!(trace_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_as_go_names_it() {
        let parameters = Parameters::parse("start=x&raw=maybe&minDuration=5&empty=&end=-7");
        let told = |result: Result<_, Failure>| result.map(|_: i64| ()).unwrap_err().message;
        assert_eq!(
            told(parameters.number_of("start", 1).map(|_| 0)),
            "unable to parse param 'start': strconv.ParseInt: parsing \"x\": invalid syntax"
        );
        assert_eq!(
            told(parameters.flag("raw").map(|_| 0)),
            "unable to parse param 'raw': strconv.ParseBool: parsing \"maybe\": invalid syntax"
        );
        assert_eq!(
            told(parameters.duration("minDuration")),
            "unable to parse param 'minDuration': time: invalid duration \"5\""
        );
        assert_eq!(parameters.duration("empty"), Ok(0));
        assert_eq!(parameters.number_of("end", 1000), Ok(Some(-7000)));
        assert_eq!(parse_duration("-1.5ms"), Ok(-1_500_000));
    }

    #[test]
    fn hints_are_in_either_unit() {
        let hint = |query: &str| Parameters::parse(query).hint();
        assert_eq!(
            hint("start=1700000000000000&end=1700000001000000"),
            Ok(Some((1_700_000_000_000_000_000, 1_700_000_001_000_000_000)))
        );
        assert_eq!(
            hint("start=1700000000000&end=1700000001000"),
            Ok(Some((1_700_000_000_000_000_000, 1_700_000_001_000_000_000)))
        );
        for none in ["", "start=5", "start=7&end=5", "start=0&end=0"] {
            assert_eq!(hint(none), Ok(None), "{none}");
        }
        assert!(hint("start=soon").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_id_or_refused(text in ".*") {
            let _ = (trace_id(&text), parse_duration(&text), parse_bool(&text), integer(&text));
        }

        #[test]
        fn ids_come_back_in_every_form(id in proptest::array::uniform16(0_u8..)) {
            let (hex, encoded) = (format!("{:x}", u128::from_be_bytes(id)), BASE64_STANDARD.encode(id));
            proptest::prop_assert_eq!(trace_id(&hex), Ok(id));
            proptest::prop_assert_eq!(trace_id(&encoded), Ok(id));
            proptest::prop_assert_eq!(trace_id(encoded.trim_end_matches('=')), Ok(id));
        }
    }
}
