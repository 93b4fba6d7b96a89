//! `Accept` → the format of the answer.

use super::Written;
use crate::exposition::Format;
use crate::names::Escaping;

/// What a server can answer with beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    pub open_metrics: bool,
    pub protobuf: bool,
}

/// The format that the client likes best; text where it likes none of them. As Prometheus' common library, names are
/// escaped with underscores unless the client asks for another way.
pub fn negotiate(accept: Option<&str>, offered: Offered) -> Written {
    let mut wanted: Vec<Wanted<'_>> = accept.unwrap_or("").split(',').filter_map(Wanted::parse).collect();
    // Stable: of equals the first.
    wanted.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let chosen =
        wanted.iter().find_map(|wanted| Some(Written { format: wanted.format(offered)?, escaping: wanted.escaping }));
    chosen.unwrap_or(Written { format: Format::Text, escaping: Escaping::default() })
}

/// One entry of `Accept`.
struct Wanted<'h> {
    media_type: &'h str,
    quality: f64,
    escaping: Escaping,
    version: &'h str,
    encoding: &'h str,
    message: &'h str,
}

impl<'h> Wanted<'h> {
    fn parse(entry: &'h str) -> Option<Self> {
        let mut parts = entry.split(';').map(str::trim);
        let media_type = parts.next().filter(|media_type| !media_type.is_empty())?;
        let mut wanted =
            Self { media_type, quality: 1.0, escaping: Escaping::default(), version: "", encoding: "", message: "" };
        for part in parts {
            let Some((key, value)) = part.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => wanted.quality = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?,
                "escaping" => wanted.escaping = Escaping::from_name(value).unwrap_or_default(),
                "version" => wanted.version = value,
                "encoding" => wanted.encoding = value,
                "proto" => wanted.message = value,
                _ => {}
            }
        }
        (wanted.quality > 0.0).then_some(wanted)
    }

    fn format(&self, offered: Offered) -> Option<Format> {
        match self.media_type.to_ascii_lowercase().as_str() {
            "application/openmetrics-text"
                if offered.open_metrics && matches!(self.version, "" | "0.0.1" | "1.0.0") =>
            {
                Some(Format::OpenMetrics)
            }
            "application/vnd.google.protobuf"
                if offered.protobuf
                    && matches!(self.message, "" | "io.prometheus.client.MetricFamily")
                    && matches!(self.encoding, "" | "delimited") =>
            {
                Some(Format::Protobuf)
            }
            "text/plain" if matches!(self.version, "" | "0.0.4" | "1.0.0") => Some(Format::Text),
            "*/*" | "text/*" => Some(Format::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offered = Offered { open_metrics: true, protobuf: true };

    #[test]
    fn the_best_liked_is_written() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let native =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,";
        for (accept, offered, format, escaping) in [
            (None, ALL, Format::Text, Escaping::Underscores),
            (Some("*/*"), ALL, Format::Text, Escaping::Underscores),
            (Some("text/html"), ALL, Format::Text, Escaping::Underscores),
            (Some(prometheus), ALL, Format::OpenMetrics, Escaping::AllowUtf8),
            (Some(prometheus), Offered { open_metrics: false, ..ALL }, Format::Text, Escaping::AllowUtf8),
            (Some(&format!("{native}{prometheus}")), ALL, Format::Protobuf, Escaping::Underscores),
            (Some("application/vnd.google.protobuf;encoding=text"), ALL, Format::Text, Escaping::Underscores),
            (Some("text/plain;q=0,application/openmetrics-text"), ALL, Format::OpenMetrics, Escaping::Underscores),
            (Some("text/plain; escaping=dots"), ALL, Format::Text, Escaping::Dots),
        ] {
            assert_eq!(negotiate(accept, offered), Written { format, escaping }, "{accept:?}");
        }
    }
}
