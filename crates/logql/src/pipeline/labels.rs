//! The labels of one line, by where they come from.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use super::names::Names;

/// Says what went wrong with a line.
pub const ERROR: &str = "__error__";
/// Says more about it.
pub const ERROR_DETAILS: &str = "__error_details__";
/// Is on lines whose errors were asked for, so that series may have them.
pub const PRESERVE_ERROR: &str = "__preserve_error__";

/// Behind the name of a label that another one has already.
pub(super) const DUPLICATE: &str = "_extracted";

/// Labels that parsers may find in one line.
const MAX_PARSED: usize = 2_000;

/// Where a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Of the stream that the line is in.
    Stream,
    /// Structured metadata, which came with the line.
    Metadata,
    /// Made by a stage, or an error.
    Parsed,
}

/// The labels of a line, no two of the same name.
#[derive(Debug, Default)]
pub struct Labels<'e> {
    stream: &'e [(&'e str, &'e str)],
    /// Places in the stream's labels that are gone or stand behind another label.
    hidden: Vec<usize>,
    metadata: Vec<Label<'e>>,
    parsed: Vec<Label<'e>>,
    error: Option<Cow<'e, str>>,
    details: Option<Cow<'e, str>>,
}

#[derive(Debug, Clone)]
struct Label<'e> {
    name: Name<'e>,
    /// `None`: it has been removed. Parsers do not bring it back.
    value: Option<Cow<'e, str>>,
}

/// The name of a label.
#[derive(Debug, Clone)]
pub(super) enum Name<'e> {
    Given(&'e str),
    Shared(Arc<str>),
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Name::Given(name) => name,
            Name::Shared(name) => name,
        }
    }
}

/// Lists without content, whose memory is for the labels of the next line.
#[derive(Debug, Default)]
pub(super) struct Lists {
    hidden: Vec<usize>,
    metadata: Vec<Label<'static>>,
    parsed: Vec<Label<'static>>,
}

impl<'e> Labels<'e> {
    /// The value of a label. Those of a stream are never empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        match name {
            ERROR => self.error.as_deref(),
            ERROR_DETAILS => self.details.as_deref(),
            _ => self.value(name),
        }
    }

    /// The same of labels that are no errors.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        match self.made(name) {
            Some(value) => Some(value),
            None => self.of_stream(name),
        }
    }

    /// Those of the stream first, then metadata, then what was parsed, errors last. Each in the order that it came in.
    pub fn iter(&self) -> impl Iterator<Item = (Category, &str, &str)> + Clone {
        let stream = self.stream.iter().enumerate().filter(|(place, _)| !self.hidden.contains(place));
        let stream = stream.map(|(_, (name, value))| (Category::Stream, *name, *value));
        let metadata = live(&self.metadata).map(|(name, value)| (Category::Metadata, name, value));
        let parsed = live(&self.parsed).map(|(name, value)| (Category::Parsed, name, value));
        let error = self.error.as_deref().map(|error| (Category::Parsed, ERROR, error));
        let details = self.details.as_deref().map(|details| (Category::Parsed, ERROR_DETAILS, details));
        stream.chain(metadata).chain(parsed).chain(error).chain(details)
    }

    /// Whether no label of the stream is gone or stands behind another one.
    pub fn stream_is_whole(&self) -> bool {
        self.hidden.is_empty()
    }

    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn new(
        stream: &'e [(&'e str, &'e str)],
        metadata: &'e [(&'e str, &'e str)],
        lists: Lists,
        names: &mut Names,
    ) -> Labels<'e> {
        let Lists { hidden, metadata: list, parsed } = lists;
        let (list, parsed) = (recycled(list), recycled(parsed));
        let mut labels = Labels { stream, hidden, metadata: list, parsed, error: None, details: None };
        for &(name, value) in metadata {
            match name {
                ERROR => labels.error = Some(Cow::Borrowed(value)),
                ERROR_DETAILS => labels.details = Some(Cow::Borrowed(value)),
                _ if labels.is_of_stream(name) => {
                    let name = Name::Shared(names.get_with(name, DUPLICATE));
                    put(&mut labels.metadata, name, Cow::Borrowed(value));
                }
                _ => put(&mut labels.metadata, Name::Given(name), Cow::Borrowed(value)),
            }
        }
        labels
    }

    pub(super) fn into_lists(self) -> Lists {
        let Labels { mut hidden, metadata, parsed, .. } = self;
        hidden.clear();
        Lists { hidden, metadata: recycled(metadata), parsed: recycled(parsed) }
    }

    fn made(&self, name: &str) -> Option<&Cow<'e, str>> {
        let mut made = self.metadata.iter().chain(&self.parsed);
        made.find_map(|label| label.value.as_ref().filter(|_| *label.name == *name))
    }

    fn of_stream(&self, name: &str) -> Option<&'e str> {
        let place = self.stream.iter().position(|(label, _)| *label == name)?;
        let is_there = !self.hidden.contains(&place) && !self.stream[place].1.is_empty();
        is_there.then_some(self.stream[place].1)
    }

    /// What [`Labels::value`] gives, for as long as the entry lives. Copies what was made.
    pub(super) fn take(&self, name: &str) -> Option<Cow<'e, str>> {
        self.made(name).cloned().or_else(|| self.of_stream(name).map(Cow::Borrowed))
    }

    fn is_of_stream(&self, name: &str) -> bool {
        self.stream.iter().any(|(label, _)| *label == name)
    }

    /// A label that a parser found. The first one of a name counts. The name of one that the line or its stream has already is another
    /// one; `wanted` says whether anybody asks for it.
    pub(super) fn extract(
        &mut self,
        name: &str,
        value: impl FnOnce() -> Cow<'e, str>,
        wanted: impl FnOnce(&str) -> bool,
        names: &mut Names,
    ) -> Result<(), TooMany> {
        let name = self.name_of(name, names);
        if !wanted(&name) || self.parsed.iter().any(|label| *label.name == *name) {
            return Ok(());
        }
        if self.parsed.len() >= MAX_PARSED {
            return Err(TooMany);
        }
        self.set(Name::Shared(name), value());
        Ok(())
    }

    /// The name that a parsed label gets.
    fn name_of(&self, name: &str, names: &mut Names) -> Arc<str> {
        match self.clashes(name) {
            true => names.get_with(name, DUPLICATE),
            false => names.get(name),
        }
    }

    /// A label that an expression of a query names. It replaces what was parsed before. Nothing replaces nothing, and where the name is
    /// that of another label, nothing is made of nothing.
    pub(super) fn extract_named(&mut self, name: &str, value: Cow<'e, str>, names: &mut Names) {
        if value.is_empty() && (self.clashes(name) || live(&self.parsed).any(|(label, _)| label == name)) {
            return;
        }
        let name = self.name_of(name, names);
        self.set(Name::Shared(name), value);
    }

    /// Whether a parsed label of this name gets another one.
    fn clashes(&self, name: &str) -> bool {
        self.is_of_stream(name) || live(&self.metadata).any(|(label, _)| label == name)
    }

    pub(super) fn parsed_count(&self) -> usize {
        self.parsed.len()
    }

    /// Forgets what was parsed behind that many labels.
    pub(super) fn truncate_parsed(&mut self, count: usize) {
        self.parsed.truncate(count);
    }

    /// In place of all other labels of that name.
    pub(super) fn set(&mut self, name: Name<'e>, value: Cow<'e, str>) {
        self.hide(&name);
        self.metadata.retain(|label| *label.name != *name);
        put(&mut self.parsed, name, value);
    }

    fn hide(&mut self, name: &str) {
        let place = self.stream.iter().position(|(label, _)| *label == name);
        self.hidden.extend(place.filter(|place| !self.hidden.contains(place)));
    }

    pub(super) fn remove(&mut self, name: &str) {
        match name {
            ERROR => self.error = None,
            ERROR_DETAILS => self.details = None,
            _ => {
                self.hide(name);
                self.metadata.retain(|label| &*label.name != name);
                if let Some(label) = self.parsed.iter_mut().find(|label| &*label.name == name) {
                    label.value = None;
                }
            }
        }
    }

    /// Removes all labels but errors for which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        for (place, (name, value)) in self.stream.iter().enumerate() {
            if !keep(name, value) && !self.hidden.contains(&place) {
                self.hidden.push(place);
            }
        }
        let keeps = |label: &Label<'_>| label.value.as_deref().is_none_or(|value| keep(&label.name, value));
        self.metadata.retain(keeps);
        for label in &mut self.parsed {
            if !keeps(label) && &*label.name != PRESERVE_ERROR {
                label.value = None;
            }
        }
    }

    pub(super) fn fail(&mut self, error: &'static str, details: impl Into<Cow<'e, str>>) {
        self.error = Some(Cow::Borrowed(error));
        self.details = Some(details.into());
    }

    /// Keeps what went wrong before, as it says more.
    pub(super) fn fail_first(&mut self, error: &'static str, details: impl Into<Cow<'e, str>>) {
        if self.error.is_none() {
            self.fail(error, details);
        }
    }
}

/// A line has more labels than anybody can want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl TooMany {
    pub fn message() -> String {
        format!("line has more than {MAX_PARSED} labels")
    }
}

fn live<'l>(labels: &'l [Label<'_>]) -> impl Iterator<Item = (&'l str, &'l str)> + Clone {
    labels.iter().filter_map(|label| Some((&*label.name, label.value.as_deref()?)))
}

fn put<'e>(labels: &mut Vec<Label<'e>>, name: Name<'e>, value: Cow<'e, str>) {
    match labels.iter_mut().find(|label| *label.name == *name) {
        Some(label) => label.value = Some(value),
        None => labels.push(Label { name, value: Some(value) }),
    }
}

/// The memory of a list for another one.
fn recycled<'o>(mut labels: Vec<Label<'_>>) -> Vec<Label<'o>> {
    labels.clear();
    // Nothing is left to be mapped; the library keeps the memory.
    labels.into_iter().map(|_| Label { name: Name::Given(""), value: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_memory() {
        let name = String::from("a");
        let list = vec![Label { name: Name::Given(&name), value: None }; 100];
        let again: Vec<Label<'static>> = recycled(list);
        assert!(again.is_empty() && again.capacity() >= 100);
    }
}
