use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use trefoil_model::Signal;
use trefoil_pipeline::Accepted;

use crate::support::*;

/// A CA and certificates of it, as PEM files.
struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `cert_file` and `key_file` of a certificate for `host`.
    fn identity(&self, host: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![host.to_string()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (self.path(&format!("{host}.pem")), self.path(&format!("{host}.key")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        format!("cert_file: {}, key_file: {}", cert_file.display(), key_file.display())
    }
}

async fn server(kind: &str, tls: &str) -> Running {
    let options = format!("tls: {{{tls}}}");
    match kind {
        "otlp" => start_grpc(&options, Recorder::new()).await,
        _ => start_http(&options, Recorder::new()).await,
    }
}

async fn send(kind: &str, running: &Running, tls: &str, directory: &Path) -> Result<Accepted, String> {
    let yaml = format!(
        "{{endpoint: 'https://127.0.0.1:{}', tls: {{{tls}}}, {NO_QUEUE}, retry_on_failure: {{enabled: false}}}}",
        running.address().port()
    );
    let exporter = exporter(kind, &yaml, directory).await;
    exporter.consume(telemetry(Signal::Traces)).await.map_err(|refused| refused.to_string())
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let authority = Authority::new();
    let directory = authority.directory.path();
    let (trusted, stranger) = (authority.ca(), Authority::new());
    for kind in ["otlp", "otlphttp"] {
        let running = server(kind, &authority.identity("127.0.0.1")).await;
        let with_ca = |ca: &Path| format!("ca_file: {}", ca.display());
        assert_eq!(send(kind, &running, &with_ca(&trusted), directory).await, Ok(Accepted::all()), "{kind}");
        let error = send(kind, &running, &with_ca(&stranger.ca()), directory).await.unwrap_err();
        assert!(error.contains("invalid peer certificate"), "{kind}: {error}");
        assert_eq!(send(kind, &running, "insecure_skip_verify: true", directory).await, Ok(Accepted::all()));
        let newest = format!("{}, min_version: '1.3'", with_ca(&trusted));
        assert_eq!(send(kind, &running, &newest, directory).await, Ok(Accepted::all()));

        let running = server(kind, &authority.identity("tempo.example")).await;
        let error = send(kind, &running, &with_ca(&trusted), directory).await.unwrap_err();
        assert!(error.contains("invalid peer certificate"), "{kind}: {error}");
        let named = format!("{}, server_name_override: tempo.example", with_ca(&trusted));
        assert_eq!(send(kind, &running, &named, directory).await, Ok(Accepted::all()), "{kind}");
    }
}

#[tokio::test]
async fn clients_can_be_asked_for_a_certificate() {
    let authority = Authority::new();
    let directory = authority.directory.path();
    let ca = authority.ca();
    for kind in ["otlp", "otlphttp"] {
        let asking = format!("{}, client_ca_file: {}", authority.identity("127.0.0.1"), ca.display());
        let running = server(kind, &asking).await;
        let known = format!("ca_file: {}, {}", ca.display(), authority.identity("client.example"));
        assert_eq!(send(kind, &running, &known, directory).await, Ok(Accepted::all()), "{kind}");
        assert!(send(kind, &running, &format!("ca_file: {}", ca.display()), directory).await.is_err());
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_read_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let directory = old.directory.path();
    let running = server("otlphttp", &format!("{}, reload_interval: 1ms", old.identity("127.0.0.1"))).await;
    let trust_new = format!("ca_file: {}", new.ca().display());
    assert!(send("otlphttp", &running, &trust_new, directory).await.is_err());
    new.identity("127.0.0.1");
    for name in ["127.0.0.1.pem", "127.0.0.1.key"] {
        std::fs::copy(new.path(name), old.path(name)).unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(send("otlphttp", &running, &trust_new, directory).await, Ok(Accepted::all()));
}
