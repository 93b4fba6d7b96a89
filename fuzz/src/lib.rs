//! What several targets need.

pub mod exposition;
#[cfg(feature = "store")]
pub mod store;
