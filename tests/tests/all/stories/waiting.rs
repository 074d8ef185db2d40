//! Promise 10: waiting for others is bounded and says for whom; nothing stays locked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor};
use whimbrel::{ErrorKind, Migrations, Migrator, Outcome, Target};
use whimbrel_core::Digest;
use whimbrel_tests::log::{heard, listen};
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::{Proxy, cassandra};

use crate::stories::world::{World, set, set_for, stories, three};

stories! {
    waiting_for_another_runner_is_bounded on sqlite, postgres, mysql, scylla
    a_runner_that_ends_is_waited_for on sqlite, postgres, mysql, scylla
    a_table_that_somebody_holds_is_waited_for on postgres
    waiting_for_a_table_is_bounded on postgres
    those_in_the_way_are_named_and_no_others on postgres
    those_in_the_way_of_a_concurrent_index_are_named on postgres
    each_wait_is_an_event on sqlite, postgres, mysql, scylla
    a_lock_timeout_of_a_script_is_kept on postgres
    a_script_says_how_long_it_may_wait on postgres
    whoever_is_at_work_is_waited_for_as_long_as_the_script_may_wait on postgres
    a_wait_for_a_table_is_an_event_with_the_time_of_the_try on postgres
    a_look_that_is_cut_off_is_taken_again on postgres
    nothing_stays_locked_after_an_error on sqlite, postgres, mysql, scylla
    nothing_stays_locked_after_a_panic on sqlite, postgres
    a_run_may_not_take_longer_than_its_timeout on sqlite, postgres, mysql
}

/// Another runner in the middle of its work: it holds the right to migrate until the sender is dropped.
pub(crate) async fn other_runner(world: &World) -> tokio::sync::oneshot::Sender<()> {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (hold, held) = tokio::sync::oneshot::channel();
    match world {
        World::Sqlite(pool, _) => {
            let mut connection = pool.acquire().await.unwrap().detach();
            tokio::spawn(async move {
                let begun = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
                hold.send(()).unwrap();
                drop(ended.await);
                begun.rollback().await.unwrap();
            });
        }
        World::Postgres(_, database) => {
            let mut connection = database.connect().await;
            let key = key(world).await;
            tokio::spawn(async move {
                connection.execute("SET application_name = 'shop'").await.unwrap();
                let sql = format!("SELECT pg_advisory_lock({key})");
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
                hold.send(()).unwrap();
                drop(ended.await);
                connection.close().await.unwrap();
            });
        }
        World::Mysql(_, database) => {
            let mut connection = database.connect().await;
            let name = lock_name(database.name());
            tokio::spawn(async move {
                let sql = format!("DO GET_LOCK('{name}', 10)");
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
                hold.send(()).unwrap();
                drop(ended.await);
                connection.close().await.unwrap();
            });
        }
        World::Scylla(session, _) => {
            let session = Arc::clone(session);
            world.migrator(&world.three()).up_to(Target::Steps(1)).await.unwrap();
            tokio::spawn(async move {
                let write = async |sets: &str| {
                    let text = format!("UPDATE whimbrel_history SET {sets} WHERE scope = 'whimbrel' IF fence > 0");
                    cassandra::rows(&session, &text).await.unwrap();
                };
                let work = "work_version = '2', work_direction = 'up', work_statement = 1, work_statements = 2";
                let who = "owner = 'me', held_by = 'ada@web-1', process = 7, held_application = 'shop 2.2.0'";
                write(&format!("{who}, {work}, held_since = toTimestamp(now()), beat = 1, lease_ms = 30000")).await;
                hold.send(()).unwrap();
                drop(ended.await);
                write("owner = null").await;
            });
        }
    }
    held.await.unwrap();
    end
}

/// The key of the lock, as the library itself uses it: a migration looks.
async fn key(world: &World) -> String {
    let looks = "CREATE TABLE k AS SELECT ((classid::bigint << 32) | objid::bigint)::text AS key FROM pg_locks \
                 WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let set = set_for("postgres", [("1_looks.sql", looks)]);
    world.up(&set).await.unwrap();
    let key = world.texts("SELECT key FROM k").await.remove(0);
    world.run("DROP TABLE k, whimbrel_history, whimbrel_events").await;
    key
}

/// The name of the lock on MariaDB, as the library makes it.
fn lock_name(database: &str) -> String {
    let digest = Digest::of(&[b"whimbrel", format!("`{database}`.`whimbrel_history`").as_bytes()]).to_string();
    format!("whimbrel_{}", &digest[..16])
}

async fn waiting_for_another_runner_is_bounded(world: World) {
    let other = other_runner(&world).await;
    let set = world.three();
    let begin = Instant::now();
    let error = world.migrator(&set).lock_timeout(Duration::from_millis(400)).up().await.unwrap_err();
    let waited = begin.elapsed();
    assert_eq!(error.kind(), ErrorKind::Locked);
    world.shows("locked", &error);
    assert!((Duration::from_millis(400)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
    let report = error.report().unwrap();
    assert!(report.steps().iter().all(|step| step.outcome == Outcome::NotRun));
    drop(other);
    assert_eq!(world.up(&set).await.unwrap().applied(), 3);
}

async fn a_runner_that_ends_is_waited_for(world: World) {
    let other = other_runner(&world).await;
    let set = world.three();
    let mut migrator = world.migrator(&set);
    let (report, ()) = tokio::join!(migrator.up(), async {
        // Long enough that it has found the other one at work, also on a busy machine.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        drop(other);
    });
    let report = report.unwrap();
    assert_eq!(report.applied(), 3);
    assert!(report.waited() > Duration::ZERO, "{report}");
}

/// The second of these waits for whoever holds the table `wanted`.
fn wants() -> Migrations {
    set([
        ("0001_a.sql", "CREATE TABLE a (id INTEGER)"),
        ("0002_b.sql", "CREATE TABLE b (id INTEGER); ALTER TABLE wanted ADD COLUMN b INTEGER"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER)"),
    ])
}

async fn a_table_that_somebody_holds_is_waited_for(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE wanted (id INTEGER)").await;
    let mut holder = pool.begin().await.unwrap();
    holder.execute("SELECT * FROM wanted").await.unwrap();
    let set = wants();
    let mut migrator = world.migrator(&set).statement_lock_timeout(Duration::from_millis(50));
    let (report, ()) = tokio::join!(migrator.up(), async {
        // The first step is committed while the second is tried again and again.
        while !world.has("a").await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        holder.rollback().await.unwrap();
    });
    let report = report.unwrap();
    assert_eq!((report.applied(), report.steps().len()), (3, 3));
}

async fn waiting_for_a_table_is_bounded(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE wanted (id INTEGER)").await;
    let mut holder = pool.begin().await.unwrap();
    holder.execute("SET application_name = 'report'; SELECT * FROM wanted").await.unwrap();
    let set = wants();
    let migrator = world.migrator(&set).statement_lock_timeout(Duration::from_millis(600));
    let error = migrator.lock_timeout(Duration::from_millis(400)).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    world.shows("table_locked", &error);
    assert_eq!(world.versions("completed").await, ["1"]);
    holder.rollback().await.unwrap();
    assert_eq!(world.up(&set).await.unwrap().applied(), 3);
}

async fn those_in_the_way_are_named_and_no_others(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE wanted (id INTEGER); CREATE TABLE free (id INTEGER)").await;
    let mut holder = pool.begin().await.unwrap();
    holder.execute("SET application_name = 'report'; SELECT * FROM wanted").await.unwrap();
    let mut bystander = pool.begin().await.unwrap();
    bystander.execute("SET application_name = 'bystander'; SELECT * FROM free").await.unwrap();
    // The text names the table that is free, and hides the other one.
    let hides = "DO $$ BEGIN PERFORM 'free'; EXECUTE 'ALTER TABLE wan' || 'ted ADD b INTEGER'; END $$";
    let set = set_for("postgres", [("1_hides.sql", hides)]);
    let migrator = world.migrator(&set).statement_lock_timeout(Duration::from_millis(600));
    let error = migrator.lock_timeout(Duration::from_millis(400)).up().await.unwrap_err().to_string();
    assert!(error.contains("\n  held by pid ") && error.contains(", report) since "), "{error}");
    assert!(error.contains(": SET application_name = 'report'; SELECT * FROM wanted"), "{error}");
    assert!(!error.contains("bystander"), "{error}");
}

async fn those_in_the_way_of_a_concurrent_index_are_named(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE wanted (id INTEGER)").await;
    let mut holder = pool.begin().await.unwrap();
    holder.execute("SET application_name = 'report'; INSERT INTO wanted VALUES (1)").await.unwrap();
    let index = "-- whimbrel:lock-timeout 600ms\nCREATE INDEX CONCURRENTLY i ON wanted (id)";
    let set = set_for("postgres", [("1_index.sql", index)]);
    let error = world.up(&set).await.unwrap_err();
    let shown = format!("{error:?}");
    assert_eq!(error.kind(), ErrorKind::Failed, "{shown}");
    assert!(shown.contains("held by pid ") && shown.contains(", report) since "), "{shown}");
    assert!(shown.contains(": SET application_name = 'report'; INSERT INTO wanted VALUES (1)"), "{shown}");
}

async fn each_wait_is_an_event(world: World) {
    let other = other_runner(&world).await;
    listen();
    let set = world.three();
    world.migrator(&set).lock_timeout(Duration::from_secs(1)).up().await.unwrap_err();
    let heard = heard();
    let waits = heard.lines().filter(|line| line.starts_with("message=waited for another ")).count();
    let durations = heard.lines().filter(|line| line.starts_with("duration_ms=")).count();
    assert!(waits >= world.choose(1, 2) && durations >= waits, "{heard}");
    drop(other);
}

async fn a_lock_timeout_of_a_script_is_kept(world: World) {
    let text = "-- whimbrel:lock-timeout 1234ms\nCREATE TABLE a AS SELECT current_setting('lock_timeout') AS b";
    let outside = "-- whimbrel:lock-timeout 1235ms\n-- whimbrel:no-transaction\n\
                   CREATE TABLE c AS SELECT current_setting('lock_timeout') AS b";
    let default = "CREATE TABLE d AS SELECT current_setting('lock_timeout') AS b";
    let set = set_for("postgres", [("1_a.sql", text), ("2_c.sql", outside), ("3_d.sql", default)]);
    world.up(&set).await.unwrap();
    let seen = world.texts("SELECT b FROM a UNION ALL SELECT b FROM c UNION ALL SELECT b FROM d").await;
    assert_eq!(seen, ["1234ms", "1235ms", "2s"]);
}

/// A set whose second migration wants a table for so long, in a transaction or outside of one.
fn wants_for(wait: &str) -> [Migrations; 2] {
    ["", "-- whimbrel:no-transaction\n"].map(|mode| {
        let text = format!("{mode}-- whimbrel:wait {wait}\nALTER TABLE wanted ADD COLUMN b INTEGER");
        set([("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_b.sql", &text)])
    })
}

async fn a_script_says_how_long_it_may_wait(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    let migrator = |set| world.migrator(set).statement_lock_timeout(Duration::from_millis(50));
    for (long, short) in wants_for("60s").iter().zip(&wants_for("300ms")) {
        world.run("CREATE TABLE wanted (id INTEGER)").await;
        let mut holder = pool.begin().await.unwrap();
        holder.execute("SELECT * FROM wanted").await.unwrap();
        let begin = Instant::now();
        let error = migrator(short).up().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Locked | ErrorKind::Failed), "{error:?}");
        assert!(format!("{error:?}").contains("-- whimbrel:wait"), "{error:?}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());

        let mut migrator = migrator(long).lock_timeout(Duration::from_millis(100));
        let (report, ()) = tokio::join!(migrator.up(), async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            holder.rollback().await.unwrap();
        });
        assert_eq!(report.unwrap().applied(), 2);
        world.run("DROP TABLE wanted, a, whimbrel_history, whimbrel_events").await;
    }
}

async fn whoever_is_at_work_is_waited_for_as_long_as_the_script_may_wait(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    for set in &wants_for("60s") {
        world.run("CREATE TABLE wanted (id INTEGER)").await;
        let mut holder = pool.begin().await.unwrap();
        holder.execute("SELECT * FROM wanted").await.unwrap();
        let mut runners = [0, 1].map(|_| world.migrator(set).lock_timeout(Duration::from_millis(100)));
        let [one, another] = &mut runners;
        let (one, another, ()) = tokio::join!(one.up(), another.up(), async {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            holder.rollback().await.unwrap();
        });
        assert_eq!([one.unwrap().applied(), another.unwrap().applied()], [2, 2]);
        world.run("DROP TABLE wanted, a, whimbrel_history, whimbrel_events").await;
    }
}

async fn a_wait_for_a_table_is_an_event_with_the_time_of_the_try(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    for set in &wants_for("200ms") {
        world.run("CREATE TABLE wanted (id INTEGER)").await;
        let mut holder = pool.begin().await.unwrap();
        holder.execute("SELECT * FROM wanted").await.unwrap();
        listen();
        let error = world.migrator(set).statement_lock_timeout(Duration::from_millis(700)).up().await.unwrap_err();
        let heard = heard();
        let waits = heard.split("message=waited for the tables that a statement needs").count() - 1;
        let durations = heard.lines().filter_map(|line| line.strip_prefix("duration_ms=")?.parse::<u64>().ok());
        assert!(waits > 0 && durations.filter(|ms| *ms >= 700).count() >= waits, "{heard}");
        if error.kind() == ErrorKind::Locked {
            assert!(error.report().unwrap().waited() >= Duration::from_millis(700), "{error:?}");
        }
        holder.rollback().await.unwrap();
        world.run("DROP TABLE wanted, a, whimbrel_history, whimbrel_events").await;
    }
}

async fn a_look_that_is_cut_off_is_taken_again(world: World) {
    let (set, proxy) = (three(), Proxy::start(&world.url()).await);
    for (request, fault) in [(1, Fault::CutBefore), (2, Fault::CutBeforeAnswer)] {
        proxy.reset();
        proxy.at(request, fault);
        assert_eq!(Migrator::connect(&set, &proxy.url()).unwrap().up().await.unwrap().applied(), 3);
        assert!(proxy.startups() > 1);
        world.run("DROP TABLE IF EXISTS a, b, c, whimbrel_history, whimbrel_events, whimbrel_lock").await;
    }

    // After a wait that was longer than a port is tried on which nobody listens.
    let other = other_runner(&world).await;
    proxy.reset();
    let url = proxy.url();
    let mut migrator = Migrator::connect(&set, &url).unwrap();
    let (report, ()) = tokio::join!(migrator.up(), async {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let log = proxy.log();
        let looks = log.iter().enumerate().filter(|(_, request)| request.text.contains("pg_locks"));
        let looks: Vec<usize> = looks.map(|(index, _)| index + 1).collect();
        let &[.., before, last] = &looks[..] else { panic!("{log:#?}") };
        let next = last + 2 * (last - before);
        proxy.at(next, Fault::CutBefore);
        proxy.reached(next).await;
        assert!(proxy.log()[next - 1].text.contains("pg_locks"));
        drop(other);
    });
    assert_eq!(report.unwrap().applied(), 3);
    world.run("DROP TABLE IF EXISTS a, b, c, whimbrel_history, whimbrel_events, whimbrel_lock").await;

    // A caller's connection leads nowhere when it is cut off.
    proxy.reset();
    proxy.at(2, Fault::CutBefore);
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let error = Migrator::new(&set, &mut connection).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
}

/// Another runner, and another writer, get through at once.
async fn assert_free(world: &World) {
    let set = world.three();
    let table = world.each("main.other_history", "public.other_history", "other_history");
    let mut migrator = world.migrator(&set).history_table(table).unwrap().lock_timeout(Duration::from_millis(50));
    assert_eq!(migrator.up().await.unwrap().applied(), 3);
    if let World::Postgres(pool, _) = world {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
        assert_eq!(sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap(), 0);
    }
}

async fn nothing_stays_locked_after_an_error(world: World) {
    let outside = "-- whimbrel:no-transaction\nCREATE TABLE y (id INT PRIMARY KEY);\nSELEKT";
    for (table, broken) in [("one", "CREATE TABLE x (id INT PRIMARY KEY); SELEKT"), ("two", outside)] {
        let broken = world.set([("0001_x.sql", broken)]);
        let migrator = || world.migrator(&broken).history_table(table).unwrap();
        migrator().up().await.unwrap_err();
        let again = migrator().lock_timeout(Duration::from_millis(50)).up().await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Failed, "{again:?}");
    }
    assert_free(&world).await;
}

async fn nothing_stays_locked_after_a_panic(world: World) {
    // The caller panics while the run is in the middle of a request.
    let sleeps = world.each(
        "CREATE TABLE x AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000) \
         SELECT count(*) AS i FROM n",
        "CREATE TABLE x AS SELECT 1 AS i FROM pg_sleep(60)",
        "CREATE TABLE x AS SELECT SLEEP(60) AS i",
    );
    let set = set_for(world.dialect(), [("0001_x.sql", sleeps)]);
    let (url, begin) = (world.url(), Instant::now());
    let run = tokio::spawn(async move {
        let mut migrator = Migrator::connect(&set, &url).unwrap();
        tokio::select! {
            _ = migrator.up() => {}
            () = tokio::time::sleep(Duration::from_millis(300)) => panic!("in the caller"),
        }
    });
    assert!(run.await.unwrap_err().is_panic());
    // PostgreSQL looks once a second whether its client is gone.
    let set = three();
    let report = world.migrator(&set).lock_timeout(Duration::from_secs(20)).up().await.unwrap();
    assert_eq!(report.applied(), 3);
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert!(!world.has("x").await);
}

async fn a_run_may_not_take_longer_than_its_timeout(world: World) {
    let counts = "CREATE TABLE b AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                  SELECT count(*) AS number FROM n";
    let endless = world.each(counts, counts, "CREATE TABLE b AS SELECT SLEEP(600) AS number");
    // Steps that go out together are told of together.
    let alone = world.each("-- whimbrel:no-transaction\n", "-- whimbrel:no-transaction\n", "SET @alone = 1;\n");
    let first = format!("{alone}CREATE TABLE a (id INT PRIMARY KEY)");
    let set = set_for(world.dialect(), [("0001_a.sql", &*first), ("0002_b.sql", endless)]);
    let begin = Instant::now();
    let error = world.migrator(&set).timeout(Duration::from_secs(3)).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    world.shows("run_takes_too_long", &error);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let outcomes: Vec<_> = error.report().unwrap().steps().iter().map(|step| step.outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Done, Outcome::NotRun]);
    // The statement ends by itself: the next run gets through.
    let corrected =
        set_for(world.dialect(), [("0001_a.sql", &*first), ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY)")]);
    assert_eq!(world.up(&corrected).await.unwrap().applied(), 2);
}
