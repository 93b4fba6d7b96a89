//! Stored attributes → label sets that share their labels, and labels that share their texts.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::{Equivalent, HashSet};
use memchr::memchr2;
use trefoil_promql::labels::{Label, Labels, METRIC_NAME};

/// Labels and texts that are there already.
#[derive(Default)]
pub struct Texts {
    known: HashSet<Arc<str>, RandomState>,
    labels: HashSet<Label, RandomState>,
    /// The labels made last: neighbours have much in common.
    last: Labels,
    bytes: usize,
}

/// What a text takes beside its letters: its counts, and its place in the set.
const OF_TEXT: usize = 2 * size_of::<usize>() + size_of::<Arc<str>>();

/// A label, without owning it.
#[derive(Hash)]
struct Said<'a> {
    name: &'a str,
    value: &'a str,
}

impl Said<'_> {
    fn is(&self, label: &Label) -> bool {
        *label.name == *self.name && *label.value == *self.value
    }
}

impl Equivalent<Label> for Said<'_> {
    fn equivalent(&self, label: &Label) -> bool {
        self.is(label)
    }
}

impl Texts {
    /// About what they take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.bytes += text.len() + OF_TEXT;
        self.known.insert(text.clone());
        text
    }

    fn label(&mut self, last: Option<&Label>, name: &str, value: &str) -> Label {
        let said = Said { name, value };
        if let Some(known) = last.filter(|last| said.is(last)).or_else(|| self.labels.get(&said)) {
            return known.clone();
        }
        let label = Label::new(self.shared(name), self.shared(value));
        self.bytes += Label::BYTES;
        self.labels.insert(label.clone());
        label
    }

    /// The same set of shared labels.
    pub fn of(&mut self, labels: &Labels) -> Labels {
        labels.shared(|label| self.label(None, &label.name, &label.value))
    }

    /// The labels of a list of attributes that are texts, sorted by their keys, as series that came by Prometheus' own ways
    /// have them; with `metric` as the metric's name. `None` for any other list.
    pub fn of_sorted(&mut self, json: Option<&str>, metric: Option<&str>) -> Option<Labels> {
        let mut rest = match json {
            None => "",
            Some(json) => json.strip_prefix('{')?.strip_suffix('}')?,
        };
        let mut labels: Vec<Label> = Vec::with_capacity(self.last.len() + 1);
        let (mut metric, mut before) = (metric, None);
        let last = self.last.clone();
        let mut last = last.iter();
        while !rest.is_empty() {
            let (name, after) = text(rest)?;
            let (value, after) = text(after.strip_prefix(':')?)?;
            rest = match after.strip_prefix(',') {
                Some(rest) if !rest.is_empty() => rest,
                None if after.is_empty() => "",
                _ => return None,
            };
            // Of keys that come twice the first counts, even where it says nothing.
            if before.replace(name).is_some_and(|before| before >= name) {
                return None;
            }
            if name == METRIC_NAME || value.is_empty() {
                continue;
            }
            if name > METRIC_NAME
                && let Some(metric) = metric.take()
            {
                labels.push(self.label(last.next(), METRIC_NAME, metric));
            }
            labels.push(self.label(last.next(), name, value));
        }
        if let Some(metric) = metric {
            labels.push(self.label(last.next(), METRIC_NAME, metric));
        }
        self.last = Labels::from_sorted(labels)?;
        Some(self.last.clone())
    }
}

/// A text of JSON without escapes at the beginning, and what is after it.
fn text(json: &str) -> Option<(&str, &str)> {
    let inside = json.strip_prefix('"')?;
    let end = memchr2(b'"', b'\\', inside.as_bytes())?;
    let (text, after) = (inside.get(..end)?, inside.get(end..)?);
    Some((text, after.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::labels::{Identity, literal};

    /// By the way that every list can go.
    fn general(json: &str, metric: Option<&str>) -> Labels {
        let labels = literal(&Identity { attributes: Some(json), ..Identity::default() }).unwrap();
        let mut builder = labels.builder();
        builder.set(METRIC_NAME, metric.unwrap_or(""));
        builder.build()
    }

    #[test]
    fn the_short_way_finds_what_the_long_way_does() {
        let mut texts = Texts::default();
        for (json, is_short) in [
            (r#"{"a":"1","job":"x"}"#, true),
            (r#"{"A":"1","job":"ünï"}"#, true),
            (r#"{"Z":"1","__name__":"other","a":""}"#, true),
            (r#"{"_":"1","__name__":"other","__z":"2"}"#, true),
            ("{}", true),
            (r#"{"job":"x","a":"1"}"#, false),
            (r#"{"a":"1","a":"2"}"#, false),
            (r#"{"a":"\"","b":"2"}"#, false),
            (r#"{"a\\":"1"}"#, false),
            (r#"{"a":1}"#, false),
            (r#"{"a":{"b":"c"}}"#, false),
            (r#"{"a":["b"]}"#, false),
        ] {
            for metric in [None, Some("up")] {
                let found = texts.of_sorted(Some(json), metric);
                match is_short {
                    true => assert_eq!(found, Some(general(json, metric)), "{json}"),
                    false => assert_eq!(found, None, "{json}"),
                }
            }
        }
        for broken in [r#"{"a":"1",}"#, r#"{"a":"1""#, r#"{"a":"1"x"b":"2"}"#, r#"{"a"}"#, r#"{"a":"1}"#, "[]", ""] {
            assert_eq!(texts.of_sorted(Some(broken), None), None, "{broken}");
        }
        assert_eq!(texts.of_sorted(None, Some("up")), Some(general("{}", Some("up"))));
        assert_eq!(texts.of_sorted(None, None), Some(Labels::default()));
    }

    #[test]
    fn labels_and_texts_are_shared() {
        let mut texts = Texts::default();
        let [a, b, c] = [r#"{"a":"1","b":"1"}"#, r#"{"b":"1","c":"2"}"#, r#"{"a":"2"}"#]
            .map(|json| texts.of_sorted(Some(json), None).unwrap());
        let general = texts.of(&Labels::from_pairs([("c", "1")]));
        let again = texts.of_sorted(Some(r#"{"b":"1"}"#), None).unwrap();
        let label = |labels: &Labels, name: &str| std::ptr::from_ref(&**labels.label(name).unwrap());
        assert!(label(&a, "b") == label(&again, "b") && label(&a, "b") != label(&a, "a"));
        assert!(label(&general, "c") == label(&texts.of(&Labels::from_pairs([("c", "1")])), "c"));
        let ptr = |labels: &Labels, name: &str| labels.value(name).unwrap().clone();
        assert!(Arc::ptr_eq(&ptr(&a, "a"), &ptr(&b, "b")) && Arc::ptr_eq(&ptr(&a, "a"), &ptr(&general, "c")));
        assert!(Arc::ptr_eq(&ptr(&b, "c"), &ptr(&c, "a")));
    }

    proptest::proptest! {
        #[test]
        fn any_list_is_read_rightly_or_not_at_all(
            pairs in proptest::collection::vec(("[A-Z_a-c\"\\\\é]{0,3}", "[a-c\"\\\\ é]{0,3}"), 0..5),
            metric in proptest::option::of("[a-c]{1,3}"),
        ) {
            let members: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}:{}", serde_json::to_string(name).unwrap(), serde_json::to_string(value).unwrap()))
                .collect();
            let json = format!("{{{}}}", members.join(","));
            if let Some(found) = Texts::default().of_sorted(Some(&json), metric.as_deref()) {
                proptest::prop_assert_eq!(found, general(&json, metric.as_deref()));
            }
        }
    }
}
