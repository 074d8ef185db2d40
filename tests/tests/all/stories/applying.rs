//! Promises 1 and 3: what is pending is applied, in order, once; a step that fails leaves nothing of itself.

use whimbrel::{ErrorKind, Kind, Outcome, Target};

use crate::stories::world::{World, set, set_for, stories};

stories! {
    a_database_that_was_made_before_is_told_of_the_baseline on sqlite, postgres, mysql, scylla
    what_is_pending_is_applied_in_order_and_once on sqlite, postgres, mysql, scylla
    new_migrations_are_applied_on_top on sqlite, postgres, mysql, scylla
    a_failed_step_leaves_the_rest_pending on sqlite, postgres
    a_step_that_fails_among_many_keeps_those_before_it on sqlite, postgres
    the_first_step_may_fail_on_a_fresh_database on sqlite, postgres, mysql, scylla
    a_target_stops_at_its_version_or_after_its_steps on sqlite, postgres, mysql, scylla
    a_script_in_begin_and_commit_runs_in_our_transaction on sqlite, postgres
    a_script_may_leave_the_runners_transaction_for_a_while on sqlite, postgres
    a_comment_alone_is_applied on sqlite, postgres, mysql, scylla
    three_megabytes_are_applied on sqlite, postgres, mysql, scylla
    a_verify_query_that_finds_a_row_passes on sqlite, postgres, mysql, scylla
    a_verify_query_that_finds_nothing_rolls_its_step_back on sqlite, postgres
    the_isolation_level_of_a_script_is_kept on postgres
    a_statement_may_not_take_longer_than_its_directive on sqlite, postgres
    the_demonstration_is_applied_and_taken_back on sqlite, postgres
    a_url_will_do on sqlite, postgres, mysql, scylla
    a_connection_will_do on sqlite, postgres, mysql, scylla
    an_empty_set_is_up_to_date on sqlite, postgres, mysql, scylla
}

async fn what_is_pending_is_applied_in_order_and_once(world: World) {
    let set = world.three();
    let report = world.up(&set).await.unwrap();
    assert_eq!(report.steps().len(), 3);
    assert!(report.steps().iter().all(|step| step.outcome == Outcome::Done));
    assert_eq!((report.previous(), report.applied()), (None, 3));
    assert_eq!(report.current().unwrap().to_string(), "0003");
    assert_eq!((report.steps()[1].statements, report.steps()[1].rows), (2, world.cql_or(None, Some(1))));
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);

    let report = world.up(&set).await.unwrap();
    assert!(report.is_up_to_date());
    assert_eq!(report.to_string(), "up to date at 0003 (3 migrations)");
    assert_eq!(world.count("b").await, 1);
    let events = world.changes().await;
    assert_eq!(events, ["applied"; 3]);
}

async fn new_migrations_are_applied_on_top(world: World) {
    world.up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")])).await.unwrap();
    let grown =
        world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"), ("0002_b.sql", "ALTER TABLE a ADD b INT")]);
    let report = world.up(&grown).await.unwrap();
    assert_eq!(report.previous().unwrap().to_string(), "0001");
    assert_eq!(report.steps().len(), 1);
    assert_eq!(world.texts("SELECT b FROM a").await, [""; 0]);
}

async fn a_failed_step_leaves_the_rest_pending(world: World) {
    let with = |second| {
        set([
            ("0001_a.sql", "CREATE TABLE a (id INTEGER)"),
            ("0002_b.sql", second),
            ("0003_c.sql", "CREATE TABLE c (id INTEGER)"),
        ])
    };
    let broken = with("CREATE TABLE b (id INTEGER);\n\nUPDATE b\n   SET emial = 1;\nDROP TABLE b;");
    let error = world.up(&broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(error.to_string(), "0002_b failed at statement 2 of 3 (0002_b.sql:4:8)");
    world.shows("statement_fails", &error);
    let outcomes: Vec<_> = error.report().unwrap().steps().iter().map(|step| step.outcome.clone()).collect();
    assert!(matches!(&outcomes[..], [Outcome::Done, Outcome::Failed(_), Outcome::NotRun]), "{outcomes:?}");
    assert!(world.has("a").await && !world.has("b").await && !world.has("c").await);
    assert_eq!(world.versions("completed").await, ["1"]);
    assert_eq!(world.versions("failed").await, ["2"]);
    let why = world.texts("SELECT error FROM whimbrel_history WHERE version = '2'").await;
    assert!(why[0].contains("emial"), "{why:?}");

    // As long as nobody corrects it, nothing else happens.
    let again = world.up(&broken).await.unwrap_err();
    assert_eq!(again.to_string(), error.to_string());

    let corrected = with("CREATE TABLE b (id INTEGER);\nUPDATE b SET id = 1;");
    let report = world.up(&corrected).await.unwrap();
    assert_eq!(report.steps().len(), 2);
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
    let events = "SELECT what FROM whimbrel_events ORDER BY id";
    assert_eq!(world.texts(events).await, ["applied", "failed", "failed", "applied", "applied"]);
    assert!(world.up(&corrected).await.unwrap().is_up_to_date());
}

async fn a_step_that_fails_among_many_keeps_those_before_it(world: World) {
    let file = |number: usize| {
        let text = match number {
            60 => "CREATE TABLE t60 (id INTEGER); INSERT INTO nowhere VALUES ('ü');".to_owned(),
            _ => format!("CREATE TABLE t{number} (id INTEGER);"),
        };
        (format!("{number:04}_t.sql"), text.into_bytes())
    };
    let set = whimbrel::Migrations::from_files((1..=100).map(file)).unwrap();
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.to_string(), "0060_t failed at statement 2 of 2 (0060_t.sql:1:44)");
    let report = error.report().unwrap();
    let done = report.steps().iter().filter(|step| step.outcome == Outcome::Done).count();
    let not_run = report.steps().iter().filter(|step| step.outcome == Outcome::NotRun).count();
    assert_eq!((done, not_run, report.applied()), (59, 40, 59));
    assert_eq!(world.versions("completed").await.len(), 59);
    assert!(world.has("t59").await && !world.has("t60").await && !world.has("t61").await);
}

async fn the_first_step_may_fail_on_a_fresh_database(world: World) {
    let error = world.up(&world.set([("1_a.sql", "SELEKT 1")])).await.unwrap_err();
    assert_eq!(error.to_string(), "1_a failed at statement 1 of 1 (1_a.sql:1:1)");
    assert_eq!(world.versions("failed").await, ["1"]);
    assert_eq!(world.up(&world.set([("1_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")])).await.unwrap().applied(), 1);
}

async fn a_target_stops_at_its_version_or_after_its_steps(world: World) {
    let set = world.three();
    let one = world.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
    assert_eq!((one.steps().len(), one.current().unwrap().to_string()), (1, "0001".to_owned()));
    let two = world.migrator(&set).up_to(Target::Version("2".parse().unwrap())).await.unwrap();
    assert_eq!((two.steps().len(), two.current().unwrap().to_string()), (1, "0002".to_owned()));
    let none = world.migrator(&set).up_to(Target::Version("1".parse().unwrap())).await.unwrap();
    assert!(none.is_up_to_date());
    let error = world.migrator(&set).up_to(Target::Version("7".parse().unwrap())).await.unwrap_err();
    world.shows("target_unknown", &error);
    let rest = world.migrator(&set).up_to(Target::Steps(9)).await.unwrap();
    assert_eq!((rest.steps().len(), rest.applied()), (1, 3));
}

async fn a_script_in_begin_and_commit_runs_in_our_transaction(world: World) {
    let with = |last: &str| {
        let text = format!("BEGIN;\nCREATE TABLE a (id INTEGER);\n{last};\nCOMMIT;\n");
        set([("0001_a.sql", &*text)])
    };
    let error = world.up(&with("INSERT INTO nowhere VALUES (1)")).await.unwrap_err();
    assert_eq!(error.place().unwrap().line(), Some(3));
    assert!(!world.has("a").await);
    let report = world.up(&with("INSERT INTO a VALUES (1)")).await.unwrap();
    assert_eq!((report.steps()[0].statements, report.steps()[0].rows), (2, Some(1)));
    assert_eq!(world.count("a").await, 1);
}

async fn a_script_may_leave_the_runners_transaction_for_a_while(world: World) {
    let outside = world.choose("VACUUM", "VACUUM a");
    let with = |middle: &str, last: &str| {
        let text = format!("CREATE TABLE a (id INTEGER);\nCOMMIT;\n{outside};\n{middle};\nBEGIN;\n{last};\n");
        set([("0001_a.sql", &*text), ("0002_b.sql", "CREATE TABLE b (id INTEGER)")])
    };
    let (nowhere, one, two) =
        ("INSERT INTO nowhere VALUES (1)", "INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)");
    for (set, line) in [(with(nowhere, two), 4), (with(one, nowhere), 6)] {
        assert_eq!(world.up(&set).await.unwrap_err().place().unwrap().line(), Some(line));
    }
    let report = world.up(&with(one, two)).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (2, 1));
    assert_eq!(world.texts("SELECT CAST(id AS CHAR(1)) FROM a ORDER BY id").await, ["1", "2"]);
}

async fn a_comment_alone_is_applied(world: World) {
    let set = world.set([
        ("0001_a.sql", "-- Taken back before it reached anybody.\n"),
        ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY);"),
    ]);
    let report = world.up(&set).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (2, 0));
    assert!(world.up(&set).await.unwrap().is_up_to_date());
}

async fn three_megabytes_are_applied(world: World) {
    let mut text = String::from("CREATE TABLE a (id INT PRIMARY KEY, b TEXT, c INT);\n");
    // Each statement of CQL is a request, and its progress another one.
    let long = "ü'' ".repeat(world.cql_or(50_000, 50));
    let mut rows = 0;
    while text.len() < 3_000_000 {
        text.push_str(&format!("INSERT INTO a (id, b) VALUES ({rows}, '{long}');\n"));
        rows += 1;
    }
    let set = world.set([("0001_a.sql", &*text), ("0002_b.sql", "CREATE INDEX a_c ON a (c)")]);
    let report = world.up(&set).await.unwrap();
    assert_eq!(report.steps()[0].rows, world.cql_or(None, Some(rows)));
    assert_eq!(world.count("a").await, i64::try_from(rows).unwrap());
    assert!(world.has("a_c").await);
}

async fn a_verify_query_that_finds_a_row_passes(world: World) {
    let set = world.set([
        ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a (id) VALUES (7);"),
        ("0001_a.verify.sql", "SELECT id FROM a WHERE id = 7; -- it is there\nSELECT id FROM a"),
    ]);
    assert_eq!(world.up(&set).await.unwrap().applied(), 1);
    let validation = world.migrator(&set).validate().await.unwrap();
    assert_eq!(validation.to_string(), "valid: 1 migration compared, 1 verify script asked");
    world.run("DELETE FROM a WHERE id = 7").await;
    let validation = world.migrator(&set).validate().await.unwrap();
    assert_eq!(
        validation.to_string(),
        "not valid: 1 problem in 1 migration compared, 1 verify script asked\n\
         \u{20} 0001 a: the query returned no row\n\
         \u{20}  --> 0001_a.verify.sql:1:1\n\
         \u{20}   |\n\
         \u{20} 1 | SELECT id FROM a WHERE id = 7; -- it is there\n\
         \u{20}   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n\
         \u{20}   |"
    );
}

async fn a_verify_query_that_finds_nothing_rolls_its_step_back(world: World) {
    let set = set([
        ("0001_a.sql", "CREATE TABLE a (id INTEGER);"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
        ("0002_b.verify.sql", "SELECT 1;\nSELECT id FROM b WHERE id = 7;"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.to_string(), "0002_b failed at verify query 2 of 2 (0002_b.verify.sql:2:1)");
    world.shows("verify_finds_nothing", &error);
    assert!(world.has("a").await && !world.has("b").await && !world.has("c").await);
}

async fn the_isolation_level_of_a_script_is_kept(world: World) {
    let text = "BEGIN ISOLATION LEVEL SERIALIZABLE;\n\
                CREATE TABLE a AS SELECT current_setting('transaction_isolation') AS b;\nCOMMIT;";
    let set = set_for("postgres", [("0001_a.sql", text), ("0002_b.sql", "CREATE TABLE b (id INTEGER)")]);
    world.up(&set).await.unwrap();
    assert_eq!(world.texts("SELECT b FROM a").await, ["serializable"]);
}

async fn a_statement_may_not_take_longer_than_its_directive(world: World) {
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let text = format!("-- whimbrel:timeout 200ms\nCREATE TABLE b (id INTEGER);\n{endless};");
    let set = set([("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_b.sql", &*text)]);
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    world.shows("statement_takes_too_long", &error);
    assert!(world.has("a").await && !world.has("b").await);
    // The setting does the same for all, and the directive wins over it.
    let set = set_for(world.dialect(), [("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_b.sql", endless)]);
    let mut migrator = world.migrator(&set).statement_timeout(std::time::Duration::from_millis(100));
    assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::Timeout);
}

async fn the_demonstration_is_applied_and_taken_back(world: World) {
    static DEMONSTRATION: whimbrel::Migrations = whimbrel::embed_migrations!("../migrations");
    for _ in 0..2 {
        assert_eq!(world.up(&DEMONSTRATION).await.unwrap().steps().len(), 13);
        assert!(world.migrator(&DEMONSTRATION).validate().await.unwrap().is_valid());
        let down = world.migrator(&DEMONSTRATION).down(whimbrel::Rollback::All).await.unwrap();
        assert_eq!((down.steps().len(), down.applied()), (13, 0));
        assert!(!world.has("users").await);
    }
    let statement = DEMONSTRATION.iter().next().unwrap().scripts()[0].statement(0).unwrap();
    assert_eq!(statement.kind, Kind::Ddl);
}

async fn a_url_will_do(world: World) {
    let set = world.three();
    let mut migrator = whimbrel::Migrator::connect(&set, &world.url()).unwrap();
    assert_eq!(migrator.up().await.unwrap().applied(), 3);
    assert!(migrator.up().await.unwrap().is_up_to_date());
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
}

async fn a_connection_will_do(world: World) {
    let set = world.three();
    match &world {
        World::Sqlite(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            let report = whimbrel::migrate(&set, &mut *connection).await.unwrap();
            assert_eq!(report.applied(), 3);
        }
        World::Postgres(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            let report = whimbrel::migrate(&set, &mut *connection).await.unwrap();
            assert_eq!(report.applied(), 3);
        }
        World::Mysql(pool, _) => {
            let mut connection = pool.acquire().await.unwrap();
            let report = whimbrel::migrate(&set, &mut *connection).await.unwrap();
            assert_eq!(report.applied(), 3);
        }
        World::Scylla(session, _) => {
            let session: &scylla::client::session::Session = session;
            assert_eq!(whimbrel::migrate(&set, session).await.unwrap().applied(), 3);
        }
    }
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
}

async fn an_empty_set_is_up_to_date(world: World) {
    let set = world.set([("whimbrel.toml", "empty = \"allow\"")]);
    assert_eq!(world.up(&set).await.unwrap().to_string(), "up to date: no migration is applied");
    assert!(!world.has("whimbrel_history").await);
}

async fn a_database_that_was_made_before_is_told_of_the_baseline(world: World) {
    world.run("CREATE TABLE a (id INT PRIMARY KEY)").await;
    let help = "; if this database was made before whimbrel came, record where it is: `migrate baseline VERSION`";
    let error = world.up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")])).await.unwrap_err();
    assert!(error.help_text().unwrap().ends_with(help), "{error:?}");
    // Not where something is applied already.
    let set = world.set([("0001_b.sql", "SELECT id FROM a"), ("0002_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)")]);
    world.migrator(&set).up_to(whimbrel::Target::Steps(1)).await.unwrap();
    let error = world.up(&set).await.unwrap_err();
    assert!(!error.help_text().unwrap().contains("baseline"), "{error:?}");
}
