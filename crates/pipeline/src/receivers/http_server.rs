//! The Collector's options of HTTP servers (`confighttp`), for receivers that choose their paths themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::otlp::config::Http;
use super::otlp::cors::Cors;
use super::otlp::http::DEFAULT_MAX_BODY;
use crate::config::{Node, duration};
use crate::net::tls::ServerTls;

/// The Collector's options of HTTP servers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpServer {
    /// `host:port`; who has such a server knows the default ([`set_endpoint`]).
    pub endpoint: String,
    /// `tcp`, `tcp4` or `tcp6`.
    pub transport: String,
    pub tls: Option<ServerTls>,
    pub cors: Option<Cors>,
    /// Bytes, as sent and decompressed; 0 is the default of 20 MiB.
    pub max_request_body_size: usize,
    pub include_metadata: bool,
    /// Headers added to every response.
    pub response_headers: BTreeMap<String, String>,
    /// The `Content-Encoding`s that are taken; unset: all that are known. An empty name stands for no compression.
    pub compression_algorithms: Option<Vec<String>>,
    /// How long a body may take to arrive; 0 for ever.
    #[serde(with = "duration")]
    pub read_timeout: Duration,
    /// How long headers may take to arrive, and how long HTTP/1.1 waits for the next request; 0 is 5 minutes.
    #[serde(with = "duration")]
    pub read_header_timeout: Duration,
    /// How long a client may leave a response untaken; 0 for ever.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// How long a connection may have no request under way; 0 for ever.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Whether HTTP/1.1 connections serve more than one request.
    pub keep_alives_enabled: bool,
}

impl Default for HttpServer {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            transport: "tcp".to_owned(),
            tls: None,
            cors: None,
            max_request_body_size: DEFAULT_MAX_BODY,
            include_metadata: false,
            response_headers: BTreeMap::new(),
            compression_algorithms: None,
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
        }
    }
}

impl HttpServer {
    /// The same server for OTLP, whose paths nobody asks for.
    pub fn server(&self) -> Http {
        let HttpServer {
            endpoint,
            transport,
            tls,
            cors,
            max_request_body_size,
            include_metadata,
            response_headers,
            compression_algorithms,
            read_timeout,
            read_header_timeout,
            write_timeout,
            idle_timeout,
            keep_alives_enabled,
        } = self.clone();
        Http {
            endpoint,
            transport,
            tls,
            cors,
            max_request_body_size,
            include_metadata,
            response_headers,
            compression_algorithms,
            read_timeout,
            read_header_timeout,
            write_timeout,
            idle_timeout,
            keep_alives_enabled,
            ..Http::default()
        }
    }
}

/// Puts the default where the configuration of a protocol names no endpoint. `protocols` is the node of all of them.
pub(crate) fn set_endpoint(endpoint: &mut String, default: &str, protocols: Option<&Node>, protocol: &str) {
    let options = protocols.and_then(|protocols| protocols.get(protocol));
    if options.and_then(|options| options.get("endpoint")).is_none() {
        default.clone_into(endpoint);
    }
}
