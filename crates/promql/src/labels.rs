//! Label sets: what identifies a series.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
/// A metric's type and unit, where they are labels (Prometheus' `type-and-unit-labels`).
pub const METRIC_TYPE: &str = "__type__";
pub const METRIC_UNIT: &str = "__unit__";
/// The upper bound of a classic histogram's bucket.
pub const BUCKET: &str = "le";
/// The quantile of a summary's series.
pub const QUANTILE: &str = "quantile";

/// A name and its value. Label sets share their labels: one takes eight bytes in each of them.
#[derive(Clone, Eq)]
pub struct Label(Arc<Pair>);

/// What a label says.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    pub name: Arc<str>,
    /// Never empty: a label with an empty value is the same as none.
    pub value: Arc<str>,
}

impl Label {
    pub fn new(name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Pair { name: name.into(), value: value.into() }))
    }

    /// What it takes in memory beside its texts and the label sets that have it.
    pub const BYTES: usize = 2 * size_of::<usize>() + size_of::<Pair>();
}

impl Deref for Label {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.0
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Names before values. What is shared needs no look.
impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        let texts = |a: &Arc<str>, b: &Arc<str>| if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) };
        texts(&self.name, &other.name).then_with(|| texts(&self.value, &other.value))
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Labels sorted by name, each name once. Cheap to clone.
#[derive(Clone, Eq)]
pub struct Labels(Arc<[Label]>);

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.len() == other.len() && self.cmp(other).is_eq()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Label by label.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Labels {
    /// Sorts; of a name that comes twice the last value counts; empty values are left out.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// `None` where they are not sorted by name, each name once, or a value is empty.
    pub fn from_sorted(labels: Vec<Label>) -> Option<Self> {
        let is_sorted = labels.is_sorted_by(|a, b| a.name < b.name);
        (is_sorted && labels.iter().all(|label| !label.value.is_empty())).then(|| Self(labels.into()))
    }

    /// The empty text where there is no such label.
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|label| label.name.as_ref().cmp(name)) {
            Ok(index) => &self.0[index].value,
            Err(_) => "",
        }
    }

    /// `None` where there is no such label.
    pub fn value(&self, name: &str) -> Option<&Arc<str>> {
        self.label(name).map(|label| &label.value)
    }

    /// `None` where there is no such label.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.0.iter().find(|label| label.name.as_ref() == name)
    }

    /// [`Labels::value`], looked for first at the place where another label set had it; `place` then is where it was found.
    pub fn value_near(&self, name: &str, place: &mut usize) -> Option<&Arc<str>> {
        if let Some(label) = self.0.get(*place).filter(|label| label.name.as_ref() == name) {
            return Some(&label.value);
        }
        *place = self.0.iter().position(|label| label.name.as_ref() == name)?;
        self.0.get(*place).map(|label| &label.value)
    }

    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Label> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same labels, replaced by equal ones: to share memory between label sets.
    #[must_use]
    pub fn shared(&self, share: impl FnMut(&Label) -> Label) -> Self {
        Self(self.iter().map(share).collect())
    }

    pub fn builder(&self) -> LabelsBuilder {
        LabelsBuilder { labels: self.0.to_vec() }
    }

    pub fn without(&self, names: &[&str]) -> Self {
        self.filtered(|name| !names.contains(&name))
    }

    pub fn only(&self, names: &[&str]) -> Self {
        self.filtered(|name| names.contains(&name))
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|label| keep(&label.name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }
}

/// Changes a label set one label at a time.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    labels: Vec<Label>,
}

impl LabelsBuilder {
    /// An empty value removes the label.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match value.is_empty() {
            true => self.remove(&name),
            false => self.put(Label::new(name, value)),
        }
    }

    /// As [`LabelsBuilder::set`], with a label that another set has.
    pub fn put(&mut self, label: Label) -> &mut Self {
        match self.labels.binary_search_by(|known| known.name.cmp(&label.name)) {
            Ok(index) => self.labels[index] = label,
            Err(index) => self.labels.insert(index, label),
        }
        self
    }

    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.labels.retain(|label| label.name.as_ref() != name);
        self
    }

    pub fn build(self) -> Labels {
        Labels(self.labels.into())
    }
}

/// As Prometheus writes it: `{__name__="up", job="x"}`, names that are no identifiers quoted.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, label) in self.iter().enumerate() {
            let Pair { name, value } = &**label;
            if index > 0 {
                f.write_str(", ")?;
            }
            match is_legacy_name(name) {
                true => write!(f, "{name}={value:?}")?,
                false => write!(f, "{name:?}={value:?}")?,
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: a label name that needs no quotes.
pub fn is_legacy_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an index of many series takes depends on it.
    #[test]
    fn a_label_takes_eight_bytes_in_a_set() {
        assert_eq!((size_of::<Label>(), size_of::<Labels>()), (8, 16));
        let labels = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let mut changed = labels.builder();
        changed.set("b", "3").put(Label::new("c", "4"));
        let changed = changed.build();
        let is_shared = |name: &str| Arc::ptr_eq(&labels.label(name).unwrap().0, &changed.label(name).unwrap().0);
        assert!(is_shared("a") && !is_shared("b") && changed.label("d").is_none());
        assert_eq!(changed.to_string(), r#"{a="1", b="3", c="4"}"#);
    }

    /// Whether they are shared or not.
    #[test]
    fn labels_are_ordered_by_name_then_value() {
        let shared = Label::new("b", "1");
        let sets: Vec<Labels> = [
            vec![],
            vec![Label::new("a", "2")],
            vec![Label::new("a", "2"), shared.clone()],
            vec![Label::new("a", "2"), Label::new("b", "1"), Label::new("c", "0")],
            vec![Label::new("a", "2"), Label::new("b", "10")],
            vec![Label::new("a", "2"), Label::new("c", "0")],
            vec![shared],
            vec![Label::new("b", "1"), Label::new("c", "0")],
        ]
        .map(|labels| Labels::from_sorted(labels).unwrap())
        .into();
        for (i, a) in sets.iter().enumerate() {
            for (j, b) in sets.iter().enumerate() {
                assert_eq!((a.cmp(b), a == b), (i.cmp(&j), i == j), "{a} {b}");
            }
        }
    }

    #[test]
    fn sets_are_sorted_and_hold_no_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!((labels.get("b"), labels.get("c"), labels.has("c")), ("3", "", false));
        assert_eq!(labels.only(&["a", "z"]), Labels::from_pairs([("a", "1")]));
        assert_eq!(labels.without(&["a"]), Labels::from_pairs([("b", "3")]));
        assert_eq!(Labels::from_sorted(labels.iter().cloned().collect()), Some(labels.clone()));
        let mut reversed: Vec<Label> = labels.iter().cloned().collect();
        reversed.reverse();
        assert_eq!(Labels::from_sorted(reversed), None);
        assert_eq!(Labels::from_sorted(vec![Label::new("a", "")]), None);
        let mut builder = labels.builder();
        builder.set("b", "").set("a.b", "x").remove("nothing");
        assert_eq!(builder.build().to_string(), r#"{a="1", "a.b"="x"}"#);
    }
}
