//! Series that are counted up in memory and told of from time to time.

mod batches;
mod exponential;
mod histogram;
mod outlet;
mod table;
mod tenants;

pub use batches::{Batches, MOST_POINTS};
pub use histogram::{Buckets, Head, Histogram, Points, number_point};
pub use outlet::Outlet;
pub use table::{Exemplars, Hashing, Room, Series, Table};
pub use tenants::Tenants;
