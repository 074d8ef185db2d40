//! Settings as a value: from the environment, in place of a migrator's own.

use std::time::{Duration, Instant};

use whimbrel::{AutoMigrate, ErrorKind, Rollback, Settings, Target, ValidateSchema};

use crate::stories::world::{World, set, stories, three};

stories! {
    what_is_pending_is_told_where_it_may_not_be_applied on sqlite, postgres, mysql
    who_may_not_migrate_waits_for_nobody on sqlite, postgres, mysql
    who_may_not_migrate_still_does_what_it_is_told_to on sqlite, postgres, mysql
    a_run_that_validates_names_what_is_wrong on sqlite, postgres, mysql
    settings_take_the_place_of_all_that_were_there on sqlite, postgres, mysql
}

fn said<const N: usize>(variables: [(&str, &str); N]) -> Settings {
    Settings::default().with_variables("SHOP", variables).unwrap()
}

async fn what_is_pending_is_told_where_it_may_not_be_applied(world: World) {
    let set = three();
    let may_not = said([("SHOP_AUTO_MIGRATE", "false")]);
    let error = world.migrator(&set).settings(may_not.clone()).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending);
    assert!(!world.has("whimbrel_history").await && !world.has("a").await);

    world.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
    let mut service = world.migrator(&set).settings(may_not);
    let error = service.up().await.unwrap_err();
    world.shows("pending", &error);
    assert_eq!(service.up_to(Target::Steps(1)).await.unwrap_err().kind(), ErrorKind::Pending);
    assert!(service.up_to(Target::Version("1".parse().unwrap())).await.unwrap().is_up_to_date());
    // What would be done may be asked.
    assert_eq!(service.plan(Target::Latest).await.unwrap().steps().len(), 2);
    assert!(!world.has("b").await);

    world.up(&set).await.unwrap();
    assert_eq!(service.up().await.unwrap().to_string(), "up to date at 0003 (3 migrations)");
}

async fn who_may_not_migrate_waits_for_nobody(world: World) {
    let set = set([
        ("0001_a.sql", "CREATE TABLE a (id INTEGER);"),
        ("0002_b.sql", "-- whimbrel:no-transaction\nCREATE TABLE b (id INTEGER);\nINSERT INTO b VALUES (1);"),
    ]);
    world.up(&set).await.unwrap();
    world.run("UPDATE whimbrel_history SET state = 'running' WHERE version = '2'").await;
    let started = Instant::now();
    let error = world.migrator(&set).auto_migrate(AutoMigrate::Off).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending);
    assert!(error.to_string().contains("(AutoMigrate::Off)"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(150), "it waited for the lock timeout of 300 s");
    assert_eq!(world.versions("running").await, ["2"]);
}

async fn who_may_not_migrate_still_does_what_it_is_told_to(world: World) {
    let set = three();
    let mut migrator = world.migrator(&set).auto_migrate(AutoMigrate::Off);
    migrator.baseline(&"1".parse().unwrap()).await.unwrap();
    world.up(&set).await.unwrap();
    assert_eq!(migrator.down(Rollback::Steps(1)).await.unwrap().steps().len(), 1);
    assert!(!world.has("c").await);
}

async fn a_run_that_validates_names_what_is_wrong(world: World) {
    let set = set([
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);"),
        ("0001_a.verify.sql", "SELECT id FROM a WHERE id = 1"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
    ]);
    let validating = || world.migrator(&set).settings(said([("SHOP_VALIDATE_SCHEMA", "yes")]));
    world.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
    world.run("DELETE FROM a").await;
    // What was done is told, whatever was found.
    let error = validating().up().await.unwrap_err();
    assert_eq!(error.report().unwrap().steps().len(), 1);
    let error = validating().up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    world.shows("not_valid", &error);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    let off = validating().validate_schema(ValidateSchema::Off).up().await;
    assert!(off.unwrap().is_up_to_date());
    world.run("INSERT INTO a VALUES (1)").await;
    assert!(validating().up().await.unwrap().is_up_to_date());
}

async fn settings_take_the_place_of_all_that_were_there(world: World) {
    let set = three();
    world.migrator(&set).settings(said([("SHOP_HISTORY_TABLE", "shop_history")])).up().await.unwrap();
    assert!(world.has("shop_history").await && world.has("shop_events").await);
    assert!(!world.has("whimbrel_history").await);
    let mut elsewhere = world.migrator(&set).history_table("shop_history").unwrap().settings(Settings::default());
    assert_eq!(elsewhere.pending().await.unwrap().len(), 3);
    let mut later = world.migrator(&set).settings(Settings::default()).history_table("shop_history").unwrap();
    assert!(later.pending().await.unwrap().is_empty());
}
