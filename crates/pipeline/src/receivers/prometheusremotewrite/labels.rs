//! The labels of a series or an exemplar: resolved, sorted, checked.

use std::fmt::{self, Display};

use trefoil_model::wire::{Field, Reader, WireError};

use super::message::{self, LABELS, SYMBOLS, Version};

pub const METRIC_NAME: &str = "__name__";

/// Labels of one series; their bytes together; bytes of one label's name and of a metric's name. Requests are small and
/// say things once (2.0), points say them again: without bounds a small request would become an endless one.
const MAX_LABELS: usize = 1000;
const MAX_LABEL_BYTES: usize = 1 << 20;
const MAX_NAME_BYTES: usize = 4 << 10;

/// Sorted by name; without labels of no value, which are as good as absent.
pub type Labels<'a> = Vec<(&'a str, &'a str)>;

/// Why labels are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit<'a> {
    NoMetricName,
    NoLabelName,
    Duplicate(&'a str),
    NotUtf8,
    OddReferences,
    NoSuchSymbol { reference: u32, symbols: usize },
    TooMany,
    TooLong,
    NameTooLong,
}

impl Display for Unfit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::NoMetricName => write!(f, "it has no label {METRIC_NAME}"),
            Unfit::NoLabelName => write!(f, "a label has no name"),
            Unfit::Duplicate(name) => write!(f, "the label {name:?} is there twice"),
            Unfit::NotUtf8 => write!(f, "a label is not valid UTF-8"),
            Unfit::OddReferences => write!(f, "labels_refs are not pairs of name and value"),
            Unfit::NoSuchSymbol { reference, symbols } => {
                write!(f, "reference {reference} points beyond the {symbols} symbols")
            }
            Unfit::TooMany => write!(f, "it has more than {MAX_LABELS} labels"),
            Unfit::TooLong => write!(f, "its labels have more than {MAX_LABEL_BYTES} bytes"),
            Unfit::NameTooLong => {
                write!(f, "the name of the metric or of a label has more than {MAX_NAME_BYTES} bytes")
            }
        }
    }
}

/// The strings of a request of 2.0; `None` where they are not valid UTF-8. Empty in 1.0.
pub struct Symbols<'a>(Vec<Option<&'a str>>);

impl<'a> Symbols<'a> {
    pub fn collect(version: Version, request: Reader<'a>) -> Result<Self, WireError> {
        let mut symbols = Vec::new();
        if version == Version::V2 {
            for field in request {
                let field = field?;
                if field.number == SYMBOLS {
                    symbols.push(std::str::from_utf8(field.bytes()?).ok());
                }
            }
        }
        Ok(Self(symbols))
    }

    /// All of them; `None` where one is not valid UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a str>> + '_ {
        self.0.iter().copied()
    }

    pub fn get(&self, reference: u32) -> Result<&'a str, Unfit<'a>> {
        let symbol = usize::try_from(reference).ok().and_then(|index| self.0.get(index));
        symbol.ok_or(Unfit::NoSuchSymbol { reference, symbols: self.0.len() })?.ok_or(Unfit::NotUtf8)
    }
}

/// Reads the labels of a series or an exemplar into `labels`. Broken framing is the error, unfit labels the value.
pub fn resolve<'a>(
    version: Version,
    message: Reader<'a>,
    symbols: &Symbols<'a>,
    labels: &mut Labels<'a>,
) -> Result<Result<(), Unfit<'a>>, WireError> {
    labels.clear();
    let mut unfit = None;
    // The value of a pair may come in another chunk of references than its name.
    let mut name = None;
    for field in message {
        let field = field?;
        if field.number != LABELS {
            continue;
        }
        match version {
            Version::V1 => match text_label(&field)? {
                Ok(label) if labels.len() < MAX_LABELS => labels.push(label),
                Ok(_) => unfit = unfit.or(Some(Unfit::TooMany)),
                Err(error) => unfit = unfit.or(Some(error)),
            },
            Version::V2 => field.each_varint(|reference| {
                let symbol = symbols.get(u32::try_from(reference).unwrap_or(u32::MAX));
                match (symbol, name.take()) {
                    (Err(error), _) => unfit = unfit.or(Some(error)),
                    (Ok(symbol), None) => name = Some(symbol),
                    (Ok(value), Some(name)) if labels.len() < MAX_LABELS => labels.push((name, value)),
                    _ => unfit = unfit.or(Some(Unfit::TooMany)),
                }
            })?,
        }
    }
    if name.is_some() {
        unfit = unfit.or(Some(Unfit::OddReferences));
    }
    Ok(match unfit {
        Some(unfit) => Err(unfit),
        None => check(labels),
    })
}

fn text_label<'a>(field: &Field<'a>) -> Result<Result<(&'a str, &'a str), Unfit<'a>>, WireError> {
    let (name, value) = message::label(field)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Unfit::NotUtf8);
    Ok(text(name).and_then(|name| Ok((name, text(value)?))))
}

fn check<'a>(labels: &mut Labels<'a>) -> Result<(), Unfit<'a>> {
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_LABEL_BYTES {
        return Err(Unfit::TooLong);
    }
    if labels.iter().any(|(name, _)| name.len() > MAX_NAME_BYTES) {
        return Err(Unfit::NameTooLong);
    }
    // The specifications want them sorted; order means nothing here, and Prometheus sorts what it receives, too.
    if !labels.is_sorted_by_key(|(name, _)| name) {
        labels.sort_by_key(|(name, _)| *name);
    }
    if labels.first().is_some_and(|(name, _)| name.is_empty()) {
        return Err(Unfit::NoLabelName);
    }
    if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Unfit::Duplicate(pair[0].0));
    }
    labels.retain(|(_, value)| !value.is_empty());
    Ok(())
}

/// The metric's name among the labels of a series.
pub fn metric_name<'a>(labels: &Labels<'a>) -> Result<&'a str, Unfit<'a>> {
    let found = labels.iter().find(|(name, _)| *name == METRIC_NAME);
    let (_, name) = found.ok_or(Unfit::NoMetricName)?;
    if name.len() > MAX_NAME_BYTES {
        return Err(Unfit::NameTooLong);
    }
    Ok(name)
}

/// Labels for people, cut where they get long.
pub fn describe(labels: &Labels<'_>) -> String {
    const LONGEST: usize = 200;
    let mut text = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let cut: String = value.chars().take(LONGEST).collect();
        text.push_str(&format!("{separator}{}={cut:?}", &name[..name.floor_char_boundary(LONGEST)]));
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push('…');
            return text;
        }
    }
    text.push('}');
    text
}
