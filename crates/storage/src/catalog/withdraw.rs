//! Taking back a commit of which nobody knows whether it happened.
//!
//! The writer's log position tells: a commit moves it in the same transaction, and refuses to do anything when it is there
//! already. So to move it without the files is to forbid the commit, should it still be on its way.

use serde_json::json;

use super::change::{Change, FileId};
use super::commit::{self, Failure};
use super::database::{Arg, Session};

/// What became of a commit that was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// It had not happened, and cannot happen any more.
    Prevented,
    /// It had happened; its files are not listed any more.
    Undone {
        /// Files that somebody else had replaced (compaction) or dropped (retention) by then. Replaced ones live on in
        /// others, with rows that cannot be told apart any more.
        replaced: usize,
    },
}

pub(super) async fn withdraw(
    session: &mut Session,
    table_ids: &[i64; 5],
    writer: &str,
    position: u64,
    paths: &[String],
) -> Result<Withdrawn, Failure> {
    let token = format!("withdrawn:{writer}:{position}");
    if commit::recorded_position(session, writer, position).await? != Some(position) {
        let forbid = Change { log_position: Some((writer.to_string(), position)), ..Change::default() };
        commit::apply(session, &forbid, table_ids, &token).await?;
        return Ok(Withdrawn::Prevented);
    }
    let (live, ended) = listed(session, paths).await?;
    if live.is_empty() && ended == 0 {
        // Forbidden before, and the answer got lost.
        return Ok(Withdrawn::Prevented);
    }
    if commit::find(session, &token).await?.is_some() {
        return Ok(Withdrawn::Undone { replaced: 0 });
    }
    let undo = Change { remove: live, ..Change::default() };
    commit::apply(session, &undo, table_ids, &token).await?;
    Ok(Withdrawn::Undone { replaced: ended })
}

/// Those of the files that are live, and how many were.
async fn listed(session: &mut Session, paths: &[String]) -> Result<(Vec<FileId>, usize), Failure> {
    // The catalog's paths are relative to the tables' directories; the names are unique.
    let names: Vec<[&str; 1]> = paths.iter().map(|path| [path.splitn(3, '/').last().unwrap_or_default()]).collect();
    let sql = format!(
        "SELECT data_file_id, CAST(CASE WHEN end_snapshot IS NULL THEN 1 ELSE 0 END AS BIGINT) FROM ducklake_data_file \
         WHERE path IN (SELECT value ->> 0 FROM {})",
        session.elements("$1")
    );
    let (mut live, mut ended) = (Vec::new(), 0);
    for row in session.rows(&sql, &[Arg::Text(&json!(names).to_string())]).await? {
        match row.get::<i64>(1)? {
            1 => live.push(FileId(row.get(0)?)),
            _ => ended += 1,
        }
    }
    Ok((live, ended))
}
