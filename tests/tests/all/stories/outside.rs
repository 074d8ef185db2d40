//! Steps that cannot run in a transaction: statement by statement, their progress recorded.

use std::time::Duration;

use whimbrel::{ErrorKind, Mode, Rollback, Target};

use crate::stories::world::{World, set_for, stories};

stories! {
    concurrent_indexes_need_no_mark on postgres
    a_vacuum_needs_no_mark on sqlite, postgres
    a_step_that_fails_outside_a_transaction_goes_on_at_its_statement on sqlite, postgres, mysql
    what_has_run_outside_a_transaction_may_not_be_edited on sqlite, postgres, mysql
    a_verify_query_outside_a_transaction_is_asked on sqlite, postgres, mysql
    a_script_that_commits_in_the_middle_keeps_what_it_committed on postgres
    a_rollback_may_run_outside_a_transaction on sqlite, postgres
    a_unique_index_that_fails_concurrently_says_so on postgres
    what_was_done_is_not_forgotten_when_a_resumed_session_fails on postgres
    a_table_that_somebody_holds_is_waited_for_outside_a_transaction on postgres
    the_role_of_the_login_writes_the_progress on postgres
    limits_without_end_are_no_error on sqlite, postgres
    what_failed_half_way_is_finished_before_anything_is_rolled_back on sqlite, postgres, mysql
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
        "-- whimbrel:no-transaction\nCREATE TABLE b (id INTEGER);\n{second};\n{third};\nINSERT INTO b VALUES (4);"
    );
    set_for(
        world.dialect(),
        [("0001_a.sql", "CREATE TABLE a (id INTEGER)"), ("0002_b.sql", &*text), ("0003_c.sql", "SELECT 1")],
    )
}

async fn a_step_that_fails_outside_a_transaction_goes_on_at_its_statement(world: World) {
    let broken = halfway(&world, "INSERT INTO b VALUES (2)", "INSERT INTO b (emial) VALUES (3)");
    let error = world.up(&broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    world.shows("statement_outside_fails", &error);
    assert_eq!(world.count("b").await, 1);
    let entry = world.migrator(&broken).history().await.unwrap().remove(1);
    assert_eq!((entry.state.name(), entry.applied, entry.statements), ("failed", 2, 4));
    // Still broken: it is tried again, from there on.
    assert_eq!(world.up(&broken).await.unwrap_err().to_string(), error.to_string());
    assert_eq!(world.count("b").await, 1);

    let corrected = halfway(&world, "INSERT INTO b VALUES (2)", "INSERT INTO b (id) VALUES (3)");
    let plan = world.migrator(&corrected).plan(Target::Latest).await.unwrap();
    assert_eq!(plan.steps()[0].statements().collect::<Vec<_>>()[0], "INSERT INTO b (id) VALUES (3)");
    let report = world.up(&corrected).await.unwrap();
    assert_eq!((report.steps().len(), report.steps()[0].statements), (2, 2));
    assert_eq!(world.count("b").await, 3);
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
    assert!(world.up(&corrected).await.unwrap().is_up_to_date());
}

async fn what_has_run_outside_a_transaction_may_not_be_edited(world: World) {
    let broken = halfway(&world, "INSERT INTO b VALUES (2)", "SELEKT");
    world.up(&broken).await.unwrap_err();
    let edited = halfway(&world, "INSERT INTO b VALUES (22)", "SELECT 1");
    let error = world.up(&edited).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    world.shows("edited_halfway", &error);
    assert_eq!(world.count("b").await, 1);
    // Spaces and comments are none.
    let commented = halfway(&world, "-- The first.\nINSERT INTO b\n  VALUES (2)", "SELECT 1");
    assert_eq!(world.up(&commented).await.unwrap().applied(), 3);
    assert_eq!(world.count("b").await, 2);
}

async fn a_verify_query_outside_a_transaction_is_asked(world: World) {
    let with = |verify| {
        set_for(
            world.dialect(),
            [
                ("0001_a.up.sql", "-- whimbrel:no-transaction\nCREATE TABLE a (id INTEGER); INSERT INTO a VALUES (7)"),
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
            ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"),
            ("0001_a.down.sql", "-- whimbrel:no-transaction\nDROP TABLE a;\nVACUUM"),
        ],
    );
    world.up(&set).await.unwrap();
    let report = world.migrator(&set).down(Rollback::All).await.unwrap();
    assert_eq!((report.applied(), report.steps()[0].statements), (0, 2));
    assert_eq!(world.versions("rolled_back").await, ["1"]);
    assert_eq!(world.up(&set).await.unwrap().applied(), 1);
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
            ("0001_a.sql", "CREATE TABLE a (id INTEGER)"),
            ("0002_b.sql", "-- whimbrel:no-transaction\nCREATE TABLE b (id INTEGER);\nVACUUM"),
        ],
    );
    let forever = Duration::MAX;
    let migrator = world.migrator(&set).lock_timeout(forever).statement_lock_timeout(forever);
    assert_eq!(migrator.statement_timeout(forever).timeout(forever).up().await.unwrap().applied(), 2);
}

async fn what_failed_half_way_is_finished_before_anything_is_rolled_back(world: World) {
    let broken = halfway(&world, "INSERT INTO b VALUES (2)", "SELEKT");
    world.up(&broken).await.unwrap_err();
    let error = world.migrator(&broken).down(Rollback::Steps(1)).await.unwrap_err();
    world.shows("rollback_below_half_way", &error);
    assert!(error.report().is_none() && world.has("a").await);
}
