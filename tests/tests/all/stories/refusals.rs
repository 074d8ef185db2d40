//! Promise 7: what does not fit together is refused before anything runs, and all of it is named.

use whimbrel::{Error, ErrorKind, Migrations, Missing, Newer, OutOfOrder, Rollback};

use crate::stories::world::{World, set_for, stories};

stories! {
    edited_migrations_are_refused_and_shown on sqlite, postgres, mysql, scylla
    an_edit_of_comments_and_spaces_is_none on sqlite, postgres, mysql, scylla
    missing_migrations_are_refused_and_named on sqlite, postgres, mysql, scylla
    missing_migrations_may_be_allowed on sqlite, postgres, mysql, scylla
    a_newer_database_is_refused on sqlite, postgres, mysql, scylla
    a_newer_database_without_a_way_back_says_so on sqlite, postgres, mysql, scylla
    a_newer_database_may_be_allowed on sqlite, postgres, mysql, scylla
    a_newer_database_may_be_allowed_where_it_only_expands on sqlite, postgres, mysql, scylla
    late_migrations_are_refused_and_named on sqlite, postgres, mysql, scylla
    late_migrations_may_be_allowed on sqlite, postgres, mysql, scylla
    a_database_below_the_minimum_is_refused on sqlite, postgres, mysql, scylla
    a_first_run_that_was_cut_short_below_the_minimum_goes_on on sqlite, postgres, mysql, scylla
    semantic_versions_are_refused_by_their_numbers on sqlite, postgres, mysql, scylla
    a_set_for_another_database_is_refused on sqlite, postgres, mysql, scylla
}

/// Nothing ran: no table of a pending migration, no new event.
async fn refused(world: &World, set: &Migrations, kind: ErrorKind, name: &str) -> Error {
    let events = world.events().await;
    let error = world.up(set).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_eq!(world.events().await, events);
    assert!(!world.has("pending").await);
    world.shows(name, &error);
    assert_eq!(world.migrator(set).plan(Default::default()).await.unwrap_err().kind(), kind);
    error
}

const PENDING: (&str, &str) = ("0009_pending.sql", "CREATE TABLE pending (id INT PRIMARY KEY)");

async fn edited_migrations_are_refused_and_shown(world: World) {
    world.up(&world.three()).await.unwrap();
    let edited = world.set([
        ("0001_a.up.sql", "CREATE TABLE a (id BIGINT PRIMARY KEY);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INT PRIMARY KEY);\nINSERT INTO b (id) VALUES (1);"),
        ("0002_b.down.sql", "DROP TABLE b;"),
        ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY);\nINSERT INTO c (id) VALUES (1);"),
        ("0003_c.down.sql", "DROP TABLE IF EXISTS c;"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\""),
    ]);
    refused(&world, &edited, ErrorKind::Changed, "edited").await;
    let validation = world.migrator(&edited).validate().await.unwrap();
    assert!(!validation.is_valid() && validation.to_string().contains("BIGINT"), "{validation}");
    // Nor is one taken back by a script that has nothing to do with what ran.
    let error = world.migrator(&edited).down(Rollback::Steps(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(world.has("c").await);
}

async fn an_edit_of_comments_and_spaces_is_none(world: World) {
    world.up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);")])).await.unwrap();
    let edited = world.set([("0001_a.sql", "-- It had no name.\r\nCREATE TABLE a\r\n  (id INT PRIMARY KEY) ;\r\n")]);
    assert!(world.up(&edited).await.unwrap().is_up_to_date());
}

async fn missing_migrations_are_refused_and_named(world: World) {
    world.up(&world.three()).await.unwrap();
    let without = world.set([
        ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\""),
    ]);
    let error = refused(&world, &without, ErrorKind::Missing, "missing").await;
    assert!(error.to_string().contains("0001 a") && error.to_string().contains("0002 b"));
}

async fn missing_migrations_may_be_allowed(world: World) {
    world.up(&world.three()).await.unwrap();
    let without = world.set([
        ("0003_c.up.sql", "CREATE TABLE c (id INT PRIMARY KEY);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\""),
    ]);
    let report = world.migrator(&without).missing(Missing::Allow).up().await.unwrap();
    assert_eq!(report.steps().len(), 1);
    assert!(world.has("pending").await);
    assert!(world.migrator(&without).missing(Missing::Allow).up().await.unwrap().is_up_to_date());
}

fn older(world: &World) -> Migrations {
    world.set([("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")])
}

async fn a_newer_database_is_refused(world: World) {
    world.up(&world.three()).await.unwrap();
    let error = refused(&world, &older(&world), ErrorKind::Newer, "newer").await;
    assert!(error.help_text().unwrap().contains("shop 2.3.0"));
    // Not everything of it is newer: each is named for what it is.
    let mixed =
        world.set([("0001_a.up.sql", "CREATE TABLE a (id BIGINT PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")]);
    refused(&world, &mixed, ErrorKind::Changed, "newer_and_edited").await;
}

async fn a_newer_database_without_a_way_back_says_so(world: World) {
    world
        .up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"), ("0002_b.sql", "SELECT id FROM a;")]))
        .await
        .unwrap();
    let error = world.up(&world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);")])).await.unwrap_err();
    let help = "deploy shop 2.3.0 or newer; there is no way back, since 0002 b left no down script";
    assert_eq!(error.help_text(), Some(help));
}

async fn a_newer_database_may_be_allowed(world: World) {
    world.up(&world.three()).await.unwrap();
    let older = older(&world);
    let report = world.migrator(&older).newer(Newer::Allow).up().await.unwrap();
    assert!(report.is_up_to_date());
    let refused = world.migrator(&older).newer(Newer::AllowIfExpanding).up().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Newer);
}

async fn a_newer_database_may_be_allowed_where_it_only_expands(world: World) {
    let newer = world.set([
        ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.sql", "-- whimbrel:phase expand\nALTER TABLE a ADD b INT;"),
        ("0003_c.sql", "-- whimbrel:phase expand\nALTER TABLE a ADD c INT;"),
    ]);
    world.up(&newer).await.unwrap();
    let older = older(&world);
    assert_eq!(world.up(&older).await.unwrap_err().kind(), ErrorKind::Newer);
    let report = world.migrator(&older).newer(Newer::AllowIfExpanding).up().await.unwrap();
    assert!(report.is_up_to_date());
}

fn with_late(world: &World) -> Migrations {
    world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0002_late.sql", "CREATE TABLE late (id INT PRIMARY KEY);"),
        ("0003_later.sql", "CREATE TABLE later (id INT PRIMARY KEY);"),
        ("0004_d.sql", "CREATE TABLE d (id INT PRIMARY KEY);"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\""),
    ])
}

fn without_late(world: &World) -> Migrations {
    world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0004_d.sql", "CREATE TABLE d (id INT PRIMARY KEY);"),
        ("whimbrel.toml", "gaps = \"allow\""),
    ])
}

async fn late_migrations_are_refused_and_named(world: World) {
    world.up(&without_late(&world)).await.unwrap();
    refused(&world, &with_late(&world), ErrorKind::OutOfOrder, "out_of_order").await;
}

async fn late_migrations_may_be_allowed(world: World) {
    world.up(&without_late(&world)).await.unwrap();
    let set = with_late(&world);
    let report = world.migrator(&set).out_of_order(OutOfOrder::Allow).up().await.unwrap();
    assert_eq!((report.steps().len(), report.applied()), (3, 5));
    assert_eq!(world.versions("completed").await, ["1", "4", "2", "3", "9"]);
    assert!(world.up(&set).await.unwrap().is_up_to_date());
    // Also when the late ones come without a new one, so that the last entry is an old one.
    let once_more = world.set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0002_late.sql", "CREATE TABLE late (id INT PRIMARY KEY);"),
        ("0003_later.sql", "CREATE TABLE later (id INT PRIMARY KEY);"),
        ("0004_d.sql", "CREATE TABLE d (id INT PRIMARY KEY);"),
        ("0005_last.sql", "CREATE TABLE last (id INT PRIMARY KEY);"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\""),
    ]);
    let report = world.migrator(&once_more).out_of_order(OutOfOrder::Allow).up().await.unwrap();
    assert_eq!(report.steps().len(), 1);
    assert_eq!(world.migrator(&once_more).up().await.unwrap().to_string(), "up to date at 0009 (6 migrations)");
}

async fn a_database_below_the_minimum_is_refused(world: World) {
    world.migrator(&older(&world)).application("shop 0.9.0").up().await.unwrap();
    let set = world.set([
        ("0001_a.up.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY);"),
        PENDING,
        ("whimbrel.toml", "gaps = \"allow\"\nminimum_supported = \"2\""),
    ]);
    refused(&world, &set, ErrorKind::Refused, "below_the_minimum").await;
    let validation = world.migrator(&set).validate().await.unwrap();
    assert_eq!(validation.problems, ["the database is at 0001, this binary supports 2 and newer"]);
    let status = world.migrator(&set).status().await.unwrap().to_string();
    assert!(status.contains("\n  below 2, the oldest that this binary supports\n"), "{status}");
}

async fn a_first_run_that_was_cut_short_below_the_minimum_goes_on(world: World) {
    let with = |second| {
        world.set([
            ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
            ("0002_b.sql", second),
            PENDING,
            ("whimbrel.toml", "gaps = \"allow\"\nminimum_supported = \"9\""),
        ])
    };
    assert_eq!(world.up(&with("SELEKT")).await.unwrap_err().kind(), ErrorKind::Failed);
    let mended = with("SELECT id FROM a");
    // Neither another release nor one whose name does not tell it from others knows that it was a first run.
    for application in ["shop 2.3.1", "shop"] {
        let error = world.migrator(&mended).application(application).up().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{application}");
    }
    assert_eq!(world.up(&mended).await.unwrap().applied(), 3);
    assert!(world.migrator(&mended).application("shop 2.3.1").up().await.unwrap().is_up_to_date());
}

async fn semantic_versions_are_refused_by_their_numbers(world: World) {
    const PINS: (&str, &str) = ("1.0.0_pins.up.sql", "CREATE TABLE pins (id INT PRIMARY KEY);");
    const STATS: (&str, &str) = ("1.9.0_stats.up.sql", "CREATE TABLE stats (id INT PRIMARY KEY);");
    const PEERS: (&str, &str) = ("1.10.0_peers.up.sql", "CREATE TABLE peers (id INT PRIMARY KEY);");
    let old = world.set([("0.9.0_all.up.sql", "CREATE TABLE everything (id INT PRIMARY KEY);")]);
    world.migrator(&old).application("storage 0.9.0").up().await.unwrap();
    let minimum = "minimum_supported = \"1.0.0\"";
    let new = world.set([
        ("0.9.0_all.up.sql", "CREATE TABLE everything (id INT PRIMARY KEY);"),
        PINS,
        ("whimbrel.toml", minimum),
    ]);
    world.shows("below_the_minimum_semantic", &world.up(&new).await.unwrap_err());
    assert!(!world.has("pins").await);

    // An empty database is none of an old release.
    world.migrator(&old).down(Rollback::All).await.unwrap_err();
    let empty = async |set| world.migrator(set).history_table("another_history").unwrap().up().await;
    let both = world.set([PINS, STATS, PEERS, ("whimbrel.toml", minimum)]);
    assert_eq!(empty(&both).await.unwrap().current().unwrap().to_string(), "1.10.0");
    assert!(empty(&both).await.unwrap().is_up_to_date());
    let older = world.set([PINS, STATS, ("whimbrel.toml", minimum)]);
    let error = empty(&older).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
    world.shows("newer_semantic", &error);
}

async fn a_set_for_another_database_is_refused(world: World) {
    let other = world.choose("postgres", "sqlite");
    let set = set_for(other, [PENDING]);
    let error = world.up(&set).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    world.shows("another_database", &error);
    assert!(!world.has("whimbrel_history").await);
}
