//! The place of a value in an entry: `body.request.id`, `attributes["k8s.pod.name"]`, `resource.host`.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::entry::Entry;
use super::value::{Map, Value, from_text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    Body,
    Attributes,
    Resource,
}

impl Root {
    pub fn named(name: &str) -> Option<Self> {
        // With a dollar sign in configurations of long ago.
        match name.strip_prefix('$').unwrap_or(name) {
            "body" => Some(Root::Body),
            "attributes" => Some(Root::Attributes),
            "resource" => Some(Root::Resource),
            _ if name == "$" => Some(Root::Body),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Root::Body => "body",
            Root::Attributes => "attributes",
            Root::Resource => "resource",
        }
    }

    pub fn of(self, entry: &Entry) -> &Value {
        match self {
            Root::Body => &entry.body,
            Root::Attributes => &entry.attributes,
            Root::Resource => &entry.resource,
        }
    }

    fn of_mut(self, entry: &mut Entry) -> &mut Value {
        match self {
            Root::Body => &mut entry.body,
            Root::Attributes => &mut entry.attributes,
            Root::Resource => &mut entry.resource,
        }
    }
}

/// Below a root; only the body can be meant as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub root: Root,
    pub keys: Vec<String>,
}

/// A field, or all attributes, or the whole resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rootable(pub Field);

impl Field {
    pub fn body() -> Self {
        Self { root: Root::Body, keys: Vec::new() }
    }

    pub fn attribute(key: &str) -> Self {
        Self { root: Root::Attributes, keys: vec![key.to_owned()] }
    }

    pub fn resource(key: &str) -> Self {
        Self { root: Root::Resource, keys: vec![key.to_owned()] }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let field = Self::parse_rootable(text)?;
        if field.keys.is_empty() && field.root != Root::Body {
            return Err(format!("`{text}` alone is no field; name one below it, such as `{text}.name`"));
        }
        Ok(field)
    }

    pub fn parse_rootable(text: &str) -> Result<Self, String> {
        let mut keys = split(text).map_err(|reason| format!("`{text}` is not a field: {reason}"))?;
        let root = Root::named(&keys.remove(0));
        let root =
            root.ok_or_else(|| format!("`{text}` is not a field: it has to begin with body, attributes or resource"))?;
        Ok(Self { root, keys })
    }

    pub fn get<'a>(&self, entry: &'a Entry) -> Option<&'a Value> {
        self.keys.iter().try_fold(self.root.of(entry), |value, key| value.as_map()?.get(key))
    }

    /// Makes maps on the way, whatever was there. A map is merged into what is there, as in the Collector.
    pub fn set(&self, entry: &mut Entry, value: Value) -> Result<(), String> {
        self.accepts(&value)?;
        let root = self.root.of_mut(entry);
        if let Value::Map(members) = value {
            self.keys.iter().fold(root, |value, key| child(value, key)).make_map().extend(members);
            return Ok(());
        }
        let Some((last, parents)) = self.keys.split_last() else {
            *root = value;
            return Ok(());
        };
        parents.iter().fold(root, |value, key| child(value, key)).make_map().insert(last.clone(), value);
        Ok(())
    }

    /// Whether the value can be set here.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Map(_) => Ok(()),
            _ if self.root == Root::Body || !self.keys.is_empty() => Ok(()),
            other => Err(format!("{self} is always a map, and cannot become {}", other.kind())),
        }
    }

    /// Takes the value away; a root is empty then.
    pub fn remove(&self, entry: &mut Entry) -> Option<Value> {
        let root = self.root.of_mut(entry);
        let Some((last, parents)) = self.keys.split_last() else {
            let nothing = if self.root == Root::Body { Value::Null } else { Value::Map(Map::new()) };
            return Some(std::mem::replace(root, nothing));
        };
        let parent = parents.iter().try_fold(root, |value, key| match value {
            Value::Map(map) => map.get_mut(key),
            _ => None,
        });
        match parent {
            Some(Value::Map(map)) => map.shift_remove(last),
            _ => None,
        }
    }

    /// A neighbour of the field, or of what lies below the body.
    pub fn sibling(&self, key: &str) -> Self {
        let parents = self.keys.split_last().map_or(&[][..], |(_, parents)| parents);
        Self { root: self.root, keys: parents.iter().cloned().chain([key.to_owned()]).collect() }
    }
}

fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    value.make_map().entry(key.to_owned()).or_insert(Value::Null)
}

/// `a.b["c.d"]` into its names; at least one.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    let mut is_first = true;
    loop {
        if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let quote = quote.ok_or("a name in brackets has to be quoted")?;
            let inside = &inside[1..];
            let end = inside.find(quote).ok_or("a quote is not closed")?;
            names.push(inside[..end].to_owned());
            rest = inside[end + 1..].strip_prefix(']').ok_or("the bracket is not closed behind its quote")?;
        } else {
            let plain = if is_first {
                rest
            } else {
                rest.strip_prefix('.').ok_or("a bracket is followed by a dot or another bracket")?
            };
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            if end == 0 {
                return Err("a name is empty".to_owned());
            }
            names.push(plain[..end].to_owned());
            rest = &plain[end..];
        }
        if rest.is_empty() {
            return Ok(names);
        }
        is_first = false;
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.as_str())?;
        for key in &self.keys {
            match key.contains(['.', '[']) {
                true => write!(f, "[\"{key}\"]")?,
                false => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, Field::parse)
    }
}

impl<'de> Deserialize<'de> for Rootable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| Field::parse_rootable(text).map(Rootable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written() {
        let cases = [
            ("body", "body"),
            ("$body.a", "body.a"),
            ("$", "body"),
            ("body.a.b", "body.a.b"),
            ("body[\"a.b\"]", "body[\"a.b\"]"),
            ("attributes['a b'].c", "attributes.a b.c"),
            ("resource[\"k8s.pod.name\"][\"x\"]", "resource[\"k8s.pod.name\"].x"),
        ];
        for (text, written) in cases {
            assert_eq!(Field::parse(text).unwrap().to_string(), written, "{text}");
        }
        assert!(Field::parse_rootable("attributes").unwrap().keys.is_empty());
    }

    #[test]
    fn what_is_no_field_is_refused() {
        let cases = [
            ("", "a name is empty"),
            ("message", "has to begin with body"),
            ("attributes", "alone is no field"),
            ("resource", "alone is no field"),
            ("body.", "a name is empty"),
            ("body..a", "a name is empty"),
            ("body[a]", "has to be quoted"),
            ("body[", "has to be quoted"),
            ("body[\"a", "not closed"),
            ("body[\"a\"", "not closed"),
            ("body[\"a\"]b", "followed by a dot"),
        ];
        for (text, expected) in cases {
            let error = Field::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn values_are_set_and_taken_away() {
        let mut entry = Entry::new("line".into(), 0);
        let field = |text: &str| Field::parse_rootable(text).unwrap();
        field("attributes.a.b").set(&mut entry, Value::Int(1)).unwrap();
        field("attributes.a").set(&mut entry, Value::Map([("c".to_owned(), Value::Int(2))].into())).unwrap();
        assert_eq!(entry.attributes.to_string(), r#"{"a":{"b":1,"c":2}}"#);
        assert_eq!(field("attributes.a.b.c").get(&entry), None);
        assert_eq!(field("attributes.a.b.c").remove(&mut entry), None);
        assert_eq!(field("attributes.a.b").remove(&mut entry), Some(Value::Int(1)));
        field("body.x").set(&mut entry, Value::Null).unwrap();
        assert_eq!(entry.body.to_string(), r#"{"x":null}"#);
        assert!(field("attributes").set(&mut entry, Value::Int(1)).is_err());
        assert_eq!(field("attributes").remove(&mut entry).unwrap().to_string(), r#"{"a":{"c":2}}"#);
        assert_eq!(entry.attributes.to_string(), "{}");
    }
}
