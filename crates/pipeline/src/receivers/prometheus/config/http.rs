//! How an HTTP client of Prometheus is configured (`http_config` of its documentation): the same options for scraping, service
//! discovery and remote write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::Secret;
use crate::net::tls::ClientTls;

/// Headers that the client sets itself.
const RESERVED: [&str; 15] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
];

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    pub username: Option<String>,
    pub username_file: Option<PathBuf>,
    pub password: Option<Secret>,
    /// Read for every request, as all files with secrets.
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    /// `Bearer` where it is absent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub credentials: Option<Secret>,
    pub credentials_file: Option<PathBuf>,
}

/// The client-credentials flow.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuth2 {
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    pub scopes: Vec<String>,
    pub token_url: String,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls_config: Option<TlsConfig>,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    pub ca: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub cert: Option<String>,
    pub cert_file: Option<PathBuf>,
    pub key: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub server_name: Option<String>,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum TlsVersion {
    TLS10,
    TLS11,
    TLS12,
    TLS13,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpHeader {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<PathBuf>,
}

/// A struct of configuration that has all options of the HTTP client among its own, as in the file.
macro_rules! with_http_client {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
            basic_auth: Option<$crate::receivers::prometheus::config::http::BasicAuth>,
            authorization: Option<$crate::receivers::prometheus::config::http::Authorization>,
            oauth2: Option<$crate::receivers::prometheus::config::http::OAuth2>,
            bearer_token: Option<$crate::config::Secret>,
            bearer_token_file: Option<std::path::PathBuf>,
            tls_config: Option<$crate::receivers::prometheus::config::http::TlsConfig>,
            follow_redirects: Option<bool>,
            enable_http2: Option<bool>,
            proxy_url: Option<String>,
            no_proxy: Option<String>,
            proxy_from_environment: Option<bool>,
            proxy_connect_header: std::collections::BTreeMap<String, Vec<$crate::config::Secret>>,
            http_headers: std::collections::BTreeMap<String, $crate::receivers::prometheus::config::http::HttpHeader>,
        }

        impl $name {
            /// The options of the HTTP client.
            pub fn http(&self) -> $crate::receivers::prometheus::config::http::HttpClientConfig {
                $crate::receivers::prometheus::config::http::HttpClientConfig {
                    basic_auth: self.basic_auth.clone(),
                    authorization: self.authorization.clone(),
                    oauth2: self.oauth2.clone(),
                    bearer_token: self.bearer_token.clone(),
                    bearer_token_file: self.bearer_token_file.clone(),
                    tls_config: self.tls_config.clone().unwrap_or_default(),
                    follow_redirects: self.follow_redirects.unwrap_or(true),
                    enable_http2: self.enable_http2.unwrap_or(true),
                    proxy_url: self.proxy_url.clone().filter(|url| !url.is_empty()),
                    no_proxy: self.no_proxy.clone().filter(|list| !list.is_empty()),
                    proxy_from_environment: self.proxy_from_environment.unwrap_or(false),
                    proxy_connect_header: self.proxy_connect_header.clone(),
                    http_headers: self.http_headers.clone(),
                }
            }
        }
    };
}
pub(super) use with_http_client;

#[derive(Debug, Clone, PartialEq)]
pub struct HttpClientConfig {
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub oauth2: Option<OAuth2>,
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<PathBuf>,
    pub tls_config: TlsConfig,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    pub proxy_url: Option<String>,
    pub no_proxy: Option<String>,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    pub http_headers: BTreeMap<String, HttpHeader>,
}

impl HttpClientConfig {
    /// Calls `report` with the option and what is wrong with it.
    pub fn check(&self, report: &mut dyn FnMut(&str, String)) {
        exclusive(report, "bearer_token", "bearer_token_file", &self.bearer_token, &self.bearer_token_file);
        let bearer = self.bearer_token.is_some() || self.bearer_token_file.is_some();
        let ways = [self.basic_auth.is_some(), self.oauth2.is_some(), bearer, self.authorization.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            report(
                "",
                "at most one of basic_auth, oauth2, authorization and bearer_token(_file) may be given".to_owned(),
            );
        }
        if let Some(basic) = &self.basic_auth {
            exclusive(report, "basic_auth.username", "basic_auth.username_file", &basic.username, &basic.username_file);
            exclusive(report, "basic_auth.password", "basic_auth.password_file", &basic.password, &basic.password_file);
        }
        if let Some(Authorization { kind, credentials, credentials_file }) = &self.authorization {
            exclusive(
                report,
                "authorization.credentials",
                "authorization.credentials_file",
                credentials,
                credentials_file,
            );
            if kind.as_deref().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("basic")) {
                report("authorization.type", "`Basic` is given by basic_auth instead".to_owned());
            }
        }
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check(report);
        }
        self.tls_config.check("tls_config", report);
        self.check_proxy(report);
        for name in self.http_headers.keys() {
            check_header("http_headers", name, report);
        }
    }

    fn check_proxy(&self, report: &mut dyn FnMut(&str, String)) {
        if self.proxy_from_environment && self.proxy_url.is_some() {
            report("proxy_from_environment", "proxy_url must not be given together with it".to_owned());
        }
        if self.proxy_from_environment && self.no_proxy.is_some() {
            report("proxy_from_environment", "no_proxy must not be given together with it".to_owned());
        }
        if !self.proxy_from_environment && self.proxy_url.is_none() {
            if self.no_proxy.is_some() {
                report("no_proxy", "it is given without proxy_url".to_owned());
            }
            if !self.proxy_connect_header.is_empty() {
                report("proxy_connect_header", "it is given without a proxy".to_owned());
            }
        }
        if let Some(url) = &self.proxy_url
            && let Err(reason) = check_proxy_url(url)
        {
            report("proxy_url", reason);
        }
    }

    /// Paths are relative to the directory of the file that they are in.
    pub fn resolve(&mut self, base: &Path) {
        let Self { basic_auth, authorization, oauth2, bearer_token_file, tls_config, http_headers, .. } = self;
        if let Some(BasicAuth { username_file, password_file, .. }) = basic_auth {
            join(base, username_file);
            join(base, password_file);
        }
        if let Some(authorization) = authorization {
            join(base, &mut authorization.credentials_file);
        }
        if let Some(oauth2) = oauth2 {
            join(base, &mut oauth2.client_secret_file);
            if let Some(tls) = &mut oauth2.tls_config {
                tls.resolve(base);
            }
        }
        join(base, bearer_token_file);
        tls_config.resolve(base);
        for file in http_headers.values_mut().flat_map(|header| &mut header.files) {
            *file = base.join(&file);
        }
    }
}

impl OAuth2 {
    fn check(&self, report: &mut dyn FnMut(&str, String)) {
        for (option, value) in [("oauth2.client_id", &self.client_id), ("oauth2.token_url", &self.token_url)] {
            if value.is_empty() {
                report(option, "it must be given".to_owned());
            }
        }
        if !self.token_url.is_empty()
            && let Err(error) = url::Url::parse(&self.token_url)
        {
            report("oauth2.token_url", error.to_string());
        }
        exclusive(
            report,
            "oauth2.client_secret",
            "oauth2.client_secret_file",
            &self.client_secret,
            &self.client_secret_file,
        );
        if let Some(tls) = &self.tls_config {
            tls.check("oauth2.tls_config", report);
        }
    }
}

impl TlsConfig {
    fn check(&self, at: &str, report: &mut dyn FnMut(&str, String)) {
        let option = |name: &str| format!("{at}.{name}");
        exclusive(report, &option("ca"), &option("ca_file"), &self.ca, &self.ca_file);
        exclusive(report, &option("cert"), &option("cert_file"), &self.cert, &self.cert_file);
        exclusive(report, &option("key"), &option("key_file"), &self.key, &self.key_file);
        let (cert, key) =
            (self.cert.is_some() || self.cert_file.is_some(), self.key.is_some() || self.key_file.is_some());
        if cert != key {
            report(at, "a client certificate is cert(_file) and key(_file) together".to_owned());
        }
        if let (Some(min), Some(max)) = (self.min_version, self.max_version)
            && max < min
        {
            report(at, "max_version is below min_version".to_owned());
        }
        if self.max_version.is_some_and(|max| max < TlsVersion::TLS12) {
            report(&option("max_version"), "versions below TLS12 are broken and not spoken".to_owned());
        }
    }

    fn resolve(&mut self, base: &Path) {
        join(base, &mut self.ca_file);
        join(base, &mut self.cert_file);
        join(base, &mut self.key_file);
    }

    /// Files that may change while the client is used.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten()
    }

    /// The same as the Collector says it. Versions below 1.2 are not spoken, so that a lower minimum is 1.2.
    pub fn client(&self) -> ClientTls {
        let version = |version| match version {
            TlsVersion::TLS13 => "1.3".to_owned(),
            _ => "1.2".to_owned(),
        };
        ClientTls {
            insecure_skip_verify: self.insecure_skip_verify,
            server_name_override: self.server_name.clone().filter(|name| !name.is_empty()),
            ca_file: self.ca_file.clone(),
            ca_pem: self.ca.clone(),
            cert_file: self.cert_file.clone(),
            cert_pem: self.cert.clone(),
            key_file: self.key_file.clone(),
            key_pem: self.key.as_ref().map(|key| key.reveal().to_owned()),
            min_version: self.min_version.map(version),
            max_version: self.max_version.map(version),
            ..ClientTls::default()
        }
    }
}

pub fn check_header(option: &str, name: &str, report: &mut dyn FnMut(&str, String)) {
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        report(&format!("{option}.{name}"), format!("the header {name} is set by the client itself"));
    } else if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        report(&format!("{option}.{name}"), format!("{name:?} is not the name of a header"));
    }
}

fn check_proxy_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        scheme => Err(format!("a proxy by {scheme} is not supported, only http and https")),
    }
}

fn exclusive<A, B>(report: &mut dyn FnMut(&str, String), one: &str, other: &str, a: &Option<A>, b: &Option<B>) {
    if a.is_some() && b.is_some() {
        let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        report(one, format!("at most one of {} and {} may be given", name(one), name(other)));
    }
}

fn join(base: &Path, file: &mut Option<PathBuf>) {
    if let Some(path) = file {
        *path = base.join(&path);
    }
}
