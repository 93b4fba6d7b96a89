//! What logs have beyond what OTLP says of them: how those that came by Loki's push lie in it, for who writes them and who reads them,
//! and fields of bodies that have columns.

/// The name of the scope of logs that came by Loki's push.
///
/// It says that every attribute of the resource is a label of the stream, literally: names as they are, values as text, and
/// [`SERVICE_NAME`] for the label [`SERVICE_NAME_LABEL`]. Attributes of the records are structured metadata, likewise. Without it, what
/// is a label is a matter of Loki's rules for OTLP.
pub const PUSH_SCOPE: &str = "loki.push";

/// The attribute that the label [`SERVICE_NAME_LABEL`] becomes: the store prunes and sorts by it.
pub const SERVICE_NAME: &str = "service.name";

/// Loki's label for the service.
pub const SERVICE_NAME_LABEL: &str = "service_name";

/// The attribute of the resource that a label of a stream becomes.
pub fn attribute_of_label(label: &str) -> &str {
    if label == SERVICE_NAME_LABEL { SERVICE_NAME } else { label }
}

/// The label of a stream that an attribute of the resource was.
pub fn label_of_attribute(attribute: &str) -> &str {
    if attribute == SERVICE_NAME { SERVICE_NAME_LABEL } else { attribute }
}

/// What stands before the name of a field in the name of its column: `body.level`.
pub const FIELD_PREFIX: &str = "body.";

/// Whether a column of `logs` holds a field of bodies.
pub fn is_field_column(column: &str) -> bool {
    column.starts_with(FIELD_PREFIX)
}

/// The column that says in which form columns have the fields of a body: a name of `trefoil_lines::Form`. NULL: the fields have to be read
/// from the body.
pub const FORMAT_COLUMN: &str = "body_format";

/// The column of the level that a body tells, whatever the record says: a name of `trefoil_lines::level::Level`. NULL: it was not looked for.
pub const LEVEL_COLUMN: &str = "body_level";

/// The column of the bytes of a line, `uint32`. NULL: the body is no text, or the file is from before.
pub const BYTES_COLUMN: &str = "body_bytes";

/// The column of a field of bodies.
pub fn field_column(field: &str) -> String {
    format!("{FIELD_PREFIX}{field}")
}

/// The field that a column of `logs` holds.
pub fn field_of_column(column: &str) -> Option<&str> {
    column.strip_prefix(FIELD_PREFIX)
}
