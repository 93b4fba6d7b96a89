//! How logs that came by Loki's push lie in OTLP, for who writes them and who reads them.

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
