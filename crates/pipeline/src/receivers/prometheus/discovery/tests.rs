use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::receivers::prometheus::config::tests::job;

/// Runs the mechanisms of a job until it is dropped.
struct Running(Found, Vec<JoinHandle<()>>);

impl Running {
    fn start(config: &str) -> Self {
        let job = job(config);
        let found = Found::new(job.discovery.len());
        let tasks = job.discovery.into_iter().enumerate();
        let tasks = tasks.map(|(index, one)| tokio::spawn(one.run("j".into(), index, found.clone()))).collect();
        Self(found, tasks)
    }

    /// Waits until the targets are these.
    async fn expect(&self, expected: &[&str]) {
        let all = async {
            loop {
                let mut targets: Vec<String> = self.0.targets().iter().map(ToString::to_string).collect();
                targets.sort();
                if targets == expected {
                    return;
                }
                self.0.changed().await;
            }
        };
        let last = || self.0.targets().iter().map(ToString::to_string).collect::<Vec<_>>();
        timeout(Duration::from_secs(20), all).await.unwrap_or_else(|_| panic!("{:?} instead of {expected:?}", last()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.1.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn static_groups_are_there_at_once() {
    let running = Running::start(
        "{job_name: j, static_configs: [{targets: ['a:1', 'b:2'], labels: {env: x}}, {targets: ['c:3']}]}",
    );
    running
        .expect(&[r#"{__address__="a:1", env="x"}"#, r#"{__address__="b:2", env="x"}"#, r#"{__address__="c:3"}"#])
        .await;
}

#[tokio::test]
async fn files_are_read_again_when_they_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    let target = |name: &str, target: &str| format!("{{__address__={target:?}, __meta_filepath={:?}}}", path(name));
    write("a.json", r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#);
    write("b.yml", "- targets: [b:1]\n");
    write("c.txt", "no targets");
    let files = directory.path().display();
    let running =
        Running::start(&format!("{{job_name: j, file_sd_configs: [{{files: ['{files}/*.json', '{files}/*.yml']}}]}}"));
    let a = format!("{{__address__=\"a:1\", __meta_filepath={:?}, x=\"y\"}}", path("a.json"));
    running.expect(&[&a, &target("b.yml", "b:1")]).await;
    // What cannot be read leaves what was there; another file counts for itself.
    write("a.json", "[{");
    write("b.yml", "- targets: [b:1, b:2]\n");
    running.expect(&[&a, &target("b.yml", "b:1"), &target("b.yml", "b:2")]).await;
    write("a.json", r#"[{"targets": ["a:2"]}]"#);
    std::fs::remove_file(path("b.yml")).unwrap();
    running.expect(&[&target("a.json", "a:2")]).await;
}

#[tokio::test]
async fn a_server_is_asked_again_and_believed_while_it_fails() {
    let answers = Arc::new(Mutex::new(vec![
        (500, "application/json", "[]"),
        (200, "application/json", r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#),
        (200, "text/plain", "[]"),
        (200, "application/json", "[null]"),
        (503, "application/json", "[]"),
        (200, "application/json; charset=utf-8", "[]"),
    ]));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let router = Router::new().route(
        "/sd",
        get(async move |headers: axum::http::HeaderMap| {
            let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            log.lock().push((text("authorization"), text("x-prometheus-refresh-interval-seconds"), text("x-own")));
            let mut answers = answers.lock();
            let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
            (axum::http::StatusCode::from_u16(answer.0).unwrap(), [("content-type", answer.1)], answer.2)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let running = Running::start(&format!(
        "{{job_name: j, http_sd_configs: [{{url: 'http://{address}/sd', refresh_interval: 100ms, authorization: {{credentials: t}}, http_headers: {{x-own: {{values: [o]}}}}}}]}}"
    ));
    running.expect(&[&format!(r#"{{__address__="a:1", __meta_url="http://{address}/sd", x="y"}}"#)]).await;
    assert_eq!(seen.lock().len(), 2);
    running.expect(&[]).await;
    let seen = seen.lock();
    assert!(seen.len() >= 6, "the answers between changed nothing");
    assert_eq!(seen[0], (Some("Bearer t".into()), Some("0.1".into()), Some("o".into())));
}

mod dns {
    use std::net::SocketAddr;

    use simple_dns::rdata::{A, AAAA, CNAME, MX, NS, RData, SRV};
    use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use crate::receivers::prometheus::config::raw::{DnsSd, RecordKind};
    use crate::receivers::prometheus::discovery::dns::look_up;
    use crate::receivers::prometheus::discovery::resolver::Resolver;

    fn answer(query: &[u8], by_tcp: bool) -> Vec<u8> {
        let query = Packet::parse(query).unwrap();
        let question = query.questions[0].clone();
        let name = question.qname.to_string();
        let mut reply = Packet::new_reply(query.id());
        reply.questions.push(question);
        let host = |text: &'static str| Name::new_unchecked(text);
        let srv = |port, target| RData::SRV(SRV { priority: 1, weight: 1, port, target: host(target) });
        let records = match name.as_str() {
            "many.example" if !by_tcp => {
                reply.set_flags(PacketFlag::TRUNCATION);
                vec![]
            }
            "many.example" => (1..100).map(|port| srv(port, "h.example")).collect(),
            "srv.example" => vec![srv(9100, "a.example"), srv(9101, "b.example")],
            "a.example" => {
                vec![RData::CNAME(CNAME(host("b.example"))), RData::A(A { address: u32::from_be_bytes([10, 0, 0, 1]) })]
            }
            "aaaa.example" => vec![RData::AAAA(AAAA { address: 1 })],
            "mx.example" => vec![RData::MX(MX { preference: 1, exchange: host("m.example") })],
            "ns.example" => vec![RData::NS(NS(host("n.example")))],
            "broken.example" => {
                *reply.rcode_mut() = RCODE::ServerFailure;
                vec![]
            }
            _ => {
                *reply.rcode_mut() = RCODE::NameError;
                vec![]
            }
        };
        for record in records {
            reply.answers.push(ResourceRecord::new(Name::new_unchecked("x.example"), CLASS::IN, 1, record));
        }
        reply.build_bytes_vec().unwrap()
    }

    async fn server() -> SocketAddr {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                // What is no answer to the question must not disturb.
                udp.send_to(b"\0\0", from).await.unwrap();
                udp.send_to(&answer(&buffer[..length], false), from).await.unwrap();
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut query = vec![0; length.into()];
                stream.read_exact(&mut query).await.unwrap();
                let answer = answer(&query, true);
                stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn records_become_targets() {
        let resolver = Resolver::of_server(server().await);
        let ask = async |kind, name: &str| {
            let config = DnsSd { kind, port: Some(80), ..DnsSd::default() };
            look_up(&resolver, &config, name)
                .await
                .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let srv = |host: &str, port: u16| {
            format!(
                "{{__address__=\"{host}:{port}\", __meta_dns_name=\"srv\", __meta_dns_srv_record_port=\"{port}\", \
                 __meta_dns_srv_record_target=\"{host}.\"}}"
            )
        };
        // The name is found below the search list.
        assert_eq!(ask(RecordKind::Srv, "srv").await.unwrap(), [srv("a.example", 9100), srv("b.example", 9101)]);
        assert_eq!(
            ask(RecordKind::A, "a.example").await.unwrap(),
            [r#"{__address__="10.0.0.1:80", __meta_dns_name="a.example"}"#]
        );
        assert_eq!(
            ask(RecordKind::Aaaa, "aaaa.example").await.unwrap(),
            [r#"{__address__="[::1]:80", __meta_dns_name="aaaa.example"}"#]
        );
        assert_eq!(
            ask(RecordKind::Mx, "mx.example.").await.unwrap(),
            [
                r#"{__address__="m.example:80", __meta_dns_mx_record_target="m.example.", __meta_dns_name="mx.example."}"#
            ]
        );
        assert_eq!(
            ask(RecordKind::Ns, "ns.example").await.unwrap(),
            [r#"{__address__="n.example:80", __meta_dns_name="ns.example", __meta_dns_ns_record_target="n.example."}"#]
        );
        assert_eq!(ask(RecordKind::Srv, "many.example").await.unwrap().len(), 99, "by TCP");
        assert_eq!(ask(RecordKind::A, "none").await.unwrap(), Vec::<String>::new());
        assert!(ask(RecordKind::A, "broken.example").await.unwrap_err().contains("ServerFailure"));
    }
}
