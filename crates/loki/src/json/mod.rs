//! The JSON of a push: `{"streams": [{"stream": {"a": "b"}, "values": [["1795232524000000000", "line", {"k": "v"}]]}]}`, and its older
//! form, `{"streams": [{"labels": "{a=\"b\"}", "entries": [{"ts": "2026-11-21T04:22:04Z", "line": "line"}]}]}`.

mod entry;
mod read;
mod text;
mod write;

pub(crate) use self::read::read;
pub use self::write::to_json;
