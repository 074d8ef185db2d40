//! A backup by `pg_dump`, and the right to make one.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::backup::{BackupRight, Means, Note, Program, Right, Source};
use crate::driver::completed::{ALL, NONE};
use crate::driver::given::Given;
use crate::driver::postgres::answer::{self, Fault};
use crate::driver::postgres::link::Link;
use crate::driver::postgres::pooler;
use crate::driver::postgres::request::{SESSION_OF_LOCK, TONGUE};
use crate::driver::postgres::right::is_lock;
use crate::driver::{Answer, Session};
use crate::error::Result;
use crate::settings::whole_millis;
use crate::table_name::Tables;

/// How long an end in good order may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The lock of another key than the right to migrate has, on a connection of its own: that one comes and goes with
/// each step.
struct Held(PgConnection);

impl BackupRight for Held {
    fn release(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            // The server ends the session in any case.
            let _ = tokio::time::timeout(PATIENCE, self.0.close()).await;
        })
    }
}

/// Everybody, where nobody else could be kept from it: beside a connection that was passed in there is no second one, and
/// behind a pooler that shares its sessions none is ours.
struct Unfenced;

impl BackupRight for Unfenced {}

pub(crate) async fn right(link: &mut Link<'_>, tables: &Tables) -> Result<Right, Fault> {
    let key = tables.key ^ i64::from_be_bytes(*b"a backup");
    let holder = SESSION_OF_LOCK.replace("{is_lock}", &is_lock(key));
    // Who only waits opens no second connection.
    let who = link.send(format!("SELECT {holder}"), ALL).await?.rows.into_iter().flatten().flatten().next();
    if let Some(who) = who {
        return Ok(Right::Busy(who));
    }
    // Through a pooler that shares its sessions the lock would stay behind in one that others get.
    let Session::Ours = pooler::session(link).await? else { return Ok(Right::Granted(Box::new(Unfenced))) };
    let Some(mut second) = link.second().await? else { return Ok(Right::Granted(Box::new(Unfenced))) };
    // It has nothing to say for as long as the run takes, and the other one for as long as the backup does; PostgreSQL 14
    // and newer may end idle sessions.
    let ends_idle = second.server_version_num().is_some_and(|version| version >= 140_000);
    let stay = if ends_idle { "SET idle_session_timeout = 0;\n" } else { "" };
    link.send(format!("{stay}SELECT 1"), NONE).await?;
    let tried = answer::send(&mut second, format!("{stay}SELECT pg_try_advisory_lock({key})::text"), ALL).await?;
    Ok(match tried.rows.into_iter().flatten().flatten().next().as_deref() {
        Some("true") => Right::Granted(Box::new(Held(second))),
        _ => Right::Busy("another runner".to_owned()),
    })
}

pub(crate) async fn source(link: &mut Link<'_>, session: Session, patience: Duration) -> Result<Source, Fault> {
    let question = "SELECT current_database()::text, pg_database_size(current_database())::text";
    let mut row = link.send(question.to_owned(), ALL).await?.rows.into_iter().flatten();
    let name = row.next().flatten().unwrap_or_default();
    let bytes = row.next().flatten().and_then(|bytes| bytes.parse().ok());
    let place = vec![("DATABASE", name.clone())];
    let Some(options) = link.options() else {
        let means = Means::None(
            "a connection that was passed in does not tell the backup where it leads; nothing was run",
            "pass the pool or a URL to the migrator, or make the backup with `Backup::command`",
        );
        return Ok(Source { name, bytes, place, password: None, means });
    };
    let given = Given::of(&options.clone().host("localhost").username("user"));
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    let server =
        [("HOST", host), ("PORT", options.get_port().to_string()), ("USER", options.get_username().to_owned())];
    let means = match session {
        Session::Ours => Means::Program(program(&options, &given, &name, patience)),
        Session::Shared => Means::None(
            "`pg_dump` needs a session of its own, and the connection goes through a pooler that shares its sessions; \
             nothing was run",
            "use a direct URL, past PgBouncer, or make the backup with `Backup::command`",
        ),
    };
    let place = place.into_iter().chain(server).collect();
    Ok(Source { name, bytes, place, password: given.password(), means })
}

/// All that it must know stands in its environment: a command line is everybody's to read.
fn program(options: &PgConnectOptions, given: &Given, database: &str, patience: Duration) -> Program {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let host = options.get_socket().map_or(host, |path| path.display().to_string());
    let environment = vec![
        ("PGHOST", Some(host)),
        ("PGPORT", Some(options.get_port().to_string())),
        ("PGUSER", Some(options.get_username().to_owned())),
        ("PGDATABASE", Some(database.to_owned())),
        // Without one it looks for it where sqlx did.
        ("PGPASSWORD", given.password()),
        ("PGSSLMODE", given.value("sslmode")),
        ("PGSSLROOTCERT", given.file("sslrootcert")),
        ("PGSSLCERT", given.file("sslcert")),
        ("PGSSLKEY", given.file("sslkey")),
        ("PGAPPNAME", Some("whimbrel backup".to_owned())),
        ("PGHOSTADDR", None),
        ("PGSERVICE", None),
        ("PGOPTIONS", None),
    ];
    Program {
        names: &["pg_dump"],
        outside: Some(("/usr/lib/postgresql", "bin")),
        package: "PostgreSQL's client programs (`postgresql-client`)",
        arguments: vec![
            "--format=custom".to_owned(),
            "--no-password".to_owned(),
            // A table that somebody holds would be waited for without end.
            format!("--lock-wait-timeout={}", whole_millis(patience)),
        ],
        environment,
        options: None,
        ending: "dump",
    }
}

/// Others may write the same event, or make the tables, at the same moment.
const TRIES: usize = 5;

pub(crate) async fn record(link: &mut Link<'_>, tables: &Tables, note: &Note<'_>) -> Result<(), Fault> {
    let sql = format!("BEGIN;\nSET LOCAL lock_timeout = 10000;\n{};\nCOMMIT", TONGUE.backed_up(tables, note));
    for _ in 1..TRIES {
        match link.send(sql.clone(), NONE).await {
            Err(fault) if ["23505", "42P07", "40P01"].iter().any(|code| fault.says(code)) => link.roll_back().await,
            Err(fault) => {
                link.roll_back().await;
                return Err(fault);
            }
            Ok(_) => return Ok(()),
        }
    }
    link.send(sql, NONE).await.map(drop)
}
