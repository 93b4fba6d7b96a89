//! What broke: the attributes `exception.*` of a span's event or of a log record.

use opentelemetry::KeyValue;

#[derive(Debug, Clone)]
pub struct Exception {
    pub kind: &'static str,
    pub message: String,
    pub stack: String,
}

impl Exception {
    /// `frames`: function and place of each, the innermost first.
    pub fn new(kind: &'static str, message: impl Into<String>, frames: &[(&str, &str)]) -> Self {
        let message = message.into();
        let mut stack = format!("{kind}: {message}");
        for (number, (function, place)) in frames.iter().chain(&BELOW).enumerate() {
            stack.push_str(&format!("\n   {number}: {function}\n             at {place}"));
        }
        Self { kind, message, stack }
    }

    pub fn attributes(&self) -> Vec<KeyValue> {
        vec![
            KeyValue::new("exception.type", self.kind),
            KeyValue::new("exception.message", self.message.clone()),
            KeyValue::new("exception.stacktrace", self.stack.clone()),
        ]
    }
}

/// What is below every handler.
const BELOW: [(&str, &str); 4] = [
    ("<F as axum::handler::Handler<T, S>>::call::{{closure}}", "axum/src/handler/mod.rs:221:52"),
    ("axum::middleware::from_fn::Next::run::{{closure}}", "axum/src/middleware/from_fn.rs:334:40"),
    ("hyper::server::conn::http1::Connection::poll", "hyper/src/server/conn/http1.rs:208:18"),
    ("tokio::runtime::task::core::Core<T, S>::poll::{{closure}}", "tokio/src/runtime/task/core.rs:365:24"),
];
