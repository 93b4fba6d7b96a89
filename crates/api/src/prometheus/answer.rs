//! How Prometheus says yes: `{"status":"success","data":…,"warnings":[…],"infos":[…]}`.
//!
//! What may be large is a list. It is written item by item while the client reads, so that an answer of many series never
//! stands in memory as text.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::Value;
use trefoil_promql::annotations::{Annotations, Severity};
use trefoil_promql::memory::Memory;
use trefoil_query::metrics::Listing;

use super::json;

/// Bytes of one piece of a large answer. Smaller answers are one piece, of known size.
const PIECE_BYTES: usize = 64 << 10;
/// Warnings and infos that are told, each; of others only how many they are.
const MOST_NOTES: usize = 10;
const TRUNCATED: &str = "results truncated due to limit";

/// What an answer is accompanied by.
#[derive(Debug, Default)]
pub(super) struct Notes {
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Notes {
    pub fn of_query(annotations: &Annotations, query: &str) -> Self {
        let texts = |severity| annotations.of(severity).map(|annotation| annotation.text(query)).collect();
        Self { warnings: texts(Severity::Warning), infos: texts(Severity::Info) }
    }

    pub fn truncated(truncated: bool) -> Self {
        let mut notes = Self::default();
        notes.warn_truncated(truncated);
        notes
    }

    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub fn warn_truncated(&mut self, truncated: bool) {
        if truncated {
            self.warnings.push(TRUNCATED.to_owned());
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (name, kind, notes) in [("warnings", "warning", &self.warnings), ("infos", "info", &self.infos)] {
            if notes.is_empty() {
                continue;
            }
            out.extend_from_slice(format!(",\"{name}\":[").as_bytes());
            for (index, note) in notes.iter().take(MOST_NOTES).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::string(out, note);
            }
            if notes.len() > MOST_NOTES {
                let omitted = format!("{} more {kind} annotations omitted", notes.len() - MOST_NOTES);
                out.push(b',');
                json::string(out, &omitted);
            }
            out.push(b']');
        }
    }
}

const SUCCESS: &str = "{\"status\":\"success\",\"data\":";

/// An answer of a size that is known to be small.
pub(super) fn small(data: &Value) -> Response {
    whole(format!("{SUCCESS}{data}}}").into())
}

/// A list, or an object whose members are its items, between what comes before and after it in `data`.
pub(super) struct List {
    pub before: String,
    pub after: String,
    pub notes: Notes,
    /// What the items hold of the memory of all queries, until they are written.
    pub memory: Option<Arc<dyn Memory>>,
}

/// `{"data":[…]}`, as Mimir answers what is not Prometheus', written like a [`List`].
pub(super) fn bare_list<T: Send + 'static>(
    items: impl IntoIterator<Item = T, IntoIter: Send + 'static>,
    write: impl Fn(&mut Vec<u8>, T) + Send + 'static,
) -> Response {
    let (pending, end) = (b"{\"data\":[".to_vec(), Some(b"]}".to_vec()));
    Pieces { pending, end, items: items.into_iter(), write, first: true, _memory: None }.respond()
}

impl List {
    pub fn array(notes: Notes) -> Self {
        Self { before: "[".to_owned(), after: "]".to_owned(), notes, memory: None }
    }

    /// What was found, with a warning if there was more.
    pub fn listing<T: Send + 'static>(found: Listing<T>, write: impl Fn(&mut Vec<u8>, T) + Send + 'static) -> Response {
        let Listing { items, truncated, memory } = found;
        Self { memory: Some(memory), ..Self::array(Notes::truncated(truncated)) }.of(items, write)
    }

    pub fn object() -> Self {
        Self { before: "{".to_owned(), after: "}".to_owned(), notes: Notes::default(), memory: None }
    }

    pub fn of<T: Send + 'static>(
        self,
        items: impl IntoIterator<Item = T, IntoIter: Send + 'static>,
        write: impl Fn(&mut Vec<u8>, T) + Send + 'static,
    ) -> Response {
        let mut end = self.after.into_bytes();
        self.notes.write(&mut end);
        end.push(b'}');
        let pieces = Pieces {
            pending: format!("{SUCCESS}{}", self.before).into_bytes(),
            end: Some(end),
            items: items.into_iter(),
            write,
            first: true,
            _memory: self.memory,
        };
        pieces.respond()
    }
}

struct Pieces<I, W> {
    pending: Vec<u8>,
    /// `None` once it was written.
    end: Option<Vec<u8>>,
    items: I,
    write: W,
    first: bool,
    /// Given back when the last piece was written, or nobody wants the others.
    _memory: Option<Arc<dyn Memory>>,
}

impl<I, W> Pieces<I, W>
where
    I: Iterator + Send + 'static,
    W: Fn(&mut Vec<u8>, I::Item) + Send + 'static,
{
    fn respond(mut self) -> Response {
        let first = self.next().unwrap_or_default();
        match self.end {
            None => whole(first),
            Some(_) => {
                let pieces = std::iter::once(first).chain(self).map(Ok::<_, std::convert::Infallible>);
                (JSON, Body::from_stream(stream::iter(pieces))).into_response()
            }
        }
    }
}

impl<I: Iterator, W: Fn(&mut Vec<u8>, I::Item)> Iterator for Pieces<I, W> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.end.as_ref()?;
        let mut piece = std::mem::take(&mut self.pending);
        while piece.len() < PIECE_BYTES {
            let Some(item) = self.items.next() else {
                piece.append(&mut self.end.take().unwrap_or_default());
                break;
            };
            if !std::mem::replace(&mut self.first, false) {
                piece.push(b',');
            }
            (self.write)(&mut piece, item);
        }
        Some(piece.into())
    }
}

const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

fn whole(body: Bytes) -> Response {
    (JSON, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::StreamExt;
    use serde_json::json;
    use trefoil_promql::error::Position;

    use super::*;

    async fn text(response: Response) -> String {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    fn strings(out: &mut Vec<u8>, item: String) {
        json::string(out, &item);
    }

    #[tokio::test]
    async fn a_list_stands_in_the_envelope() {
        let items = |count: usize| (0..count).map(|number| number.to_string());
        let list = |count| List::array(Notes::truncated(count == 2)).of(items(count), strings);
        assert_eq!(text(list(0)).await, r#"{"status":"success","data":[]}"#);
        let truncated = r#"{"status":"success","data":["0","1"],"warnings":["results truncated due to limit"]}"#;
        assert_eq!(text(list(2)).await, truncated);
        assert_eq!(text(bare_list(items(2), strings)).await, r#"{"data":["0","1"]}"#);
        assert_eq!(text(small(&json!({ "a": [1] }))).await, r#"{"status":"success","data":{"a":[1]}}"#);
    }

    #[tokio::test]
    async fn a_large_list_comes_in_pieces() {
        let items: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        let response = List::array(Notes::default()).of(items.clone(), strings);
        let pieces: Vec<Bytes> = response.into_body().into_data_stream().map(Result::unwrap).collect().await;
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 100));
        let document: Value = serde_json::from_slice(&pieces.concat()).unwrap();
        assert_eq!(document, json!({ "status": "success", "data": items }));
    }

    #[test]
    fn many_notes_are_counted() {
        let mut annotations = Annotations::default();
        annotations.info("might not be a counter", Position { start: 5, end: 6 });
        for number in 0..12 {
            annotations.warn(format!("warning {number:02}"), Position { start: 0, end: 1 });
        }
        let mut out = b"{\"data\":0".to_vec();
        Notes::of_query(&annotations, "rate(x)").write(&mut out);
        out.push(b'}');
        let document: Value = serde_json::from_slice(&out).unwrap();
        let warnings = document["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 11);
        assert_eq!(warnings[0], "PromQL warning: warning 00 (1:1)");
        assert_eq!(warnings[10], "2 more warning annotations omitted");
        assert_eq!(document["infos"], json!(["PromQL info: might not be a counter (1:6)"]));
    }
}
