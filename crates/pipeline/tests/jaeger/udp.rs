use std::time::Duration;

use tokio::net::UdpSocket;
use trefoil_jaeger::thrift::{Protocol, write_emit_batch};
use trefoil_model::Tenancy;
use trefoil_pipeline::Refused;
use trefoil_pipeline::component::Component;

use crate::running::{Running, batch, check, span, start, start_with};
use crate::support::{PATIENCE, Recorder, to_all};

const COMPACT: &str = "thrift_compact";

async fn send(running: &Running, protocol: &str, packet: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(packet, running.address(protocol)).await.unwrap();
}

fn packet() -> Vec<u8> {
    write_emit_batch(Protocol::Compact, &batch()).unwrap()
}

fn dropped(reason: &str) -> String {
    format!(
        r#"otelcol_jaeger_receiver_thrift_pkt_dropped_total{{receiver="jaeger",transport="udp_thrift_compact",reason="{reason}"}}"#
    )
}

async fn wait_for(running: &Running, series: &str, count: u64) {
    let reached = async {
        while running.metric(series) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{series}"));
    assert_eq!(running.metric(series), count, "{series}");
}

#[tokio::test]
async fn packets_of_both_protocols_are_taken() {
    let recorder = Recorder::new();
    let yaml = "{protocols: {thrift_compact: {endpoint: '127.0.0.1:0', socket_buffer_size: 100000},
        thrift_binary: {endpoint: '127.0.0.1:0'}}, tenant: acme}";
    let running = start_with(yaml, Tenancy::Multi, to_all(recorder.clone())).await;
    send(&running, COMPACT, &packet()).await;
    recorder.wait_for(1).await;
    send(&running, "thrift_binary", &write_emit_batch(Protocol::Binary, &batch()).unwrap()).await;
    for telemetry in recorder.wait_for(2).await {
        check(&telemetry);
        assert_eq!(telemetry.tenant.as_str(), "acme");
    }
    for transport in ["udp_thrift_compact", "udp_thrift_binary"] {
        let labels = format!(r#"{{receiver="jaeger",transport="{transport}"}}"#);
        wait_for(&running, &format!("otelcol_jaeger_receiver_thrift_pkt_processed_total{labels}"), 1).await;
        assert_eq!(running.metric(&format!("otelcol_receiver_accepted_spans_total{labels}")), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_the_rest_goes_on() {
    let recorder = Recorder::new();
    let running = start(COMPACT, "max_packet_size: 1000", recorder.clone()).await;
    send(&running, COMPACT, b"nonsense").await;
    send(&running, COMPACT, b"").await;
    send(&running, COMPACT, &write_emit_batch(Protocol::Binary, &batch()).unwrap()).await;
    wait_for(&running, &dropped("malformed"), 3).await;
    send(&running, COMPACT, &[0; 1001]).await;
    send(&running, COMPACT, &[0; 20_000]).await;
    wait_for(&running, &dropped("too_large"), 2).await;
    send(&running, COMPACT, &packet()).await;
    recorder.wait_for(1).await;
    let failures =
        r#"otelcol_receiver_requests_total{receiver="jaeger",transport="udp_thrift_compact",outcome="failure"}"#;
    assert_eq!(running.metric(failures), 3);
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_counted() {
    let recorder = Recorder::closed();
    let running = start(COMPACT, "queue_size: 2, workers: 1", recorder.clone()).await;
    send(&running, COMPACT, &packet()).await;
    recorder.wait_for(1).await;
    // One is with the pipelines, two wait, and there is no room for three more.
    for _ in 0..5 {
        send(&running, COMPACT, &packet()).await;
    }
    wait_for(&running, &dropped("queue_full"), 3).await;
    recorder.open();
    assert_eq!(recorder.wait_for(3).await.len(), 3);
}

#[tokio::test]
async fn what_the_pipelines_refuse_is_gone_and_counted() {
    let recorder = Recorder::answering([Err(Refused::unavailable("disk full"))]);
    let running = start(COMPACT, "", recorder.clone()).await;
    send(&running, COMPACT, &packet()).await;
    wait_for(&running, &dropped("refused"), 1).await;
    let refused = r#"otelcol_receiver_refused_spans_total{receiver="jaeger",transport="udp_thrift_compact"}"#;
    assert_eq!(running.metric(refused), 1);
    send(&running, COMPACT, &packet()).await;
    assert_eq!(span(&recorder.wait_for(2).await[1]).name, "get");
}

#[tokio::test]
async fn a_shutdown_delivers_what_was_read_or_refuses_it_in_time() {
    let recorder = Recorder::closed();
    let running = start(COMPACT, "workers: 1", recorder.clone()).await;
    let address = running.address(COMPACT);
    send(&running, COMPACT, &packet()).await;
    recorder.wait_for(1).await;
    running.receiver.shutdown(Duration::from_millis(10)).await;
    assert_eq!(running.metric(&dropped("refused")), 1);
    std::net::UdpSocket::bind(address).unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_and_frees_the_others() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = format!(
        "protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, thrift_compact: {{endpoint: '127.0.0.1:0'}}, thrift_binary: {{endpoint: '{address}'}}}}"
    );
    let config = crate::configuration::parse(&yaml).unwrap();
    let metrics = trefoil_pipeline::Metrics::default();
    let downstream = to_all(Recorder::new());
    let receiver = trefoil_pipeline::receivers::jaeger::JaegerReceiver::new(
        &config,
        Tenancy::Single,
        downstream,
        &metrics,
        "jaeger",
    );
    let receiver = receiver.unwrap();
    let error = receiver.start().await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("protocols.thrift_binary: cannot listen on {address}: the address is in use")),
        "{error}"
    );
    assert!(receiver.address("grpc").is_none() && receiver.address(COMPACT).is_none());
}
