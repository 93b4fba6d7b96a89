//! What a search asks for.

use trefoil_go::quote::quote;
use trefoil_promql::matcher::Matcher;
use trefoil_query::metrics::SeriesQuestion;

use super::score::Search;
use crate::prometheus::error::PromError;
use crate::prometheus::form::Parameters;
use crate::prometheus::query::now;

const DEFAULT_LIMIT: usize = 100;
const DEFAULT_BATCH: usize = 100;
/// A search looks back so long where nothing else is said.
const DEFAULT_SPAN_MS: i64 = 3_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Subsequence,
    JaroWinkler,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
    /// The best first, those of the same score by name.
    Score,
}

/// The parameters that all searches have.
#[derive(Debug)]
pub struct Wanted {
    selectors: Vec<Vec<Matcher>>,
    pub search: Search,
    pub order: Order,
    pub with_score: bool,
    /// Milliseconds since the epoch.
    start: i64,
    end: i64,
    pub limit: usize,
    pub batch_size: usize,
}

impl Wanted {
    /// All of what is searched.
    pub fn question(&self) -> SeriesQuestion<'_> {
        SeriesQuestion { selectors: &self.selectors, start_ms: self.start, end_ms: self.end, limit: None }
    }

    /// `what` is named in errors.
    pub fn of(parameters: &Parameters, what: &str) -> Result<Self, PromError> {
        let now = now();
        let start = parameters.time("start")?.unwrap_or(now - DEFAULT_SPAN_MS);
        let end = parameters.time("end")?.unwrap_or(now);
        let selectors = parameters.selectors().map_err(PromError::bad_data)?;
        let threshold = threshold(parameters.get("fuzz_threshold"))?;
        let algorithm = algorithm(parameters.get("fuzz_alg"))?;
        let case_sensitive = parameters.boolean("case_sensitive", true)?;
        let with_score = parameters.boolean("include_score", false)?;
        let search = Search::new(parameters.all("search[]"), algorithm, threshold, case_sensitive);
        let order = order(parameters, search.is_empty(), what)?;
        let limit = count(parameters, "limit", DEFAULT_LIMIT)?;
        let batch_size = count(parameters, "batch_size", DEFAULT_BATCH)?;
        Ok(Self { selectors, search, order, with_score, start, end, limit, batch_size })
    }
}

fn threshold(text: &str) -> Result<f64, PromError> {
    match text.parse() {
        _ if text.is_empty() => Ok(0.0),
        Ok(percent @ 0..=100_u8) => Ok(f64::from(percent) / 100.0),
        _ => Err(PromError::bad_data(format!("invalid fuzz_threshold {}: must be 0-100", quote(text)))),
    }
}

fn algorithm(text: &str) -> Result<Algorithm, PromError> {
    match text {
        "" | "subsequence" => Ok(Algorithm::Subsequence),
        "jarowinkler" => Ok(Algorithm::JaroWinkler),
        _ => Err(PromError::bad_data(format!(
            "unsupported fuzz_alg {}: must be one of [subsequence jarowinkler]",
            quote(text)
        ))),
    }
}

/// 0 is the default, too.
fn count(parameters: &Parameters, name: &str, default: usize) -> Result<usize, PromError> {
    let text = parameters.get(name);
    match text.parse() {
        _ if text.is_empty() => Ok(default),
        Ok(0) => Ok(default),
        Ok(count) => Ok(count),
        Err(_) => Err(PromError::bad_data(format!("invalid {name} {}: must be non-negative integer", quote(text)))),
    }
}

fn order(parameters: &Parameters, searches_nothing: bool, what: &str) -> Result<Order, PromError> {
    let (by, direction) = (parameters.get("sort_by"), parameters.get("sort_dir"));
    let refused = |message: &str| Err(PromError::bad_data(message));
    match (by, direction) {
        ("", "") => Ok(Order::Ascending),
        ("", _) => refused("sort_dir is only valid when sort_by is set"),
        ("score", "") if searches_nothing => refused("sort_by=score requires search[] to be set"),
        ("score", "") => Ok(Order::Score),
        ("score", _) => refused("sort_dir is not supported for sort_by=score"),
        ("alpha", "" | "asc") => Ok(Order::Ascending),
        ("alpha", "dsc") => Ok(Order::Descending),
        (_, "" | "asc" | "dsc") => {
            refused(&format!("invalid sort_by {} for {what}: must be \"alpha\" or \"score\"", quote(by)))
        }
        _ => refused(&format!("invalid sort_dir {}: must be \"asc\" or \"dsc\"", quote(direction))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told() {
        let wanted = |query: &str| Wanted::of(&Parameters::from(query), "label_names").map_err(|error| error.message);
        for (query, error) in [
            ("fuzz_threshold=101", "invalid fuzz_threshold \"101\": must be 0-100"),
            ("fuzz_alg=soundex", "unsupported fuzz_alg \"soundex\": must be one of [subsequence jarowinkler]"),
            ("case_sensitive=no", "invalid case_sensitive \"no\": must be boolean"),
            ("sort_dir=asc", "sort_dir is only valid when sort_by is set"),
            ("sort_by=score&sort_dir=asc&search[]=a", "sort_dir is not supported for sort_by=score"),
            ("sort_by=score", "sort_by=score requires search[] to be set"),
            ("sort_by=alpha&sort_dir=up", "invalid sort_dir \"up\": must be \"asc\" or \"dsc\""),
            ("sort_by=size", "invalid sort_by \"size\" for label_names: must be \"alpha\" or \"score\""),
            ("limit=-1", "invalid limit \"-1\": must be non-negative integer"),
            ("batch_size=x", "invalid batch_size \"x\": must be non-negative integer"),
        ] {
            assert_eq!(wanted(query).unwrap_err(), error, "{query}");
        }
        let defaults = wanted("limit=0&batch_size=0").unwrap();
        assert_eq!((defaults.limit, defaults.batch_size, defaults.order), (100, 100, Order::Ascending));
        assert_eq!(defaults.end - defaults.start, DEFAULT_SPAN_MS);
        assert_eq!(wanted("sort_by=alpha&sort_dir=dsc").unwrap().order, Order::Descending);
    }
}
