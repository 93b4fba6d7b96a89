//! Stages that make lines and labels by templates.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use trefoil_template::{Fields, MissingKey, Template, Text, Time, Value, functions};

use super::labels::{ERROR, Labels, Name};
use crate::ast::{LabelFormat, LabelSource};

const TEMPLATE_FORMAT: &str = "TemplateFormatErr";

#[derive(Debug, Clone)]
pub(super) enum Formats {
    Line(Format),
    Labels(Vec<LabelMaker>),
}

/// A template, or what is as much as one: `{{.label}}` alone.
#[derive(Debug, Clone)]
pub(super) enum Format {
    Label(String),
    Template(Arc<Template>),
}

#[derive(Debug, Clone)]
pub(super) struct LabelMaker {
    label: Arc<str>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Rename(String),
    Format(Format),
}

/// What a template sees of a line.
struct Data<'a, 'e> {
    labels: &'a Labels<'e>,
    line: &'a str,
    timestamp: i64,
}

impl Formats {
    pub fn line(text: &str) -> Result<Formats, String> {
        let template = Format::new("line", text).map_err(|error| format!("invalid line template: {error}"))?;
        Ok(Formats::Line(template))
    }

    pub fn labels(formats: &[LabelFormat]) -> Result<Formats, String> {
        let mut makers: Vec<LabelMaker> = Vec::new();
        for LabelFormat { label, source } in formats {
            if label == ERROR {
                return Err(format!("{label} cannot be formatted"));
            }
            // It would be hard to say which of two comes first.
            if makers.iter().any(|maker| *maker.label == **label) {
                return Err(format!("multiple label name '{label}' not allowed in a single format operation"));
            }
            let source = match source {
                LabelSource::Label(from) => Source::Rename(from.clone()),
                LabelSource::Template(text) => {
                    let format = Format::new("label", text);
                    Source::Format(format.map_err(|error| format!("invalid template for label '{label}': {error}"))?)
                }
            };
            makers.push(LabelMaker { label: label.as_str().into(), source });
        }
        Ok(Formats::Labels(makers))
    }
}

impl Format {
    fn new(name: &str, text: &str) -> Result<Format, String> {
        if let Some(label) = label_alone(text) {
            return Ok(Format::Label(label.to_owned()));
        }
        let template = Template::parse(name, text, functions::loki()).map_err(|error| error.to_string())?;
        Ok(Format::Template(Arc::new(template.with_missing_key(MissingKey::Zero))))
    }

    /// Names of the labels that it may ask for. `false`: any.
    pub fn fields<'f>(&'f self, names: &mut BTreeSet<&'f str>) -> bool {
        match self {
            Format::Label(label) => {
                names.insert(label);
                true
            }
            Format::Template(template) => match template.fields() {
                Some(fields) => {
                    names.extend(fields);
                    true
                }
                None => false,
            },
        }
    }

    fn make<'e>(&self, data: &Data<'_, 'e>, now: i64) -> Result<Cow<'e, str>, String> {
        match self {
            Format::Label(label) => match data.labels.take(label) {
                Some(value) => Ok(value),
                None => Ok(Cow::Owned(data.labels.get(label).unwrap_or_default().to_owned())),
            },
            Format::Template(template) => {
                let mut text = String::new();
                template.execute(Value::Fields(data), now, &mut text).map_err(|error| error.to_string())?;
                Ok(Cow::Owned(text))
            }
        }
    }
}

/// The label of `{{.label}}`.
fn label_alone(text: &str) -> Option<&str> {
    let label = text.strip_prefix("{{")?.strip_suffix("}}")?.trim().strip_prefix('.')?;
    let is_name = |label: &&str| label.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    Some(label).filter(is_name).filter(|label| label.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()))
}

impl LabelMaker {
    pub fn fields<'f>(&'f self, names: &mut BTreeSet<&'f str>) -> bool {
        match &self.source {
            Source::Rename(from) => {
                names.insert(from);
                true
            }
            Source::Format(format) => format.fields(names),
        }
    }
}

/// The new line. `None`: it stays as it is, with an error.
pub(super) fn line<'e>(
    format: &Format,
    line: &str,
    timestamp: i64,
    now: i64,
    labels: &mut Labels<'e>,
) -> Option<Cow<'e, str>> {
    match format.make(&Data { labels, line, timestamp }, now) {
        Ok(line) => Some(line),
        Err(details) => {
            labels.fail(TEMPLATE_FORMAT, details);
            None
        }
    }
}

/// Makes labels one after the other. All templates see the labels as they are in front of the first of them.
pub(super) fn labels(makers: &[LabelMaker], line: &str, timestamp: i64, now: i64, labels: &mut Labels<'_>) {
    let mut made = None;
    for maker in makers {
        match &maker.source {
            Source::Rename(from) if **from != *maker.label => {
                if let Some(value) = labels.take(from) {
                    labels.set(Name::Shared(maker.label.clone()), value);
                    labels.remove(from);
                }
            }
            Source::Rename(_) => {}
            Source::Format(_) => {
                let made = made.get_or_insert_with(|| {
                    let data = Data { labels, line, timestamp };
                    let formats = makers.iter().filter_map(|maker| match &maker.source {
                        Source::Format(format) => Some(format.make(&data, now)),
                        Source::Rename(_) => None,
                    });
                    formats.collect::<Vec<_>>().into_iter()
                });
                match made.next() {
                    Some(Ok(value)) => labels.set(Name::Shared(maker.label.clone()), value),
                    Some(Err(details)) => labels.fail(TEMPLATE_FORMAT, details),
                    None => {}
                }
            }
        }
    }
}

impl Fields for Data<'_, '_> {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.labels.get(name).map(Value::from)
    }

    fn entries(&self) -> Vec<(Text<'_>, Value<'_>)> {
        let labels = self.labels.iter().map(|(_, name, value)| (Text::from(name), Value::from(value)));
        let mut entries: Vec<_> = labels.collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries
    }

    fn given(&self, function: &str) -> Option<Value<'_>> {
        match function {
            "__line__" => Some(Value::from(self.line)),
            "__timestamp__" => Some(Value::Time(Time::from_nanoseconds(self.timestamp))),
            _ => None,
        }
    }
}
