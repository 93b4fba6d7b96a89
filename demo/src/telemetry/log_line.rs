//! How services write log lines. Some hand the trace to OpenTelemetry, others have only their line to put it into.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use opentelemetry::trace::TraceId;
use serde_json::{Map, Value, json};

use crate::services::ServiceName;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// The message alone; trace and attributes are fields of the record.
    Fields,
    /// `{"level":"info","msg":…,"traceId":…}`
    Json,
    /// `[23:22:57 INF] |<trace id>| message`
    Pipes,
}

impl LineFormat {
    pub fn of(service: ServiceName) -> Self {
        match service {
            ServiceName::Catalog | ServiceName::Storefront => Self::Json,
            ServiceName::Recommendations | ServiceName::Stripe => Self::Pipes,
            _ => Self::Fields,
        }
    }

    /// The body of the record.
    pub fn body(self, line: &Line<'_>) -> String {
        match self {
            Self::Fields => line.message.to_owned(),
            Self::Json => line.json(),
            Self::Pipes => line.pipes(),
        }
    }
}

/// What a line has to say.
pub struct Line<'a> {
    pub time: SystemTime,
    pub severity: Severity,
    pub service: ServiceName,
    pub message: &'a str,
    pub attributes: &'a [KeyValue],
    pub trace_id: TraceId,
}

impl Line<'_> {
    fn json(&self) -> String {
        let time: DateTime<Utc> = self.time.into();
        let mut line = Map::new();
        line.insert("level".into(), json!(self.severity.name().to_lowercase()));
        line.insert("msg".into(), json!(self.message));
        line.insert("traceId".into(), json!(self.trace_id.to_string()));
        line.insert("time".into(), json!(time.to_rfc3339_opts(SecondsFormat::Millis, true)));
        line.insert("logger".into(), json!(format!("bookstore.{}", self.service)));
        for attribute in self.attributes {
            line.insert(attribute.key.to_string(), value(&attribute.value));
        }
        Value::Object(line).to_string()
    }

    fn pipes(&self) -> String {
        let time: DateTime<Utc> = self.time.into();
        let level = match self.severity {
            Severity::Error => "ERR",
            Severity::Warn => "WRN",
            Severity::Debug => "DBG",
            _ => "INF",
        };
        let stack = self.attributes.iter().find(|attribute| attribute.key.as_str() == "exception.stacktrace");
        let stack = stack.map(|attribute| format!("\n{}", attribute.value)).unwrap_or_default();
        format!("[{} {level}] |{}| {}{stack}", time.format("%H:%M:%S"), self.trace_id, self.message)
    }
}

fn value(value: &opentelemetry::Value) -> Value {
    match value {
        opentelemetry::Value::Bool(value) => json!(value),
        opentelemetry::Value::I64(value) => json!(value),
        opentelemetry::Value::F64(value) => json!(value),
        other => json!(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(attributes: &[KeyValue], format: LineFormat) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(84_177_302);
        let (severity, service) = (Severity::Error, ServiceName::Catalog);
        let line =
            Line { time, severity, service, message: "it \"broke\"", attributes, trace_id: TraceId::from(0xaa5) };
        format.body(&line)
    }

    #[test]
    fn each_form_carries_what_it_can() {
        let attributes = [KeyValue::new("status", 500), KeyValue::new("exception.stacktrace", "at a\nat b")];
        assert_eq!(line(&attributes, LineFormat::Fields), "it \"broke\"");
        let pipes = line(&attributes, LineFormat::Pipes);
        assert_eq!(pipes, format!("[23:22:57 ERR] |{:032x}| it \"broke\"\nat a\nat b", 0xaa5));
        let json: Value = serde_json::from_str(&line(&attributes, LineFormat::Json)).unwrap();
        assert_eq!(json["level"], "error");
        assert_eq!(json["msg"], "it \"broke\"");
        assert_eq!(json["traceId"], format!("{:032x}", 0xaa5));
        assert_eq!(json["status"], 500);
    }
}
