//! One log entry on its way through the operators.

use super::receipt::Receipt;
use super::value::{Map, Value};

#[derive(Debug, Clone)]
pub struct Entry {
    /// Nanoseconds since the epoch; 0 where nobody has said.
    pub timestamp: u64,
    pub observed: u64,
    /// OpenTelemetry's number, 1 to 24; 0 where nobody has said.
    pub severity: i32,
    pub severity_text: String,
    pub body: Value,
    /// Always a map.
    pub attributes: Value,
    /// Always a map.
    pub resource: Value,
    pub trace_id: Vec<u8>,
    pub span_id: Vec<u8>,
    pub trace_flags: u8,
    pub scope: String,
    /// Of the lines that it was made from.
    pub receipts: Vec<Receipt>,
}

impl Entry {
    pub fn new(body: Value, observed: u64) -> Self {
        Self {
            timestamp: 0,
            observed,
            severity: 0,
            severity_text: String::new(),
            body,
            attributes: Value::Map(Map::new()),
            resource: Value::Map(Map::new()),
            trace_id: Vec::new(),
            span_id: Vec::new(),
            trace_flags: 0,
            scope: String::new(),
            receipts: Vec::new(),
        }
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        size_of::<Entry>() + self.body.size() + self.attributes.size() + self.resource.size()
    }

    /// It was taken, or was meant to be dropped.
    pub fn settle(self) {
        self.receipts.into_iter().for_each(Receipt::settle);
    }
}
