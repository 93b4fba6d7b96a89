//! Streams, written in the form of today.

use serde::ser::{Serialize, SerializeMap, SerializeTuple, Serializer};

use crate::labels::Labels;
use crate::stream::{Entry, Stream};

/// What `/loki/api/v1/push` takes.
///
/// # Errors
/// None that streams can cause.
pub fn to_json(streams: &[Stream]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Request(streams))
}

struct Request<'a>(&'a [Stream]);

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry("streams", self.0)?;
        object.end()
    }
}

impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(2))?;
        object.serialize_entry("stream", &self.labels)?;
        object.serialize_entry("values", &self.entries)?;
        object.end()
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = self.time.to_string();
        if self.metadata.is_empty() {
            return [&time, &self.line].serialize(serializer);
        }
        let mut list = serializer.serialize_tuple(3)?;
        list.serialize_element(&time)?;
        list.serialize_element(&self.line)?;
        list.serialize_element(&Metadata(&self.metadata))?;
        list.end()
    }
}

struct Metadata<'a>(&'a [(String, String)]);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
