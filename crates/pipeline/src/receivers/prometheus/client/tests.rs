use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::routing::{any, post};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;

use super::*;
use crate::net::body::Admission;
use crate::net::server::{Server, ServerSettings, bind};
use crate::net::tls::{ServerTls, ServerTlsSource};
use crate::receivers::prometheus::config::tests::job;

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Answers with what it was sent: URI, and the headers that matter.
fn mirror() -> Router {
    let answer = async |request: Request| {
        let own = |name: &str| matches!(name, "authorization" | "proxy-authorization") || name.starts_with("x-");
        let headers = request.headers().iter().filter(|(name, _)| own(name.as_str()));
        let mut lines: Vec<String> =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        format!("{} {}", request.uri(), lines.join("; "))
    };
    Router::new().fallback(any(answer))
}

async fn ask(client: &HttpClient, url: &str) -> Result<String, String> {
    let response = client.get(url.parse().unwrap(), HeaderMap::new()).await?;
    let status = response.status();
    let body = read_body(response, 1 << 20, &mut Admission::new(1 << 20).start()).await.unwrap();
    if status.is_success() { Ok(String::from_utf8(body.to_vec()).unwrap()) } else { Err(status.to_string()) }
}

fn client(options: &str) -> HttpClient {
    HttpClient::new(&job(&format!("{{job_name: j, {options}}}")).http).unwrap()
}

#[tokio::test]
async fn requests_say_who_sends_them() {
    let address = serve(mirror()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, " s3cret\n").unwrap();
    let file = file.display();
    for (options, expected) in [
        ("honor_labels: true".to_owned(), "/a "),
        (
            "basic_auth: {username: Aladdin, password: 'open sesame'}".to_owned(),
            "/a authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (
            format!("basic_auth: {{username_file: {file}, password_file: {file}}}"),
            "/a authorization: Basic czNjcmV0OnMzY3JldA==",
        ),
        ("bearer_token: t".to_owned(), "/a authorization: Bearer t"),
        (format!("bearer_token_file: {file}"), "/a authorization: Bearer s3cret"),
        (format!("authorization: {{type: Token, credentials_file: {file}}}"), "/a authorization: Token s3cret"),
        (
            format!("http_headers: {{x-a: {{values: [v], secrets: [w], files: [{file}]}}}}"),
            "/a x-a: s3cret; x-a: v; x-a: w",
        ),
    ] {
        assert_eq!(ask(&client(&options), &format!("http://{address}/a")).await.unwrap(), expected, "{options}");
    }
    // A file is read for every request.
    let path = directory.path().join("secret");
    let client = client(&format!("bearer_token_file: {file}"));
    for secret in ["one", "two"] {
        std::fs::write(&path, secret).unwrap();
        let expected = format!("/ authorization: Bearer {secret}");
        assert_eq!(ask(&client, &format!("http://{address}/")).await.unwrap(), expected);
    }
    std::fs::remove_file(&path).unwrap();
    let error = ask(&client, &format!("http://{address}/")).await.unwrap_err();
    assert!(error.starts_with("unable to read file /"), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_once_for_as_long_as_it_lasts() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let token = async move |headers: HeaderMap, form: String| {
        count.fetch_add(1, Ordering::Relaxed);
        // This server takes credentials from the form only.
        if headers.contains_key(AUTHORIZATION) {
            return (http::StatusCode::UNAUTHORIZED, String::new());
        }
        let expected = "grant_type=client_credentials&client_id=me&client_secret=hush&scope=a+b&audience=x";
        assert_eq!(form, expected);
        (http::StatusCode::OK, r#"{"access_token": "tok", "token_type": "bearer", "expires_in": 3600}"#.to_owned())
    };
    let address = serve(mirror().route("/token", post(token))).await;
    let client = client(&format!(
        "oauth2: {{client_id: me, client_secret: hush, scopes: [a, b], endpoint_params: {{audience: x}}, \
         token_url: 'http://{address}/token'}}"
    ));
    for _ in 0..3 {
        assert_eq!(ask(&client, &format!("http://{address}/")).await.unwrap(), "/ authorization: Bearer tok");
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 2);
    let nobody = self::client("oauth2: {client_id: me, token_url: 'http://127.0.0.1:1/'}");
    assert!(ask(&nobody, &format!("http://{address}/")).await.unwrap_err().starts_with("no OAuth 2.0 token: "));
}

#[tokio::test]
async fn proxies_and_redirects_are_followed_as_told() {
    let moved = async || axum::response::Redirect::temporary("/there");
    let address = serve(mirror().route("/moved", any(moved))).await;
    let through = client(&format!("proxy_url: 'http://{address}', no_proxy: direct.invalid"));
    assert_eq!(ask(&through, "http://elsewhere.invalid/a").await.unwrap(), "http://elsewhere.invalid/a ");
    assert!(ask(&through, "http://direct.invalid/a").await.unwrap_err().starts_with("cannot connect"));
    assert_eq!(ask(&client("honor_labels: true"), &format!("http://{address}/moved")).await.unwrap(), "/there ");
    let stays = client("follow_redirects: false");
    assert_eq!(ask(&stays, &format!("http://{address}/moved")).await, Err("307 Temporary Redirect".to_owned()));
}

#[tokio::test]
async fn certificates_are_checked_and_read_again() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["target.invalid".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let tls =
        ServerTls { cert_pem: Some(certificate.pem()), key_pem: Some(key.serialize_pem()), ..ServerTls::default() };
    let source = Arc::new(ServerTlsSource::load(&tls, &["h2", "http/1.1"]).unwrap());
    let listener = bind("tcp", "127.0.0.1:0").await.unwrap();
    let server = Server::start(listener, mirror(), ServerSettings::default(), Some(source)).unwrap();
    let url = format!("https://{}/a", server.address());

    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let trusting = |more: &str| client(&format!("tls_config: {{ca_file: {}{more}}}", ca.display()));
    assert_eq!(ask(&trusting(", server_name: target.invalid"), &url).await.unwrap(), format!("{url} "));
    assert!(ask(&trusting(""), &url).await.unwrap_err().contains("certificate"), "it is not for this name");
    assert_eq!(
        ask(&client("enable_http2: false, tls_config: {insecure_skip_verify: true}"), &url).await.unwrap(),
        "/a "
    );
    assert!(ask(&client("honor_labels: true"), &url).await.is_err(), "nobody knows the issuer");

    // Another CA comes into the file, and the old one back.
    let client = trusting(", server_name: target.invalid");
    let other = CertifiedIssuer::self_signed(CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap())
        .unwrap();
    for (pem, is_trusted) in [(other.pem(), false), (issuer.pem(), true)] {
        std::fs::write(&ca, pem).unwrap();
        let changed = SystemTime::now() + Duration::from_secs(if is_trusted { 20 } else { 10 });
        std::fs::File::open(&ca).unwrap().set_modified(changed).unwrap();
        assert_eq!(ask(&client, &url).await.is_ok(), is_trusted);
    }
}
