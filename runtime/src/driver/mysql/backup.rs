//! A backup by `mariadb-dump` or `mysqldump`, and the right to make one, as for PostgreSQL.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};

use crate::backup::{BackupRight, Means, Note, Program, Right, Source};
use crate::driver::Answer;
use crate::driver::completed::{ALL, NONE};
use crate::driver::given::Given;
use crate::driver::mysql::answer::{self, Fault};
use crate::driver::mysql::link::{self, Link};
use crate::driver::mysql::request::TONGUE;
use crate::error::Result;
use crate::literal::literal;
use crate::table_name::Tables;
use whimbrel_core::Dialect;

/// How long an end in good order may take.
const PATIENCE: Duration = Duration::from_secs(2);

struct Held(MySqlConnection);

impl BackupRight for Held {
    fn release(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            // The server ends the session in any case.
            let _ = tokio::time::timeout(PATIENCE, self.0.close()).await;
        })
    }
}

/// Beside a connection that was passed in there is no second one.
struct Unfenced;

impl BackupRight for Unfenced {}

pub(crate) async fn right(link: &mut Link<'_>, tables: &Tables) -> Result<Right, Fault> {
    let lock = format!("'whimbrel_backup_{:016x}'", tables.key);
    let question = format!("SELECT CAST(IS_USED_LOCK({lock}) AS CHAR)");
    // Who only waits opens no second connection.
    if let Some(connection) = link.send(question, ALL).await?.into_value() {
        return Ok(Right::Busy(format!("connection {connection}")));
    }
    let Some(options) = link.options() else { return Ok(Right::Granted(Box::new(Unfenced))) };
    let mut second = link::open(options).await?;
    // It has nothing to say for as long as the run takes; a server ends idle sessions after eight hours, or sooner.
    let sql = format!("SET SESSION wait_timeout = 2147483;\nSELECT CAST(GET_LOCK({lock}, 0) AS CHAR)");
    Ok(match answer::send(&mut second, sql, ALL).await?.into_value().as_deref() {
        Some("1") => Right::Granted(Box::new(Held(second))),
        _ => Right::Busy("another runner".to_owned()),
    })
}

pub(crate) async fn source(link: &mut Link<'_>) -> Result<Source, Fault> {
    let name = link.database().to_owned();
    let question = format!(
        "SELECT CAST(sum(data_length + index_length) AS CHAR) FROM information_schema.tables WHERE table_schema = {}",
        literal(Dialect::Mysql, &*name)
    );
    let bytes = link.send(question, ALL).await?.into_value().and_then(|bytes| bytes.parse().ok());
    let place = vec![("DATABASE", name.clone())];
    let Some(options) = link.options() else {
        let means = Means::None(
            "a connection that was passed in does not tell the backup where it leads; nothing was run",
            "pass the pool or a URL to the migrator, or make the backup with `Backup::command`",
        );
        return Ok(Source { name, bytes, place, password: None, means });
    };
    let given = Given::of(&options.clone().host("localhost").username("user"));
    let server = match options.get_socket() {
        Some(socket) => vec![("SOCKET", socket.display().to_string())],
        None => vec![("HOST", options.get_host().to_owned()), ("PORT", options.get_port().to_string())],
    };
    let user = ("USER", options.get_username().to_owned());
    let means = Means::Program(program(&options, &given, &name));
    let place = place.into_iter().chain(server).chain([user]).collect();
    Ok(Source { name, bytes, place, password: given.password(), means })
}

/// It reads this file and no other one: a user's own `.my.cnf` would win over one that is read besides, and may lead to
/// another server.
fn program(options: &MySqlConnectOptions, given: &Given, database: &str) -> Program {
    Program {
        names: &["mariadb-dump", "mysqldump"],
        outside: None,
        package: "MariaDB's or MySQL's client programs (`mariadb-client`)",
        arguments: [
            "--single-transaction",
            "--quick",
            "--routines",
            "--triggers",
            "--events",
            "--hex-blob",
            // Else MySQL wants the privilege PROCESS, for what no restored database needs.
            "--no-tablespaces",
            "--",
            database,
        ]
        .map(str::to_owned)
        .to_vec(),
        environment: vec![("MYSQL_PWD", None), ("MYSQL_HOST", None), ("MYSQL_TCP_PORT", None)],
        options: Some(("--defaults-file=", client_options(options, given))),
        ending: "sql",
    }
}

/// The programs of MariaDB and of MySQL know different options; what one of them does not know it leaves out.
fn client_options(options: &MySqlConnectOptions, given: &Given) -> String {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut lines = vec![("user", options.get_username().to_owned())];
    lines.extend(given.password().map(|password| ("password", password)));
    match options.get_socket() {
        Some(socket) => lines.extend([("protocol", "SOCKET".to_owned()), ("socket", socket.display().to_string())]),
        // By itself `localhost` would mean a socket.
        None => {
            lines.extend([("protocol", "TCP".to_owned()), ("host", host), ("port", options.get_port().to_string())])
        }
    }
    let tls = given.value("ssl-mode").unwrap_or_default();
    match &*tls {
        "DISABLED" => lines.extend([("loose-ssl-mode", tls), ("loose-ssl", "0".to_owned())]),
        "REQUIRED" => lines.extend([("loose-ssl-mode", tls), ("loose-ssl", "1".to_owned())]),
        "VERIFY_CA" | "VERIFY_IDENTITY" => lines.extend([
            ("loose-ssl-mode", tls),
            ("loose-ssl", "1".to_owned()),
            ("loose-ssl-verify-server-cert", "1".to_owned()),
        ]),
        _ => {}
    }
    let files = ["ssl-ca", "ssl-cert", "ssl-key"].map(|name| (name, given.file(name)));
    lines.extend(files.into_iter().filter_map(|(name, file)| Some((name, file?))));
    let line = |(name, value): (&str, String)| format!("{name}=\"{}\"\n", escaped(&value));
    format!("[client]\n{}", lines.into_iter().map(line).collect::<String>())
}

/// A value between double quotes (MySQL manual, 4.2.2.2).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

/// Others may write the same event at the same moment.
const TRIES: usize = 5;

pub(crate) async fn record(link: &mut Link<'_>, tables: &Tables, note: &Note<'_>) -> Result<(), Fault> {
    let sql = TONGUE.backed_up(tables, note);
    for _ in 1..TRIES {
        match link.send(sql.clone(), NONE).await {
            Err(fault) if ["1062", "1213"].iter().any(|code| fault.says(code)) => link.roll_back().await,
            answer => return answer.map(drop),
        }
    }
    link.send(sql, NONE).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_hold_any_password() {
        let options = MySqlConnectOptions::new().host("db").username("a#b").password("p\"a\\s s#'").database("shop");
        let given = Given::of(&options.clone().username("user"));
        assert_eq!(
            client_options(&options, &given),
            "[client]\nuser=\"a#b\"\npassword=\"p\\\"a\\\\s s#'\"\nprotocol=\"TCP\"\nhost=\"db\"\nport=\"3306\"\n"
        );
    }
}
