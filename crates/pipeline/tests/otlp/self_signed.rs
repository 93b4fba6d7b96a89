/// A certificate for `localhost` that nobody else vouches for.
pub struct SelfSigned {
    _directory: tempfile::TempDir,
    /// The receiver's option `tls`.
    pub option: String,
    pub pem: String,
}

impl SelfSigned {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let option = format!("tls: {{cert_file: {}, key_file: {}}}", cert.display(), key.display());
        Self { _directory: directory, option, pem: made.cert.pem() }
    }

    /// One that trusts it.
    pub fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder().add_root_certificate(root).build().unwrap()
    }
}
