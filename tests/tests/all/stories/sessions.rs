//! Promise 9: what a script sets on its session neither reaches the next one nor hides the history.

use sqlx::Connection;
use whimbrel::Migrator;

use crate::stories::world::{World, set_for, stories};

stories! {
    settings_of_a_script_do_not_reach_the_next on postgres
    settings_outside_a_transaction_do_not_reach_the_next on postgres
    a_role_of_a_script_does_not_reach_the_next on postgres
    a_callers_session_is_as_it_was on postgres
    pragmas_of_a_script_do_not_reach_the_next on sqlite
    a_callers_pragmas_are_as_they_were on sqlite
}

/// What the next script sees.
const SEEN: &str = "CREATE TABLE public.seen AS SELECT name, setting FROM pg_settings \
    WHERE name IN ('search_path', 'TimeZone', 'statement_timeout');
CREATE TABLE public.users_seen AS SELECT current_user::text AS name, session_user::text AS session,
    current_setting('role') AS role;
CREATE TABLE public.temporary_seen AS SELECT count(*) AS number FROM pg_class WHERE relname = 'temporary';";

const SETS: &str = "SET search_path = '';
SET TIME ZONE 'Asia/Tokyo';
SET statement_timeout = '7s';
SET lock_timeout = 0;
CREATE TEMP TABLE temporary (id integer);";

async fn assert_unset(world: &World) {
    let defaults =
        "SELECT name FROM public.seen JOIN pg_settings AS now USING (name) WHERE seen.setting <> now.setting";
    assert_eq!(world.texts(defaults).await, [""; 0]);
    assert_eq!(world.texts("SELECT role FROM public.users_seen").await, ["none"]);
    assert_eq!(world.texts("SELECT number::text FROM public.temporary_seen").await, ["0"]);
    assert_eq!(world.texts("SELECT name FROM public.users_seen WHERE name <> current_user").await, [""; 0]);
    assert_eq!(world.texts("SELECT name FROM public.users_seen WHERE session <> session_user").await, [""; 0]);
}

async fn settings_of_a_script_do_not_reach_the_next(world: World) {
    let set = set_for("postgres", [("1_sets.sql", SETS), ("2_sees.sql", SEEN)]);
    assert_eq!(world.up(&set).await.unwrap().applied(), 2);
    assert_unset(&world).await;
}

async fn settings_outside_a_transaction_do_not_reach_the_next(world: World) {
    let outside = format!("-- whimbrel:no-transaction\n{SETS}");
    let set = set_for("postgres", [("1_sets.sql", &*outside), ("2_sees.sql", SEEN)]);
    assert_eq!(world.up(&set).await.unwrap().applied(), 2);
    assert_unset(&world).await;
}

async fn a_role_of_a_script_does_not_reach_the_next(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let (role, _) = database.role().await;
    for (number, how) in [(1, "SET ROLE"), (2, "SET SESSION AUTHORIZATION")] {
        let changes = format!(
            "CREATE SCHEMA s{number} AUTHORIZATION \"{role}\"; {how} \"{role}\"; CREATE TABLE s{number}.a (id integer)"
        );
        let outside = format!(
            "-- whimbrel:no-transaction\n{}",
            changes.replace(".a ", ".b ").replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS")
        );
        let set = set_for("postgres", [("1_sets.sql", &*changes), ("2_sees.sql", SEEN), ("3_sets.sql", &*outside)]);
        let table = format!("public.h{number}");
        let report = world.migrator(&set).history_table(&table).unwrap().up().await.unwrap();
        assert_eq!(report.applied(), 3);
        assert_unset(&world).await;
        world.run(format!("DROP TABLE seen, users_seen, temporary_seen; DROP SCHEMA s{number} CASCADE")).await;
    }
}

async fn a_callers_session_is_as_it_was(world: World) {
    let World::Postgres(_, database) = &world else { return };
    let (role, _) = database.role().await;
    database.execute(&format!("GRANT \"{role}\" TO postgres; GRANT CREATE ON SCHEMA public TO \"{role}\"")).await;
    let mut connection = database.connect().await;
    let mine = format!(
        "SET search_path = 'elsewhere'; SET TIME ZONE 'Europe/Berlin'; SET ROLE \"{role}\"; \
         CREATE TEMP TABLE mine (id integer); SET application_name = 'it''s mine'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(mine)).execute(&mut connection).await.unwrap();
    let state = "SELECT current_setting('search_path') || current_setting('TimeZone') || current_user || \
                 current_setting('application_name') || (SELECT count(*) FROM mine) || current_setting('lock_timeout')";
    let before: String = sqlx::query_scalar(state).fetch_one(&mut connection).await.unwrap();
    let outside = format!("-- whimbrel:no-transaction\n{}", SETS.replace("temporary", "temporary2"));
    let set = set_for("postgres", [("1_sets.sql", SETS), ("2_more.sql", "SELECT 1"), ("3_sets.sql", &*outside)]);
    assert_eq!(Migrator::new(&set, &mut connection).up().await.unwrap().applied(), 3);
    let after: String = sqlx::query_scalar(state).fetch_one(&mut connection).await.unwrap();
    assert_eq!(before, after);
    // Also when a script fails.
    let broken = format!("{};\nSELEKT", SETS.replace("temporary", "temporary3"));
    let fails = set_for(
        "postgres",
        [("1_sets.sql", SETS), ("2_more.sql", "SELECT 1"), ("3_sets.sql", &*outside), ("4_fails.sql", &*broken)],
    );
    Migrator::new(&fails, &mut connection).up().await.unwrap_err();
    let after: String = sqlx::query_scalar(state).fetch_one(&mut connection).await.unwrap();
    assert_eq!(before, after);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    assert_eq!(sqlx::query_scalar::<_, i64>(locks).fetch_one(&mut connection).await.unwrap(), 0);
    connection.close().await.unwrap();
}

async fn pragmas_of_a_script_do_not_reach_the_next(world: World) {
    let sets = "PRAGMA recursive_triggers = ON;\nPRAGMA temp_store = MEMORY;\nPRAGMA cache_size = 77;\n\
                CREATE TABLE a (id INTEGER);";
    let outside = format!("-- whimbrel:no-transaction\n{}", sets.replace(" a ", " c "));
    let sees = "CREATE TABLE seen AS SELECT recursive_triggers AS a, temp_store AS b, cache_size AS c \
                FROM pragma_recursive_triggers, pragma_temp_store, pragma_cache_size;";
    let again = sees.replace("seen", "seen_again");
    let set = set_for(
        "sqlite",
        [("1_sets.sql", sets), ("2_sees.sql", sees), ("3_sets.sql", &*outside), ("4_sees.sql", &*again)],
    );
    assert_eq!(world.up(&set).await.unwrap().applied(), 4);
    for table in ["seen", "seen_again"] {
        let unset = format!("SELECT a || ' ' || b || ' ' || (c <> 77) FROM {table}");
        assert_eq!(world.texts(&unset).await, ["0 0 1"], "{table}");
    }
}

async fn a_callers_pragmas_are_as_they_were(world: World) {
    let World::Sqlite(pool, _) = &world else { return };
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("PRAGMA busy_timeout = 1234; PRAGMA cache_size = 55").execute(&mut *connection).await.unwrap();
    let sets = "PRAGMA cache_size = 77;\nPRAGMA foreign_keys = OFF;\nCREATE TABLE a (id INTEGER);";
    let set = set_for("sqlite", [("1_sets.sql", sets), ("2_fails.sql", "PRAGMA cache_size = 78;\nSELEKT;")]);
    Migrator::new(&set, &mut *connection).up().await.unwrap_err();
    for (pragma, value) in [("busy_timeout", 1234), ("cache_size", 55), ("foreign_keys", 1), ("legacy_alter_table", 0)]
    {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
        let now: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(now, value, "{pragma}");
    }
}
