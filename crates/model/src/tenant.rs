//! Whose data it is. Every row, file and scan belongs to exactly one tenant.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The HTTP header and gRPC metadata key that names the tenant (Loki, Tempo and Mimir agree on it).
pub const TENANT_HEADER: &str = "x-scope-orgid";

/// The tenant of every request while multi-tenancy is switched off.
pub const DEFAULT_TENANT: &str = "default";

const MAX_LENGTH: usize = 150;
/// Of one question.
const MAX_TENANTS: usize = 64;
/// Between the tenants of a question about several.
const SEPARATOR: char = '|';

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

/// Whose data a question is about: one tenant's, or that of several, sorted and each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenants(Vec<Tenant>);

impl Tenants {
    /// The tenant of a question about one.
    pub fn only(&self) -> Option<&Tenant> {
        match self.0.as_slice() {
            [tenant] => Some(tenant),
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Tenant> {
        self.0.iter()
    }
}

impl From<&Tenant> for Tenants {
    fn from(tenant: &Tenant) -> Self {
        Self(vec![tenant.clone()])
    }
}

impl From<&Tenants> for Tenants {
    fn from(tenants: &Tenants) -> Self {
        tenants.clone()
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
    #[error("X-Scope-OrgID: it names {0} tenants, more than the limit of {MAX_TENANTS}")]
    TooMany(usize),
}

impl Tenancy {
    /// The tenant of a request with this value of [`TENANT_HEADER`].
    pub fn resolve(self, header: Option<&str>) -> Result<Tenant, NoTenant> {
        match self {
            Tenancy::Single => Ok(Tenant::default()),
            Tenancy::Multi => Ok(Tenant::new(header.ok_or(NoTenant::Missing)?)?),
        }
    }

    /// The tenants of a question that may be about several, with `|` between them.
    pub fn resolve_all(self, header: Option<&str>) -> Result<Tenants, NoTenant> {
        if self == Tenancy::Single {
            return Ok(Tenants(vec![Tenant::default()]));
        }
        let named = header.ok_or(NoTenant::Missing)?.split(SEPARATOR);
        let mut tenants = named.map(Tenant::new).collect::<Result<Vec<_>, _>>()?;
        tenants.sort();
        tenants.dedup();
        match tenants.len() {
            0..=MAX_TENANTS => Ok(Tenants(tenants)),
            more => Err(NoTenant::TooMany(more)),
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
    fn a_question_can_be_about_several() {
        let resolved = |header: &str| {
            let tenants = Tenancy::Multi.resolve_all(Some(header))?;
            Ok(tenants.iter().map(Tenant::to_string).collect::<Vec<_>>().join(","))
        };
        assert_eq!(resolved("acme"), Ok("acme".to_owned()));
        assert_eq!(resolved("shop|acme|shop"), Ok("acme,shop".to_owned()));
        assert_eq!(resolved("acme|"), Err(NoTenant::Invalid(InvalidTenant::Empty)));
        assert_eq!(resolved("acme|a/b"), Err(NoTenant::Invalid(InvalidTenant::Character('/'))));
        let named = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
        assert!(resolved(&named(MAX_TENANTS)).is_ok());
        assert_eq!(resolved(&named(MAX_TENANTS + 1)), Err(NoTenant::TooMany(MAX_TENANTS + 1)));
        assert_eq!(Tenancy::Multi.resolve_all(None), Err(NoTenant::Missing));
        assert_eq!(Tenancy::Single.resolve_all(Some("a|b")), Ok(Tenants::from(&Tenant::default())));
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
