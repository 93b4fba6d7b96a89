//! Whose data it is. Every row, file and scan belongs to exactly one tenant.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The HTTP header and gRPC metadata key that names the tenant (Loki, Tempo and Mimir agree on it).
pub const TENANT_HEADER: &str = "x-scope-orgid";

/// The tenant of every request while multi-tenancy is switched off.
pub const DEFAULT_TENANT: &str = "default";

const MAX_LENGTH: usize = 150;

/// A validated tenant id: 1 to 150 characters of `[A-Za-z0-9!-_.*'()]`, never `.` or `..`, so that it is safe as one
/// path segment (the rules of Mimir, Loki and Tempo).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTenant {
    #[error("the tenant id is empty")]
    Empty,
    #[error("the tenant id has {0} characters, more than the limit of {MAX_LENGTH}")]
    TooLong(usize),
    #[error("the tenant id contains the unsupported character {0:?}")]
    Character(char),
    #[error("the tenant id is '.' or '..'")]
    PathLike,
}

impl Tenant {
    pub fn new(id: &str) -> Result<Self, InvalidTenant> {
        if id.is_empty() {
            return Err(InvalidTenant::Empty);
        }
        if id.len() > MAX_LENGTH {
            return Err(InvalidTenant::TooLong(id.chars().count()));
        }
        if let Some(unsupported) = id.chars().find(|&c| !is_allowed(c)) {
            return Err(InvalidTenant::Character(unsupported));
        }
        if id == "." || id == ".." {
            return Err(InvalidTenant::PathLike);
        }
        Ok(Self(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self(DEFAULT_TENANT.into())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether requests must say whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tenancy {
    /// Everything belongs to [`DEFAULT_TENANT`]; the tenant header is not looked at.
    #[default]
    Single,
    /// Every request names its tenant in [`TENANT_HEADER`].
    Multi,
}

/// Why a request has no tenant: 401 over HTTP, `UNAUTHENTICATED` over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoTenant {
    #[error("no org id: multi-tenancy is on, so the request must name its tenant in X-Scope-OrgID")]
    Missing,
    #[error("X-Scope-OrgID: {0}")]
    Invalid(#[from] InvalidTenant),
}

impl Tenancy {
    /// The tenant of a request with this value of [`TENANT_HEADER`].
    pub fn resolve(self, header: Option<&str>) -> Result<Tenant, NoTenant> {
        match self {
            Tenancy::Single => Ok(Tenant::default()),
            Tenancy::Multi => Ok(Tenant::new(header.ok_or(NoTenant::Missing)?)?),
        }
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!-_.*'()".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_mimir_accepts() {
        for id in ["acme-books", "a", "A_1.b*'()!", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(Tenant::new(id).map(|t| t.to_string()), Ok(id.to_string()));
        }
    }

    #[test]
    fn tenancy_decides_whether_the_header_counts() {
        assert_eq!(Tenancy::Single.resolve(Some("acme")), Ok(Tenant::default()));
        assert_eq!(Tenancy::Multi.resolve(Some("acme")), Ok(Tenant::new("acme").unwrap()));
        assert_eq!(Tenancy::Multi.resolve(None), Err(NoTenant::Missing));
        assert_eq!(Tenancy::Multi.resolve(Some("a/b")), Err(NoTenant::Invalid(InvalidTenant::Character('/'))));
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(Tenant::new(""), Err(InvalidTenant::Empty));
        assert_eq!(Tenant::new(".."), Err(InvalidTenant::PathLike));
        assert_eq!(Tenant::new("a/b"), Err(InvalidTenant::Character('/')));
        assert_eq!(Tenant::new("a|b"), Err(InvalidTenant::Character('|')));
        assert_eq!(Tenant::new(&"x".repeat(151)), Err(InvalidTenant::TooLong(151)));
    }
}
