//! What tenants set for themselves. All processes on a catalog see the same.

use chrono::Utc;
use futures::FutureExt;
use trefoil_model::Tenant;

use super::Catalog;
use super::database::{Arg, Session};
use super::error::CatalogError;
use super::retry::retry;

/// The text of a setting, and which writing of it that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub version: i64,
    pub value: String,
}

/// The setting is of another version than the caller thought; `None`: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherVersion(pub Option<i64>);

impl Catalog {
    pub async fn setting(&self, tenant: &Tenant, name: &str) -> Result<Option<Setting>, CatalogError> {
        let database = &self.inner.database;
        retry(database, |_| {
            async move {
                let mut session = database.read().await?;
                let sql = "SELECT version, value FROM trefoil_tenant_settings WHERE tenant = $1 AND name = $2";
                let row = session.row(sql, &[Arg::Text(tenant.as_str()), Arg::Text(name)]).await?;
                Ok(row
                    .map(|row| Ok::<_, sqlx::Error>(Setting { version: row.get(0)?, value: row.get(1)? }))
                    .transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// Those of all tenants. One whose tenant is none (any more) is left out.
    pub async fn settings(&self, name: &str) -> Result<Vec<(Tenant, Setting)>, CatalogError> {
        let database = &self.inner.database;
        let rows = retry(database, |_| {
            async move {
                let mut session = database.read().await?;
                let sql = "SELECT tenant, version, value FROM trefoil_tenant_settings WHERE name = $1";
                let rows = session.rows(sql, &[Arg::Text(name)]).await?;
                let read = rows.iter().map(|row| {
                    let setting = Setting { version: row.get(1)?, value: row.get(2)? };
                    Ok::<(String, Setting), sqlx::Error>((row.get(0)?, setting))
                });
                Ok(read.collect::<Result<Vec<_>, _>>()?)
            }
            .boxed()
        })
        .await?;
        Ok(rows.into_iter().filter_map(|(tenant, setting)| Some((Tenant::new(&tenant).ok()?, setting))).collect())
    }

    /// Sets it in place of the version `instead_of`, `None` where there is none yet. The new version.
    pub async fn set(
        &self,
        tenant: &Tenant,
        name: &str,
        value: &str,
        instead_of: Option<i64>,
    ) -> Result<Result<i64, OtherVersion>, CatalogError> {
        let database = &self.inner.database;
        let now = Utc::now().timestamp_micros();
        retry(database, |_| {
            async move {
                let mut session = database.write().await?;
                let present = version(&mut session, tenant, name).await?;
                if present != instead_of {
                    return Ok(Err(OtherVersion(present)));
                }
                // Also behind one that was deleted in between, whose number nobody knows any more.
                let next = present.map_or(now, |present| now.max(present.saturating_add(1)));
                remove(&mut session, tenant, name).await?;
                let sql = "INSERT INTO trefoil_tenant_settings (tenant, name, version, value) VALUES ($1, $2, $3, $4)";
                let args = [Arg::Text(tenant.as_str()), Arg::Text(name), Arg::Int(next), Arg::Text(value)];
                session.execute(sql, &args).await?;
                session.commit().await?;
                Ok(Ok(next))
            }
            .boxed()
        })
        .await
    }

    /// Removes it, if it is of that version.
    pub async fn unset(
        &self,
        tenant: &Tenant,
        name: &str,
        expected: i64,
    ) -> Result<Result<(), OtherVersion>, CatalogError> {
        let database = &self.inner.database;
        retry(database, |_| {
            async move {
                let mut session = database.write().await?;
                let present = version(&mut session, tenant, name).await?;
                if present != Some(expected) {
                    return Ok(Err(OtherVersion(present)));
                }
                remove(&mut session, tenant, name).await?;
                session.commit().await?;
                Ok(Ok(()))
            }
            .boxed()
        })
        .await
    }
}

async fn version(session: &mut Session, tenant: &Tenant, name: &str) -> Result<Option<i64>, sqlx::Error> {
    let sql = "SELECT version FROM trefoil_tenant_settings WHERE tenant = $1 AND name = $2";
    let row = session.row(sql, &[Arg::Text(tenant.as_str()), Arg::Text(name)]).await?;
    row.map(|row| row.get(0)).transpose()
}

async fn remove(session: &mut Session, tenant: &Tenant, name: &str) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM trefoil_tenant_settings WHERE tenant = $1 AND name = $2";
    session.execute(sql, &[Arg::Text(tenant.as_str()), Arg::Text(name)]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn catalog(directory: &std::path::Path) -> Catalog {
        let url = format!("sqlite:{}", directory.join("catalog.sqlite").display());
        Catalog::open(&url, &directory.join("data").display().to_string()).await.unwrap()
    }

    #[tokio::test]
    async fn a_setting_is_changed_only_by_who_knows_it() {
        let directory = tempfile::tempdir().unwrap();
        let (catalog, other) = (catalog(directory.path()).await, Tenant::new("other").unwrap());
        let tenant = Tenant::new("one").unwrap();
        assert_eq!(catalog.setting(&tenant, "x").await.unwrap(), None);
        assert_eq!(catalog.set(&tenant, "x", "a", Some(5)).await.unwrap(), Err(OtherVersion(None)));
        let first = catalog.set(&tenant, "x", "a", None).await.unwrap().unwrap();
        assert_eq!(catalog.set(&tenant, "x", "b", None).await.unwrap(), Err(OtherVersion(Some(first))));
        let second = catalog.set(&tenant, "x", "b", Some(first)).await.unwrap().unwrap();
        assert!(second > first);
        let setting = Setting { version: second, value: "b".into() };
        assert_eq!(catalog.setting(&tenant, "x").await.unwrap(), Some(setting.clone()));
        assert_eq!(catalog.setting(&other, "x").await.unwrap(), None);
        assert_eq!(catalog.setting(&tenant, "y").await.unwrap(), None);
        assert_eq!(catalog.settings("x").await.unwrap(), [(tenant.clone(), setting)]);
        assert_eq!(catalog.unset(&tenant, "x", first).await.unwrap(), Err(OtherVersion(Some(second))));
        assert_eq!(catalog.unset(&tenant, "x", second).await.unwrap(), Ok(()));
        assert_eq!(catalog.unset(&tenant, "x", second).await.unwrap(), Err(OtherVersion(None)));
        let third = catalog.set(&tenant, "x", "c", None).await.unwrap().unwrap();
        assert!(third >= second);
    }

    #[tokio::test]
    async fn settings_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let tenant = Tenant::default();
        catalog(directory.path()).await.set(&tenant, "x", "kept", None).await.unwrap().unwrap();
        let again = catalog(directory.path()).await;
        assert_eq!(again.setting(&tenant, "x").await.unwrap().unwrap().value, "kept");
    }
}
