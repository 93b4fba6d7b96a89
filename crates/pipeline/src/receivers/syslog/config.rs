//! The configuration of the `syslog` receiver, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::IgnoredAny;
use trefoil_model::Tenant;

use super::charset::Charset;
use super::framing::Framing;
use crate::config::{ConfigError, Problems, Section, duration};
use crate::net::tls::ServerTls;
use crate::receivers::log_records::options::check_labels;
use crate::receivers::log_records::retry::RetryOnFailure;
use crate::receivers::log_records::size;
use crate::receivers::otlp::config::check_endpoint;
use crate::stanza::{self, Chain};

const NO_MULTILINE: &str =
    "syslog says itself where a message ends: see enable_octet_counting and non_transparent_framing_trailer";
const NO_PROXY: &str = "the proxy protocol is not spoken; the address of the sender is that of the proxy";

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("tcp.multiline", NO_MULTILINE),
    ("udp.multiline", NO_MULTILINE),
    ("tcp.proxy_protocol", NO_PROXY),
    ("udp.proxy_protocol", NO_PROXY),
    ("tcp.auth", "there are no authentication extensions; `tls.client_ca_file` asks senders for a certificate"),
    ("storage", "this receiver keeps nothing; remove it"),
];

/// As in the Collector.
const SMALLEST_LOG: usize = 64 << 10;
const DEFAULT_LOG: usize = 1 << 20;
/// One message must fit into what all of them together may hold.
const LARGEST_LOG: usize = 16 << 20;
/// Connections where nothing else is said. In the Collector there is no limit then.
const DEFAULT_CONNECTIONS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[serde(alias = "RFC3164")]
    Rfc3164,
    #[serde(alias = "RFC5424")]
    Rfc5424,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Trailer {
    #[serde(rename = "LF")]
    Lf,
    #[serde(rename = "NUL")]
    Nul,
}

/// What becomes of a message that is none of the protocol. The quiet ones do not write to our own log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    #[default]
    Send,
    SendQuiet,
    Drop,
    DropQuiet,
}

impl OnError {
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::SendQuiet | Self::DropQuiet)
    }

    pub fn drops(self) -> bool {
        matches!(self, Self::Drop | Self::DropQuiet)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    tcp: Option<Tcp>,
    #[serde(default)]
    udp: Option<Udp>,
    protocol: Protocol,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    enable_octet_counting: bool,
    #[serde(default)]
    max_octets: usize,
    #[serde(default)]
    allow_skip_pri_header: bool,
    #[serde(default)]
    non_transparent_framing_trailer: Option<Trailer>,
    #[serde(default)]
    on_error: OnError,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    resource: BTreeMap<String, String>,
    #[serde(default, rename = "operators")]
    _operators: IgnoredAny,
    #[serde(default)]
    retry_on_failure: RetryOnFailure,
    #[serde(default)]
    tenant: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub tcp: Option<Tcp>,
    pub udp: Option<Udp>,
    pub protocol: Protocol,
    /// Where timestamps of RFC 3164 are told.
    pub location: Tz,
    /// Of TCP; UDP's packets are messages.
    pub framing: Framing,
    /// Bytes of a counted message, beyond which it is malformed; 0 for no other bound than `max_log_size`.
    pub max_octets: usize,
    pub allow_skip_pri_header: bool,
    pub on_error: OnError,
    /// Added to every record, and to the resource of all.
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// What records go through before they are handed on.
    pub chain: Chain,
    pub retry_on_failure: RetryOnFailure,
    /// Whose the messages are, where tenants are told apart. (An option of Trefoil.)
    pub tenant: Option<Tenant>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// `host:port`; an empty host means every address of the machine.
    pub listen_address: String,
    /// Bytes; what a message has beyond is cut off. 0 is the default of 1 MiB.
    #[serde(default, deserialize_with = "size::deserialize")]
    pub max_log_size: usize,
    #[serde(default)]
    pub tls: Option<ServerTls>,
    /// Whether `net.*` tell who talks to whom.
    #[serde(default)]
    pub add_attributes: bool,
    /// All that comes over a connection is one message.
    #[serde(default)]
    pub one_log_per_packet: bool,
    #[serde(default)]
    pub encoding: String,
    #[serde(default)]
    pub preserve_leading_whitespaces: bool,
    #[serde(default)]
    pub preserve_trailing_whitespaces: bool,
    /// Connections at the same time; 0 is the default of 10000.
    #[serde(default)]
    pub max_connections: usize,
    /// How long a connection may say nothing; 0 for ever.
    #[serde(default, with = "duration")]
    pub connection_idle_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// `host:port`; an empty host means every address of the machine.
    pub listen_address: String,
    #[serde(default)]
    pub add_attributes: bool,
    /// Every packet is one message in any case.
    #[serde(default)]
    pub one_log_per_packet: bool,
    #[serde(default)]
    pub encoding: String,
    #[serde(default)]
    pub preserve_leading_whitespaces: bool,
    #[serde(default)]
    pub preserve_trailing_whitespaces: bool,
    #[serde(default, rename = "async")]
    pub concurrency: Option<Concurrency>,
}

/// `async`: tasks that read packets and that parse them. 0 is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Concurrency {
    pub readers: usize,
    pub processors: usize,
    /// Packets that wait for a processor.
    pub max_queue_length: usize,
}

impl Concurrency {
    fn check(self) -> Vec<(&'static str, String)> {
        let within = |value: usize, most: usize| (value > most).then(|| format!("must not be more than {most}"));
        let checks = [
            ("async.readers", within(self.readers, 64)),
            ("async.processors", within(self.processors, 64)),
            ("async.max_queue_length", within(self.max_queue_length, 1_000_000)),
        ];
        checks.into_iter().filter_map(|(path, problem)| Some((path, problem?))).collect()
    }
}

impl Tcp {
    pub fn max_log_size(&self) -> usize {
        if self.max_log_size == 0 { DEFAULT_LOG } else { self.max_log_size }
    }

    pub fn max_connections(&self) -> usize {
        if self.max_connections == 0 { DEFAULT_CONNECTIONS } else { self.max_connections }
    }

    pub fn charset(&self) -> Result<Charset, String> {
        Charset::named(&self.encoding)
    }

    fn check(&self) -> Vec<(&'static str, String)> {
        let size = match (SMALLEST_LOG..=LARGEST_LOG).contains(&self.max_log_size()) {
            true => Ok(()),
            false => Err("must lie between 64KiB and 16MiB".to_owned()),
        };
        let connections = match self.max_connections() <= 1_000_000 {
            true => Ok(()),
            false => Err("must not be more than 1000000".to_owned()),
        };
        let checks = [
            ("listen_address", check_endpoint(&self.listen_address)),
            ("max_log_size", size),
            ("encoding", self.charset().map(drop)),
            ("max_connections", connections),
        ];
        checks.into_iter().filter_map(|(path, checked)| Some((path, checked.err()?))).collect()
    }
}

impl Udp {
    pub fn charset(&self) -> Result<Charset, String> {
        Charset::named(&self.encoding)
    }

    /// With defaults filled in.
    pub fn concurrency(&self) -> Concurrency {
        let told = self.concurrency.unwrap_or_default();
        // The Collector has 100 of its own and no queue without `async`, where the system's is left.
        let queue = if self.concurrency.is_some() { 100 } else { 1000 };
        let or = |value: usize, default| if value == 0 { default } else { value };
        Concurrency {
            readers: or(told.readers, 1),
            processors: or(told.processors, 1),
            max_queue_length: or(told.max_queue_length, queue),
        }
    }

    fn check(&self) -> Vec<(&'static str, String)> {
        let checks = [("listen_address", check_endpoint(&self.listen_address)), ("encoding", self.charset().map(drop))];
        let checks = checks.into_iter().filter_map(|(path, checked)| Some((path, checked.err()?)));
        checks.chain(self.concurrency.unwrap_or_default().check()).collect()
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let section = &section.without(UNSUPPORTED);
        let mut problems = Problems::default();
        let options: Option<Options> = problems.note(section.parse());
        let chain = problems.note(stanza::config::parse(section));
        let (Some(options), Some(chain)) = (options, chain) else {
            return Err(problems.into_error().unwrap_or_else(|| section.invalid("", "cannot be read")));
        };
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if options.tcp.is_none() && options.udp.is_none() {
            problem("", "name `tcp` or `udp`, or both, with a `listen_address`".to_owned());
        }
        for (path, reason) in options.tcp.iter().flat_map(Tcp::check) {
            problem(&format!("tcp.{path}"), reason);
        }
        for (path, reason) in options.udp.iter().flat_map(Udp::check) {
            problem(&format!("udp.{path}"), reason);
        }
        for (path, reason) in options.check_framing() {
            problem(path, reason.to_owned());
        }
        for (path, labels) in [("attributes", &options.attributes), ("resource", &options.resource)] {
            if let Err(reason) = check_labels(labels) {
                problem(path, reason);
            }
        }
        if let Err(reason) = options.retry_on_failure.check() {
            problem("retry_on_failure", reason);
        }
        let location = match options.location.as_deref() {
            None | Some("") => Tz::UTC,
            Some(name) => name.parse().unwrap_or_else(|_| {
                problem("location", format!("`{name}` is not the name of a time zone such as Europe/Berlin or UTC"));
                Tz::UTC
            }),
        };
        let tenant = options.tenant.as_deref().map(Tenant::new).transpose();
        let tenant = tenant.map_err(|error| problem("tenant", error.to_string())).ok().flatten();
        let framing = options.framing();
        problems.or(Self {
            tcp: options.tcp,
            udp: options.udp,
            protocol: options.protocol,
            location,
            framing,
            max_octets: options.max_octets,
            allow_skip_pri_header: options.allow_skip_pri_header,
            on_error: options.on_error,
            attributes: options.attributes,
            resource: options.resource,
            chain,
            retry_on_failure: options.retry_on_failure,
            tenant,
        })
    }
}

impl Options {
    fn check_framing(&self) -> Vec<(&'static str, &'static str)> {
        let (octets, trailer) = (self.enable_octet_counting, self.non_transparent_framing_trailer.is_some());
        let only_udp = self.tcp.is_none() && self.udp.is_some();
        let limit = self.tcp.as_ref().map_or(usize::MAX, Tcp::max_log_size);
        let wrong = [
            ("enable_octet_counting", octets && only_udp, "is for `tcp`: a packet of UDP is a message"),
            ("non_transparent_framing_trailer", trailer && only_udp, "is for `tcp`: a packet of UDP is a message"),
            ("non_transparent_framing_trailer", octets && trailer, "and `enable_octet_counting` exclude each other"),
            (
                "allow_skip_pri_header",
                octets && self.allow_skip_pri_header,
                "and `enable_octet_counting` exclude each other: a message without priority may begin like a count",
            ),
            ("max_octets", self.max_octets > 0 && !octets, "is for `enable_octet_counting`"),
            ("max_octets", self.max_octets > limit, "must not be more than `tcp.max_log_size`"),
        ];
        wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong).map(|(path, _, reason)| (path, reason)).collect()
    }

    fn framing(&self) -> Framing {
        if self.tcp.as_ref().is_some_and(|tcp| tcp.one_log_per_packet) {
            return Framing::Whole;
        }
        // Without a word on it, both: Python's handler ends messages with NUL.
        const EITHER: &[u8] = b"\n\0";
        match (self.enable_octet_counting, self.non_transparent_framing_trailer) {
            (true, _) => Framing::OctetCount(EITHER),
            (false, None) => Framing::Trailer(EITHER),
            (false, Some(Trailer::Lf)) => Framing::Trailer(b"\n"),
            (false, Some(Trailer::Nul)) => Framing::Trailer(b"\0"),
        }
    }
}
