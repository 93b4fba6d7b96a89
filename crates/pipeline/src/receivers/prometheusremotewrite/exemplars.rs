//! Exemplars: which point they belong to, and their labels as OTLP says them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar as OtlpExemplar, exemplar};
use trefoil_model::wire::WireError;

use super::labels::{Labels, Symbols, resolve};
use super::message::{Exemplar, Version};
use super::times::nanos;

/// Bytes of the labels of one exemplar. (OpenMetrics allows 128 characters.)
const MAX_LABEL_BYTES: usize = 4 << 10;

/// Hands exemplars to points in the order of the points.
pub struct Assigned<'a>(std::iter::Peekable<std::vec::IntoIter<(usize, Exemplar<'a>)>>);

impl<'a> Assigned<'a> {
    /// Gives each exemplar to the point next to it in time; one without a time to the last. `times` are those of the points
    /// with their places, of which there is at least one if there are exemplars.
    pub fn new(mut times: Vec<(i64, usize)>, exemplars: Vec<Exemplar<'a>>) -> Self {
        times.sort_unstable();
        let nearest = |time: i64| {
            let after = times.partition_point(|(point, _)| *point < time);
            let neighbours = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| times.get(at));
            neighbours.min_by_key(|(point, _)| point.abs_diff(time)).copied()
        };
        let place = |exemplar: Exemplar<'a>| {
            let found = if exemplar.timestamp == 0 { times.last().copied() } else { nearest(exemplar.timestamp) };
            found.map(|(_, place)| (place, exemplar))
        };
        let mut assigned: Vec<_> = exemplars.into_iter().filter_map(place).collect();
        assigned.sort_by_key(|(place, _)| *place);
        Self(assigned.into_iter().peekable())
    }

    /// The exemplars of the point at `place`; places must be asked for in order.
    pub fn of(&mut self, place: usize) -> impl Iterator<Item = Exemplar<'a>> + '_ {
        while self.0.next_if(|(at, _)| *at < place).is_some() {}
        std::iter::from_fn(move || self.0.next_if(|(at, _)| *at == place).map(|(_, exemplar)| exemplar))
    }
}

/// In OTLP's form; `None` if its labels or its time are unfit. `point_time` stands for a time that was not told.
pub fn translate<'a>(
    version: Version,
    exemplar: &Exemplar<'a>,
    symbols: &Symbols<'a>,
    point_time: u64,
    labels: &mut Labels<'a>,
) -> Result<Option<OtlpExemplar>, WireError> {
    if resolve(version, exemplar.message, symbols, labels)?.is_err() {
        return Ok(None);
    }
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    let time = if exemplar.timestamp == 0 { Some(point_time) } else { nanos(exemplar.timestamp) };
    let Some(time_unix_nano) = time.filter(|_| bytes <= MAX_LABEL_BYTES) else { return Ok(None) };
    let mut translated = OtlpExemplar {
        time_unix_nano,
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..OtlpExemplar::default()
    };
    for (name, value) in labels.iter() {
        match (*name, id(value)) {
            ("trace_id", Some(id)) if id.len() == 16 => translated.trace_id = id,
            ("span_id", Some(id)) if id.len() == 8 => translated.span_id = id,
            _ => translated.filtered_attributes.push(attribute(name, value)),
        }
    }
    Ok(Some(translated))
}

/// The bytes of hexadecimal digits, unless they are all zero, which is no id.
pub fn id(text: &str) -> Option<Vec<u8>> {
    if !matches!(text.len(), 16 | 32) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    let id: Vec<u8> = text.as_bytes().chunks_exact(2).map(byte).collect::<Option<_>>()?;
    id.iter().any(|byte| *byte != 0).then_some(id)
}

pub fn attribute(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trefoil_model::wire::Reader;

    fn at(timestamp: i64) -> Exemplar<'static> {
        Exemplar { message: Reader::default(), value: timestamp as f64, timestamp }
    }

    #[test]
    fn exemplars_go_to_the_nearest_point() {
        let times = vec![(100, 0), (200, 1), (300, 2)];
        let exemplars = [90, 149, 160, 1000, 0, i64::MIN].map(at).to_vec();
        let mut assigned = Assigned::new(times, exemplars);
        let mut of = |place| assigned.of(place).map(|exemplar| exemplar.timestamp).collect::<Vec<_>>();
        assert_eq!([of(0), of(1), of(2)], [vec![90, 149, i64::MIN], vec![160], vec![1000, 0]]);
    }

    #[test]
    fn skipped_places_lose_theirs_only() {
        let mut assigned = Assigned::new(vec![(1, 0), (2, 1)], vec![at(1), at(2)]);
        assert_eq!(assigned.of(1).count(), 1);
        assert_eq!(Assigned::new(vec![], vec![at(1)]).of(0).count(), 0);
    }

    #[test]
    fn ids_are_hexadecimal_digits_of_the_right_number() {
        assert_eq!(id("00000000000000Af"), Some(vec![0, 0, 0, 0, 0, 0, 0, 0xaf]));
        for bad in ["", "00", "0000000000000000", "zz00000000000001", "+100000000000001", "äääääääää"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
