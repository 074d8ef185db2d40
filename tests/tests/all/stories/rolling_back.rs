//! Promise 8: rollback by steps, to a version, by name, by task; as a whole or not at all.

use whimbrel::{ErrorKind, Migrations, Mode, Outcome, Rollback};

use crate::stories::world::{World, set, set_for, stories};

stories! {
    steps_are_taken_back_last_first on sqlite, postgres, mysql, scylla
    everything_above_a_version_is_taken_back on sqlite, postgres, mysql, scylla
    one_migration_is_taken_back_by_its_name on sqlite, postgres, mysql, scylla
    a_task_in_the_middle_is_taken_back_as_a_whole on sqlite, postgres, mysql, scylla
    all_is_taken_back_and_applied_again on sqlite, postgres, mysql, scylla
    a_rollback_without_a_way_back_is_refused_as_a_whole on sqlite, postgres, mysql, scylla
    an_older_binary_takes_back_with_the_stored_script on sqlite, postgres, mysql, scylla
    a_failed_rollback_leaves_its_step_applied on sqlite, postgres
    what_is_not_applied_cannot_be_taken_back on sqlite, postgres, mysql, scylla
    a_baseline_has_no_way_back on sqlite, postgres, mysql, scylla
    a_stored_script_runs_as_its_name_said on sqlite, postgres, mysql, scylla
    an_error_in_a_stored_script_says_where_it_is_stored on sqlite, postgres, mysql, scylla
}

async fn steps_are_taken_back_last_first(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let report = world.migrator(&set).down(Rollback::Steps(2)).await.unwrap();
    let names: Vec<_> = report.steps().iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["c", "b"]);
    assert_eq!((report.applied(), report.current().unwrap().to_string()), (1, "0001".to_owned()));
    assert!(world.has("a").await && !world.has("b").await && !world.has("c").await);
    assert_eq!(world.versions("rolled_back").await, ["2", "3"]);
    // Again it is pending, and runs again.
    let report = world.up(&set).await.unwrap();
    assert_eq!(report.steps().len(), 2);
    assert!(world.has("c").await);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let events = world.changes().await;
    assert_eq!(events[3..], ["rolled_back", "rolled_back", "applied", "applied"]);
}

async fn everything_above_a_version_is_taken_back(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let report = world.migrator(&set).down(Rollback::To("1".parse().unwrap())).await.unwrap();
    assert_eq!((report.steps().len(), report.applied()), (2, 1));
    let nothing = world.migrator(&set).down(Rollback::To("1".parse().unwrap())).await.unwrap();
    assert!(nothing.is_up_to_date());
}

async fn one_migration_is_taken_back_by_its_name(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let mut migrator = world.migrator(&set);
    assert_eq!(migrator.down(Rollback::Name("b".into())).await.unwrap().steps().len(), 1);
    assert!(!world.has("b").await && world.has("c").await);
    let mut migrator = world.migrator(&set);
    assert_eq!(migrator.down(Rollback::Name("0003_c".into())).await.unwrap().steps().len(), 1);
    assert_eq!(migrator.down(Rollback::Name("1".into())).await.unwrap().applied(), 0);
}

fn tasks(world: &World) -> Migrations {
    let drop = if world.dialect() == "mysql" { "DROP INDEX b_n ON b;" } else { "DROP INDEX b_n;" };
    set_for(
        world.dialect(),
        [
            ("2025-01-10/0001-TASK-1-create-a_up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
            ("2025-01-10/0001-TASK-1-create-a_down.sql", "DROP TABLE a;"),
            ("2025-01-11/0002-TASK-2-create-b_up.sql", "CREATE TABLE b (id INT PRIMARY KEY, n INT);"),
            ("2025-01-11/0002-TASK-2-create-b_down.sql", "DROP TABLE b;"),
            ("2025-01-12/0003-TASK-2-index-b_up.sql", "CREATE INDEX b_n ON b (n);"),
            ("2025-01-12/0003-TASK-2-index-b_down.sql", drop),
            ("2025-01-13/0004-TASK-3-create-c_up.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
            ("2025-01-13/0004-TASK-3-create-c_down.sql", "DROP TABLE c;"),
        ],
    )
}

async fn a_task_in_the_middle_is_taken_back_as_a_whole(world: World) {
    let set = tasks(&world);
    world.up(&set).await.unwrap();
    let report = world.migrator(&set).down(Rollback::Task("TASK-2".into())).await.unwrap();
    let versions: Vec<_> = report.steps().iter().map(|step| step.version.to_string()).collect();
    assert_eq!(versions, ["0003", "0002"]);
    assert_eq!(report.current().unwrap().to_string(), "0004");
    assert!(!world.has("b").await && world.has("c").await);
    // Back in its place it is out of order, which takes a word.
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfOrder);
    let report = world.migrator(&set).out_of_order(whimbrel::OutOfOrder::Allow).up().await.unwrap();
    assert_eq!(report.applied(), 4);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let error = world.migrator(&set).down(Rollback::Task("TASK-22".into())).await.unwrap_err();
    world.shows("task_unknown", &error);
}

async fn all_is_taken_back_and_applied_again(world: World) {
    let set = world.three();
    for _ in 0..3 {
        assert_eq!(world.up(&set).await.unwrap().applied(), 3);
        let report = world.migrator(&set).down(Rollback::All).await.unwrap();
        assert_eq!((report.steps().len(), report.current()), (3, None));
        assert!(!world.has("a").await);
    }
}

async fn a_rollback_without_a_way_back_is_refused_as_a_whole(world: World) {
    let set = world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
        ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY)"),
        ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
    ]);
    world.up(&set).await.unwrap();
    let error = world.migrator(&set).down(Rollback::All).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWayBack);
    world.shows("no_way_back", &error);
    assert!(world.has("c").await);
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
    assert_eq!(world.migrator(&set).plan_down(Rollback::All).await.unwrap_err().kind(), ErrorKind::NoWayBack);
    world.migrator(&set).down(Rollback::Steps(1)).await.unwrap();
}

async fn an_older_binary_takes_back_with_the_stored_script(world: World) {
    world.up(&world.three()).await.unwrap();
    let older =
        world.set([("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")]);
    let report = world.migrator(&older).down(Rollback::To("1".parse().unwrap())).await.unwrap();
    assert_eq!(report.steps().len(), 2);
    assert!(world.has("a").await && !world.has("b").await && !world.has("c").await);
    assert!(world.up(&older).await.unwrap().is_up_to_date());
}

async fn a_failed_rollback_leaves_its_step_applied(world: World) {
    let set = set([
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
        ("0002_b.down.sql", "DROP TABLE b;\nDROP TABLE nowhere;"),
        ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
    ]);
    world.up(&set).await.unwrap();
    let error = world.migrator(&set).down(Rollback::All).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    world.shows("rollback_fails", &error);
    let outcomes: Vec<_> = error.report().unwrap().steps().iter().map(|step| step.outcome.clone()).collect();
    assert!(matches!(&outcomes[..], [Outcome::Done, Outcome::Failed(_), Outcome::NotRun]), "{outcomes:?}");
    assert!(world.has("b").await && !world.has("c").await);
    assert_eq!(world.versions("completed").await, ["1", "2"]);
    assert_eq!(world.texts("SELECT what FROM whimbrel_events ORDER BY id DESC").await[0], "failed");
}

async fn what_is_not_applied_cannot_be_taken_back(world: World) {
    let set = world.three();
    assert!(world.migrator(&set).down(Rollback::Steps(1)).await.unwrap().is_up_to_date());
    world.up(&set).await.unwrap();
    world.migrator(&set).down(Rollback::Steps(1)).await.unwrap();
    let error = world.migrator(&set).down(Rollback::Name("c".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("name_not_applied", &error);
}

async fn a_baseline_has_no_way_back(world: World) {
    let set = world.three();
    world.run("CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)").await;
    let report = world.migrator(&set).baseline(&"2".parse().unwrap()).await.unwrap();
    assert_eq!((report.steps().len(), report.applied()), (2, 2));
    let report = world.up(&set).await.unwrap();
    assert_eq!((report.steps().len(), report.applied()), (1, 3));
    assert!(world.has("c").await);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let error = world.migrator(&set).down(Rollback::All).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWayBack);
    world.shows("baseline_no_way_back", &error);
    assert!(world.has("c").await);
    assert_eq!(world.migrator(&set).down(Rollback::Steps(1)).await.unwrap().applied(), 2);
    let error = world.migrator(&set).baseline(&"9".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn a_stored_script_runs_as_its_name_said(world: World) {
    let newer = set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
            ("0002_b.up.sql", "CREATE TABLE b (id INT PRIMARY KEY);"),
            ("0002_b.autocommit.down.sql", "DROP TABLE b;"),
        ],
    );
    world.up(&newer).await.unwrap();
    let older = set_for(world.dialect(), [("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    let mut migrator = world.migrator(&older);
    assert_eq!(migrator.plan_down(Rollback::Steps(1)).await.unwrap().steps()[0].mode(), Mode::Outside);
    migrator.down(Rollback::Steps(1)).await.unwrap();
    assert!(!world.has("b").await);
}

async fn an_error_in_a_stored_script_says_where_it_is_stored(world: World) {
    let newer = world.set([
        ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0002_b.up.sql", "CREATE TABLE b (id INT PRIMARY KEY);"),
        ("0002_b.down.sql", "DROP TABLE b;\nDROP TABLE bb;"),
    ]);
    world.up(&newer).await.unwrap();
    let older = world.set([("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    let error = world.migrator(&older).down(Rollback::Steps(1)).await.unwrap_err();
    world.shows("stored_script_fails", &error);
    assert_eq!(world.has("b").await, world.each(true, true, false));
}
