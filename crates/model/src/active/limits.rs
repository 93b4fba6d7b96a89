//! What a tenant's series may be, and why samples are refused.

use std::collections::HashMap;
use std::fmt;

use crate::Tenant;

/// The limits of one tenant. 0 is no limit, but for times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Series that have had a sample in the last two hours.
    pub max_active_series: usize,
    /// Labels of a series (attributes of an OTLP point), its name included.
    pub max_label_names_per_series: usize,
    /// Bytes of a label's name.
    pub max_label_name_length: usize,
    /// Bytes of a label's value.
    pub max_label_value_length: usize,
    /// How many nanoseconds older than the newest of its series a sample may be.
    pub out_of_order_time_window: i64,
    /// How many nanoseconds after its arrival a sample may lie.
    pub creation_grace_period: i64,
}

impl SeriesLimits {
    /// Everything is allowed.
    pub const NONE: SeriesLimits = SeriesLimits {
        max_active_series: 0,
        max_label_names_per_series: 0,
        max_label_name_length: 0,
        max_label_value_length: 0,
        out_of_order_time_window: i64::MAX,
        creation_grace_period: i64::MAX,
    };

    /// Whether labels of so many names, the longest name and value of so many bytes are within the limits.
    #[inline]
    pub fn check_labels(&self, names: usize, longest_name: usize, longest_value: usize) -> Result<(), Reason> {
        let exceeds = |size: usize, limit: usize| limit > 0 && size > limit;
        if exceeds(names, self.max_label_names_per_series) {
            return Err(Reason::LabelNames);
        }
        if exceeds(longest_name, self.max_label_name_length) {
            return Err(Reason::LabelNameLength);
        }
        if exceeds(longest_value, self.max_label_value_length) {
            return Err(Reason::LabelValueLength);
        }
        Ok(())
    }

    /// Why a sample is refused, as people read it.
    pub fn explain(&self, reason: Reason) -> impl fmt::Display + '_ {
        Explained { limits: self, reason }
    }
}

/// Limits of all tenants: those of everybody, and of those that have their own.
#[derive(Debug, Clone)]
pub struct LimitsByTenant {
    pub everybody: SeriesLimits,
    pub tenants: HashMap<String, SeriesLimits>,
}

impl LimitsByTenant {
    pub fn none() -> Self {
        Self { everybody: SeriesLimits::NONE, tenants: HashMap::new() }
    }

    pub fn of(&self, tenant: &Tenant) -> &SeriesLimits {
        self.tenants.get(tenant.as_str()).unwrap_or(&self.everybody)
    }
}

/// Why a sample is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    SeriesLimit,
    LabelNames,
    LabelNameLength,
    LabelValueLength,
    /// Another value at the same time.
    NewValue,
    /// Older than the newest, where the window is 0.
    OutOfOrder,
    /// Older than the window allows.
    TooOld,
    TooFarInFuture,
}

impl Reason {
    pub const ALL: [Reason; 8] = [
        Reason::SeriesLimit,
        Reason::LabelNames,
        Reason::LabelNameLength,
        Reason::LabelValueLength,
        Reason::NewValue,
        Reason::OutOfOrder,
        Reason::TooOld,
        Reason::TooFarInFuture,
    ];

    /// As a label of metrics; Mimir's names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::SeriesLimit => "per_user_series_limit",
            Reason::LabelNames => "max_label_names_per_series",
            Reason::LabelNameLength => "label_name_too_long",
            Reason::LabelValueLength => "label_value_too_long",
            Reason::NewValue => "new_value_for_timestamp",
            Reason::OutOfOrder => "sample_out_of_order",
            Reason::TooOld => "sample_timestamp_too_old",
            Reason::TooFarInFuture => "sample_too_far_in_future",
        }
    }
}

struct Explained<'a> {
    limits: &'a SeriesLimits,
    reason: Reason,
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.limits;
        let seconds = |nanos: i64| nanos / 1_000_000_000;
        match self.reason {
            Reason::SeriesLimit => {
                let limit = limits.max_active_series;
                write!(f, "per-user series limit of {limit} exceeded (storage.limits.max_active_series)")
            }
            Reason::LabelNames => {
                let limit = limits.max_label_names_per_series;
                write!(
                    f,
                    "label names per series limit of {limit} exceeded (storage.limits.max_label_names_per_series)"
                )
            }
            Reason::LabelNameLength => {
                let limit = limits.max_label_name_length;
                write!(f, "label name too long: more than {limit} bytes (storage.limits.max_label_name_length)")
            }
            Reason::LabelValueLength => {
                let limit = limits.max_label_value_length;
                write!(f, "label value too long: more than {limit} bytes (storage.limits.max_label_value_length)")
            }
            Reason::NewValue => {
                write!(f, "duplicate sample for timestamp: there is another value at this time already")
            }
            Reason::OutOfOrder => write!(f, "out of order sample: the series has a newer one"),
            Reason::TooOld => {
                let window = seconds(limits.out_of_order_time_window);
                write!(
                    f,
                    "too old sample: the series has one that is more than {window} s newer \
                     (storage.limits.out_of_order_time_window)"
                )
            }
            Reason::TooFarInFuture => {
                let grace = seconds(limits.creation_grace_period);
                write!(
                    f,
                    "out of bounds: timestamp is too far in the future, by more than {grace} s \
                     (storage.limits.creation_grace_period)"
                )
            }
        }
    }
}
