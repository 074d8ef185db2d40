//! What a service does before it serves, also one that is older than its database.

use whimbrel::{
    AllowDowngrade, AutoMigrate, ErrorKind, Migrations, Newer, Readiness, Result, Settings, Target, ValidateSchema,
    ensure_ready,
};

use crate::stories::world::{World, set_for, stories};

stories! {
    a_service_makes_its_database_ready on sqlite, postgres, mysql, scylla
    a_service_that_may_not_migrate_names_the_command on sqlite, postgres, mysql, scylla
    an_older_binary_rolls_its_database_back on sqlite, postgres, mysql, scylla
    an_older_binary_refuses_as_a_whole on sqlite, postgres, mysql, scylla
    an_older_binary_stays_above_a_baseline on sqlite, postgres, mysql, scylla
    a_downgrade_that_failed_half_way_goes_on on sqlite, postgres, mysql, scylla
    what_else_is_wrong_is_told_before_anything_is_rolled_back on sqlite, postgres, mysql, scylla
    what_would_be_wrong_afterwards_is_told_before_anything_is_rolled_back on sqlite, postgres, mysql, scylla
    an_older_binary_that_tolerates_it_is_warned on sqlite, postgres, mysql, scylla
}

async fn ready(world: &World, set: &Migrations, settings: &Settings) -> Result<Readiness> {
    match world {
        World::Sqlite(pool, _) => ensure_ready(set, pool, settings).await,
        World::Postgres(pool, _) => ensure_ready(set, pool, settings).await,
        World::Mysql(pool, _) => ensure_ready(set, pool, settings).await,
        World::Scylla(session, _) => ensure_ready(set, &**session, settings).await,
    }
}

const DOWN: [(&str, &str); 2] = [("0004_d.down.sql", "DROP TABLE d"), ("0005_e.down.sql", "DROP TABLE e")];

/// Five migrations, or the first three of them; two of the down scripts are the caller's.
fn five(world: &World, downs: &[(&str, &str)]) -> Migrations {
    let table = |name: &str| format!("CREATE TABLE {name} (id INT PRIMARY KEY)");
    let up = ["a", "b", "c", "d", "e"].map(table);
    let names = ["0001_a.up.sql", "0002_b.up.sql", "0003_c.up.sql", "0004_d.up.sql", "0005_e.up.sql"];
    let files = names.into_iter().zip(up.iter().map(String::as_str)).chain(downs.iter().copied());
    sets(world, files)
}

fn three(world: &World) -> Migrations {
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("CREATE TABLE {name} (id INT PRIMARY KEY)"));
    set_for(world.dialect(), [("0001_a.up.sql", &*a), ("0002_b.up.sql", &*b), ("0003_c.up.sql", &*c)])
}

fn sets<'f>(world: &World, files: impl Iterator<Item = (&'f str, &'f str)>) -> Migrations {
    let config = format!("dialect = \"{}\"", world.dialect()).into_bytes();
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    Migrations::from_files(files.chain([("whimbrel.toml".to_owned(), config)])).unwrap()
}

fn back() -> Settings {
    Settings::default().allow_downgrade(AllowDowngrade::RollBack)
}

async fn a_service_makes_its_database_ready(world: World) {
    let set = five(&world, &DOWN);
    let settings = Settings::default().validate_schema(ValidateSchema::On);
    let first = ready(&world, &set, &settings).await.unwrap();
    assert_eq!((first.previous, first.current.unwrap().to_string()), (None, "0005".to_owned()));
    assert_eq!((first.steps.len(), first.validated), (5, ValidateSchema::On));
    let warning = "applied without a way back, for want of a down script: 0001 a, 0002 b, 0003 c";
    assert_eq!(first.warnings, [warning]);
    let again = ready(&world, &set, &Settings::default()).await.unwrap();
    assert_eq!(again.previous, again.current);
    assert_eq!((again.steps.len(), again.warnings.len()), (0, 0));
    assert_eq!(again.to_string(), "up to date at 0005 (5 migrations)");
}

async fn a_service_that_may_not_migrate_names_the_command(world: World) {
    let set = three(&world);
    let may_not = Settings::default().auto_migrate(AutoMigrate::Off);
    let error = ready(&world, &set, &may_not).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending);
    assert!(error.help_text().unwrap().starts_with("run `migrate up` "), "{error:?}");
    world.up(&set).await.unwrap();
    assert_eq!(ready(&world, &set, &may_not).await.unwrap().current.unwrap().to_string(), "0003");
}

async fn an_older_binary_rolls_its_database_back(world: World) {
    world.up(&five(&world, &DOWN)).await.unwrap();
    let older = three(&world);
    let error = ready(&world, &older, &Settings::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
    assert!(error.help_text().unwrap().contains("`migrate down --to 0003`"), "{error:?}");
    let plan = world.migrator(&older).settings(back()).plan(Target::Latest).await.unwrap();
    assert_eq!(plan.steps().iter().map(|step| step.name()).collect::<Vec<_>>(), ["e", "d"]);
    assert!(world.has("e").await);
    let readiness = ready(&world, &older, &back()).await.unwrap();
    assert_eq!(readiness.previous.as_ref().unwrap().to_string(), "0005");
    assert_eq!(readiness.current.as_ref().unwrap().to_string(), "0003");
    assert_eq!(readiness.warnings, ["the database was at 0005, and was rolled back to 0003: 0005 e, 0004 d"]);
    assert!(!world.has("d").await && !world.has("e").await && world.has("c").await);
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
    assert!(ready(&world, &older, &Settings::default()).await.unwrap().steps.is_empty());
    assert_eq!(ready(&world, &five(&world, &DOWN), &Settings::default()).await.unwrap().steps.len(), 2);
}

async fn an_older_binary_refuses_as_a_whole(world: World) {
    world.up(&five(&world, &DOWN[1..])).await.unwrap();
    let error = ready(&world, &three(&world), &back()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWayBack);
    world.shows("downgrade_no_way_back", &error);
    assert_eq!(world.versions("completed").await.len(), 5);
    assert!(world.has("e").await);
}

async fn an_older_binary_stays_above_a_baseline(world: World) {
    let five = five(&world, &DOWN);
    world.migrator(&five).baseline(&"4".parse().unwrap()).await.unwrap();
    world.up(&five).await.unwrap();
    let error = ready(&world, &three(&world), &back()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWayBack);
    world.shows("downgrade_below_a_baseline", &error);
    assert!(world.has("e").await);
}

async fn a_downgrade_that_failed_half_way_goes_on(world: World) {
    let text = "-- whimbrel:no-transaction\nDROP TABLE e; DROP TABLE nope";
    world.up(&five(&world, &[DOWN[0], ("0005_e.down.sql", text)])).await.unwrap();
    let error = ready(&world, &three(&world), &back()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(world.versions("completed").await.len(), 4);
    world.run("CREATE TABLE nope (id INT PRIMARY KEY)").await;
    let readiness = ready(&world, &three(&world), &back()).await.unwrap();
    assert_eq!(readiness.current.unwrap().to_string(), "0003");
    assert_eq!(world.versions("completed").await, ["1", "2", "3"]);
}

async fn what_else_is_wrong_is_told_before_anything_is_rolled_back(world: World) {
    world.up(&five(&world, &DOWN)).await.unwrap();
    let edited = set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
            ("0002_b.up.sql", "CREATE TABLE b (id BIGINT PRIMARY KEY)"),
            ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY)"),
        ],
    );
    let error = ready(&world, &edited, &back()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert_eq!(world.versions("completed").await.len(), 5);
}

async fn what_would_be_wrong_afterwards_is_told_before_anything_is_rolled_back(world: World) {
    let last = ("0004_d.up.sql", "CREATE TABLE d (id INT PRIMARY KEY)");
    let first = ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY)");
    let gaps = ("whimbrel.toml", "gaps = \"allow\"");
    world.up(&world.set([first, last, DOWN[0], gaps])).await.unwrap();
    let third = ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY)");
    let minimum = ("whimbrel.toml", "gaps = \"allow\"\nminimum_supported = \"3\"");
    let older = world.set([first, third, minimum]);
    let mut migrator = world.migrator(&older).application("shop 2.2.0").settings(back());
    let error = migrator.up().await.unwrap_err();
    assert!(error.to_string().starts_with("the database is at 0001, this binary supports "), "{error}");
    assert_eq!(world.versions("completed").await, ["1", "4"]);
}

async fn an_older_binary_that_tolerates_it_is_warned(world: World) {
    world.up(&five(&world, &DOWN)).await.unwrap();
    let readiness = ready(&world, &three(&world), &Settings::default().newer(Newer::Allow)).await.unwrap();
    assert_eq!(readiness.warnings, ["the database is newer than this binary, by shop 2.3.0: 0004 d, 0005 e"]);
}
