//! Options that all of the Collector's receivers of log records have: `attributes`, `resource`, `operators`, `tenant` (ours).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use trefoil_model::{Tenancy, Tenant};

use crate::component::ComponentError;

/// `operators`: what records go through before they are handed on.
///
/// There are none yet: an empty list is read, anything else is refused by the name of its first operator. Whoever builds them holds
/// them here, and runs them where a receiver hands a record to its [`super::outlet::Outlet`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operators;

/// All that is looked at.
#[derive(Deserialize)]
struct Operator {
    #[serde(rename = "type", default)]
    kind: String,
}

impl<'de> Deserialize<'de> for Operators {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Operators;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operators")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Operators, A::Error> {
                match list.next_element::<Operator>()? {
                    None => Ok(Operators),
                    Some(Operator { kind }) => Err(de::Error::custom(format!(
                        "this receiver has no operators yet, so `{kind}` cannot run; use the processors `attributes` and `resource`"
                    ))),
                }
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Values are taken as they stand; the Collector's expressions are refused rather than stored as text.
pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    match labels.iter().find(|(_, value)| value.starts_with("EXPR(")) {
        Some((key, _)) => {
            Err(format!("`{key}` is an expression (EXPR), and there are none here; write the value itself"))
        }
        None => Ok(()),
    }
}

/// Whose the records are: their senders name no tenant.
pub fn tenant_of(tenancy: Tenancy, told: Option<&Tenant>) -> Result<Tenant, ComponentError> {
    if matches!(tenancy, Tenancy::Multi) && told.is_none() {
        let message =
            "tenants are told apart (tenancy.enabled) and these records name none, so say whose they are: tenant";
        return Err(ComponentError::new(message));
    }
    Ok(told.cloned().unwrap_or_default())
}
