//! What one item (span, log record, data point) may bring along. What exceeds a limit is cut the way OpenTelemetry SDKs cut
//! it: counted in `dropped_*_count`, never an error for the rest of the item; only an oversize item is rejected as a whole.

/// The limits of [`crate::decode`]. The defaults are far above those of the SDKs (128 of everything), so that they only
/// meet mistakes and abuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request after decompression. Above it the request is malformed as a whole. At most 256 MiB, so that
    /// no column of the result can outgrow 32-bit offsets, whatever JSON escapes do to it.
    pub max_request_bytes: usize,
    /// Encoded bytes of one span, log record or data point. A larger one is rejected (partial success).
    pub max_item_bytes: usize,
    /// Attributes of one item, event, link, resource or scope. Further ones are dropped and counted in its
    /// `dropped_attributes_count`.
    pub max_attributes: usize,
    /// Bytes of an attribute's key. An attribute with a longer one is dropped and counted.
    pub max_attribute_key_bytes: usize,
    /// Bytes of an attribute's value. A longer string is cut at a character boundary (as SDKs do, it does not count as
    /// dropped); a longer value of another type is dropped and counted.
    pub max_attribute_value_bytes: usize,
    /// Levels of arrays and key-value lists inside a value. A deeper attribute is dropped and counted; a log record with a
    /// deeper body is rejected.
    pub max_nesting: usize,
    /// Events of one span. Further ones are dropped and counted in `dropped_events_count`.
    pub max_events: usize,
    /// Links of one span. Further ones are dropped and counted in `dropped_links_count`.
    pub max_links: usize,
}

impl Limits {
    /// The hard ceiling of `max_request_bytes`: JSON escapes grow text at most sixfold, which must fit 31 bits.
    pub const REQUEST_CEILING: usize = 256 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_item_bytes: 8 << 20,
            max_attributes: 10_000,
            max_attribute_key_bytes: 4 << 10,
            max_attribute_value_bytes: 1 << 20,
            max_nesting: 32,
            max_events: 10_000,
            max_links: 10_000,
        }
    }
}
