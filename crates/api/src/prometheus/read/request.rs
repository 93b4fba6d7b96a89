//! What is asked for: the request's bytes, its queries, and which kind of answer is taken.

use std::collections::BTreeMap;

use prost::Message;
use trefoil_promql::matcher::{MatchOp, Matcher};

use trefoil_prometheus::remote::read::{LabelMatcher, Query, ReadRequest, SAMPLES, STREAMED_XOR_CHUNKS};

/// Of a request, compressed and not, as in Prometheus.
pub const MOST_BYTES: usize = 32 << 20;
/// Queries of one request. Prometheus sends one.
const MOST_QUERIES: usize = 1_000;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Samples,
    Chunks,
}

/// One query.
#[derive(Debug)]
pub struct Asked {
    pub matchers: Vec<Matcher>,
    /// Milliseconds since the epoch, both inclusive.
    pub start_ms: i64,
    pub end_ms: i64,
    /// Nobody will look at the samples.
    pub labels_only: bool,
}

/// Reads a body. Labels that this server gives to everything are not asked of the store.
pub fn parse(body: &[u8], external: &BTreeMap<String, String>) -> Result<(Kind, Vec<Asked>), String> {
    let length = snap::raw::decompress_len(body).map_err(|error| error.to_string())?;
    if length > MOST_BYTES {
        return Err(format!("snappy: decoded length {length} exceeds limit {MOST_BYTES}"));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string())?;
    parse_message(&bytes, external)
}

/// The same of a body that is not compressed any more.
pub fn parse_message(bytes: &[u8], external: &BTreeMap<String, String>) -> Result<(Kind, Vec<Asked>), String> {
    let request = ReadRequest::decode(bytes).map_err(|error| error.to_string())?;
    let kind = kind(&request.accepted_response_types)?;
    if request.queries.len() > MOST_QUERIES {
        return Err(format!("{} queries in one request exceed the limit {MOST_QUERIES}", request.queries.len()));
    }
    let asked = request.queries.iter().map(|query| asked(query, external)).collect::<Result<_, _>>()?;
    Ok((kind, asked))
}

/// The first that there is; who names none takes samples.
fn kind(accepted: &[i32]) -> Result<Kind, String> {
    let known = |kind: &i32| match *kind {
        SAMPLES => Some(Kind::Samples),
        STREAMED_XOR_CHUNKS => Some(Kind::Chunks),
        _ => None,
    };
    match accepted.iter().find_map(known) {
        Some(kind) => Ok(kind),
        None if accepted.is_empty() => Ok(Kind::Samples),
        None => Err(format!(
            "server does not support any of the requested response types: {accepted:?}; supported: SAMPLES, STREAMED_XOR_CHUNKS"
        )),
    }
}

/// Hints can narrow the time; of the others only "series" changes what is answered.
fn asked(query: &Query, external: &BTreeMap<String, String>) -> Result<Asked, String> {
    let matchers = query.matchers.iter().map(|matcher| of_message(matcher, external)).collect::<Result<_, _>>()?;
    let (mut start_ms, mut end_ms) = (query.start_timestamp_ms, query.end_timestamp_ms);
    let hints = query.hints.as_ref();
    if let Some(hints) = hints.filter(|hints| (hints.start_ms, hints.end_ms) != (0, 0)) {
        start_ms = start_ms.max(hints.start_ms);
        end_ms = end_ms.min(hints.end_ms);
    }
    Ok(Asked { matchers, start_ms, end_ms, labels_only: hints.is_some_and(|hints| hints.func == "series") })
}

fn of_message(matcher: &LabelMatcher, external: &BTreeMap<String, String>) -> Result<Matcher, String> {
    let op = match matcher.kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        unknown => return Err(format!("invalid matcher type {unknown}")),
    };
    // Nothing in the store has it, and everything fulfils it.
    let is_external = op == MatchOp::Equal && external.get(&matcher.name) == Some(&matcher.value);
    let value = if is_external { "" } else { matcher.value.as_str() };
    Matcher::new(op, matcher.name.as_str(), value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trefoil_prometheus::remote::read::ReadHints;

    fn encoded(request: &ReadRequest) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
    }

    fn matcher(kind: i32, name: &str, value: &str) -> LabelMatcher {
        LabelMatcher { kind, name: name.into(), value: value.into() }
    }

    #[test]
    fn the_first_known_kind_is_answered() {
        assert_eq!(kind(&[]), Ok(Kind::Samples));
        assert_eq!(kind(&[7, 1, 0]), Ok(Kind::Chunks));
        assert_eq!(kind(&[0, 1]), Ok(Kind::Samples));
        assert!(
            kind(&[7]).unwrap_err().starts_with("server does not support any of the requested response types: [7]")
        );
    }

    #[test]
    fn external_labels_are_not_asked_of_the_store() {
        let external = BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
        let matchers = vec![matcher(0, "region", "eu"), matcher(0, "region", "us"), matcher(3, "job", "a|b")];
        let hints = ReadHints { func: "series".into(), start_ms: 5, end_ms: 100 };
        let query = Query { start_timestamp_ms: 1, end_timestamp_ms: 50, matchers, hints: Some(hints) };
        let request = ReadRequest { queries: vec![query], accepted_response_types: vec![1] };
        let (kind, asked) = parse(&encoded(&request), &external).unwrap();
        assert_eq!(kind, Kind::Chunks);
        let texts: Vec<_> = asked[0].matchers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [r#"region="""#, r#"region="us""#, r#"job!~"a|b""#]);
        assert_eq!((asked[0].start_ms, asked[0].end_ms, asked[0].labels_only), (5, 50, true));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let request = |matcher| ReadRequest {
            queries: vec![Query { matchers: vec![matcher], ..Query::default() }],
            accepted_response_types: vec![],
        };
        let nothing = BTreeMap::new();
        assert!(parse(b"no snappy", &nothing).is_err());
        assert!(parse(&snap::raw::Encoder::new().compress_vec(b"\xff").unwrap(), &nothing).is_err());
        assert_eq!(parse(&encoded(&request(matcher(9, "a", "b"))), &nothing).unwrap_err(), "invalid matcher type 9");
        assert!(parse(&encoded(&request(matcher(2, "a", "("))), &nothing).unwrap_err().contains("regex"));
        let mut bomb = Vec::new();
        prost::encoding::encode_varint(1 << 31, &mut bomb);
        assert!(parse(&bomb, &nothing).unwrap_err().contains("exceeds limit"));
        let many = ReadRequest { queries: vec![Query::default(); 1001], accepted_response_types: vec![] };
        assert!(parse(&encoded(&many), &nothing).unwrap_err().contains("exceed the limit 1000"));
    }
}
