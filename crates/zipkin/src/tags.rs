//! Tags of a span.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// Texts by name, sorted by the names, of which each is there once. They may be borrowed from what they were read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags<'a>(Vec<Tag<'a>>);

/// A name and its text.
type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> Tags<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + DoubleEndedIterator {
        self.0.iter().map(|(name, text)| (&**name, &**text))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|place| &*self.0[place].1)
    }

    /// Sets the text of a name, whether it had one or not.
    pub fn insert(&mut self, name: impl Into<Cow<'a, str>>, text: impl Into<Cow<'a, str>>) {
        let (name, text) = (name.into(), text.into());
        match self.place(&name) {
            Ok(place) => self.0[place].1 = text,
            Err(place) => self.0.insert(place, (name, text)),
        }
    }

    /// Takes a tag out.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.place(name).ok().map(|place| self.0.remove(place).1)
    }

    /// Where the name is, or where it would be.
    pub(crate) fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// The text at a place that [`Self::place`] found.
    pub(crate) fn text(&self, place: usize) -> &str {
        &self.0[place].1
    }

    fn sort(&mut self) {
        if self.0.is_sorted_by(|(name, _), (next, _)| name < next) {
            return;
        }
        self.0.sort_by(|(name, _), (other, _)| name.cmp(other));
        self.0.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            is_same
        });
    }
}

/// Of those with the same name, the last is taken.
impl<'a> FromIterator<Tag<'a>> for Tags<'a> {
    fn from_iter<T: IntoIterator<Item = Tag<'a>>>(tags: T) -> Self {
        Self::from(Vec::from_iter(tags))
    }
}

/// Of those with the same name, the last is taken.
impl<'a> From<Vec<Tag<'a>>> for Tags<'a> {
    fn from(tags: Vec<Tag<'a>>) -> Self {
        let mut tags = Self(tags);
        tags.sort();
        tags
    }
}

/// They win over those that were there, and later ones over earlier ones.
impl<'a> Extend<Tag<'a>> for Tags<'a> {
    fn extend<T: IntoIterator<Item = Tag<'a>>>(&mut self, tags: T) {
        self.0.extend(tags);
        self.sort();
    }
}

/// As a map.
impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn tag((name, text): (String, String)) -> Tag<'static> {
        (name.into(), text.into())
    }

    fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    proptest! {
        #[test]
        fn they_are_a_map(
            first in vec(("[a-d]{0,2}", "[a-z]{0,3}"), 0..10),
            more in vec(("[a-d]{0,2}", "[a-z]{0,3}"), 0..10),
            name in "[a-d]{0,2}",
        ) {
            let mut map: BTreeMap<String, String> = first.iter().cloned().collect();
            let mut tags: Tags = first.into_iter().map(tag).collect();
            prop_assert_eq!(tags.iter().collect::<Vec<_>>(), pairs(&map));
            prop_assert_eq!(serde_json::to_string(&tags).unwrap(), serde_json::to_string(&map).unwrap());
            map.extend(more.iter().cloned());
            tags.extend(more.into_iter().map(tag));
            prop_assert_eq!(tags.iter().collect::<Vec<_>>(), pairs(&map));
            prop_assert_eq!((tags.get(&name), tags.is_empty()), (map.get(&name).map(String::as_str), map.is_empty()));
            prop_assert_eq!(tags.remove(&name).map(Cow::into_owned), map.remove(&name));
            prop_assert_eq!(tags.iter().collect::<Vec<_>>(), pairs(&map));
            for text in ["x", "y"] {
                map.insert(name.clone(), text.to_owned());
                tags.insert(name.clone(), text);
                prop_assert_eq!(tags.iter().collect::<Vec<_>>(), pairs(&map));
            }
        }
    }
}
