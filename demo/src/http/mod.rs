//! HTTP between the services, instrumented on both sides.

mod body;
mod client;
mod failure;
mod server;

pub use body::Body;
pub use client::client;
pub use failure::Failure;
pub use server::instrumented;
