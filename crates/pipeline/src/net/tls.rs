//! TLS settings in the Collector's `tls` schema, turned into rustls configurations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use serde::Deserialize;
use thiserror::Error;

/// What every side may say of its own certificate and of the ones it trusts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    pub cert_file: Option<PathBuf>,
    pub cert_pem: Option<String>,
    pub key_file: Option<PathBuf>,
    pub key_pem: Option<String>,
    /// With it, clients must show a certificate that this CA signed.
    pub client_ca_file: Option<PathBuf>,
    /// `1.2` (default) or `1.3`.
    pub min_version: Option<String>,
    /// `1.2` or `1.3` (default).
    pub max_version: Option<String>,
    /// How old a loaded certificate may grow before new connections read the files again; unset: never.
    #[serde(with = "crate::config::duration::option")]
    pub reload_interval: Option<Duration>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// Plain text (for gRPC, where the URL may not say it; over HTTP the URL's scheme decides).
    pub insecure: bool,
    /// TLS without looking at the server's certificate.
    pub insecure_skip_verify: bool,
    /// The name the server's certificate must carry instead of the endpoint's host.
    pub server_name_override: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub ca_pem: Option<String>,
    /// Also trust the system's CAs when `ca_file` or `ca_pem` is given; without those they are trusted anyway.
    pub include_system_ca_certs_pool: bool,
    pub cert_file: Option<PathBuf>,
    pub cert_pem: Option<String>,
    pub key_file: Option<PathBuf>,
    pub key_pem: Option<String>,
    /// `1.2` (default) or `1.3`.
    pub min_version: Option<String>,
    /// `1.2` or `1.3` (default).
    pub max_version: Option<String>,
}

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("tls: {0}: give {0}_file or {0}_pem")]
    Missing(&'static str),
    #[error("tls: {0}_file and {0}_pem exclude each other")]
    Both(&'static str),
    #[error("tls: {what}: {place}: {reason}")]
    Pem { what: &'static str, place: String, reason: String },
    #[error("tls: {option}: unknown version {value:?}, use \"1.2\" or \"1.3\"")]
    Version { option: &'static str, value: String },
    #[error("tls: min_version is above max_version")]
    VersionOrder,
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("tls: the trusted CA certificates: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("tls: server_name_override: {0:?} is not the name of a host")]
    ServerName(String),
    #[error("tls: no CA certificate could be read from this system; name one in ca_file")]
    NoRoots,
}

/// A server's TLS configuration, read again from its files once it is older than `reload_interval`.
pub struct ServerTlsSource {
    settings: ServerTls,
    alpn: Vec<Vec<u8>>,
    loaded: Mutex<(Arc<ServerConfig>, Instant)>,
}

impl ServerTlsSource {
    /// Reads the files now; `alpn` lists the protocols in order of preference (`h2`, `http/1.1`).
    pub fn load(settings: &ServerTls, alpn: &[&str]) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let config = server_config(settings, &alpn)?;
        Ok(Self { settings: settings.clone(), alpn, loaded: Mutex::new((config, Instant::now())) })
    }

    /// The configuration for a new connection. Files that cannot be read leave the last good ones in force.
    pub fn current(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock();
        if self.settings.reload_interval.is_some_and(|interval| loaded.1.elapsed() >= interval) {
            loaded.1 = Instant::now();
            match server_config(&self.settings, &self.alpn) {
                Ok(config) => loaded.0 = config,
                Err(error) => tracing::warn!(%error, "kept the old certificate: the new one cannot be loaded"),
            }
        }
        loaded.0.clone()
    }
}

fn server_config(settings: &ServerTls, alpn: &[Vec<u8>]) -> Result<Arc<ServerConfig>, TlsError> {
    let versions = versions(settings.min_version.as_deref(), settings.max_version.as_deref())?;
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&versions)?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            trust("client_ca_file", &Source::File(path), &mut roots)?;
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build()?,
            )
        }
    };
    let identity = Identity {
        cert: (settings.cert_file.as_deref(), settings.cert_pem.as_deref()),
        key: (settings.key_file.as_deref(), settings.key_pem.as_deref()),
    };
    let (chain, key) = identity.load()?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.to_vec();
    Ok(Arc::new(config))
}

/// A client's TLS configuration; `alpn` lists the protocols in order of preference.
pub fn client_config(settings: &ClientTls, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
    let versions = versions(settings.min_version.as_deref(), settings.max_version.as_deref())?;
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&versions)?;
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnything(provider())))
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(settings)?.into(), provider()).build()?;
        match &settings.server_name_override {
            None => builder.with_webpki_verifier(verifier),
            Some(name) => {
                let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(OtherName { name, verifier }))
            }
        }
    };
    let identity = Identity {
        cert: (settings.cert_file.as_deref(), settings.cert_pem.as_deref()),
        key: (settings.key_file.as_deref(), settings.key_pem.as_deref()),
    };
    let mut config = match identity.is_absent() {
        true => builder.with_no_client_auth(),
        false => {
            let (chain, key) = identity.load()?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

fn roots(settings: &ClientTls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let own = settings.ca_file.is_some() || settings.ca_pem.is_some();
    if own {
        let source = source("ca", (settings.ca_file.as_deref(), settings.ca_pem.as_deref()))?;
        trust("ca", &source, &mut roots)?;
    }
    if !own || settings.include_system_ca_certs_pool {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}

fn trust(what: &'static str, source: &Source, roots: &mut RootCertStore) -> Result<(), TlsError> {
    for certificate in certificates(what, source)? {
        roots.add(certificate)?;
    }
    Ok(())
}

/// The options `…_file` and `…_pem`, of which one may be set.
type FileOrPem<'a> = (Option<&'a Path>, Option<&'a str>);

/// What a side shows of itself.
struct Identity<'a> {
    cert: FileOrPem<'a>,
    key: FileOrPem<'a>,
}

impl Identity<'_> {
    fn is_absent(&self) -> bool {
        self.cert == (None, None) && self.key == (None, None)
    }

    fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates("cert", &source("cert", self.cert)?)?;
        let key = private_key(&source("key", self.key)?)?;
        Ok((chain, key))
    }
}

/// Where PEM text comes from.
enum Source<'a> {
    File(&'a Path),
    Inline(&'a str),
}

impl Source<'_> {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, TlsError> {
        match self {
            Source::Inline(pem) => Ok(pem.as_bytes().to_vec()),
            Source::File(path) => std::fs::read(path).map_err(|e| self.error(what, e.to_string())),
        }
    }

    fn error(&self, what: &'static str, reason: String) -> TlsError {
        let place = match self {
            Source::File(path) => path.display().to_string(),
            Source::Inline(_) => "inline PEM".to_string(),
        };
        TlsError::Pem { what, place, reason }
    }
}

fn source<'a>(what: &'static str, options: FileOrPem<'a>) -> Result<Source<'a>, TlsError> {
    match options {
        (Some(path), None) => Ok(Source::File(path)),
        (None, Some(pem)) => Ok(Source::Inline(pem)),
        (Some(_), Some(_)) => Err(TlsError::Both(what)),
        (None, None) => Err(TlsError::Missing(what)),
    }
}

fn certificates(what: &'static str, source: &Source) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = source.read(what)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|e| source.error(what, e.to_string()))?;
    if found.is_empty() {
        return Err(source.error(what, "no CERTIFICATE section in it".to_string()));
    }
    Ok(found)
}

fn private_key(source: &Source) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&source.read("key")?).map_err(|e| source.error("key", e.to_string()))
}

fn versions(min: Option<&str>, max: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let rank = |option: &'static str, value: &str| match value {
        "1.2" => Ok(0),
        "1.3" => Ok(1),
        other => Err(TlsError::Version { option, value: other.to_string() }),
    };
    let lowest = rank("min_version", min.unwrap_or("1.2"))?;
    let highest = rank("max_version", max.unwrap_or("1.3"))?;
    if lowest > highest {
        return Err(TlsError::VersionOrder);
    }
    Ok([&rustls::version::TLS12, &rustls::version::TLS13][lowest..=highest].to_vec())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// `insecure_skip_verify`: any certificate will do, but the handshake must still be signed with its key.
#[derive(Debug)]
struct TrustAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `server_name_override`: the certificate is checked as always, but against another name than the one dialled.
#[derive(Debug)]
struct OtherName {
    name: ServerName<'static>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for OtherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_or_wrong() {
        let check = |settings: ServerTls| ServerTlsSource::load(&settings, &["h2"]).err().map(|e| e.to_string());
        let both = ServerTls { cert_file: Some("a".into()), cert_pem: Some("b".into()), ..Default::default() };
        assert_eq!(check(both).unwrap(), "tls: cert_file and cert_pem exclude each other");
        assert_eq!(check(ServerTls::default()).unwrap(), "tls: cert: give cert_file or cert_pem");
        let absent = ServerTls { cert_file: Some("/nonexistent/cert.pem".into()), ..Default::default() };
        assert_eq!(check(absent).unwrap(), "tls: cert: /nonexistent/cert.pem: No such file or directory (os error 2)");
        let old = ServerTls { min_version: Some("1.0".into()), ..Default::default() };
        assert_eq!(check(old).unwrap(), r#"tls: min_version: unknown version "1.0", use "1.2" or "1.3""#);
    }

    #[test]
    fn versions_are_a_range() {
        assert_eq!(versions(None, None).unwrap().len(), 2);
        assert_eq!(versions(Some("1.3"), None).unwrap(), [&rustls::version::TLS13]);
        assert!(matches!(versions(Some("1.3"), Some("1.2")), Err(TlsError::VersionOrder)));
    }
}
