use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use trefoil_model::Tenancy;
use trefoil_pipeline::Refused;
use trefoil_pipeline::component::Component;

use crate::running::{attribute, body, records, request, start_tcp, start_with, text};
use crate::support::{PATIENCE, Recorder};

const TCP: &str = ",transport=\"tcp\"";

#[tokio::test]
async fn lines_become_records() {
    let recorder = Recorder::new();
    let yaml = "{tcp: {listen_address: '127.0.0.1:0'}, protocol: rfc5424, resource: {host.name: gw}, attributes: {site: b1}, tenant: acme}";
    let running = start_with(yaml, Tenancy::Multi, recorder.clone()).await;
    let mut stream = running.connect().await;
    // In two pieces, with the break inside of a message.
    stream.write_all(b"<34>1 2003-10-11T22:14:15.003Z h su - ID47 - one\n<165>1 - h app 7 - [a b=").await.unwrap();
    records(&recorder, 1).await;
    stream.write_all(b"\"c\"] two\r\nnonsense\n").await.unwrap();
    let all = records(&recorder, 3).await;
    let bodies: Vec<String> = all.iter().map(body).collect();
    let sent = ["<34>1 2003-10-11T22:14:15.003Z h su - ID47 - one", "<165>1 - h app 7 - [a b=\"c\"] two", "nonsense"];
    assert_eq!(bodies, sent);
    assert_eq!(all[0].time_unix_nano, 1_065_910_455_003_000_000);
    assert_eq!((all[0].severity_text.as_str(), all[0].severity_number), ("crit", 18));
    assert_eq!(attribute(&all[0], "msg_id"), "ID47");
    assert_eq!(attribute(&all[1], "message"), "two");
    assert!(attribute(&all[1], "structured_data").contains("KvlistValue"));
    assert!(attribute(&all[2], "syslog.parse_error").contains("expected the priority"));
    assert!(all.iter().all(|record| record.observed_time_unix_nano > 0 && attribute(record, "site") == "b1"));
    let seen = recorder.wait_for(1).await;
    assert_eq!(seen[0].tenant.as_str(), "acme");
    let resource = request(&seen[0]).resource_logs.remove(0).resource.unwrap();
    assert_eq!(resource.attributes[0].key, "host.name");
    assert_eq!(text(resource.attributes[0].value.as_ref().and_then(|any| any.value.as_ref())), "gw");
    assert_eq!(running.metric("syslog_receiver_malformed_messages_total", TCP), 1);
    running.wait_for("receiver_accepted_log_records_total", TCP, |count| count == 3).await;
    assert_eq!(running.metric("tcp_input_active_connections", ""), 1);
    drop(stream);
    running.wait_for("tcp_input_active_connections", "", |count| count == 0).await;
}

#[tokio::test]
async fn counts_and_trailers_may_be_mixed() {
    let recorder = Recorder::new();
    let running = start_tcp("", "protocol: rfc5424, enable_octet_counting: true", recorder.clone()).await;
    running.send(b"22 <34>1 - h a p i - one\n<34>1 - h a p i - two\n23 <34>1 - h a p i - a\nb c").await;
    let messages: Vec<String> = records(&recorder, 3).await.iter().map(|record| attribute(record, "message")).collect();
    assert_eq!(messages, ["one", "two", "a\nb c"]);
}

#[tokio::test]
async fn a_handler_that_ends_messages_with_nul_is_understood() {
    let recorder = Recorder::new();
    let running = start_tcp("", "protocol: rfc3164", recorder.clone()).await;
    running.send(b"<14>app: one\0<14>app: two\nlines\0").await;
    let all = records(&recorder, 3).await;
    assert_eq!(attribute(&all[0], "message"), "one");
    assert!(attribute(&all[2], "syslog.parse_error").contains("expected the priority"));

    let recorder = Recorder::new();
    let trailer = "protocol: rfc3164, non_transparent_framing_trailer: NUL";
    let running = start_tcp("", trailer, recorder.clone()).await;
    running.send(b"<14>app: one\0<14>app: two\nlines\0").await;
    let messages: Vec<String> = records(&recorder, 2).await.iter().map(|record| attribute(record, "message")).collect();
    assert_eq!(messages, ["one", "two\nlines"]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
    let recorder = Recorder::new();
    let running = start_tcp("max_log_size: 64KiB", "protocol: rfc3164", recorder.clone()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"<14>app: ").await.unwrap();
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        stream.write_all(&megabyte).await.unwrap();
    }
    stream.write_all(b"\n<14>app: short\n").await.unwrap();
    let all = records(&recorder, 2).await;
    assert_eq!(body(&all[0]).len(), 64 << 10);
    assert_eq!((attribute(&all[0], "appname"), attribute(&all[0], "syslog.truncated")), ("app".into(), "true".into()));
    assert_eq!(
        (attribute(&all[1], "message"), attribute(&all[1], "syslog.truncated")),
        ("short".into(), String::new())
    );
    assert_eq!(running.metric("syslog_receiver_truncated_messages_total", TCP), 1);
}

#[tokio::test]
async fn all_of_a_connection_can_be_one_message() {
    let recorder = Recorder::new();
    let running = start_tcp("one_log_per_packet: true", "protocol: rfc3164", recorder.clone()).await;
    running.send(b"<14>app: one\ntwo\n").await;
    assert_eq!(attribute(&records(&recorder, 1).await[0], "message"), "one\ntwo");
}

#[tokio::test]
async fn addresses_are_added_where_they_are_wanted() {
    let recorder = Recorder::new();
    let running = start_tcp("add_attributes: true", "protocol: rfc3164", recorder.clone()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"<14>x\n").await.unwrap();
    let record = &records(&recorder, 1).await[0];
    let local = stream.local_addr().unwrap();
    let expected = [
        ("net.transport", "IP.TCP".to_owned()),
        ("net.peer.ip", "127.0.0.1".to_owned()),
        ("net.peer.name", "127.0.0.1".to_owned()),
        ("net.peer.port", local.port().to_string()),
        ("net.host.ip", "127.0.0.1".to_owned()),
        ("net.host.name", "127.0.0.1".to_owned()),
        ("net.host.port", running.address("tcp").port().to_string()),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(record, key), value, "{key}");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let recorder = Recorder::new();
    let running = start_tcp("max_connections: 1", "protocol: rfc3164", recorder.clone()).await;
    let first = running.connect().await;
    running.wait_for("tcp_input_active_connections", "", |count| count == 1).await;
    let mut second = running.connect().await;
    let ended = tokio::time::timeout(PATIENCE, second.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(running.metric("tcp_input_refused_connections_total", ""), 1);
    drop(first);
    running.wait_for("tcp_input_active_connections", "", |count| count == 0).await;
    running.send(b"<14>x\n").await;
    records(&recorder, 1).await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_where_that_is_wanted() {
    let recorder = Recorder::new();
    let running = start_tcp("connection_idle_timeout: 50ms", "protocol: rfc3164", recorder.clone()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"<14>the end never comes").await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    // What came is kept.
    assert_eq!(attribute(&records(&recorder, 1).await[0], "message"), "the end never comes");
}

#[tokio::test]
async fn senders_wait_while_the_pipelines_do() {
    let recorder = Recorder::closed();
    let running = start_tcp("", "protocol: rfc3164", recorder.clone()).await;
    let mut stream = running.connect().await;
    let line = format!("<14>app: {}\n", "x".repeat(4086));
    let all = line.repeat(16_384);
    let mut sent = Box::pin(async move {
        stream.write_all(all.as_bytes()).await.unwrap();
        stream
    });
    let first = recorder.wait_for(8);
    tokio::select! {
        _ = &mut sent => panic!("64 MiB were read though nothing of them was taken"),
        _ = first => {}
    }
    let stalled = tokio::time::timeout(Duration::from_secs(1), &mut sent).await;
    assert!(stalled.is_err(), "64 MiB were read though nothing of them was taken");
    assert_eq!(recorder.seen.lock().len(), 8);
    recorder.open();
    tokio::time::timeout(PATIENCE, sent).await.unwrap();
    running.wait_for("receiver_accepted_log_records_total", TCP, |count| count == 16_384).await;
}

#[tokio::test]
async fn what_is_refused_is_gone_unless_it_is_to_be_sent_again() {
    let refusing = || Recorder::answering([Err(Refused::unavailable("disk full"))]);
    let recorder = refusing();
    let running = start_tcp("", "protocol: rfc3164", recorder.clone()).await;
    running.send(b"<14>x\n").await;
    running.wait_for("receiver_refused_log_records_total", TCP, |count| count == 1).await;
    assert_eq!(recorder.seen.lock().len(), 1);

    let recorder = refusing();
    let retry = "protocol: rfc3164, retry_on_failure: {enabled: true, initial_interval: 5ms}";
    let running = start_tcp("", retry, recorder.clone()).await;
    running.send(b"<14>x\n").await;
    assert_eq!(recorder.wait_for(2).await.len(), 2);
    running.wait_for("receiver_accepted_log_records_total", TCP, |count| count == 1).await;
    assert_eq!(running.metric("receiver_refused_log_records_total", TCP), 0);
}

#[tokio::test]
async fn a_shutdown_delivers_what_was_read_and_ends_in_time() {
    let recorder = Recorder::new();
    let running = start_tcp("", "protocol: rfc3164", recorder.clone()).await;
    let address = running.address("tcp");
    let mut stream = running.connect().await;
    stream.write_all(b"<14>one\n<14>unfinished").await.unwrap();
    records(&recorder, 1).await;
    running.receiver.shutdown(PATIENCE).await;
    assert_eq!(attribute(&records(&recorder, 2).await[1], "message"), "unfinished");
    assert_eq!(running.receiver.address("tcp"), None);
    std::net::TcpListener::bind(address).unwrap();

    let recorder = Recorder::closed();
    let running = start_tcp("", "protocol: rfc3164", recorder.clone()).await;
    running.send(b"<14>one\n").await;
    recorder.wait_for(1).await;
    running.receiver.shutdown(Duration::from_millis(10)).await;
    assert_eq!(running.metric("receiver_refused_log_records_total", TCP), 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_and_frees_the_other() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml =
        format!("{{tcp: {{listen_address: '127.0.0.1:0'}}, udp: {{listen_address: '{address}'}}, protocol: rfc3164}}");
    let config = crate::configuration::parse(&yaml).unwrap();
    let metrics = trefoil_pipeline::Metrics::default();
    let downstream = crate::support::to_all(Recorder::new());
    let receiver = trefoil_pipeline::receivers::syslog::SyslogReceiver::new(
        &config,
        Tenancy::Single,
        downstream,
        &metrics,
        "syslog",
    )
    .unwrap();
    let error = receiver.start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("udp: cannot listen on {address}: the address is in use")), "{error}");
    assert!(receiver.address("tcp").is_none() && receiver.address("udp").is_none());
}

#[tokio::test]
async fn records_go_through_operators() {
    let recorder = Recorder::new();
    let options = "protocol: rfc5424, resource: {env: test}, operators: [
        {type: filter, expr: 'attributes.appname == \"noise\"'},
        {type: regex_parser, parse_from: attributes.message, regex: 'took (?P<took>\\d+)ms', on_error: send_quiet},
        {type: add, field: 'resource[\"service.name\"]', value: 'EXPR(attributes.appname)'}]";
    let running = start_tcp("", options, recorder.clone()).await;
    running.send(b"<13>1 - h shop - - - it took 7ms\n<13>1 - h noise - - - no\n<13>1 - h cart - - - other\n").await;
    running.wait_for("receiver_accepted_log_records_total", TCP, |count| count == 2).await;
    running.receiver.shutdown(PATIENCE).await;
    let mut seen = Vec::new();
    for group in recorder.wait_for(1).await.iter().flat_map(|telemetry| request(telemetry).resource_logs) {
        let resource = group.resource.unwrap().attributes;
        let named = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str| {
            let found = attributes.iter().find(|attribute| attribute.key == key);
            text(found.and_then(|found| found.value.as_ref()).and_then(|value| value.value.as_ref()))
        };
        for record in &group.scope_logs[0].log_records {
            let of_record = named(&record.attributes, "took");
            seen.push((named(&resource, "env"), named(&resource, "service.name"), of_record, record.severity_number));
        }
    }
    let line = |service: &str, took: &str| ("test".to_owned(), service.to_owned(), took.to_owned(), 10);
    assert_eq!(seen, [line("shop", "7"), line("cart", "")]);
}

#[tokio::test]
async fn what_operators_hold_comes_out_in_time_and_at_the_end() {
    let recorder = Recorder::new();
    let operators = |timeout: &str| {
        format!(
            "protocol: rfc5424, operators: [{{type: recombine, combine_field: attributes.message, force_flush_period: {timeout}, \
             is_first_entry: 'attributes.message startsWith \"new\"'}}]"
        )
    };
    let messages = |record: &opentelemetry_proto::tonic::logs::v1::LogRecord| {
        let found = record.attributes.iter().find(|attribute| attribute.key == "message");
        text(found.and_then(|found| found.value.as_ref()).and_then(|value| value.value.as_ref()))
    };
    let sent = b"<13>1 - h a - - - new 1\n<13>1 - h a - - - more\n<13>1 - h a - - - new 2\n";
    let running = start_tcp("", &operators("50ms"), recorder.clone()).await;
    running.send(sent).await;
    let all: Vec<String> = records(&recorder, 2).await.iter().map(messages).collect();
    assert_eq!(all, ["new 1\nmore", "new 2"]);
    running.receiver.shutdown(PATIENCE).await;

    let recorder = Recorder::new();
    let running = start_tcp("", &operators("1h"), recorder.clone()).await;
    running.send(sent).await;
    assert_eq!(records(&recorder, 1).await.iter().map(messages).collect::<Vec<_>>(), ["new 1\nmore"]);
    running.receiver.shutdown(PATIENCE).await;
    let all: Vec<String> = records(&recorder, 2).await.iter().map(messages).collect();
    assert_eq!(all, ["new 1\nmore", "new 2"]);
}
