//! Writes families in the format that their reader asked for.

mod line;
mod message;
mod negotiate;
mod open_metrics;
mod protobuf;
mod text;

pub use negotiate::{Offered, negotiate};

use std::borrow::Borrow;

use super::Format;
use super::family::Family;
use crate::names::Escaping;

/// The format and the names that a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub format: Format,
    pub escaping: Escaping,
}

impl Written {
    /// What `Content-Type` says.
    pub fn content_type(self) -> String {
        let media_type = match self.format {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{media_type}; escaping={}", self.escaping.as_str())
    }

    /// All families, each name once, as one body.
    pub fn body<F: Borrow<Family>>(self, families: impl IntoIterator<Item = F>) -> Vec<u8> {
        let mut body = Vec::new();
        for family in families {
            let family = family.borrow();
            match self.format {
                Format::Text => text::write(&mut body, self.escaping, family),
                Format::OpenMetrics => open_metrics::write(&mut body, self.escaping, family),
                Format::Protobuf => protobuf::write(&mut body, self.escaping, family),
            }
        }
        if self.format == Format::OpenMetrics {
            body.extend_from_slice(b"# EOF\n");
        }
        body
    }
}
