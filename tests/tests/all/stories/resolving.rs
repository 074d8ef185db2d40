//! What a person says of the history: accepted, applied, rolled back, at this version.

use std::time::Duration;

use whimbrel::{ErrorKind, Migrations, Resolve, Rollback, State, Version};

use crate::stories::waiting::other_runner;
use crate::stories::world::{World, set_for, stories};

stories! {
    a_change_is_accepted on sqlite, postgres, mysql, scylla
    a_change_that_nobody_has_accepted_is_still_found on sqlite, postgres, mysql, scylla
    what_was_done_by_hand_is_applied on sqlite, postgres, mysql, scylla
    what_failed_half_way_is_applied_or_rolled_back on sqlite, postgres, mysql, scylla
    what_was_taken_back_by_hand_is_rolled_back on sqlite, postgres, mysql, scylla
    what_makes_no_sense_is_refused on sqlite, postgres, mysql, scylla
    nothing_is_resolved_while_somebody_is_at_work on sqlite, postgres, mysql, scylla
    of_two_who_resolve_at_once_one_does on sqlite, postgres, mysql, scylla
    a_fresh_database_is_forced_to_a_version on sqlite, postgres, mysql, scylla
    a_history_is_forced_to_a_version on sqlite, postgres, mysql, scylla
    what_was_shown_is_written_or_nothing on sqlite, postgres, mysql, scylla
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn tables(world: &World, first: &str, second: &str) -> Migrations {
    set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", first),
            ("0001_a.down.sql", "DROP TABLE a"),
            ("0002_b.up.sql", second),
            ("0002_b.down.sql", "DROP TABLE b"),
            ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY)"),
            ("0003_c.down.sql", "DROP TABLE c"),
        ],
    )
}

const A: &str = "CREATE TABLE a (id INT PRIMARY KEY)";
const B: &str = "CREATE TABLE b (id INT PRIMARY KEY)";

/// Without the account that runs the tests.
fn anonymous(text: &str) -> String {
    let (before, rest) = text.rsplit_once(", as ").unwrap();
    format!("{before}, as <who> says{}", rest.split_once(" says").unwrap().1)
}

async fn a_change_is_accepted(world: World) {
    world.up(&tables(&world, A, B)).await.unwrap();
    let edited = tables(&world, A, "CREATE TABLE b (id INT PRIMARY KEY, name VARCHAR(9))");
    let edited =
        if world.is_cql() { tables(&world, A, "CREATE TABLE b (id INT PRIMARY KEY, name TEXT)") } else { edited };
    let mut migrator = world.migrator(&edited);
    let error = migrator.up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(error.help_text().unwrap().ends_with("`migrate resolve 0002 --accept`"), "{error:?}");
    let planned = migrator.plan_resolve(&version("2"), Resolve::Accept).await.unwrap();
    assert_eq!(migrator.up().await.unwrap_err().kind(), ErrorKind::Changed);
    world.shows_text("resolve_accept", &anonymous(&planned.sentences().join("\n")));
    migrator.resolve(&version("2"), Resolve::Accept).await.unwrap();
    assert!(migrator.up().await.unwrap().is_up_to_date());
    let told = migrator.events(Some(1)).await.unwrap().remove(0);
    assert_eq!((&*told.what, told.version.unwrap().to_string()), ("resolved", "0002".to_owned()));
    assert_eq!(planned.sentences().last().unwrap(), &format!("event `resolved`: {}", told.detail.unwrap()));
    assert!(world.entry("2", "up").await.contains("name"));
    migrator.down(Rollback::To(version("1"))).await.unwrap();
    migrator.up().await.unwrap();
}

async fn a_change_that_nobody_has_accepted_is_still_found(world: World) {
    world.up(&tables(&world, A, B)).await.unwrap();
    let edited = tables(&world, "CREATE TABLE a (id BIGINT PRIMARY KEY)", "CREATE TABLE b (id BIGINT PRIMARY KEY)");
    world.migrator(&edited).resolve(&version("2"), Resolve::Accept).await.unwrap();
    let error = world.up(&edited).await.unwrap_err();
    assert!(error.to_string().starts_with("1 migration was edited"), "{error}");
    world.migrator(&edited).resolve(&version("1"), Resolve::Accept).await.unwrap();
    assert!(world.up(&edited).await.unwrap().is_up_to_date());
}

async fn what_was_done_by_hand_is_applied(world: World) {
    let set = tables(&world, A, B);
    world.migrator(&set).up_to(whimbrel::Target::Steps(2)).await.unwrap();
    world.run("CREATE TABLE c (id INT PRIMARY KEY)").await;
    let mut migrator = world.migrator(&set);
    let planned = migrator.plan_resolve(&version("3"), Resolve::Applied).await.unwrap();
    assert_eq!(planned.sentences()[0], "entry 0003 c: state none → completed");
    migrator.resolve(&version("3"), Resolve::Applied).await.unwrap();
    assert!(migrator.up().await.unwrap().is_up_to_date());
    let entry = migrator.history().await.unwrap().remove(2);
    assert_eq!((entry.rank, entry.state, entry.statements, entry.applied), (3, State::Completed, 1, 1));
    assert_eq!((&*entry.kind, &*entry.path), (world.cql_or("cql", "sql"), "0003_c.up.sql"));
    migrator.down(Rollback::Steps(1)).await.unwrap();
    assert!(!world.has("c").await);
    migrator.resolve(&version("3"), Resolve::Applied).await.unwrap();
    assert!(migrator.up().await.unwrap().is_up_to_date());
}

async fn what_failed_half_way_is_applied_or_rolled_back(world: World) {
    let second = format!("-- whimbrel:no-transaction\n{B}; INSERT INTO b (nope) VALUES (2)");
    let set = tables(&world, A, &second);
    world.up(&set).await.unwrap_err();
    let mut migrator = world.migrator(&set);
    world.run("DROP TABLE b").await;
    migrator.resolve(&version("2"), Resolve::RolledBack).await.unwrap();
    let corrected = tables(&world, A, &format!("-- whimbrel:no-transaction\n{B}; INSERT INTO b (id) VALUES (2)"));
    assert_eq!(world.up(&corrected).await.unwrap().applied(), 3);
    world.migrator(&corrected).down(Rollback::To(version("1"))).await.unwrap();
    world.up(&set).await.unwrap_err();
    migrator.resolve(&version("2"), Resolve::Applied).await.unwrap();
    assert_eq!(world.up(&set).await.unwrap().applied(), 3);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let details = world.details("resolved").await;
    assert!(details[0].starts_with("0002 b, which was failed, is recorded as rolled back, without a run, as "));
    assert!(details[1].starts_with("0002 b, which was failed, is recorded as applied, without a run, as "));
}

async fn what_was_taken_back_by_hand_is_rolled_back(world: World) {
    let set = tables(&world, A, B);
    world.up(&set).await.unwrap();
    world.run("DROP TABLE c").await;
    let mut migrator = world.migrator(&set);
    let planned = migrator.plan_resolve(&version("3"), Resolve::RolledBack).await.unwrap();
    assert_eq!(planned.sentences()[0], "entry 0003 c: state completed → rolled_back");
    migrator.resolve(&version("3"), Resolve::RolledBack).await.unwrap();
    assert_eq!(migrator.pending().await.unwrap(), [version("3")]);
    assert_eq!(migrator.up().await.unwrap().steps().len(), 1);
    assert!(world.has("c").await && migrator.up().await.unwrap().is_up_to_date());
}

async fn what_makes_no_sense_is_refused(world: World) {
    let set = tables(&world, A, B);
    let fresh = world.migrator(&set).resolve(&version("1"), Resolve::Applied).await.unwrap_err();
    world.migrator(&set).up_to(whimbrel::Target::Steps(2)).await.unwrap();
    let mut shown = vec![format!("{fresh:?}")];
    for (of, resolve) in [
        ("2", Resolve::Accept),
        ("3", Resolve::Accept),
        ("9", Resolve::Accept),
        ("2", Resolve::Applied),
        ("9", Resolve::Applied),
        ("3", Resolve::RolledBack),
        ("9", Resolve::RolledBack),
    ] {
        let planned = world.migrator(&set).plan_resolve(&version(of), resolve).await.unwrap_err();
        let error = world.migrator(&set).resolve(&version(of), resolve).await.unwrap_err();
        assert_eq!((error.kind(), planned.to_string()), (ErrorKind::Refused, error.to_string()));
        shown.push(format!("{error:?}"));
    }
    let error = world.migrator(&set).force(&version("9")).await.unwrap_err();
    shown.push(format!("{error:?}"));
    crate::stories::world::shows("resolve_refused", &shown.join("\n"));
    assert_eq!(world.events_of("9").await.len(), 0);
    assert_eq!(world.versions("completed").await, ["1", "2"]);
}

async fn nothing_is_resolved_while_somebody_is_at_work(world: World) {
    let set = world.three();
    world.migrator(&set).up_to(whimbrel::Target::Steps(1)).await.unwrap();
    let other = if matches!(world, World::Postgres(..)) { holds(&world).await } else { other_runner(&world).await };
    let before = world.versions("completed").await;
    let mut migrator = world.migrator(&set).lock_timeout(Duration::from_millis(100));
    for resolve in [Resolve::Applied, Resolve::RolledBack] {
        let of = if resolve == Resolve::Applied { "3" } else { "1" };
        let error = migrator.resolve(&version(of), resolve).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert!(error.to_string().starts_with("somebody is at work"), "{error}");
    }
    let error = migrator.force(&version("3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    drop(other);
    assert_eq!(world.versions("completed").await, before);
}

/// The right, held by a session that has a history already.
pub(crate) async fn holds(world: &World) -> tokio::sync::oneshot::Sender<()> {
    let World::Postgres(_, database) = world else { unreachable!() };
    let mut connection = database.connect().await;
    let digest = whimbrel_core::Digest::of(&[b"whimbrel", br#""public"."whimbrel_history""#]);
    let key = i64::from_be_bytes(digest.0[..8].try_into().unwrap());
    let sql = format!("SELECT pg_advisory_lock({key})");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        drop(ended.await);
        drop(connection);
    });
    end
}

async fn of_two_who_resolve_at_once_one_does(world: World) {
    let set = tables(&world, A, B);
    world.migrator(&set).up_to(whimbrel::Target::Steps(1)).await.unwrap();
    let (two, events) = (version("2"), world.events().await);
    let (mut one, mut other) = (world.migrator(&set), world.migrator(&set));
    let (one, other) = tokio::join!(one.resolve(&two, Resolve::Applied), other.resolve(&two, Resolve::Applied));
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    assert!(one.is_err() || other.is_err());
    assert_eq!(world.events().await, events + 1);
}

async fn a_fresh_database_is_forced_to_a_version(world: World) {
    let set = tables(&world, A, B);
    world.run(format!("{A};{B}")).await;
    let mut migrator = world.migrator(&set);
    let planned = migrator.plan_force(&version("2")).await.unwrap();
    assert_eq!(planned.sentences()[0], "entry 0001 a: state none → completed, as a baseline; event `baselined`");
    assert!(!world.has("whimbrel_history").await);
    migrator.force(&version("2")).await.unwrap();
    assert_eq!(world.versions("completed").await, ["1", "2"]);
    assert_eq!(migrator.up().await.unwrap().steps().len(), 1);
    assert!(migrator.up().await.unwrap().is_up_to_date());
}

async fn a_history_is_forced_to_a_version(world: World) {
    let set = tables(&world, A, B);
    let second = format!("-- whimbrel:no-transaction\n{B}; INSERT INTO b (nope) VALUES (2)");
    world.up(&tables(&world, A, &second)).await.unwrap_err();
    let mut migrator = world.migrator(&set);
    let planned = migrator.plan_force(&version("3")).await.unwrap();
    world.shows_text("force", &anonymous(&planned.sentences().join("\n")));
    migrator.force(&version("3")).await.unwrap();
    assert!(migrator.up().await.unwrap().is_up_to_date());
    assert!(migrator.plan_force(&version("3")).await.unwrap().sentences().is_empty());
    migrator.force(&version("3")).await.unwrap();
    let kinds: Vec<String> = migrator.history().await.unwrap().into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [world.cql_or("cql", "sql"), "baseline", "baseline"]);
    assert_eq!(migrator.down(Rollback::Steps(1)).await.unwrap_err().kind(), ErrorKind::NoWayBack);
    migrator.force(&version("1")).await.unwrap();
    assert_eq!(world.versions("completed").await, ["1"]);
    assert_eq!(world.changes().await.iter().filter(|what| *what == "forced").count(), 2);
    world.run("DROP TABLE b").await;
    assert_eq!(migrator.up().await.unwrap().steps().len(), 2);
    assert!(migrator.up().await.unwrap().is_up_to_date());
}

async fn what_was_shown_is_written_or_nothing(world: World) {
    let set = tables(&world, A, B);
    let mut migrator = world.migrator(&set);
    migrator.up_to(whimbrel::Target::Steps(1)).await.unwrap();
    world.run(B).await;
    let shown = [
        migrator.plan_force(&version("2")).await.unwrap(),
        migrator.plan_resolve(&version("2"), Resolve::Applied).await.unwrap(),
        migrator.plan_resolve(&version("1"), Resolve::RolledBack).await.unwrap(),
    ];
    // While a person thinks, another process goes on.
    world.run("DROP TABLE b").await;
    world.up(&set).await.unwrap();
    let events = world.events().await;
    for proposal in shown {
        let error = migrator.write(&proposal).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (ErrorKind::Locked, "somebody was faster; nothing was changed")
        );
        assert_eq!(error.help_text().unwrap(), "look again: `migrate status`");
    }
    assert_eq!((world.versions("completed").await.len(), world.events().await), (3, events));
    let anew = migrator.plan_resolve(&version("3"), Resolve::RolledBack).await.unwrap();
    migrator.write(&anew).await.unwrap();
    let anew = migrator.plan_force(&version("1")).await.unwrap();
    migrator.write(&anew).await.unwrap();
    assert_eq!(world.versions("completed").await, ["1"]);
    assert_eq!(migrator.write(&anew).await.unwrap_err().kind(), ErrorKind::Locked);
}
