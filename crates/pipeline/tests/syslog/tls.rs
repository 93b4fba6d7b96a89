use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use trefoil_pipeline::net::tls::{ClientTls, client_config};

use crate::running::{Running, attribute, records, start_tcp};
use crate::support::{PATIENCE, Recorder};

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
        self.directory.path().join("ca.pem")
    }

    /// The files of a certificate for `host` and of its key.
    fn identity(&self, host: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let [cert_file, key_file] = ["pem", "key"].map(|kind| self.directory.path().join(format!("{host}.{kind}")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file, key_file)
    }

    /// The receiver's option `tls`.
    fn server(&self, more: &str) -> String {
        let (cert, key) = self.identity("localhost");
        format!("tls: {{cert_file: {}, key_file: {}, {more}}}", cert.display(), key.display())
    }
}

async fn connect(running: &Running, settings: &ClientTls) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let connector = TlsConnector::from(Arc::new(client_config(settings, &[]).unwrap()));
    connector.connect(ServerName::try_from("localhost").unwrap(), running.connect().await).await
}

#[tokio::test]
async fn messages_come_over_tls() {
    let authority = Authority::new();
    let recorder = Recorder::new();
    let options = "protocol: rfc5424, enable_octet_counting: true";
    let running = start_tcp(&authority.server(""), options, recorder.clone()).await;
    let trusting = ClientTls { ca_file: Some(authority.ca()), ..ClientTls::default() };
    let mut stream = connect(&running, &trusting).await.unwrap();
    stream.write_all(b"21 <34>1 - h a p i - one").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(attribute(&records(&recorder, 1).await[0], "message"), "one");

    let other = Authority::new();
    let stranger = ClientTls { ca_file: Some(other.ca()), ..ClientTls::default() };
    assert!(connect(&running, &stranger).await.is_err());
    // Plain text is no handshake: the connection ends, and the others go on.
    let mut plain = running.connect().await;
    plain.write_all(b"<34>1 - h a p i - plain\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    stream.write_all(b"21 <34>1 - h a p i - two").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(attribute(&records(&recorder, 2).await[1], "message"), "two");
}

#[tokio::test]
async fn senders_can_be_asked_for_a_certificate() {
    let authority = Authority::new();
    let recorder = Recorder::new();
    let asking = authority.server(&format!("client_ca_file: {}", authority.ca().display()));
    let running = start_tcp(&asking, "protocol: rfc3164", recorder.clone()).await;
    let (cert, key) = authority.identity("client.example");
    let known =
        ClientTls { ca_file: Some(authority.ca()), cert_file: Some(cert), key_file: Some(key), ..ClientTls::default() };
    let mut stream = connect(&running, &known).await.unwrap();
    stream.write_all(b"<14>app: known\n").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(attribute(&records(&recorder, 1).await[0], "message"), "known");

    // With TLS 1.3 a client learns only when it reads that its certificate is missed.
    let unknown = ClientTls { cert_file: None, key_file: None, ..known };
    if let Ok(mut stream) = connect(&running, &unknown).await {
        let _ = stream.write_all(b"<14>app: unknown\n").await;
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
        assert!(ended.is_err(), "{ended:?}");
    }
    running.wait_for("tcp_input_active_connections", "", |count| count == 1).await;
    assert_eq!(recorder.seen.lock().len(), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_an_error() {
    let yaml = "{tcp: {listen_address: '127.0.0.1:0', tls: {cert_file: /nonexistent, key_file: /nonexistent}}, protocol: rfc3164}";
    let config = crate::configuration::parse(yaml).unwrap();
    let receiver = trefoil_pipeline::receivers::syslog::SyslogReceiver::new(
        &config,
        trefoil_model::Tenancy::Single,
        crate::support::to_all(Recorder::new()),
        &trefoil_pipeline::Metrics::default(),
        "syslog",
    );
    let error = receiver.err().unwrap().to_string();
    assert!(error.contains("tls: cert: /nonexistent"), "{error}");
}
