//! Data that is asked for its parts by name, so that nobody has to build a map for each line.

use crate::value::{Text, Value};

/// What a value is to templates that look into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `map[string]string`: with [`crate::MissingKey::Zero`] a name that is missing is an empty text.
    Texts,
    /// `map[string]interface {}`.
    Values,
    /// A structure, by the name that errors give to its type: a name that is missing is an error.
    Structure(&'static str),
}

impl Shape {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Shape::Texts => "map[string]string",
            Shape::Values => "map[string]interface {}",
            Shape::Structure(name) => name,
        }
    }
}

/// Data with named parts: the labels of a line, an alert. Looking a part up is to be cheap.
pub trait Fields: Send + Sync {
    fn shape(&self) -> Shape {
        Shape::Texts
    }

    /// `.name`; of structures also what Go has as methods without arguments.
    fn get(&self, name: &str) -> Option<Value<'_>>;

    /// All parts, maps' in the order of their names: templates that go through them or write the whole ask for it.
    fn entries(&self) -> Vec<(Text<'_>, Value<'_>)>;

    /// `.name arguments…`. `None`: there is no such method.
    fn method(&self, name: &str, arguments: &[Value<'_>]) -> Option<Result<Value<'_>, String>> {
        let _ = (name, arguments);
        None
    }

    /// What a function takes from the data that is no part of it, by the function's name (`__line__`).
    fn given(&self, function: &str) -> Option<Value<'_>> {
        let _ = function;
        None
    }
}

/// A few names with their texts.
#[derive(Debug, Clone, Default)]
pub struct Labels<'a>(pub Vec<(&'a str, &'a str)>);

impl Fields for Labels<'_> {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(label, _)| *label == name).map(|(_, value)| Value::from(*value))
    }

    fn entries(&self) -> Vec<(Text<'_>, Value<'_>)> {
        let mut entries: Vec<_> = self.0.iter().map(|(name, value)| (Text::from(*name), Value::from(*value))).collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries
    }
}
