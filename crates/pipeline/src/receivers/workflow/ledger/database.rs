//! The tables, and what is done in them.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{Connection, Row, Sqlite, Transaction};
use trefoil_model::Tenant;

use super::super::change::{Change, Subject};
use super::super::config::Limits;
use super::super::trace::Instance;
use super::{Ages, Command, Known, Outcome, Recorded, SWEPT, Swept};

/// What `PRAGMA user_version` says of the tables below.
const VERSION: i64 = 1;

/// `changes` and `bytes` are those of the instance's events. Times are milliseconds since the epoch: that of the first event (`begun`),
/// when the last came (`touched`), and when the spans were last handed on (`told`).
const TABLES: &str = "
CREATE TABLE instance (
    place INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    joins TEXT NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, source, name, joins)
);
CREATE INDEX instance_by_age ON instance (finished, touched);
CREATE INDEX instance_pending ON instance (touched) WHERE delivered < changes;
CREATE TABLE change (
    arrival INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (tenant, source, event)
);
CREATE INDEX change_by_instance ON change (instance);
PRAGMA user_version = 1;
";

/// Finished instances that are forgotten at once.
const FORGOTTEN: i64 = 1000;
/// Events of an instance are read together, for each that comes: together they are no larger than this.
const MAX_INSTANCE_BYTES: i64 = 4 << 20;

pub struct Database {
    connection: SqliteConnection,
    limits: Limits,
}

type Answer = Box<dyn FnOnce() + Send>;
type Tx<'t> = Transaction<'t, Sqlite>;

impl Database {
    pub async fn open(path: &Path, limits: Limits) -> Result<Database, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let version: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?.try_get(0)?;
        match version {
            0 => {
                let mut tx = connection.begin().await?;
                sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            VERSION => {}
            other => {
                let reason = format!("it was written by another release (version {other} instead of {VERSION})");
                return Err(sqlx::Error::Configuration(reason.into()));
            }
        }
        Ok(Database { connection, limits })
    }

    /// All or nothing. The answers are for after the commit.
    pub async fn execute(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>, sqlx::Error> {
        let limits = self.limits;
        let mut answers: Vec<Answer> = Vec::new();
        // Who begins by reading cannot wait for another writer: a predecessor that is just closing.
        let mut tx = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for command in commands {
            match command {
                Command::Record { tenant, changes, now, reply } => {
                    let recorded = record(&mut tx, &tenant, changes, now, &limits).await?;
                    answers.push(Box::new(move || drop(reply.send(recorded))));
                }
                Command::Delivered { instances, now } => {
                    for (place, changes) in instances {
                        let sql =
                            "UPDATE instance SET delivered = max(delivered, $2), told = max(told, $3) WHERE place = $1";
                        sqlx::query(sql).bind(place).bind(changes as i64).bind(now).execute(&mut *tx).await?;
                    }
                }
                Command::Forget(instances) => {
                    for (place, changes) in instances {
                        forget_unchanged(&mut tx, place, changes).await?;
                    }
                }
                Command::Sweep { now, ages, reply } => {
                    let swept = sweep(&mut tx, now, ages).await?;
                    answers.push(Box::new(move || drop(reply.send(swept))));
                }
            }
        }
        tx.commit().await?;
        Ok(answers)
    }

    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the workflows' state");
        }
    }
}

async fn record(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    changes: Vec<(Subject, Change)>,
    now: i64,
    limits: &Limits,
) -> Result<Recorded, sqlx::Error> {
    let mut recorded = Recorded::default();
    let mut places: Vec<i64> = Vec::new();
    for (subject, change) in changes {
        let (place, outcome) = record_one(tx, tenant, &subject, &change, now, limits).await?;
        recorded.outcomes.push(outcome);
        places.extend(place.filter(|place| !places.contains(place)));
    }
    for place in places {
        let Some(known) = known(tx, place).await? else { continue };
        let sql = "UPDATE instance SET finished = $2 WHERE place = $1";
        sqlx::query(sql).bind(place).bind(known.instance.is_finished()).execute(&mut **tx).await?;
        recorded.instances.push(known);
    }
    Ok(recorded)
}

/// What became of it, and where its instance is, if it is there.
async fn record_one(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    subject: &Subject,
    change: &Change,
    now: i64,
    limits: &Limits,
) -> Result<(Option<i64>, Outcome), sqlx::Error> {
    let sql =
        "SELECT place, changes, bytes FROM instance WHERE tenant = $1 AND source = $2 AND name = $3 AND joins = $4";
    let found = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(subject.source.as_str())
        .bind(subject.instance.as_str())
        .bind(subject.joins.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    let found = found.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
    let found: Option<(i64, i64, i64)> = found.transpose()?;

    let sql = "SELECT instance FROM change WHERE tenant = $1 AND source = $2 AND event = $3";
    let before = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(subject.source.as_str())
        .bind(change.id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(before) = before {
        let place: i64 = before.try_get(0)?;
        return Ok(match found {
            Some((own, ..)) if own == place => (Some(place), Outcome::Duplicate),
            // Producers have to see to it that source and id are unique together: it would be taken for that other event.
            _ => (None, Outcome::Refused("id: an event of another instance has the same source and id".to_owned())),
        });
    }

    let body = serde_json::to_string(change).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let length = body.len() as i64;
    let place = match found {
        Some((place, changes, _)) if changes >= limits.max_states as i64 => {
            let reason = format!("the instance has {changes} events already (limits.max_states)");
            return Ok((Some(place), Outcome::Refused(reason)));
        }
        Some((place, _, bytes)) if bytes + length > MAX_INSTANCE_BYTES => {
            let reason = format!("the events of the instance would have more than {MAX_INSTANCE_BYTES} bytes together");
            return Ok((Some(place), Outcome::Refused(reason)));
        }
        Some((place, ..)) => place,
        None => match insert_instance(tx, tenant, subject, now, limits).await? {
            Some(place) => place,
            None => {
                let reason = format!("{} instances are under way already (limits.max_instances)", limits.max_instances);
                return Ok((None, Outcome::Full(reason)));
            }
        },
    };
    let sql = "INSERT INTO change (instance, tenant, source, event, body) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(place)
        .bind(tenant.as_str())
        .bind(subject.source.as_str())
        .bind(change.id.as_str())
        .bind(body)
        .execute(&mut **tx)
        .await?;
    let begun = i64::try_from(change.time / 1_000_000).unwrap_or(i64::MAX);
    let sql = "UPDATE instance SET changes = changes + 1, bytes = bytes + $2, touched = $3, begun = min(begun, $4) WHERE place = $1";
    sqlx::query(sql).bind(place).bind(length).bind(now).bind(begun).execute(&mut **tx).await?;
    Ok((Some(place), Outcome::New))
}

/// `None` when there is no room for it.
async fn insert_instance(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    subject: &Subject,
    now: i64,
    limits: &Limits,
) -> Result<Option<i64>, sqlx::Error> {
    let count: i64 = sqlx::query("SELECT count(*) FROM instance").fetch_one(&mut **tx).await?.try_get(0)?;
    if count >= limits.max_instances as i64 {
        let sql = "SELECT place FROM instance WHERE finished = 1 AND delivered >= changes ORDER BY touched LIMIT 1";
        let Some(oldest) = sqlx::query(sql).fetch_optional(&mut **tx).await? else { return Ok(None) };
        forget(tx, oldest.try_get(0)?).await?;
    }
    let sql = "INSERT INTO instance (tenant, source, name, joins, begun, touched) VALUES ($1, $2, $3, $4, $5, $5) RETURNING place";
    let inserted = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(subject.source.as_str())
        .bind(subject.instance.as_str())
        .bind(subject.joins.as_str())
        .bind(now)
        .fetch_one(&mut **tx)
        .await?;
    Ok(Some(inserted.try_get(0)?))
}

async fn known(tx: &mut Tx<'_>, place: i64) -> Result<Option<Known>, sqlx::Error> {
    let sql = "SELECT tenant, source, name, joins, delivered FROM instance WHERE place = $1";
    let Some(row) = sqlx::query(sql).bind(place).fetch_optional(&mut **tx).await? else { return Ok(None) };
    let tenant: String = row.try_get(0)?;
    let tenant = Tenant::new(&tenant).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let subject = Subject { source: row.try_get(1)?, instance: row.try_get(2)?, joins: row.try_get(3)? };
    let delivered: i64 = row.try_get(4)?;
    let sql = "SELECT body FROM change WHERE instance = $1 ORDER BY arrival";
    let rows = sqlx::query(sql).bind(place).fetch_all(&mut **tx).await?;
    let change = |row: SqliteRow| {
        let body: String = row.try_get(0)?;
        serde_json::from_str(&body).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    let changes: Vec<Change> = rows.into_iter().map(change).collect::<Result<_, sqlx::Error>>()?;
    let delivered = usize::try_from(delivered).unwrap_or_default();
    let instance = Instance { tenant, subject, changes, delivered, is_abandoned: false, now: 0 };
    Ok(Some(Known { place, instance }))
}

async fn forget(tx: &mut Tx<'_>, place: i64) -> Result<(), sqlx::Error> {
    for sql in ["DELETE FROM change WHERE instance = $1", "DELETE FROM instance WHERE place = $1"] {
        sqlx::query(sql).bind(place).execute(&mut **tx).await?;
    }
    Ok(())
}

async fn forget_unchanged(tx: &mut Tx<'_>, place: i64, changes: usize) -> Result<(), sqlx::Error> {
    let sql = "SELECT 1 FROM instance WHERE place = $1 AND changes = $2";
    let unchanged = sqlx::query(sql).bind(place).bind(changes as i64).fetch_optional(&mut **tx).await?;
    if unchanged.is_some() {
        forget(tx, place).await?;
    }
    Ok(())
}

async fn sweep(tx: &mut Tx<'_>, now: i64, ages: Ages) -> Result<Swept, sqlx::Error> {
    let Ages { pending, refresh, retire } = ages;
    let ago = |age: Duration| now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let mut swept = Swept::default();
    // What was never delivered was never acknowledged either, and has been tried all the time.
    let sql = "SELECT place FROM instance WHERE finished = 1 AND touched < $1 LIMIT $2";
    for place in places(tx, sql, ago(retire.finished), FORGOTTEN).await? {
        forget(tx, place).await?;
        swept.retired += 1;
    }
    let sql = "SELECT place FROM instance WHERE delivered < changes AND touched <= $1 ORDER BY touched LIMIT $2";
    for place in places(tx, sql, ago(pending), SWEPT).await? {
        swept.pending.extend(known(tx, place).await?);
    }
    // What runs for long changes little: so it is not written for ever, minute by minute.
    let sql = "SELECT place FROM instance WHERE finished = 0 AND delivered >= changes AND told <= $1
        AND (told - begun) / 10 <= $3 - told ORDER BY told LIMIT $2";
    let due = sqlx::query(sql).bind(ago(refresh)).bind(SWEPT).bind(now).fetch_all(&mut **tx).await?;
    for row in due {
        swept.running_on.extend(known(tx, row.try_get(0)?).await?);
    }
    let sql = "SELECT place FROM instance WHERE finished = 0 AND touched < $1 ORDER BY touched LIMIT $2";
    for place in places(tx, sql, ago(retire.idle), SWEPT).await? {
        swept.idle.extend(known(tx, place).await?);
    }
    let counts = sqlx::query("SELECT finished, count(*) FROM instance GROUP BY 1").fetch_all(&mut **tx).await?;
    let counts = counts.into_iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let counts: HashMap<i64, i64> = counts.collect::<Result<_, sqlx::Error>>()?;
    let count = |finished| counts.get(&finished).and_then(|count| u64::try_from(*count).ok()).unwrap_or_default();
    (swept.running, swept.finished) = (count(0), count(1));
    Ok(swept)
}

async fn places(tx: &mut Tx<'_>, sql: &'static str, before: i64, most: i64) -> Result<Vec<i64>, sqlx::Error> {
    let rows = sqlx::query(sql).bind(before).bind(most).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
