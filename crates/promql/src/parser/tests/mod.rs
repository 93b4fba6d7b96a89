mod errors;
mod limits;
mod metrics;
mod printed;
mod properties;
