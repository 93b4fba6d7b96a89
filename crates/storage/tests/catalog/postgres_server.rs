//! A private PostgreSQL server: its own data directory, a free loopback port, gone with the last user of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

pub struct Server {
    binaries: PathBuf,
    directory: TempDir,
    port: u16,
    databases: AtomicU32,
}

/// The server of this test binary, started by the first who asks. `None` (said aloud) when PostgreSQL is not installed;
/// a failure when `CI` is set, where it has to be.
pub fn server() -> Option<Arc<Server>> {
    static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let Some(binaries) = binaries() else {
        assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed (Debian: apt-get install postgresql)");
        eprintln!("SKIPPED: PostgreSQL is not installed (Debian: apt-get install postgresql)");
        return None;
    };
    let server = Arc::new(Server::start(binaries));
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Where Debian, or the PATH, has `initdb`.
fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    candidates.sort();
    candidates.extend(std::env::split_paths(&path));
    candidates.into_iter().rev().find(|directory| directory.join("initdb").is_file())
}

impl Server {
    fn start(binaries: PathBuf) -> Server {
        let directory = tempfile::Builder::new().prefix("trefoil-postgres-").tempdir().unwrap();
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server { binaries, directory, port, databases: AtomicU32::new(0) };
        let data = server.data();
        run(server
            .command("initdb")
            .args(["--username=trefoil", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data));
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200 -c fsync=off"
        );
        let log = server.directory.path().join("log");
        run(server
            .command("pg_ctl")
            .arg("--pgdata")
            .arg(&data)
            .arg("--log")
            .arg(log)
            .args(["-w", "-o", &options, "start"]));
        server
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let admin = sqlx::PgPool::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
        admin.close().await;
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://trefoil@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        as_postgres(&self.binaries.join(program))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        self.command("pg_ctl").arg("--pgdata").arg(data).args(["-m", "immediate", "stop"]).output().ok();
    }
}

fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn run(command: &mut Command) -> Output {
    // The server inherits what pg_ctl inherited: with pipes, waiting for their end would be waiting for the server's.
    let output = command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
