use std::time::Duration;

use tokio::net::UdpSocket;
use trefoil_pipeline::component::Component;

use crate::running::{Running, attribute, body, records, start_udp};
use crate::support::Recorder;

const UDP: &str = ",transport=\"udp\"";

async fn send(running: &Running, packets: &[&[u8]]) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for packet in packets {
        socket.send_to(packet, running.address("udp")).await.unwrap();
    }
    socket
}

#[tokio::test]
async fn packets_are_messages() {
    let recorder = Recorder::new();
    let running =
        start_udp("add_attributes: true", "protocol: rfc3164, location: Europe/Berlin", recorder.clone()).await;
    let packets: [&[u8]; 5] = [b"<14>app: one\0", b"<14>app: two\nlines\r\n", b"", b" \n\0", b"<14"];
    let socket = send(&running, &packets).await;
    let all = records(&recorder, 3).await;
    let bodies: Vec<String> = all.iter().map(body).collect();
    assert_eq!(bodies, ["<14>app: one", "<14>app: two\nlines", "<14"]);
    assert_eq!(attribute(&all[1], "message"), "two\nlines");
    assert_eq!(attribute(&all[0], "net.transport"), "IP.UDP");
    assert_eq!(attribute(&all[0], "net.peer.port"), socket.local_addr().unwrap().port().to_string());
    assert_eq!(running.metric("syslog_receiver_malformed_messages_total", UDP), 1);
    running.wait_for("receiver_accepted_log_records_total", UDP, |count| count == 3).await;
}

#[tokio::test]
async fn the_longest_packet_comes_whole() {
    let recorder = Recorder::new();
    let running = start_udp("async: {readers: 2, processors: 2}", "protocol: rfc5424", recorder.clone()).await;
    let message = format!("<14>1 - h a p i - {}", "x".repeat(60_000));
    send(&running, &[message.as_bytes()]).await;
    assert_eq!(body(&records(&recorder, 1).await[0]), message);
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_counted() {
    let recorder = Recorder::closed();
    let running = start_udp("async: {max_queue_length: 1}", "protocol: rfc3164", recorder.clone()).await;
    let dropped = || running.metric("syslog_receiver_dropped_packets_total", ",reason=\"queue_full\"");
    let mut sent = 0;
    while dropped() == 0 {
        send(&running, &[&b"<14>app: x"[..]; 100]).await;
        sent += 100;
        assert!(sent < 1_000_000, "nothing is dropped");
        tokio::task::yield_now().await;
    }
    recorder.open();
    running.wait_for("receiver_accepted_log_records_total", UDP, |count| count > 0).await;
}

#[tokio::test]
async fn what_is_too_much_together_is_dropped_and_counted() {
    let recorder = Recorder::closed();
    let running = start_udp("async: {max_queue_length: 2000}", "protocol: rfc3164", recorder.clone()).await;
    let message = format!("<14>app: {}", "x".repeat(60_000));
    let dropped = || running.metric("syslog_receiver_dropped_packets_total", ",reason=\"busy\"");
    let mut sent = 0;
    while dropped() == 0 {
        send(&running, &[message.as_bytes(); 10]).await;
        sent += 10;
        assert!(sent < 100_000, "nothing is dropped");
        tokio::task::yield_now().await;
    }
    recorder.open();
    running.wait_for("receiver_accepted_log_records_total", UDP, |count| count > 0).await;
}

#[tokio::test]
async fn a_shutdown_delivers_what_was_read() {
    let recorder = Recorder::new();
    let running = start_udp("", "protocol: rfc3164", recorder.clone()).await;
    let address = running.address("udp");
    send(&running, &[b"<14>app: x"]).await;
    records(&recorder, 1).await;
    running.receiver.shutdown(Duration::from_secs(10)).await;
    std::net::UdpSocket::bind(address).unwrap();
}
