//! Letting go of the past: old snapshots, and the files that only they listed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use trefoil_model::Table;

use super::database::{Arg, Session};
use super::layout::timestamp_text;
use super::{deletions, table_directory};

/// Paths handed out by one call.
pub(super) const MAX_PATHS: i64 = 10_000;

/// Forgets the snapshots that had been superseded before `older_than` and moves the files that no remaining snapshot
/// lists to `ducklake_files_scheduled_for_deletion`. The head always remains.
pub(super) async fn expire(
    session: &mut Session,
    table_ids: &[i64; 5],
    older_than: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    // The last snapshot before `older_than` was still the head at that moment, so somebody may have begun to read it then.
    let cutoff = timestamp_text(older_than);
    let sql = format!(
        "SELECT max(snapshot_id) FROM ducklake_snapshot WHERE snapshot_time < {}",
        session.cast("$1", "TIMESTAMPTZ")
    );
    let boundary = session.row(&sql, &[Arg::Text(&cutoff)]).await?.map(|row| row.get::<Option<i64>>(0)).transpose()?;
    if let Some(boundary) = boundary.flatten() {
        for table in ["ducklake_snapshot", "ducklake_snapshot_changes"] {
            session.execute(&format!("DELETE FROM {table} WHERE snapshot_id < $1"), &[Arg::Int(boundary)]).await?;
        }
    }
    let sql = "SELECT min(snapshot_id) FROM ducklake_snapshot";
    let oldest: i64 = session.row(sql, &[]).await?.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
    let now = timestamp_text(Utc::now());
    let (scheduled, yes) = (session.cast("$3", "TIMESTAMPTZ"), if session.is_postgres() { "true" } else { "1" });
    for table in Table::ALL {
        let directory = table_directory(table);
        let sql = format!(
            "INSERT INTO ducklake_files_scheduled_for_deletion(data_file_id, path, path_is_relative, schedule_start) \
             SELECT data_file_id, CAST($4 AS VARCHAR) || path, {yes}, {scheduled} FROM ducklake_data_file \
             WHERE end_snapshot <= $1 AND table_id = $2"
        );
        let table_id = table_ids[table as usize];
        let args = [Arg::Int(oldest), Arg::Int(table_id), Arg::Text(&now), Arg::Text(&directory)];
        if session.execute(&sql, &args).await? == 0 {
            continue;
        }
        for rows in ["ducklake_file_column_stats", "ducklake_file_partition_value"] {
            let sql = format!(
                "DELETE FROM {rows} WHERE data_file_id IN \
                 (SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot <= $1 AND table_id = $2)"
            );
            session.execute(&sql, &[Arg::Int(oldest), Arg::Int(table_id)]).await?;
        }
        let sql = "DELETE FROM ducklake_data_file WHERE end_snapshot <= $1 AND table_id = $2";
        session.execute(sql, &[Arg::Int(oldest), Arg::Int(table_id)]).await?;
    }
    Ok(())
}

/// Objects to delete, the longest scheduled first.
pub(super) async fn scheduled(session: &mut Session) -> Result<Vec<String>, sqlx::Error> {
    let sql = "SELECT path FROM ducklake_files_scheduled_for_deletion ORDER BY schedule_start, data_file_id LIMIT $1";
    session.rows(sql, &[Arg::Int(MAX_PATHS)]).await?.iter().map(|row| row.get(0)).collect()
}

pub(super) async fn forget(session: &mut Session, paths: &[String]) -> Result<(), sqlx::Error> {
    let sql = format!(
        "DELETE FROM ducklake_files_scheduled_for_deletion WHERE path IN (SELECT value ->> 0 FROM {})",
        session.elements("$1")
    );
    let paths: Vec<[&String; 1]> = paths.iter().map(|path| [path]).collect();
    session.execute(&sql, &[Arg::Text(&json!(paths).to_string())]).await?;
    Ok(())
}

/// Paths of all files that any snapshot lists, that are scheduled for deletion, or withheld.
pub(super) async fn referenced(session: &mut Session, table_ids: &[i64; 5]) -> Result<HashSet<String>, sqlx::Error> {
    let mut paths = HashSet::new();
    for table in Table::ALL {
        let sql = "SELECT path FROM ducklake_data_file WHERE table_id = $1";
        let directory = table_directory(table);
        for row in session.rows(sql, &[Arg::Int(table_ids[table as usize])]).await? {
            paths.insert(format!("{directory}{}", row.get::<String>(0)?));
        }
    }
    for row in session.rows("SELECT path FROM ducklake_files_scheduled_for_deletion", &[]).await? {
        paths.insert(row.get(0)?);
    }
    paths.extend(deletions::withheld_paths(session).await?);
    Ok(paths)
}
