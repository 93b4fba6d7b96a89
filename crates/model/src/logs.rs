//! What logs have beyond what OTLP says of them.

/// What stands before the name of a field in the name of its column: `body.level`.
pub const FIELD_PREFIX: &str = "body.";

/// Whether a column of `logs` holds a field of bodies.
pub fn is_field_column(column: &str) -> bool {
    column.starts_with(FIELD_PREFIX)
}
