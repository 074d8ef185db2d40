//! Who did what when.

use whimbrel::{Event, Resolve, Rollback};

use crate::stories::world::{World, normal, set_for, stories};

stories! {
    what_happened_is_told_oldest_first on sqlite, postgres, mysql, scylla
    a_fresh_database_has_no_events on sqlite, postgres, mysql, scylla
}

async fn what_happened_is_told_oldest_first(world: World) {
    let text = "-- whimbrel:no-transaction\nINSERT INTO a (id) VALUES (1); INSERT INTO a (nope) VALUES (2)";
    let set = set_for(
        world.dialect(),
        [
            ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY)"),
            ("0001_a.down.sql", "DROP TABLE a"),
            ("0002_b.up.sql", text),
        ],
    );
    world.up(&set).await.unwrap_err();
    let mut migrator = world.migrator(&set);
    migrator.resolve(&"2".parse().unwrap(), Resolve::Done(2)).await.unwrap();
    migrator.up().await.unwrap();
    let events = migrator.events(None).await.unwrap();
    let told: Vec<String> = events.iter().map(told).collect();
    let expected = [
        "started 0001", // Where a schema change stands in no transaction.
        "applied 0001",
        "started 0002",
        "failed 0002",
        "resolved 0002",
        "started 0002",
        "applied 0002",
    ];
    assert_eq!(told, expected[world.each(1, 1, 0)..]);
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=events.len() as i64).collect::<Vec<_>>());
    for event in &events {
        assert_eq!((&*normal(&event.at), &*event.application), ("<time>", "shop 2.3.0"), "{event:?}");
        assert!(event.applied_by.contains('@'), "{event:?}");
        assert_eq!(event.duration_ms.is_some(), event.what == "applied", "{event:?}");
        assert_eq!(event.detail.is_some(), matches!(&*event.what, "failed" | "resolved"), "{event:?}");
    }
    assert_eq!(migrator.events(Some(2)).await.unwrap(), events[events.len() - 2..]);
    assert_eq!(migrator.events(Some(0)).await.unwrap(), []);
    assert_eq!(migrator.events(Some(1000)).await.unwrap(), events);
    let small = set_for(world.dialect(), [("01_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY)")]);
    let first = world.migrator(&small).events(None).await.unwrap().remove(0);
    assert_eq!(first.version.unwrap().to_string(), "01");
    world.migrator(&set).down(Rollback::Steps(1)).await.unwrap_err();
}

fn told(event: &Event) -> String {
    format!("{} {}", event.what, event.version.as_ref().unwrap())
}

async fn a_fresh_database_has_no_events(world: World) {
    let set = world.three();
    assert_eq!(world.migrator(&set).events(None).await.unwrap(), []);
    assert!(!world.has("whimbrel_history").await && !world.has("whimbrel_events").await);
}
