//! A YAML document as a tree in which every value knows its place.
//!
//! Scalars stay text until somebody asks for a type: that is how the Collector treats `${env:NAME}`, whose type is the
//! one of its replacement, and how `version: 1.10` stays `1.10` where a string is wanted.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::problem::{ConfigError, Location, Problem};

/// Aliases can multiply a small file into a huge tree; no real configuration comes near these.
const MAX_NODES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    pub value: Value,
    pub at: Location,
    /// The text that an environment variable gave for a list or a mapping, in case a string is wanted here.
    pub original: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `plain` scalars can be numbers, booleans or nothing; others are strings.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
    /// Was wrong and has been reported; readers pass over it.
    Removed,
}

/// One member of a mapping.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_at: Location,
    pub value: Node,
}

/// Two trees are equal if they say the same, wherever they say it.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The order of members does not matter.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Node {
    pub fn new(value: Value, at: Location) -> Self {
        Self { value, at, original: None }
    }

    pub fn plain(text: impl Into<String>, at: Location) -> Self {
        Self::new(Value::Scalar { text: text.into(), plain: true }, at)
    }

    /// `null`, `~` or nothing at all.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain: true } => matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, segment: &Segment) -> Option<&mut Node> {
        match (&mut self.value, segment) {
            (Value::Mapping(entries), Segment::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            (Value::Sequence(items), Segment::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// "a mapping", "`abc`": for error messages.
    pub fn describe(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => quoted(text),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Removed => "nothing".to_owned(),
        }
    }
}

/// A value in an error message; long ones are cut.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => format!("`{text}`"),
        Some((end, _)) => format!("`{}…`", &text[..end]),
    }
}

/// One step into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// `receivers.otlp.protocols`, `actions[2].key`.
pub fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Reads the one document of `text`; an empty one is nothing (null).
pub fn parse(file: &Arc<str>, text: &str) -> Result<Node, ConfigError> {
    let mut loader = Loader { file: file.clone(), open: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0 };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let message = format!("this is not YAML: {}", error.info());
                return Err(problem(loader.location(error.marker()), message).into());
            }
        };
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                let message = "a second document (`---`) begins here, but a configuration is one document";
                return Err(problem(loader.location(&span.start), message).into());
            }
        }
        loader.take(event, loader.location(&span.start))?;
    }
    let start = Location { file: file.clone(), line: 1, column: 1 };
    Ok(loader.root.unwrap_or_else(|| Node::plain("", start)))
}

fn problem(at: Location, message: impl Into<String>) -> Problem {
    Problem { at, path: String::new(), message: message.into() }
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// A key that waits for its value.
    key: Option<(String, Location)>,
}

struct Loader {
    file: Arc<str>,
    open: Vec<Open>,
    root: Option<Node>,
    /// Anchored nodes with the number of nodes in them.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Loader {
    fn location(&self, marker: &Marker) -> Location {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location { file: self.file.clone(), line: number(marker.line().max(1)), column: number(marker.col() + 1) }
    }

    fn take(&mut self, event: Event<'_>, at: Location) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_binary = is_tagged(tag.as_deref(), "binary");
                let plain = style == ScalarStyle::Plain && !is_binary && !is_tagged(tag.as_deref(), "str");
                let text = if is_binary {
                    decode(&text).map_err(|reason| problem(at.clone(), reason))?
                } else {
                    text.into_owned()
                };
                let value = Value::Scalar { text, plain };
                self.complete(Node::new(value, at), anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Value::Sequence(Vec::new()), anchor, at),
            Event::MappingStart(_, anchor, _) => self.begin(Value::Mapping(Vec::new()), anchor, at),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(done) => self.complete(done.node, done.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(problem(at, "this alias stands inside the value that it names"));
                };
                self.count(size, &at)?;
                self.complete(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, at: &Location) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(problem(at.clone(), format!("the document has more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn begin(&mut self, value: Value, anchor: usize, at: Location) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(problem(at, format!("the document is nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { node: Node::new(value, at), anchor, key: None });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.count(1, &node.at)?;
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size(&node)));
        }
        let depth = self.open.len() + depth(&node);
        if depth > MAX_DEPTH {
            return Err(problem(node.at, format!("the document is nested deeper than {MAX_DEPTH} levels")));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => match parent.key.take() {
                Some((key, _)) if key == "<<" => merge(entries, node)?,
                Some((key, key_at)) => entries.push(Entry { key, key_at, value: node }),
                None => parent.key = Some(read_key(entries, node)?),
            },
            Value::Scalar { .. } | Value::Removed => {}
        }
        Ok(())
    }
}

fn is_tagged(tag: Option<&Tag>, name: &str) -> bool {
    tag.is_some_and(|tag| tag.parts() == ("tag:yaml.org,2002:", name))
}

/// `!!binary`: base64 of what must be text here.
fn decode(text: &str) -> Result<String, &'static str> {
    let text: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| "this !!binary is not base64")?;
    String::from_utf8(bytes).map_err(|_| "this !!binary is not valid UTF-8, but text is needed here")
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| size(&entry.value)).sum::<usize>(),
        Value::Scalar { .. } | Value::Removed => 1,
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        Value::Scalar { .. } | Value::Removed => 0,
    }
}

fn read_key(entries: &[Entry], node: Node) -> Result<(String, Location), Problem> {
    let Value::Scalar { text, .. } = node.value else {
        return Err(problem(node.at, "a key must be a name, not a list or a mapping"));
    };
    if let Some(first) = entries.iter().find(|entry| entry.key == text) {
        let message = format!("the key {} was given before, in line {}", quoted(&text), first.key_at.line);
        return Err(problem(node.at, message));
    }
    Ok((text, node.at))
}

/// `<<: *defaults`: members that are not there yet.
fn merge(entries: &mut Vec<Entry>, node: Node) -> Result<(), Problem> {
    match node.value {
        Value::Mapping(more) => {
            for entry in more {
                if !entries.iter().any(|own| own.key == entry.key) {
                    entries.push(entry);
                }
            }
            Ok(())
        }
        Value::Sequence(items) => items.into_iter().try_for_each(|item| merge(entries, item)),
        Value::Scalar { .. } | Value::Removed => Err(problem(node.at, "`<<` merges mappings, but this is not one")),
    }
}
