//! Streams, one after another. Members that nobody knows are left alone, as Loki does.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::entry::{Entry, OldEntry};
use super::text::{Pairs, Text};
use crate::labels::{Labels, of_stream, unreadable};
use crate::to_otlp::{Incoming, Writer};

/// The error is for what is no push request at all; what is wrong with a single stream or entry costs only that.
pub(crate) fn read<'b>(body: &'b str, writer: &mut Writer<'_, 'b>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    deserializer.deserialize_map(Request(writer))?;
    deserializer.end()
}

struct Request<'w, 'o, 'b>(&'w mut Writer<'o, 'b>);

impl<'de> Visitor<'de> for Request<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with streams")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = object.next_key()? {
            match name.as_deref() {
                Some("streams") => object.next_value_seed(each(|members| stream(&members, self.0)))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A stream in one of the two forms. What they hold is read once all is known: labels may stand behind the entries.
#[derive(Deserialize)]
struct Members<'b> {
    #[serde(borrow)]
    stream: Option<&'b RawValue>,
    #[serde(borrow)]
    values: Option<&'b RawValue>,
    #[serde(borrow)]
    labels: Option<&'b RawValue>,
    #[serde(borrow)]
    entries: Option<&'b RawValue>,
}

fn stream<'b>(members: &Members<'b>, writer: &mut Writer<'_, 'b>) {
    writer.begin(labels(members));
    entries(members.values, |entry| serde_json::from_str(entry).map_err(|error| error.to_string()), writer);
    let old = |entry| serde_json::from_str::<OldEntry>(entry).map_err(|error| error.to_string())?.try_into();
    entries(members.entries, old, writer);
    writer.end();
}

fn labels<'b>(members: &Members<'b>) -> Result<Labels<'b>, String> {
    let Some(raw) = members.stream.or(members.labels) else { return Ok(Labels::default()) };
    let text = raw.get();
    if members.stream.is_some() {
        let Pairs(pairs) = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
        return Labels::of(pairs)
            .map_err(|name| unreadable(text, &format_args!("{name:?} is not the name of a label")));
    }
    let Text(labels) = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
    match labels.unwrap_or_default() {
        Cow::Borrowed(text) => of_stream(text),
        Cow::Owned(text) => of_stream(&text).map(Labels::into_owned),
    }
}

fn entries<'b>(
    list: Option<&'b RawValue>,
    parse: impl Fn(&'b str) -> Result<Entry<'b>, String>,
    writer: &mut Writer<'_, 'b>,
) {
    let Some(list) = list else { return };
    let mut take = |raw: &'b RawValue| match parse(raw.get()) {
        Ok(Entry { time, line, metadata }) => {
            writer.entry(Ok(Incoming { time, line: line.as_bytes(), metadata: &metadata }));
        }
        Err(reason) => writer.entry(Err(format!("cannot be read: {reason}"))),
    };
    let read = each(&mut take).deserialize(&mut serde_json::Deserializer::from_str(list.get()));
    // It is JSON, but no list.
    if let Err(error) = read {
        writer.entry(Err(format!("cannot be read: {error}")));
    }
}

/// Hands over each element of a list; `null` has none.
fn each<T, F: FnMut(T)>(take: F) -> Each<T, F> {
    Each(take, PhantomData)
}

struct Each<T, F>(F, PhantomData<T>);

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Each<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            self.0(element);
        }
        Ok(())
    }
}
