//! Questions read only: plan, status, pending, history, validate; and a baseline.

use std::time::Duration;

use whimbrel::{Action, ErrorKind, Rollback, Standing, State, Target};

use crate::stories::world::{World, normal, set, stories};

stories! {
    questions_to_a_fresh_database_leave_it_fresh on sqlite, postgres, mysql, scylla
    a_plan_shows_what_would_happen on sqlite, postgres, mysql, scylla
    a_status_shows_where_everything_stands on sqlite, postgres, mysql, scylla
    the_history_is_told on sqlite, postgres, mysql, scylla
    a_baseline_starts_an_existing_database on sqlite, postgres, mysql, scylla
    a_baseline_is_refused_where_there_is_a_history on sqlite, postgres, mysql, scylla
    a_validation_takes_no_longer_than_it_may on sqlite, postgres, mysql
    a_validation_names_all_that_is_wrong on sqlite, postgres, mysql, scylla
}

async fn questions_to_a_fresh_database_leave_it_fresh(world: World) {
    let set = world.three();
    let mut migrator = world.migrator(&set);
    assert_eq!(migrator.plan(Target::Latest).await.unwrap().steps().len(), 3);
    assert!(migrator.plan_down(Rollback::All).await.unwrap().is_empty());
    assert_eq!(migrator.status().await.unwrap().current, None);
    assert_eq!(migrator.pending().await.unwrap().len(), 3);
    assert!(migrator.history().await.unwrap().is_empty());
    assert!(migrator.validate().await.unwrap().is_valid());
    assert!(!world.has("whimbrel_history").await && !world.has("a").await);
}

async fn a_plan_shows_what_would_happen(world: World) {
    let set = world.three();
    let mut migrator = world.migrator(&set);
    let plan = migrator.plan(Target::Steps(2)).await.unwrap();
    assert_eq!(plan.steps().iter().map(|step| step.name().to_owned()).collect::<Vec<_>>(), ["a", "b"]);
    let statements: Vec<_> = plan.steps()[1].statements().collect();
    assert_eq!(statements, ["CREATE TABLE b (id INT PRIMARY KEY)", "INSERT INTO b (id) VALUES (1)"]);
    assert!(!world.has("a").await);
    migrator.up().await.unwrap();
    assert_eq!(migrator.plan(Target::Latest).await.unwrap().to_string(), "nothing to do");
    let down = migrator.plan_down(Rollback::To("1".parse().unwrap())).await.unwrap();
    assert_eq!((down.steps()[0].action(), down.steps()[0].name()), (Action::RollBack, "c"));
    let how = world.each("one transaction", "one transaction", "outside a transaction, statement by statement");
    let shown = format!("would roll back 2 migrations\n  0003 c    1 statement  {how}\n  0002 b    1 statement  {how}");
    assert_eq!(down.to_string(), shown);
    assert!(world.has("c").await);
}

async fn a_status_shows_where_everything_stands(world: World) {
    let old = world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
        ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY)"),
        ("0003_gone.sql", "CREATE TABLE gone (id INT PRIMARY KEY)"),
        ("0004_d.sql", "SELEKT"),
    ]);
    world.up(&old).await.unwrap_err();
    let new = world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
        ("0002_b.sql", "CREATE TABLE b (id BIGINT PRIMARY KEY)"),
        ("0004_d.sql", "SELECT id FROM a"),
        ("0005_e.sql", "SELECT id FROM b"),
        ("whimbrel.toml", "gaps = \"allow\""),
    ]);
    let mut migrator = world.migrator(&new);
    let status = migrator.status().await.unwrap();
    let standing: Vec<_> = status.migrations.iter().map(|migration| migration.standing).collect();
    let expected = [Standing::Applied, Standing::Changed, Standing::Unknown, Standing::Failed, Standing::Pending];
    assert_eq!(standing, expected);
    assert!(!status.is_up_to_date());
    world.shows_text("status", &by(&status.to_string()));
    let pending: Vec<_> = migrator.pending().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(pending, ["0004", "0005"]);
}

/// The account stands at the end of a line.
fn by(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once("  ") {
        Some((before, last)) if last.contains('@') => format!("{before}  <who>"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

async fn the_history_is_told(world: World) {
    let set = world.set([
        ("2025-01-10/0001-TASK-1-create-a_up.sql", "-- whimbrel:phase expand\nCREATE TABLE a (id INT PRIMARY KEY);"),
        ("2025-01-10/0001-TASK-1-create-a_down.sql", "DROP TABLE a;"),
        ("2025-01-11/0002-TASK-2-create-b_up.sql", "CREATE TABLE b (id INT PRIMARY KEY); SELECT id FROM b"),
    ]);
    world.up(&set).await.unwrap();
    let history = world.migrator(&set).history().await.unwrap();
    let first = &history[0];
    assert_eq!((first.version.to_string(), first.rank, first.name.as_str()), ("0001".to_owned(), 1, "create-a"));
    assert_eq!((first.task.as_deref(), first.kind.as_str()), (Some("TASK-1"), world.cql_or("cql", "sql")));
    assert_eq!(first.path, "2025-01-10/0001-TASK-1-create-a_up.sql");
    assert_eq!((first.state, first.statements, first.applied), (State::Completed, 1, 1));
    assert_eq!(first.phase.map(|phase| phase.name()), Some("expand"));
    assert_eq!(first.application, "shop 2.3.0");
    assert!(first.applied_by.contains('@') && first.error.is_none());
    assert_eq!(normal(&first.started_at), "<time>");
    assert_eq!(normal(first.completed_at.as_deref().unwrap()), "<time>");
    assert!(first.duration_ms.unwrap() >= 0);
    assert_eq!((history[1].rank, history[1].statements), (2, 2));
    let (up, down) = (world.entry("1", "up").await, world.entry("1", "down").await);
    assert_eq!((&*up, &*down), ("-- whimbrel:phase expand\nCREATE TABLE a (id INT PRIMARY KEY);", "DROP TABLE a;"));
    assert_eq!(world.entry("1", "folder").await, "2025-01-10");
}

async fn a_baseline_starts_an_existing_database(world: World) {
    world.run("CREATE TABLE a (id INT PRIMARY KEY)").await;
    let set = world.three();
    let report = world.migrator(&set).baseline(&"1".parse().unwrap()).await.unwrap();
    assert_eq!(normal(&report.to_string()).lines().next(), Some("baselined 1 migration in <took>, now at 0001"));
    assert_eq!(world.migrator(&set).history().await.unwrap()[0].kind, "baseline");
    assert_eq!(world.changes().await, ["baselined"]);
    assert_eq!(world.up(&set).await.unwrap().steps().len(), 2);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let validation = world.migrator(&set).validate().await.unwrap();
    assert!(validation.is_valid(), "{validation}");
}

async fn a_baseline_is_refused_where_there_is_a_history(world: World) {
    let set = world.three();
    world.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
    let error = world.migrator(&set).baseline(&"2".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("baseline_of_a_history", &error);
    assert_eq!(world.versions("completed").await, ["1"]);
}

async fn a_validation_takes_no_longer_than_it_may(world: World) {
    let endless = "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < (SELECT count(*) FROM a) \
                   * 2000000000) SELECT max(n) FROM c";
    // MariaDB ends a recursion by itself.
    let counts = world.each(endless, endless, "SELECT SLEEP((SELECT count(*) FROM a) * 20)");
    let set = set([("0001_a.up.sql", "CREATE TABLE a (id INTEGER)"), ("0001_a.verify.sql", counts)]);
    assert!(world.up(&set).await.is_ok());
    world.run("INSERT INTO a VALUES (1)").await;
    let validation = world.migrator(&set).statement_timeout(Duration::from_millis(50)).validate().await.unwrap();
    assert_eq!(validation.problems.len(), 1);
    let error = world.migrator(&set).timeout(Duration::from_millis(100)).validate().await.unwrap_err();
    assert_eq!(error.to_string(), "the run took longer than 100 ms");
    // Nobody works on it any longer.
    assert_eq!(world.count("a").await, 1);
}

async fn a_validation_names_all_that_is_wrong(world: World) {
    world.up(&world.three()).await.unwrap();
    let other = world.set([
        ("0001_a.sql", "CREATE TABLE a (id BIGINT PRIMARY KEY);"),
        ("0001.1_late.sql", "SELECT id FROM a"),
        ("0003_c.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
        ("whimbrel.toml", "numbering = \"free\""),
    ]);
    let validation = world.migrator(&other).validate().await.unwrap();
    let mut first = validation.problems.iter().map(|problem| problem.lines().next().unwrap().to_owned());
    assert_eq!(
        first.by_ref().collect::<Vec<_>>(),
        [
            "2 migrations were edited after they were applied",
            "1 migration is applied but not in this binary",
            "1 migration is older than 0003 c, which is applied",
        ]
    );
}
