//! The catalog against real databases: every scenario on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used)]

mod commits;
mod databases;
mod deletions;
mod expiry;
mod lake;
mod opening;
mod positions;
mod postgres_server;
