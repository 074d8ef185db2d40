//! Whether all is well, as a probe asks and as whoever is on call reads.

use std::time::{Duration, Instant};

use sqlx::Connection as _;
use whimbrel::{Health, Level, Migrations, Migrator, Target};
use whimbrel_tests::{Proxy, mysql, postgres};

use crate::stories::world::{World, set, stories};

stories! {
    all_is_well on sqlite, postgres, mysql, scylla
    what_is_pending_degrades on sqlite, postgres, mysql, scylla
    what_has_failed_is_unhealthy on sqlite, postgres, mysql, scylla
    what_was_edited_is_unhealthy on sqlite, postgres, mysql, scylla
    what_a_newer_release_has_applied_degrades on sqlite, postgres, mysql, scylla
    a_table_that_is_not_ours_is_unhealthy on sqlite, postgres, mysql
    what_a_runner_has_left_is_told on sqlite, postgres, mysql, scylla
    health_changes_nothing on sqlite, postgres, mysql, scylla
}

/// The sentences and the commands, without what differs from run to run.
fn told(health: &Health) -> Vec<(String, Option<String>)> {
    let sentence = |text: &str| text.split("; the last one").next().unwrap().to_owned();
    health.reasons.iter().map(|reason| (sentence(&reason.sentence), reason.command.clone())).collect()
}

fn one(sentence: &str, command: &str) -> Vec<(String, Option<String>)> {
    vec![(sentence.to_owned(), Some(command.to_owned()))]
}

async fn all_is_well(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let health = world.migrator(&set).health().await;
    assert_eq!(health.to_string(), "healthy, at 0003");
    assert_eq!((health.applied, health.pending, health.unknown), (3, 0, 0));
    let mut checked = vec!["reachable", "history", "checksums", "interrupted", "runner", "pending", "unknown"];
    checked.extend(world.is_cql().then_some("agreement"));
    assert_eq!(health.checked, checked);
}

async fn what_is_pending_degrades(world: World) {
    let set = world.three();
    let health = world.migrator(&set).health().await;
    assert_eq!((health.level, health.version.as_ref()), (Level::Degraded, None));
    assert_eq!(told(&health), one("3 migrations are pending: 0001, 0002, 0003", "`migrate up`"));
    world.migrator(&set).up_to(Target::Steps(2)).await.unwrap();
    let health = world.migrator(&set).health().await;
    assert_eq!(told(&health), one("0003 c is pending", "`migrate up`"));
    assert!(health.reasons[0].sentence.contains("; the last one was applied "), "{health}");
    assert_eq!(health.http_status(), 200);
}

async fn what_has_failed_is_unhealthy(world: World) {
    let files =
        [("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"), ("0002_b.sql", "INSERT INTO nowhere (id) VALUES (1)")];
    let set = world.set(files);
    world.up(&set).await.unwrap_err();
    let health = world.migrator(&set).health().await;
    assert_eq!(health.level, Level::Unhealthy, "{health}");
    let help = "`migrate status` says why; correct it, then `migrate up`";
    assert_eq!(told(&health), one("0002 b has failed", help));
    assert!(!health.to_string().contains("nowhere"), "no text of a script: {health}");
}

async fn what_was_edited_is_unhealthy(world: World) {
    world.up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")])).await.unwrap();
    let edited = world.set([("0001_a.sql", "CREATE TABLE a (id BIGINT PRIMARY KEY)")]);
    let health = world.migrator(&edited).health().await;
    assert_eq!(health.level, Level::Unhealthy, "{health}");
    let help = "restore it, or accept it: `migrate resolve 0001 --accept`";
    assert_eq!(told(&health), one("0001 a was edited after it was applied", help));
}

async fn what_a_newer_release_has_applied_degrades(world: World) {
    world.up(&world.three()).await.unwrap();
    let older =
        world.set([("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")]);
    let health = world.migrator(&older).health().await;
    let sentence = "2 migrations are not known to this binary, applied by shop 2.3.0: 0002, 0003";
    assert_eq!(told(&health), one(sentence, "deploy shop 2.3.0 or newer"));
    assert_eq!((health.level, health.unknown), (Level::Degraded, 2));
}

async fn a_table_that_is_not_ours_is_unhealthy(world: World) {
    let set = world.three();
    world.run("CREATE TABLE whimbrel_history (id INT)").await;
    let health = world.migrator(&set).health().await;
    assert_eq!(health.level, Level::Unhealthy, "{health}");
    assert!(health.reasons[0].sentence.contains("whimbrel_history"), "{health}");
}

/// An entry that says running, of a runner that is not there.
async fn what_a_runner_has_left_is_told(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    world.unfinish("3", "state = 'running', applied = 0").await;
    let health = world.migrator(&set).health().await;
    let expected = match world.is_sqlite() {
        // SQLite knows nobody.
        true => (Level::Degraded, "0003 c stands at statement 1 of 1, or was interrupted there"),
        false => (Level::Unhealthy, "0003 c was interrupted at statement 1 of 1, by "),
    };
    assert_eq!(health.level, expected.0, "{health}");
    assert!(health.reasons[0].sentence.starts_with(expected.1), "{health}");
}

async fn health_changes_nothing(world: World) {
    let set = world.three();
    world.migrator(&set).health().await;
    if !world.is_cql() {
        assert!(!world.has("whimbrel_history").await);
    }
    world.up(&set).await.unwrap();
    let events = world.events().await;
    for _ in 0..3 {
        assert!(world.migrator(&set).health().await.is_healthy());
    }
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn who_cannot_be_reached_is_unhealthy_at_once() {
    let set = set([("0001_a.sql", "SELECT 1")]);
    let cql = crate::stories::world::set_for("cql", [("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")]);
    // Nobody listens there.
    for (set, url) in [
        (&set, "postgres://shop:hunter2@127.0.0.1:1/shop"),
        (&set, "mysql://shop:hunter2@127.0.0.1:1/shop"),
        (&set, "sqlite:///nowhere/at/all.db?mode=rw"),
        (&cql, "scylla://shop:hunter2@127.0.0.1:1/shop"),
    ] {
        let begun = Instant::now();
        let health = Migrator::connect(set, url).unwrap().health().await;
        assert_eq!((health.level, &health.checked[..]), (Level::Unhealthy, &["reachable"][..]), "{health}");
        assert_eq!(health.http_status(), 503);
        assert!(!health.to_string().contains("hunter2"), "{health}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{url} {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn who_does_not_answer_is_unhealthy_when_the_time_is_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let set = set([("0001_a.sql", "SELECT 1")]);
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://shop:hunter2@127.0.0.1:{port}/shop");
        let begun = Instant::now();
        let mut migrator = Migrator::connect(&set, &url).unwrap().health_timeout(Duration::from_millis(300));
        let health = migrator.health().await;
        let sentence = "the database has not answered within 300 ms";
        assert_eq!((health.level, &*health.reasons[0].sentence), (Level::Unhealthy, sentence));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn without_the_right_to_look_it_is_unhealthy() {
    let Some(database) = postgres::Database::create().await else { return };
    let set = set([("0001_a.sql", "SELECT 1")]);
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let (role, url) = database.role().await;
    let health = Migrator::connect(&set, &url).unwrap().health().await;
    assert_eq!(health.level, Level::Unhealthy, "{health}");
    assert!(health.reasons[0].sentence.starts_with("this role may not read or write the history"), "{health}");
    database.execute(&format!("GRANT SELECT ON whimbrel_history, whimbrel_events TO \"{role}\"")).await;
    assert!(Migrator::connect(&set, &url).unwrap().health().await.is_healthy());
}

#[tokio::test]
async fn a_silent_runner_degrades_on_postgres() {
    let Some(world) = World::postgres().await else { return };
    let set = outside();
    world.up(&set).await.unwrap();
    let mut holder = sqlx::PgConnection::connect(&world.url()).await.unwrap();
    // The lock of the history's key, as the library computes it.
    let digest = whimbrel::Digest::of(&[b"whimbrel", br#""public"."whimbrel_history""#]);
    let key = i64::from_be_bytes(digest.0[..8].try_into().unwrap());
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(&mut holder).await.unwrap();
    let (pid, start): (i32, String) =
        sqlx::query_as("SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            .fetch_one(&mut holder)
            .await
            .unwrap();
    let lock = format!(
        "INSERT INTO whimbrel_lock (id, held_by, process, application, backend, backend_start, version, direction, \
         statement, statements, since, heartbeat) VALUES (1, 'deploy@web-3', 4711, 'shop 2.3.0', {pid}, '{start}', '3', \
         'up', 1, 1, now(), now() - interval '250 seconds') ON CONFLICT (id) DO UPDATE SET held_by = excluded.held_by, \
         process = excluded.process, backend = excluded.backend, backend_start = excluded.backend_start, \
         heartbeat = excluded.heartbeat"
    );
    world.run(lock).await;
    let health = world.migrator(&set).health().await;
    let command = Some("`migrate up` takes over".to_owned());
    let found = &health.reasons[0];
    assert_eq!(
        (&*found.sentence, found.command.clone()),
        ("a runner on web-3 (pid 4711) has been silent for 4 minutes", command)
    );
    assert_eq!(health.level, Level::Degraded);
}

/// One step outside a transaction, which makes the table of the lock.
fn outside() -> Migrations {
    crate::stories::world::set_for(
        "postgres",
        [
            ("0001_a.sql", "CREATE TABLE a (id int)"),
            ("0002_b.sql", "-- whimbrel:no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id)"),
        ],
    )
}

#[tokio::test]
async fn a_look_at_the_health_is_one_request() {
    let Some(database) = postgres::Database::create().await else { return };
    let set = set([("0001_a.sql", "SELECT 1")]);
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let health = Migrator::connect(&set, &proxy.url()).unwrap().health().await;
    assert!(health.is_healthy(), "{health}");
    assert_eq!(proxy.requests(), 1, "{:#?}", proxy.log());

    let Some(database) = mysql::Database::create().await else { return };
    whimbrel::migrate(&set, &database.pool().await).await.unwrap();
    let proxy = Proxy::start(&database.url()).await;
    let url = format!("{}?ssl-mode=disabled", proxy.url());
    let health = Migrator::connect(&set, &url).unwrap().health().await;
    assert!(health.is_healthy(), "{health}");
    // The driver sets the session up with one of its own.
    assert!(proxy.requests() <= 2, "{:#?}", proxy.log());
}
