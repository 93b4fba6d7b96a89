//! `add_attributes`: the attributes `net.*`, which tell who talks to whom, by the Collector's names.
//!
//! `net.peer.name` and `net.host.name` are the addresses, too: nothing is looked up.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::receivers::log_records::values::{member, string};

/// `transport` is `IP.TCP` or `IP.UDP`.
pub fn addresses(transport: &'static str, peer: SocketAddr, host: Option<SocketAddr>) -> Vec<KeyValue> {
    let of = |side: &str, address: SocketAddr| {
        // An IPv4 peer of a socket that takes both is an IPv4 address.
        let ip = address.ip().to_canonical().to_string();
        [
            member(format!("net.{side}.ip"), string(ip.clone())),
            member(format!("net.{side}.port"), string(address.port().to_string())),
            member(format!("net.{side}.name"), string(ip)),
        ]
    };
    let mut attributes = vec![member("net.transport", string(transport))];
    attributes.extend(of("peer", peer));
    attributes.extend(host.into_iter().flat_map(|host| of("host", host)));
    attributes
}
