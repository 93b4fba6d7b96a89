//! Which format a target speaks, and which ones it is asked for.

use thiserror::Error;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text, 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics' text, 0.0.1 and 1.0.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each after its length.
    Protobuf,
}

/// An entry of Prometheus' `scrape_protocols` and `fallback_scrape_protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    PrometheusProto,
    PrometheusText0_0_4,
    PrometheusText1_0_0,
    OpenMetricsText0_0_1,
    OpenMetricsText1_0_0,
}

impl ScrapeProtocol {
    pub const ALL: [Self; 5] = [
        Self::PrometheusProto,
        Self::PrometheusText0_0_4,
        Self::PrometheusText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::OpenMetricsText1_0_0,
    ];

    /// As configurations name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name)
    }

    pub fn format(self) -> Format {
        match self {
            Self::PrometheusProto => Format::Protobuf,
            Self::PrometheusText0_0_4 | Self::PrometheusText1_0_0 => Format::Text,
            Self::OpenMetricsText0_0_1 | Self::OpenMetricsText1_0_0 => Format::OpenMetrics,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
        }
    }

    /// Whether the target is told how to write names that are no classic ones.
    fn has_escaping(self) -> bool {
        matches!(self, Self::PrometheusText1_0_0 | Self::OpenMetricsText1_0_0)
    }
}

/// The `Accept` of a scrape: the protocols, best first, and the escaping scheme (`allow-utf-8`, `underscores`, …).
pub fn accept_header(protocols: &[ScrapeProtocol], escaping: &str) -> String {
    let mut weight = ScrapeProtocol::ALL.len() + 1;
    let mut header = String::new();
    for protocol in protocols.iter().take(ScrapeProtocol::ALL.len()) {
        header.push_str(protocol.media_type());
        if protocol.has_escaping() {
            header.push_str(";escaping=");
            header.push_str(escaping);
        }
        header.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    header + &format!("*/*;q=0.{weight}")
}

/// The format of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub format: Format,
    /// Why it is the fallback.
    pub warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnsupportedContentType {
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    #[error("received unsupported Content-Type {0:?} and no fallback_scrape_protocol specified for target")]
    Unknown(String),
}

impl Format {
    /// From the `Content-Type` of an answer, or the fallback where that names none.
    pub fn of_answer(
        content_type: Option<&str>,
        fallback: Option<ScrapeProtocol>,
    ) -> Result<Chosen, UnsupportedContentType> {
        let content_type = content_type.unwrap_or("").trim();
        let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let format = match media_type.as_str() {
            "text/plain" => Some(Self::Text),
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "application/vnd.google.protobuf" => Some(Self::Protobuf),
            _ => None,
        };
        match (format, fallback) {
            (Some(format), _) => Ok(Chosen { format, warning: None }),
            (None, Some(fallback)) => {
                let name = fallback.as_str();
                let warning = match content_type {
                    "" => format!("blank Content-Type, using fallback_scrape_protocol {name:?}"),
                    _ => format!(
                        "received unsupported Content-Type {content_type:?}, using fallback_scrape_protocol {name:?}"
                    ),
                };
                Ok(Chosen { format: fallback.format(), warning: Some(warning) })
            }
            (None, None) if content_type.is_empty() => Err(UnsupportedContentType::Blank),
            (None, None) => Err(UnsupportedContentType::Unknown(content_type.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides() {
        let of = |content_type, fallback| Format::of_answer(content_type, fallback);
        for (content_type, format) in [
            ("text/plain", Format::Text),
            ("Text/Plain; version=0.0.4; charset=utf-8", Format::Text),
            ("application/openmetrics-text; version=1.0.0", Format::OpenMetrics),
            ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", Format::Protobuf),
        ] {
            assert_eq!(of(Some(content_type), None), Ok(Chosen { format, warning: None }));
        }
        assert_eq!(of(None, None), Err(UnsupportedContentType::Blank));
        assert_eq!(of(Some("text/html"), None), Err(UnsupportedContentType::Unknown("text/html".to_owned())));
        let chosen = of(Some("text/html"), Some(ScrapeProtocol::OpenMetricsText1_0_0)).unwrap();
        assert_eq!(chosen.format, Format::OpenMetrics);
        assert!(chosen.warning.unwrap().contains("using fallback_scrape_protocol \"OpenMetricsText1.0.0\""));
    }

    #[test]
    fn targets_are_asked_for_the_best_first() {
        let protocols = [ScrapeProtocol::OpenMetricsText1_0_0, ScrapeProtocol::PrometheusText0_0_4];
        let expected = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4";
        assert_eq!(accept_header(&protocols, "allow-utf-8"), expected);
        for protocol in ScrapeProtocol::ALL {
            assert_eq!(ScrapeProtocol::from_name(protocol.as_str()), Some(protocol));
        }
    }
}
