//! What `trefoil demo` can be told.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;

use crate::faults::{Burst, FaultPlan, SlowService};
use crate::services::ServiceName;
use crate::share::Share;
use crate::tenants;

/// Requests a second at most, bursts included.
pub const MAX_RATE: f64 = 1000.0;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Requests a second, a third of them checkouts; 0: only what you send yourself
    #[arg(long, default_value = "20", value_parser = rate)]
    pub rate: f64,
    /// How many bookshops share the platform
    #[arg(long, default_value_t = 10, value_parser = tenant_count)]
    pub tenants: usize,
    /// The share of requests that fail: 1% or 0.01
    #[arg(long, default_value = "1%", value_name = "SHARE")]
    pub errors: Share,
    /// The share of requests that run into something slow: 2% or 0.02
    #[arg(long, default_value = "2%", value_name = "SHARE")]
    pub slow: Share,
    /// Stop by itself after this time, such as 30s or 5m
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Where to send telemetry; http://127.0.0.1:4317 without it (:4318 for http/protobuf)
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint: Option<Url>,
    /// How to speak OTLP; grpc without it
    #[arg(long, value_enum)]
    pub protocol: Option<Protocol>,
    /// Send each bookshop's telemetry as a tenant of its own, named in the header X-Scope-OrgID
    #[arg(long)]
    pub tenant_header: bool,
    /// Where the bookstore's own gateway listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The bookstore's database: sqlite::memory:, sqlite:FILE or postgres://…
    #[arg(long, default_value = "sqlite::memory:", value_name = "URL")]
    pub database: String,
    /// The bookstore's message broker: nats://HOST:PORT; within the process without it
    #[arg(long, value_name = "URL")]
    pub broker: Option<Url>,
    /// A service that takes longer from the start on, such as stripe:800ms:50%
    #[arg(long, value_name = "SERVICE:DELAY:SHARE")]
    pub slow_service: Option<SlowService>,
    /// A service that does not pass `traceparent` on: what it calls begins a new trace. Can be repeated
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub drop_traceparent: Vec<ServiceName>,
    /// Begin with a burst, such as 5x30s: five times the rate for thirty seconds
    #[arg(long, value_name = "FACTORxTIME")]
    pub burst: Option<Burst>,
    /// Begin with the load paused
    #[arg(long)]
    pub paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Grpc,
    #[value(name = "http/protobuf")]
    HttpProtobuf,
}

impl Options {
    /// The faults that the flags ask for.
    pub fn faults(&self) -> FaultPlan {
        FaultPlan {
            errors: self.errors,
            slow: self.slow,
            slow_service: self.slow_service,
            drop_traceparent: self.drop_traceparent.clone(),
            burst: self.burst,
            paused: self.paused,
        }
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or(Protocol::Grpc)
    }

    /// Where telemetry goes, in the form people write it.
    pub fn endpoint(&self) -> String {
        match (&self.endpoint, self.protocol()) {
            (Some(endpoint), _) => endpoint.as_str().trim_end_matches('/').to_owned(),
            (None, Protocol::Grpc) => "http://127.0.0.1:4317".to_owned(),
            (None, Protocol::HttpProtobuf) => "http://127.0.0.1:4318".to_owned(),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=MAX_RATE).contains(&rate) => Ok(rate),
        _ => Err(format!("requests a second must be a number from 0 to {MAX_RATE}")),
    }
}

fn tenant_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=tenants::NAMES.len()).contains(&count) => Ok(count),
        _ => Err(format!("there can be 1 to {} bookshops", tenants::NAMES.len())),
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it as http://127.0.0.1:4317"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(format!("{scheme}: is not spoken; write it as http://127.0.0.1:4317")),
    }
}

impl FromStr for SlowService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write it as stripe:800ms:50%";
        let [service, delay, share] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(format!("{text:?} has not three parts; {example}"));
        };
        let service = ServiceName::from_str(service, false).map_err(|_| format!("there is no service {service:?}"))?;
        let delay = humantime::parse_duration(delay).map_err(|error| format!("{delay:?}: {error}; {example}"))?;
        let delay_ms = u64::try_from(delay.as_millis()).map_err(|_| format!("{text:?} is too long"))?;
        let slow = Self { service, delay_ms, share: share.parse()? };
        slow.check().map(|()| slow)
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no burst; write it as 5x30s");
        let (factor, time) = text.split_once('x').ok_or_else(wrong)?;
        let time = humantime::parse_duration(time).map_err(|_| wrong())?;
        let burst = Self { factor: factor.parse().map_err(|_| wrong())?, seconds: time.as_secs() };
        burst.check().map(|()| burst)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    pub fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = std::iter::once("demo").chain(arguments.iter().copied());
        Command::try_parse_from(arguments).map(|command| command.options).map_err(|error| error.to_string())
    }

    #[test]
    fn the_issues_command_line_parses() {
        let options = parse(&["--rate", "20", "--tenants", "10", "--errors", "1%", "--slow", "0.02"]).unwrap();
        assert_eq!((options.rate, options.tenants), (20.0, 10));
        assert_eq!((options.errors, options.slow), ("0.01".parse().unwrap(), "2%".parse().unwrap()));
        assert_eq!(options.endpoint(), "http://127.0.0.1:4317");
        let options = parse(&["--protocol", "http/protobuf", "--duration", "30s"]).unwrap();
        assert_eq!(options.endpoint(), "http://127.0.0.1:4318");
        assert_eq!(options.duration, Some(Duration::from_secs(30)));
    }

    #[test]
    fn faults_can_be_given_as_flags() {
        let options = parse(&[
            "--slow-service",
            "stripe:800ms:50%",
            "--drop-traceparent",
            "storefront",
            "--drop-traceparent",
            "orders",
            "--burst",
            "5x30s",
            "--paused",
        ]);
        let faults = options.unwrap().faults();
        assert_eq!(
            faults.slow_service,
            Some(SlowService { service: ServiceName::Stripe, delay_ms: 800, share: "0.5".parse().unwrap() })
        );
        assert_eq!(faults.drop_traceparent, [ServiceName::Storefront, ServiceName::Orders]);
        assert_eq!(faults.burst, Some(Burst { factor: 5.0, seconds: 30 }));
        assert!(faults.paused);
    }

    #[test]
    fn bad_values_are_refused_with_what_is_right() {
        for (flag, value, hint) in [
            ("--rate", "1001", "0 to 1000"),
            ("--rate", "-1", "0 to 1000"),
            ("--rate", "NaN", "0 to 1000"),
            ("--tenants", "0", "1 to 50"),
            ("--tenants", "51", "1 to 50"),
            ("--errors", "120%", "between 0% and 100%"),
            ("--errors", "few", "1% or 0.01"),
            ("--endpoint", "localhost:4317", "http://127.0.0.1:4317"),
            ("--endpoint", "ftp://host", "http://127.0.0.1:4317"),
            ("--protocol", "json", "http/protobuf"),
            ("--slow-service", "stripe:800ms", "stripe:800ms:50%"),
            ("--slow-service", "bank:1s:5%", "no service"),
            ("--slow-service", "stripe:1h:5%", "30000"),
            ("--burst", "often", "5x30s"),
            ("--burst", "0.5x30s", "1 to 50"),
            ("--drop-traceparent", "bank", "storefront"),
            ("--listen", "8080", "--listen"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(error.contains(hint), "{flag} {value}: {error}");
        }
    }
}
