//! What receivers of log records share: the options that all of them have, records and their values, and the way of a record from the
//! receiver into a request.

pub mod gate;
pub mod options;
pub mod outlet;
pub mod retry;
pub mod size;
pub mod values;
