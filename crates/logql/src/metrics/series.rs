//! Which series a line belongs to.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use trefoil_promql::labels::Labels;

use super::MetricsError;
use crate::pipeline::{ERROR, PRESERVE_ERROR};

/// Which labels of a line its series has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesLabels {
    /// These of them.
    By(Vec<String>),
    /// All but these.
    Without(Vec<String>),
    /// Not its own: there is one series.
    Constant(Labels),
}

/// What a line whose stages failed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// The failure of the query.
    Fail,
    /// A line like others, with labels that say what went wrong.
    Keep,
}

/// The place of a series among those of one aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series(pub(super) u32);

/// Labels that are known by the order they came in, too.
const MOST_ORDERS: usize = 1 << 16;

/// All series that lines have belonged to so far.
#[derive(Debug)]
pub(super) struct SeriesSet {
    kind: SeriesLabels,
    errors: Errors,
    /// By labels in the order of their names.
    places: HashMap<Box<[u8]>, u32>,
    /// By labels as lines had them, for the first so many orders.
    orders: HashMap<Box<[u8]>, u32>,
    labels: Vec<Labels>,
    /// Texts of labels, which series share.
    texts: HashSet<Arc<str>>,
    key: Vec<u8>,
    bytes: usize,
}

impl SeriesSet {
    pub fn new(kind: SeriesLabels, errors: Errors) -> SeriesSet {
        let mut set = SeriesSet {
            kind,
            errors,
            places: HashMap::new(),
            orders: HashMap::new(),
            labels: Vec::new(),
            texts: HashSet::new(),
            key: Vec::new(),
            bytes: 0,
        };
        if let SeriesLabels::Constant(labels) = &set.kind {
            set.labels.push(labels.clone());
        }
        set
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// About what they hold in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn into_labels(self) -> Vec<Labels> {
        self.labels
    }

    /// The series of a line with these labels, each name once; whether it is a new one.
    pub fn of<'a, I>(&mut self, labels: I) -> Result<(Series, bool), MetricsError>
    where
        I: Iterator<Item = (&'a str, &'a str)> + Clone,
    {
        if self.errors == Errors::Fail {
            check_error(labels.clone())?;
        }
        self.of_checked(labels)
    }

    /// The same for labels that are known to be those of a series.
    pub fn of_checked<'a, I>(&mut self, labels: I) -> Result<(Series, bool), MetricsError>
    where
        I: Iterator<Item = (&'a str, &'a str)> + Clone,
    {
        if matches!(self.kind, SeriesLabels::Constant(_)) {
            return Ok((Series(0), false));
        }
        let kind = &self.kind;
        let kept = labels.filter(|(name, value)| kind.keeps(name, value));
        // Lines of one kind have their labels in one order, which is nearly always known already.
        build_key(&mut self.key, kept.clone());
        if let Some(place) = self.orders.get(self.key.as_slice()) {
            return Ok((Series(*place), false));
        }
        let mut sorted: Vec<(&str, &str)> = kept.collect();
        sorted.sort_unstable();
        let order: Option<Box<[u8]>> = (self.orders.len() < MOST_ORDERS).then(|| self.key.as_slice().into());
        build_key(&mut self.key, sorted.iter().copied());
        let known = self.places.get(self.key.as_slice()).copied();
        let place = match known {
            Some(place) => place,
            None => self.insert(&sorted)?,
        };
        if let Some(order) = order {
            self.bytes += order.len() + 4 * size_of::<usize>();
            self.orders.insert(order, place);
        }
        Ok((Series(place), known.is_none()))
    }

    /// A new series, whose key is in the buffer.
    fn insert(&mut self, labels: &[(&str, &str)]) -> Result<u32, MetricsError> {
        let place = u32::try_from(self.labels.len()).map_err(|_| MetricsError::TooManySeries(u32::MAX as usize))?;
        let (texts, bytes) = (&mut self.texts, &mut self.bytes);
        let mut shared = |text: &str| match texts.get(text) {
            Some(known) => known.clone(),
            None => {
                let new: Arc<str> = text.into();
                *bytes += text.len() + 4 * size_of::<usize>();
                texts.insert(new.clone());
                new
            }
        };
        let labels = Labels::from_pairs(labels.iter().map(|(name, value)| (shared(name), shared(value))));
        self.bytes += self.key.len() + (labels.len() + 1) * 4 * size_of::<usize>();
        self.labels.push(labels);
        self.places.insert(self.key.as_slice().into(), place);
        Ok(place)
    }
}

/// Parts ended by a byte that no text has.
fn build_key<'a>(key: &mut Vec<u8>, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    key.clear();
    for (name, value) in labels {
        key.extend_from_slice(name.as_bytes());
        key.push(0xff);
        key.extend_from_slice(value.as_bytes());
        key.push(0xff);
    }
}

impl SeriesLabels {
    fn keeps(&self, name: &str, value: &str) -> bool {
        !value.is_empty()
            && match self {
                SeriesLabels::By(names) => names.iter().any(|kept| kept == name),
                SeriesLabels::Without(names) => name != PRESERVE_ERROR && names.iter().all(|left| left != name),
                SeriesLabels::Constant(_) => false,
            }
    }
}

fn check_error<'a>(labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Result<(), MetricsError> {
    let Some((_, error)) = labels.clone().find(|(name, value)| *name == ERROR && !value.is_empty()) else {
        return Ok(());
    };
    Err(MetricsError::Pipeline { error: error.to_owned(), series: Labels::from_pairs(labels) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: SeriesLabels, lines: &[&[(&str, &str)]]) -> (Vec<u32>, Vec<String>) {
        let mut set = SeriesSet::new(kind, Errors::Keep);
        let places = lines.iter().map(|labels| set.of(labels.iter().copied()).unwrap().0.0).collect();
        (places, set.into_labels().iter().map(Labels::to_string).collect())
    }

    #[test]
    fn lines_with_the_same_labels_are_of_one_series() {
        let lines: [&[(&str, &str)]; 5] = [
            &[("a", "1"), ("b", "2")],
            &[("b", "2"), ("a", "1")],
            &[("a", "1"), ("b", "3"), ("c", "")],
            &[],
            &[("a", "1"), ("__error__", "x"), ("__preserve_error__", "true")],
        ];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (kind, places, labels) in [
            (
                SeriesLabels::Without(Vec::new()),
                vec![0, 0, 1, 2, 3],
                vec![r#"{a="1", b="2"}"#, r#"{a="1", b="3"}"#, "{}", r#"{__error__="x", a="1"}"#],
            ),
            (SeriesLabels::By(names(&["a", "c"])), vec![0, 0, 0, 1, 0], vec![r#"{a="1"}"#, "{}"]),
            (SeriesLabels::By(Vec::new()), vec![0; 5], vec!["{}"]),
            (SeriesLabels::Without(names(&["b", "__error__"])), vec![0, 0, 0, 1, 0], vec![r#"{a="1"}"#, "{}"]),
            (SeriesLabels::Constant(Labels::from_pairs([("x", "y")])), vec![0; 5], vec![r#"{x="y"}"#]),
        ] {
            let (found, texts) = set(kind.clone(), &lines);
            assert_eq!((found, texts), (places, labels.into_iter().map(str::to_owned).collect()), "{kind:?}");
        }
    }

    #[test]
    fn an_error_of_a_line_is_one_of_the_query() {
        for kind in [SeriesLabels::By(Vec::new()), SeriesLabels::Constant(Labels::default())] {
            let labels = [("app", "x"), ("__error__", "JSONParserErr")];
            let error = SeriesSet::new(kind, Errors::Fail).of(labels.into_iter()).unwrap_err().to_string();
            let expected = r#"pipeline error: 'JSONParserErr' for series: '{__error__="JSONParserErr", app="x"}'."#;
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
