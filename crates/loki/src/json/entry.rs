//! Entries, in both forms.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::text::{Pairs, Text};
use crate::times::Time;

/// An entry as it was read.
pub(super) struct Entry<'a> {
    pub time: Time,
    pub line: Cow<'a, str>,
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// `["1795232524000000000", "line", {"k": "v"}]`; the third is often absent.
impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyEntry;

        impl<'de> Visitor<'de> for AnyEntry {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of a time, a line and structured metadata")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let Some(Text(time)) = list.next_element()? else { return Err(A::Error::invalid_length(0, &self)) };
                let Some(Text(line)) = list.next_element()? else { return Err(A::Error::invalid_length(1, &self)) };
                let Pairs(metadata) = list.next_element()?.unwrap_or_default();
                if list.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(4, &self));
                }
                let nanos = time.unwrap_or_default();
                let no_time = || A::Error::custom(format_args!("{nanos:?} is no time in nanoseconds"));
                let time = Time::of_nanos(&nanos).ok_or_else(no_time)?;
                let line = line.ok_or_else(|| A::Error::custom("the line is null"))?;
                Ok(Entry { time, line, metadata })
            }
        }

        deserializer.deserialize_seq(AnyEntry)
    }
}

/// `{"ts": "2026-11-21T04:22:04Z", "line": "line"}`.
#[derive(Deserialize)]
pub(super) struct OldEntry<'a> {
    #[serde(borrow)]
    ts: Text<'a>,
    #[serde(borrow)]
    line: Text<'a>,
    #[serde(borrow, default, rename = "structuredMetadata")]
    structured_metadata: Vec<OldPair<'a>>,
}

#[derive(Deserialize)]
struct OldPair<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
}

impl<'a> TryFrom<OldEntry<'a>> for Entry<'a> {
    type Error = String;

    fn try_from(entry: OldEntry<'a>) -> Result<Self, String> {
        let ts = entry.ts.0.unwrap_or_default();
        let time = Time::of_rfc3339(&ts).ok_or_else(|| format!("{ts:?} is no time as in RFC 3339"))?;
        let line = entry.line.0.ok_or_else(|| "the line is null".to_owned())?;
        let pairs = entry.structured_metadata.into_iter();
        let metadata = pairs.filter_map(|pair| Some((pair.name.0?, pair.value.0?))).collect();
        Ok(Entry { time, line, metadata })
    }
}
