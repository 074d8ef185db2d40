//! Steps that cannot run in a transaction: statement by statement, their progress recorded.

use std::time::Duration;

use whimbrel::{ErrorKind, Mode, Resolve, Rollback, Target};
use whimbrel_tests::starters::Starters;

use crate::stories::world::{World, set_for, stories};

stories! {
    concurrent_indexes_need_no_mark on postgres
    a_vacuum_needs_no_mark on sqlite, postgres
    a_step_that_fails_outside_a_transaction_goes_on_at_its_statement on sqlite, postgres, mysql, scylla
    what_goes_on_after_a_failure_keeps_its_place_in_the_order on sqlite, postgres, mysql, scylla
    what_has_run_outside_a_transaction_may_not_be_edited on sqlite, postgres, mysql, scylla
    a_statement_outside_a_transaction_goes_with_its_progress on sqlite, postgres, mysql
    an_edit_may_remove_what_has_not_run on sqlite, postgres, mysql, scylla
    a_verify_query_outside_a_transaction_is_asked on sqlite, postgres, mysql, scylla
    a_script_that_commits_in_the_middle_keeps_what_it_committed on postgres
    a_rollback_may_run_outside_a_transaction on sqlite, postgres, mysql, scylla
    a_rollback_that_fails_outside_a_transaction_goes_on_at_its_statement on sqlite, postgres, mysql, scylla
    a_rollback_that_fails_at_its_first_statement_leaves_it_applied on sqlite, postgres, mysql, scylla
    a_rollback_that_nobody_can_judge_stops on sqlite, postgres, mysql, scylla
    what_can_run_in_a_transaction_is_never_in_doubt on sqlite, postgres, mysql, scylla
    an_interrupted_index_is_settled_by_the_catalogue on postgres
    an_invalid_index_is_dropped_and_built_anew on postgres
    an_index_whose_builder_is_killed_is_built_anew on postgres
    what_has_run_of_a_down_script_may_not_be_edited on sqlite, postgres, mysql, scylla
    a_stored_down_script_goes_on_at_its_statement on sqlite, postgres, mysql, scylla
    a_unique_index_that_fails_concurrently_says_so on postgres
    what_was_done_is_not_forgotten_when_a_resumed_session_fails on postgres
    a_table_that_somebody_holds_is_waited_for_outside_a_transaction on postgres
    a_procedure_that_commits_is_not_called_twice on postgres
    a_procedure_that_has_committed_some_is_no_way_back_untaken on postgres
    a_transaction_of_the_scripts_own_sets_its_modes_first on postgres
    what_an_extension_runs_outside_a_transaction_only_is_sent_alone on postgres
    what_is_done_but_not_completed_is_no_step_to_skip_in_a_rollback on postgres
    the_role_of_the_login_writes_the_progress on postgres
    limits_without_end_are_no_error on sqlite, postgres, mysql
    what_failed_half_way_is_finished_before_anything_is_rolled_back on sqlite, postgres, mysql, scylla
}

async fn concurrent_indexes_need_no_mark(world: World) {
    let set = set_for(
        "postgres",
        [
            ("0001_a.sql", "CREATE TABLE a (id INTEGER, b INTEGER)"),
            ("0002_index.up.sql", "CREATE INDEX CONCURRENTLY a_id ON a (id);\nCREATE INDEX CONCURRENTLY a_b ON a (b);"),
            ("0002_index.down.sql", "DROP INDEX CONCURRENTLY a_b; DROP INDEX CONCURRENTLY a_id"),
            ("0003_c.sql", "CREATE TABLE c (id INTEGER)"),
        ],
    );
    let plan = world.migrator(&set).plan(Target::Latest).await.unwrap().to_string();
    assert_eq!(
        plan,
        "would apply 3 migrations\n\
         \u{20} 0001 a        1 statement  one transaction\n\
         \u{20} 0002 index   2 statements  outside a transaction, statement by statement\n\
         \u{20} 0003 c        1 statement  one transaction"
    );
    let report = world.up(&set).await.unwrap();
    assert_eq!((report.steps().len(), report.steps()[1].statements), (3, 2));
    let valid = "SELECT count(*)::text FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid";
    assert_eq!(world.texts(valid).await, ["2"]);
    let progress = "SELECT applied || ' of ' || statements FROM whimbrel_history WHERE version = '2'";
    assert_eq!(world.texts(progress).await, ["2 of 2"]);
    let events = "SELECT what || ' ' || version FROM whimbrel_events ORDER BY id";
    assert_eq!(world.texts(events).await, ["applied 1", "started 2", "applied 2", "applied 3"]);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    world.migrator(&set).down(Rollback::Name("index".into())).await.unwrap();
    assert!(!world.has("a_id").await);
}

async fn a_vacuum_needs_no_mark(world: World) {
    let set = set_for(
        world.dialect(),
        [("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_vacuum.sql", "VACUUM"), ("0003_c.sql", "SELECT 1")],
    );
    let mut migrator = world.migrator(&set);
    assert_eq!(migrator.plan(Target::Latest).await.unwrap().steps()[1].mode(), Mode::Outside);
    assert_eq!(migrator.up().await.unwrap().applied(), 3);
    assert!(migrator.up().await.unwrap().is_up_to_date());
}

fn halfway(world: &World, second: &str, third: &str) -> whimbrel::Migrations {
    let text = format!(
        "-- whimbrel:no-transaction\nCREATE TABLE b (id INT PRIMARY KEY);\n{second};\n{third};\nINSERT INTO b (id) VALUES (4);"
    );
    set_for(
        world.dialect(),
        [
            ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
            ("0002_b.sql", &*text),
            ("0003_c.sql", "SELECT id FROM a"),
        ],
    )
}

async fn a_step_that_fails_outside_a_transaction_goes_on_at_its_statement(world: World) {
    let broken = halfway(&world, "INSERT INTO b (id) VALUES (2)", "INSERT INTO b (emial) VALUES (3)");
    let error = world.up(&broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    world.shows("statement_outside_fails", &error);
    assert_eq!(world.count("b").await, 1);
    let entry = world.migrator(&broken).history().await.unwrap().remove(1);
    assert_eq!((entry.state.name(), entry.applied, entry.statements), ("failed", 2, 4));
    // Still broken: it is tried again, from there on.
    assert_eq!(world.up(&broken).await.unwrap_err().to_string(), error.to_string());
    assert_eq!(world.count("b").await, 1);

    let corrected = halfway(&world, "INSERT INTO b (id) VALUES (2)", "INSERT INTO b (id) VALUES (3)");
    let plan = world.migrator(&corrected).plan(Target::Latest).await.unwrap();
    assert_eq!(plan.steps()[0].statements().collect::<Vec<_>>()[0], "INSERT INTO b (id) VALUES (3)");
    let report = world.up(&corrected).await.unwrap();
    assert_eq!((report.steps().len(), report.steps()[0].statements), (2, 2));
    assert_eq!(world.count("b").await, 3);
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
    assert!(world.up(&corrected).await.unwrap().is_up_to_date());
}

async fn what_goes_on_after_a_failure_keeps_its_place_in_the_order(world: World) {
    world.up(&halfway(&world, "INSERT INTO b (id) VALUES (2)", "INSERT INTO b (emial) VALUES (3)")).await.unwrap_err();
    let corrected = halfway(&world, "INSERT INTO b (id) VALUES (2)", "INSERT INTO b (id) VALUES (3)");
    world.up(&corrected).await.unwrap();
    let history = world.migrator(&corrected).history().await.unwrap();
    assert_eq!(history.iter().map(|entry| entry.rank).collect::<Vec<_>>(), [1, 2, 3]);
}

async fn what_has_run_outside_a_transaction_may_not_be_edited(world: World) {
    let broken = halfway(&world, "INSERT INTO b (id) VALUES (2)", "SELEKT");
    world.up(&broken).await.unwrap_err();
    let edited = halfway(&world, "INSERT INTO b (id) VALUES (22)", "SELECT id FROM a");
    let error = world.up(&edited).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    world.shows("edited_halfway", &error);
    assert_eq!(world.count("b").await, 1);
    // Spaces and comments are none.
    let commented = halfway(&world, "-- The first.\nINSERT INTO b (id)\n  VALUES (2)", "SELECT id FROM a");
    assert_eq!(world.up(&commented).await.unwrap().applied(), 3);
    assert_eq!(world.count("b").await, 2);
}

async fn a_statement_outside_a_transaction_goes_with_its_progress(world: World) {
    // Its progress cannot be written: then it has not run either.
    let set = halfway(&world, "DELETE FROM whimbrel_history WHERE version = '2'", "SELECT 1");
    let error = world.up(&set).await.unwrap_err();
    let expected = world.choose(
        "0002_b was taken over by another runner, or took its own entry; this run stops",
        "0002_b failed at its entry in the history",
    );
    assert_eq!(error.to_string(), expected);
    let entry = world.migrator(&set).history().await.unwrap().remove(1);
    assert_eq!((entry.applied, entry.statements), (1, 4));
}

async fn a_procedure_that_has_committed_some_is_no_way_back_untaken(world: World) {
    let procedure = "CREATE TABLE a (id INTEGER);
        CREATE PROCEDURE undo() LANGUAGE plpgsql AS 'BEGIN INSERT INTO a VALUES (1); COMMIT; PERFORM 1 / 0; END'";
    let set = set_for(
        "postgres",
        [("0001_a.up.sql", procedure), ("0001_a.down.sql", "-- whimbrel:no-transaction\nCALL undo();\nSELECT 1;")],
    );
    world.up(&set).await.unwrap();
    world.migrator(&set).down(Rollback::Steps(1)).await.unwrap_err();
    let entry = world.migrator(&set).history().await.unwrap().remove(0);
    assert_eq!((entry.state.name(), entry.undone, world.count("a").await), ("failed", Some(0), 1));
}

async fn a_transaction_of_the_scripts_own_sets_its_modes_first(world: World) {
    let text = "-- whimbrel:no-transaction\nCREATE TABLE a (b TEXT);\nBEGIN;\n\
                SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n\
                INSERT INTO a SELECT current_setting('transaction_isolation');\nCOMMIT;";
    assert_eq!(world.up(&set_for("postgres", [("0001_a.sql", text)])).await.unwrap().applied(), 1);
    assert_eq!(world.texts("SELECT b FROM a").await, ["serializable"]);
}

async fn what_an_extension_runs_outside_a_transaction_only_is_sent_alone(world: World) {
    let extension = "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE 'BEGIN%' THEN RAISE EXCEPTION 'not in a transaction' USING ERRCODE = '25001'; END IF;
        END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE MATERIALIZED VIEW')
        EXECUTE FUNCTION refuse()";
    world.run(extension).await;
    let text = "-- whimbrel:no-transaction\nCREATE TABLE a (id INTEGER);\n\
                CREATE MATERIALIZED VIEW b AS SELECT * FROM a;\nINSERT INTO a VALUES (1);";
    let report = world.up(&set_for("postgres", [("0001_a.sql", text)])).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (1, 3));
    assert!(world.has("b").await);
}

async fn an_edit_may_remove_what_has_not_run(world: World) {
    let with = |statements: &[&str]| {
        let text = format!("-- whimbrel:no-transaction\n{};", statements.join(";\n"));
        world.set([("0001_a.sql", &*text)])
    };
    let [create, one, nowhere] =
        ["CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a (id) VALUES (1)", "INSERT INTO nowhere (id) VALUES (1)"];
    world.up(&with(&[create, one, nowhere, one])).await.unwrap_err();
    for removed in [with(&[create]), with(&[one]), with(&[create, nowhere])] {
        assert_eq!(world.up(&removed).await.unwrap_err().kind(), ErrorKind::Changed);
    }
    let report = world.up(&with(&[create, one])).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (1, 0));
    assert_eq!(world.count("a").await, 1);
    let entry = world.migrator(&with(&[create, one])).history().await.unwrap().remove(0);
    assert_eq!((entry.state.name(), entry.statements, entry.applied), ("completed", 2, 2));
    assert!(world.up(&with(&[create, one])).await.unwrap().is_up_to_date());
}

async fn a_verify_query_outside_a_transaction_is_asked(world: World) {
    let with = |verify| {
        set_for(
            world.dialect(),
            [
                (
                    "0001_a.up.sql",
                    "-- whimbrel:no-transaction\nCREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a (id) VALUES (7)",
                ),
                ("0001_a.verify.sql", verify),
            ],
        )
    };
    let error = world.up(&with("SELECT id FROM a WHERE id = 8")).await.unwrap_err();
    world.shows("verify_outside_finds_nothing", &error);
    assert_eq!(world.versions("failed").await, ["1"]);
    assert_eq!(world.up(&with("SELECT id FROM a WHERE id = 7")).await.unwrap().applied(), 1);
    assert_eq!(world.count("a").await, 1);
}

async fn a_script_that_commits_in_the_middle_keeps_what_it_committed(world: World) {
    let with = |last: &str| {
        let text = format!(
            "CREATE TABLE a (id INTEGER);\nBEGIN;\nINSERT INTO a VALUES (1);\nCOMMIT;\n\
             BEGIN;\nINSERT INTO a VALUES (2);\n{last};\nCOMMIT;"
        );
        set_for("postgres", [("0001_a.sql", &*text)])
    };
    world.up(&with("INSERT INTO a VALUES (1/0)")).await.unwrap_err();
    assert_eq!(world.count("a").await, 1);
    let entry = world.migrator(&with("SELECT 1")).history().await.unwrap().remove(0);
    assert_eq!((entry.state.name(), entry.applied), ("failed", 4));
    assert_eq!(world.up(&with("INSERT INTO a VALUES (3)")).await.unwrap().applied(), 1);
    assert_eq!(world.count("a").await, 3);
}

async fn a_rollback_may_run_outside_a_transaction(world: World) {
    let set = set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
            ("0001_a.down.sql", &*format!("-- whimbrel:no-transaction\nDROP TABLE a;\n{}", again(&world))),
        ],
    );
    world.up(&set).await.unwrap();
    let report = world.migrator(&set).down(Rollback::All).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (0, 2));
    assert_eq!(world.versions("rolled_back").await, ["1"]);
    assert_eq!(world.up(&set).await.unwrap().applied(), 1);
}

/// What may run twice, and in no transaction.
fn again(world: &World) -> &'static str {
    let sql = world.each("VACUUM", "VACUUM", "ANALYZE TABLE whimbrel_history");
    world.cql_or("SELECT key FROM system.local", sql)
}

/// A down script of three statements, which counts in `log` how often its first has run.
fn with_down(world: &World, first: &str, second: &str) -> whimbrel::Migrations {
    let down = format!("-- whimbrel:no-transaction\n{first};\n{second};\nDROP TABLE b;");
    set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", "CREATE TABLE log (id INT PRIMARY KEY)"),
            ("0001_a.down.sql", "DROP TABLE log"),
            ("0002_b.up.sql", "CREATE TABLE b (id INT PRIMARY KEY)"),
            ("0002_b.down.sql", &*down),
        ],
    )
}

const LOG: &str = "INSERT INTO log (id) VALUES (1)";

async fn a_rollback_that_fails_outside_a_transaction_goes_on_at_its_statement(world: World) {
    let broken = with_down(&world, LOG, "INSERT INTO nowhere (id) VALUES (2)");
    world.up(&broken).await.unwrap();
    let error = world.migrator(&broken).down(Rollback::Steps(1)).await.unwrap_err();
    world.shows("rollback_outside_fails", &error);
    let entry = world.migrator(&broken).history().await.unwrap().remove(1);
    assert_eq!((entry.state.name(), entry.applied, entry.undone, entry.statements), ("failed", 1, Some(1), 3));
    let status = world.migrator(&broken).status().await.unwrap().to_string();
    assert!(status.ends_with(", 1 of 3 statements rolled back"), "{status}");
    assert!(world.migrator(&broken).pending().await.unwrap().is_empty());
    // Nothing else is run before it is finished.
    for error in [
        world.up(&broken).await.unwrap_err(),
        world.migrator(&broken).down(Rollback::Name("a".into())).await.unwrap_err(),
    ] {
        world.shows("rollback_half_way", &error);
    }

    let corrected = with_down(&world, LOG, "INSERT INTO log (id) VALUES (2)");
    let plan = world.migrator(&corrected).plan_down(Rollback::Steps(1)).await.unwrap();
    assert_eq!(plan.steps()[0].statements().collect::<Vec<_>>(), ["INSERT INTO log (id) VALUES (2)", "DROP TABLE b"]);
    let report = world.migrator(&corrected).down(Rollback::Steps(1)).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (1, 2));
    assert_eq!((world.count("log").await, world.has("b").await), (2, false));
    let entry = world.migrator(&corrected).history().await.unwrap().remove(1);
    assert_eq!((entry.state.name(), entry.applied, entry.undone, entry.statements), ("rolled_back", 0, None, 1));
    let events = world.events_of("2").await;
    assert!(
        events.ends_with(&["applied", "started", "failed", "started", "rolled_back"].map(str::to_owned)),
        "{events:?}"
    );
    assert_eq!(world.up(&corrected).await.unwrap().applied(), 2);
}

async fn a_rollback_that_fails_at_its_first_statement_leaves_it_applied(world: World) {
    let set = with_down(&world, "INSERT INTO nowhere (id) VALUES (2)", LOG);
    world.up(&set).await.unwrap();
    let error = world.migrator(&set).down(Rollback::Steps(1)).await.unwrap_err();
    world.shows("rollback_outside_fails_at_once", &error);
    assert_eq!(world.versions("completed").await, ["1", "2"]);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let entry = world.migrator(&set).history().await.unwrap().remove(1);
    assert_eq!((entry.applied, entry.undone, entry.statements), (1, None, 1));
}

async fn a_rollback_that_nobody_can_judge_stops(world: World) {
    let second = world.each(
        "INSERT INTO log (id) VALUES (2);\nPRAGMA query_only = 0",
        "DO 'BEGIN END';\nSELECT 1",
        "TRUNCATE TABLE log;\nSELECT id FROM log",
    );
    let set = with_down(&world, LOG, second);
    world.up(&set).await.unwrap();
    world.unfinish("2", "state = 'running', statements = 4, undone = 1").await;
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(100));
    for error in [migrator.down(Rollback::Steps(1)).await.unwrap_err(), migrator.up().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InDoubt);
        world.shows("rollback_in_doubt", &error);
    }
    assert_eq!((world.count("log").await, world.has("b").await), (0, true));
    migrator.resolve(&"2".parse().unwrap(), Resolve::Done(2)).await.unwrap();
    assert_eq!(migrator.down(Rollback::Steps(1)).await.unwrap().steps()[0].statements, 2);
    assert_eq!((world.count("log").await, world.has("b").await), (0, false));
}

/// Makes the second migration one whose runner has died after so many statements.
async fn interrupt(world: &World, applied: usize) {
    world.unfinish("2", &format!("state = 'running', applied = {applied}")).await;
}

async fn what_can_run_in_a_transaction_is_never_in_doubt(world: World) {
    let set = halfway(&world, "INSERT INTO b (id) VALUES (2)", again(&world));
    world.up(&set).await.unwrap();
    for applied in [3, 4, 2] {
        // What stands at its end has nothing left: there the row stays, and its key allows no other.
        if applied < 4 {
            world.run("DELETE FROM b WHERE id = 4").await;
        }
        interrupt(&world, applied).await;
        world.forget("3").await;
        let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(50));
        assert_eq!(migrator.up().await.unwrap().applied(), 3, "{applied}");
        assert_eq!(world.count("b WHERE id = 4").await, 1, "{applied}");
    }
    assert_eq!(world.count("b WHERE id = 2").await, 1);
    let resolved = world.details("resolved").await;
    assert_eq!(resolved[0], "interrupted at statement 4 of 4, which was found to be not done");
    assert_eq!(resolved.len(), 3);
}

async fn an_interrupted_index_is_settled_by_the_catalogue(world: World) {
    let text = "CREATE INDEX CONCURRENTLY a_id ON a (id);\nDROP INDEX CONCURRENTLY a_b;\nINSERT INTO a VALUES (1);";
    let set = set_for(
        "postgres",
        [("0001_a.sql", "CREATE TABLE a (id INTEGER);\nCREATE INDEX a_b ON a (id);"), ("0002_b.sql", text)],
    );
    world.up(&set).await.unwrap();
    let invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_id'::regclass";
    let cases = [
        // The statements that are done, what is there then, and what is found.
        (0, "DROP INDEX a_id; CREATE INDEX a_b ON a (id)", "not done"),
        (0, "CREATE INDEX a_b ON a (id)", "done"),
        (0, &*format!("{invalid}; CREATE INDEX a_b ON a (id)"), "not done"),
        (1, "SELECT 1", "done"),
        (1, "CREATE INDEX a_b ON a (id)", "not done"),
        (2, "SELECT 1", "not done"),
    ];
    for (number, (applied, before, found)) in cases.into_iter().enumerate() {
        world.run(before).await;
        interrupt(&world, applied).await;
        assert_eq!(world.up(&set).await.unwrap().applied(), 2, "{number}");
        let valid = "SELECT relname::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid \
                     WHERE indrelid = 'a'::regclass AND indisvalid";
        assert_eq!(world.texts(valid).await, ["a_id"], "{number}");
        let detail = world.texts("SELECT detail FROM whimbrel_events WHERE what = 'resolved' ORDER BY id DESC").await;
        assert!(detail[0].ends_with(&format!(" found to be {found}")), "{number}: {detail:?}");
        assert_eq!((detail.len(), world.count("a").await), (number + 1, number as i64 + 2));
    }
}

async fn an_invalid_index_is_dropped_and_built_anew(world: World) {
    world.run("CREATE TABLE \"A\" (id INTEGER); INSERT INTO \"A\" VALUES (1), (1)").await;
    let text = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"A_id\" ON public.\"A\" (id)";
    let set = set_for("postgres", [("0001_i.sql", text)]);
    world.up(&set).await.unwrap_err();
    assert!(world.has("A_id").await);
    world.run("DELETE FROM \"A\"").await;
    assert_eq!(world.up(&set).await.unwrap().applied(), 1);
    let valid = "pg_index WHERE indexrelid = '\"A_id\"'::regclass AND indisvalid";
    assert_eq!(world.count(valid).await, 1);
}

async fn an_index_whose_builder_is_killed_is_built_anew(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1)").await;
    let folder = tempfile::tempdir().unwrap();
    let text = "-- whimbrel:no-transaction\nINSERT INTO a VALUES (2);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\
                INSERT INTO a VALUES (3);";
    std::fs::write(folder.path().join("0001_i.sql"), text).unwrap();
    std::fs::write(folder.path().join("whimbrel.toml"), "dialect = \"postgres\"").unwrap();
    // The build waits for whoever writes to its table.
    let mut writer = pool.begin().await.unwrap();
    sqlx::raw_sql("DELETE FROM a WHERE id = 7").execute(&mut *writer).await.unwrap();
    let mut starter = Starters::ready(env!("CARGO_BIN_EXE_starter"), 1, &world.url(), Some(folder.path()));
    starter.go();
    while world.count("pg_index WHERE indexrelid = to_regclass('a_id')").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It kills.
    drop(starter);
    let set = whimbrel::Migrations::from_directory(folder.path()).unwrap();
    let released = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        writer.rollback().await.unwrap();
    };
    let mut migrator = world.migrator(&set);
    let (report, ()) = tokio::join!(migrator.up(), released);
    assert_eq!(report.unwrap().applied(), 1);
    let valid = "pg_index WHERE indrelid = 'a'::regclass AND indisvalid";
    assert_eq!((world.count(valid).await, world.count("a").await), (1, 3));
    assert_eq!(world.texts("SELECT what FROM whimbrel_events").await.iter().filter(|it| *it == "resolved").count(), 1);
}

async fn what_has_run_of_a_down_script_may_not_be_edited(world: World) {
    let broken = with_down(&world, LOG, "SELEKT");
    world.up(&broken).await.unwrap();
    world.migrator(&broken).down(Rollback::Steps(1)).await.unwrap_err();
    let edited = with_down(&world, "INSERT INTO log (id) VALUES (11)", "SELECT id FROM b");
    let error = world.migrator(&edited).down(Rollback::Steps(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    world.shows("down_edited_halfway", &error);
    assert_eq!(world.count("log").await, 1);
    let commented = with_down(&world, "-- The first.\nINSERT INTO log (id)\n  VALUES (1)", "SELECT id FROM b");
    assert_eq!(world.migrator(&commented).down(Rollback::All).await.unwrap().applied(), 0);
}

async fn a_stored_down_script_goes_on_at_its_statement(world: World) {
    let broken = with_down(&world, LOG, "INSERT INTO later (id) VALUES (2)");
    world.up(&broken).await.unwrap();
    world.migrator(&broken).down(Rollback::Steps(1)).await.unwrap_err();
    world.run("CREATE TABLE later (id INT PRIMARY KEY)").await;
    let older = set_for(
        world.dialect(),
        [("0001_a.up.sql", "CREATE TABLE log (id INT PRIMARY KEY)"), ("0001_a.down.sql", "DROP TABLE log")],
    );
    assert_eq!(world.migrator(&older).down(Rollback::Steps(1)).await.unwrap().steps()[0].statements, 2);
    assert_eq!((world.count("log").await, world.count("later").await), (1, 1));
}

async fn a_unique_index_that_fails_concurrently_says_so(world: World) {
    world.run("CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1), (1)").await;
    let set = set_for("postgres", [("0001_i.sql", "CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)")]);
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    world.shows("unique_index_fails", &error);
}

async fn what_was_done_is_not_forgotten_when_a_resumed_session_fails(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let (role, _) = database.role().await;
    let with = |last: &str| {
        let text =
            format!("-- whimbrel:no-transaction\nSET ROLE {role};\nRESET ROLE;\nINSERT INTO a VALUES (1);\n{last};");
        set_for("postgres", [("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_b.sql", &*text)])
    };
    world.up(&with("SELEKT")).await.unwrap_err();
    // The role is away for a while.
    world.run(format!("ALTER ROLE {role} RENAME TO {role}_away")).await;
    let error = world.up(&with("SELECT 1")).await.unwrap_err();
    assert_eq!(error.to_string(), "0002_b failed at statement 1 of 4 (0002_b.sql:2:1)");
    world.run(format!("ALTER ROLE {role}_away RENAME TO {role}")).await;
    assert_eq!(world.up(&with("SELECT 1")).await.unwrap().applied(), 2);
    assert_eq!(world.count("a").await, 1);
}

async fn a_table_that_somebody_holds_is_waited_for_outside_a_transaction(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE a (id INTEGER)").await;
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT * FROM a").execute(&mut *reader).await.unwrap();
    let text = "-- whimbrel:no-transaction\nALTER TABLE a ADD b INTEGER;\nCREATE INDEX CONCURRENTLY a_b ON a (b);";
    let set = set_for("postgres", [("0001_b.sql", text)]);
    let mut migrator = world.migrator(&set).statement_lock_timeout(Duration::from_millis(50));
    let released = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        reader.rollback().await.unwrap();
    };
    let (report, ()) = tokio::join!(migrator.up(), released);
    assert_eq!(report.unwrap().applied(), 1);
}

async fn the_role_of_the_login_writes_the_progress(world: World) {
    let World::Postgres(pool, database) = &world else { return };
    let (owner, _) = database.role().await;
    world.run(format!("GRANT CREATE ON SCHEMA public TO {owner}")).await;
    // As after `ALTER ROLE deploy SET role = owner`: the session begins as another one.
    let options = (*pool.connect_options()).clone().options([("role", owner.as_str())]);
    let session = sqlx::PgPool::connect_with(options).await.unwrap();
    let text = "CREATE TABLE a (id INTEGER);\nCREATE INDEX CONCURRENTLY a_id ON a (id);";
    let set = set_for("postgres", [("0001_a.sql", text)]);
    assert_eq!(whimbrel::migrate(&set, &session).await.unwrap().applied(), 1);
    let owners = "SELECT tableowner::text FROM pg_tables WHERE tablename IN ('a', 'whimbrel_history')";
    assert_eq!(world.texts(owners).await, [owner.as_str(); 2]);
}

async fn limits_without_end_are_no_error(world: World) {
    let set = set_for(
        world.dialect(),
        [
            ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
            (
                "0002_b.sql",
                &*format!("-- whimbrel:no-transaction\nCREATE TABLE b (id INT PRIMARY KEY);\n{}", again(&world)),
            ),
        ],
    );
    let forever = Duration::MAX;
    let migrator = world.migrator(&set).lock_timeout(forever).statement_lock_timeout(forever);
    assert_eq!(migrator.statement_timeout(forever).timeout(forever).up().await.unwrap().applied(), 2);
}

async fn what_failed_half_way_is_finished_before_anything_is_rolled_back(world: World) {
    let broken = halfway(&world, "INSERT INTO b (id) VALUES (2)", "SELEKT");
    world.up(&broken).await.unwrap_err();
    let error = world.migrator(&broken).down(Rollback::Steps(1)).await.unwrap_err();
    world.shows("rollback_below_half_way", &error);
    assert!(error.report().is_none() && world.has("a").await);
}

async fn a_procedure_that_commits_is_not_called_twice(world: World) {
    let World::Postgres(pool, _) = &world else { return };
    world.run("CREATE TABLE held (id INTEGER); CREATE TABLE calls (id INTEGER)").await;
    world
        .run("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN INSERT INTO calls VALUES (1); COMMIT; LOCK TABLE held; END'")
        .await;
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT * FROM held").execute(&mut *reader).await.unwrap();
    let set = set_for("postgres", [("0001_p.sql", "-- whimbrel:no-transaction\nCALL p()")]);
    let error = world.migrator(&set).statement_lock_timeout(Duration::from_millis(50)).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(world.count("calls").await, 1);
}

async fn what_is_done_but_not_completed_is_no_step_to_skip_in_a_rollback(world: World) {
    let set = set_for(
        "postgres",
        [
            ("0001_a.up.sql", "CREATE TABLE a (id INTEGER)"),
            ("0001_a.down.sql", "DROP TABLE a"),
            ("0002_b.sql", "-- whimbrel:no-transaction\nCREATE TABLE b (id INTEGER)"),
        ],
    );
    world.up(&set).await.unwrap();
    // Killed after its last statement.
    world.run("UPDATE whimbrel_history SET state = 'running' WHERE version = '2'").await;
    let error = world.migrator(&set).down(Rollback::Steps(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "0002 b stopped half-way, after 1 of 1 statements; nothing was run");
    assert!(world.has("a").await);
    assert_eq!(world.up(&set).await.unwrap().applied(), 2);
}
