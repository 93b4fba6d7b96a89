//! Where OTLP is taken, told by the graph and read by whoever tells people where to send.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// One socket of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// As the receiver's configuration names it: `grpc`, `http`.
    pub protocol: &'static str,
    /// As it was bound: an unspecified address (`0.0.0.0`) is every address of the machine.
    pub address: SocketAddr,
}

/// The sockets of the first `otlp` receiver that a pipeline names, now: a reload may change them. Cheap to clone; all
/// clones see the same.
#[derive(Debug, Clone, Default)]
pub struct OtlpListening(Arc<ArcSwap<Vec<Listening>>>);

impl OtlpListening {
    /// The address for a protocol, if it is taken anywhere.
    pub fn address(&self, protocol: &str) -> Option<SocketAddr> {
        self.0.load().iter().find(|listening| listening.protocol == protocol).map(|listening| listening.address)
    }

    pub(crate) fn set(&self, sockets: Vec<Listening>) {
        self.0.store(Arc::new(sockets));
    }
}
