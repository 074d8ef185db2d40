//! A run says that it is up to date only where exactly its migrations are applied: what nobody knows any more, and what is
//! pending, do not make up for each other.

use whimbrel::{Migrations, Migrator, Missing, Newer, OutOfOrder, Resolve, Rollback, Target, Version};

use crate::stories::world::{World, stories};

stories! {
    what_is_accepted_does_not_hide_what_is_pending on sqlite, postgres, mysql, scylla
    what_is_resolved_does_not_hide_what_is_pending on sqlite, postgres, mysql, scylla
    what_comes_late_does_not_hide_what_is_pending on sqlite, postgres, mysql, scylla
    what_is_taken_back_does_not_hide_what_is_pending on sqlite, postgres, mysql, scylla
    what_was_highest_does_not_hide_what_is_pending on sqlite, postgres, mysql, scylla
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A migration for each of these numbers.
fn of<const N: usize>(world: &World, numbers: [u32; N]) -> Migrations {
    with_first(world, "a INT PRIMARY KEY", numbers)
}

fn with_first<const N: usize>(world: &World, first: &str, numbers: [u32; N]) -> Migrations {
    let files: Vec<(String, String)> = numbers
        .into_iter()
        .flat_map(|number| {
            let columns = if number == 1 { first } else { "a INT PRIMARY KEY" };
            let create = format!("CREATE TABLE t{number} ({columns})");
            [
                (format!("000{number}_t{number}.up.sql"), create),
                (format!("000{number}_t{number}.down.sql"), format!("DROP TABLE t{number}")),
            ]
        })
        .collect();
    let config = format!("dialect = \"{}\"\ngaps = \"allow\"", world.dialect());
    let files = files.into_iter().chain([("whimbrel.toml".to_owned(), config)]);
    Migrations::from_files(files.map(|(path, text)| (path, text.into_bytes()))).unwrap()
}

fn tolerant<'a>(world: &'a World, set: &'a Migrations) -> Migrator<'a> {
    world.migrator(set).missing(Missing::Allow).newer(Newer::Allow).out_of_order(OutOfOrder::Allow)
}

async fn applies<const N: usize>(world: &World, set: &Migrations, pending: [&str; N]) {
    let report = tolerant(world, set).up().await.unwrap();
    let applied: Vec<_> = report.steps().iter().map(|step| step.version.clone()).collect();
    assert_eq!(applied, pending.map(version), "{report}");
}

async fn what_is_accepted_does_not_hide_what_is_pending(world: World) {
    world.up(&of(&world, [1, 2, 3, 5])).await.unwrap();
    let set = with_first(&world, "a BIGINT PRIMARY KEY", [1, 2, 4, 5]);
    tolerant(&world, &set).resolve(&version("1"), Resolve::Accept).await.unwrap();
    applies(&world, &set, ["4"]).await;
}

async fn what_is_resolved_does_not_hide_what_is_pending(world: World) {
    world.up(&of(&world, [1, 2, 3, 5])).await.unwrap();
    let set = of(&world, [1, 2, 4, 5]);
    let mut migrator = tolerant(&world, &set);
    migrator.resolve(&version("2"), Resolve::RolledBack).await.unwrap();
    migrator.resolve(&version("2"), Resolve::Applied).await.unwrap();
    applies(&world, &set, ["4"]).await;
    assert!(world.up(&of(&world, [1, 2, 3, 4, 5])).await.unwrap().is_up_to_date());
}

async fn what_comes_late_does_not_hide_what_is_pending(world: World) {
    world.up(&of(&world, [1, 3, 5])).await.unwrap();
    let set = of(&world, [1, 2, 4, 5]);
    assert_eq!(tolerant(&world, &set).up_to(Target::Steps(1)).await.unwrap().steps().len(), 1);
    applies(&world, &set, ["4"]).await;
    assert!(world.up(&of(&world, [1, 2, 3, 4, 5])).await.unwrap().is_up_to_date());
}

async fn what_is_taken_back_does_not_hide_what_is_pending(world: World) {
    let set = of(&world, [1, 2, 3]);
    world.up(&set).await.unwrap();
    world.migrator(&set).down(Rollback::Name("t2".into())).await.unwrap();
    world.up(&of(&world, [1, 3, 4])).await.unwrap();
    applies(&world, &set, ["2"]).await;
}

async fn what_was_highest_does_not_hide_what_is_pending(world: World) {
    let old = of(&world, [1, 3]);
    world.up(&old).await.unwrap();
    let new = of(&world, [1, 3, 5]);
    world.up(&new).await.unwrap();
    world.migrator(&new).down(Rollback::Name("t1".into())).await.unwrap();
    applies(&world, &old, ["1"]).await;
    world.migrator(&new).down(Rollback::Name("t1".into())).await.unwrap();
    assert_eq!(world.migrator(&new).up_to(Target::Steps(0)).await.unwrap().applied(), 2);
    applies(&world, &old, ["1"]).await;
}
