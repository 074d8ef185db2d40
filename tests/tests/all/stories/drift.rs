//! The schema of a database against what its migrations make.

use std::time::Duration;

use whimbrel::{ErrorKind, Migrations, Migrator, ScratchDatabase, ValidateSchema, Validation};

use crate::stories::world::{World, quick, set, set_for, stories};

stories! {
    a_schema_that_is_as_it_was_made_is_valid on sqlite, postgres, mysql
    every_sort_of_drift_is_named on sqlite, postgres, mysql
    what_is_in_the_database_of_a_newer_binary_is_built_from_its_stored_scripts on sqlite, postgres, mysql
    a_script_that_fails_in_the_scratch_database_is_told on sqlite, postgres, mysql
    a_script_that_reaches_out_of_its_database_does_not_run_twice on sqlite, postgres, mysql
    who_may_not_create_a_database_is_told_what_was_not_checked on postgres, mysql
    a_scratch_database_that_was_named_is_emptied on postgres, mysql
    a_scratch_database_that_was_named_is_one_runs_at_a_time on postgres, mysql
    a_scratch_database_goes_with_a_run_that_is_dropped on postgres, mysql
    a_scratch_database_that_cannot_be_reached_is_told_without_its_password on postgres, mysql
    a_connection_that_was_passed_in_cannot_be_followed on postgres, mysql
    whatever_postgres_has_is_emptied_out_of_a_scratch_database on postgres
    a_history_in_a_schema_of_its_own_is_no_difference on postgres
    a_keyspace_is_compared_with_one_of_its_scripts on scylla
    a_keyspace_that_was_named_is_emptied on scylla
    a_script_that_names_its_keyspace_is_read_instead on scylla
    without_a_scratch_database_it_is_said_what_was_not_checked on postgres, mysql
    a_run_compares_the_schema_where_that_was_asked_for on sqlite, postgres, mysql
}

/// A bit of everything.
fn shop(world: &World) -> Migrations {
    let users = world.each(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL COLLATE NOCASE, age INT DEFAULT 1 CHECK (age > 0), \
         UNIQUE (email, age))",
        "CREATE TYPE mood AS ENUM ('good', 'bad');\nCREATE SEQUENCE numbers INCREMENT BY 2;\n\
         CREATE TABLE users (id serial PRIMARY KEY, email varchar(80) NOT NULL, age int DEFAULT 1 CHECK (age > 0), \
         feels mood, UNIQUE (email, age));\n\
         CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';\n\
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n\
         CREATE MATERIALIZED VIEW ages AS SELECT age FROM users;\nCREATE SCHEMA app;\n\
         CREATE TABLE app.settings (name text PRIMARY KEY, value text)",
        "CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80) NOT NULL, age INT DEFAULT 1 CHECK (age > 0), \
         UNIQUE (email, age));\n\
         CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    );
    let touch = world.each(
        "CREATE TRIGGER touch AFTER UPDATE ON users BEGIN SELECT 1; END",
        "CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW SET NEW.age = NEW.age",
    );
    let users = format!("{users};\n{touch};");
    set_for(
        world.dialect(),
        [
            ("0001_users.sql", &*users),
            (
                "0002_orders.sql",
                "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, of INT NOT NULL, note VARCHAR(40),\n\
             CONSTRAINT buyer FOREIGN KEY (of) REFERENCES users (id) ON DELETE CASCADE);\n\
             CREATE INDEX orders_by_note ON orders (note);\nCREATE INDEX orders_of ON orders (of, note);",
            ),
            ("0003_views.sql", "CREATE VIEW adults AS SELECT id, email FROM users WHERE age > 17;"),
        ],
    )
}

async fn validated(world: &World, set: &Migrations) -> Validation {
    world.migrator(set).validate().await.unwrap()
}

async fn a_schema_that_is_as_it_was_made_is_valid(world: World) {
    let set = shop(&world);
    let fresh = validated(&world, &set).await;
    assert!(fresh.is_valid() && fresh.unchecked.is_empty(), "{fresh}");
    world.up(&set).await.unwrap();
    let validation = validated(&world, &set).await;
    assert_eq!(validation.to_string(), "valid: 3 migrations compared, 0 verify scripts asked");
}

async fn every_sort_of_drift_is_named(world: World) {
    let set = shop(&world);
    for cases in world.each(SQLITE, POSTGRES, MYSQL).split(|case| *case == APART) {
        let world = match &world {
            World::Sqlite(..) => World::sqlite().await,
            World::Postgres(..) => World::postgres().await,
            _ => World::mysql().await,
        };
        let world = world.unwrap();
        world.up(&set).await.unwrap();
        for (change, _) in cases {
            world.run(*change).await;
        }
        let validation = validated(&world, &set).await;
        let unmanaged = validation.unmanaged.iter().map(|it| format!("+{it}"));
        let mut found: Vec<String> = validation.differences.iter().cloned().chain(unmanaged).collect();
        let all = cases.iter().flat_map(|(_, expected)| expected.split("; ")).filter(|it| !it.is_empty());
        let mut expected: Vec<&str> = all.collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{cases:?}");
        assert_eq!(validation.is_valid(), validation.differences.is_empty());
        assert!(validation.unchecked.is_empty(), "{validation}");
    }
}

/// What is done to a database, and what is said of it; `+` stands before what no migration made.
type Case = (&'static str, &'static str);

/// Between cases that are not tried on the same database.
const APART: Case = ("", "");

const SQLITE: &[Case] = &[
    ("DROP TABLE orders", "table orders is missing"),
    APART,
    ("DROP VIEW adults; CREATE VIEW adults AS SELECT id FROM users", "view adults differs"),
    APART,
    ("DROP VIEW adults", "view adults is missing"),
    APART,
    ("DROP TRIGGER touch", "trigger touch on users is missing"),
    APART,
    (
        "DROP TRIGGER touch; CREATE TRIGGER touch AFTER UPDATE ON users BEGIN SELECT 2; END",
        "trigger touch on users differs",
    ),
    APART,
    ("DROP INDEX orders_of", "index orders_of on orders is missing"),
    APART,
    (
        "DROP INDEX orders_of; CREATE UNIQUE INDEX orders_of ON orders (of)",
        "index orders_of on orders is unique (of), expected (of, note)",
    ),
    APART,
    ("DROP INDEX orders_of; CREATE INDEX renamed ON orders (of, note)", ""),
    APART,
    ("CREATE INDEX mine ON orders (id)", "+index mine on orders"),
    APART,
    ("CREATE TABLE mine (id INT PRIMARY KEY, note TEXT UNIQUE)", "+table mine"),
    APART,
    ("CREATE VIEW seen AS SELECT 1", "+view seen"),
    APART,
    ("ALTER TABLE orders ADD COLUMN mine INT", "+column orders.mine"),
    APART,
    (
        "DROP INDEX orders_of; DROP INDEX orders_by_note; ALTER TABLE orders DROP COLUMN note",
        "column orders.note is missing; index orders_by_note on orders is missing; index orders_of on orders is missing",
    ),
    APART,
    (
        "PRAGMA foreign_keys = OFF; DROP VIEW adults; DROP TABLE orders; \
         CREATE TABLE orders (id INT, of INT NOT NULL DEFAULT 7, note TEXT, PRIMARY KEY (id, of), \
         FOREIGN KEY (of) REFERENCES users (id)); \
         CREATE INDEX orders_by_note ON orders (note); CREATE INDEX orders_of ON orders (of, note); \
         CREATE VIEW adults AS SELECT id, email FROM users WHERE age > 17;",
        "column orders.id is nullable, expected not null; column orders.note has type text, expected varchar (40); \
         column orders.of has default 7, expected none; primary key of orders is (id, of), expected (id); \
         foreign key (of) references users (id) on delete cascade on orders is missing; \
         +foreign key (of) references users (id) on orders",
    ),
    APART,
    (
        "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; DROP VIEW adults; DROP TABLE users; \
         CREATE TABLE users (age INT DEFAULT 2 CHECK (age > 1), id INTEGER PRIMARY KEY, email VARCHAR(80)); \
         CREATE TRIGGER touch AFTER UPDATE ON users BEGIN SELECT 1; END; \
         CREATE VIEW adults AS SELECT id, email FROM users WHERE age > 17;",
        "column users.age has default 2, expected 1; column users.email is nullable, expected not null; \
         column users.email has no collation, expected nocase; unique key (email, age) on users is missing; \
         check (age > 0) on users is missing; +check (age > 1) on users",
    ),
];

const POSTGRES: &[Case] = &[
    ("DROP TABLE orders", "table orders is missing"),
    ("CREATE OR REPLACE VIEW adults AS SELECT id, email FROM users WHERE age > 18", "view adults differs"),
    ("ALTER TABLE users ALTER email DROP NOT NULL", "column users.email is nullable, expected not null"),
    ("ALTER TABLE users ALTER age SET DEFAULT 2", "column users.age has default 2, expected 1"),
    ("DROP FUNCTION twice(int)", "function twice(n integer) is missing"),
    ("ALTER TYPE mood ADD VALUE 'so so'", "enum mood is good, bad, so so, expected good, bad"),
    (
        "ALTER SEQUENCE numbers INCREMENT BY 3",
        "sequence numbers is bigint start 1 step 3 from 1 to 9223372036854775807, \
         expected bigint start 1 step 2 from 1 to 9223372036854775807",
    ),
    ("CREATE SCHEMA mine; CREATE TABLE mine.a (id int)", "+table mine.a; +schema mine"),
    ("CREATE EXTENSION pgcrypto", "+extension pgcrypto"),
    ("DROP MATERIALIZED VIEW ages", "materialized view ages is missing"),
    APART,
    ("ALTER TABLE orders ALTER note SET NOT NULL", "column orders.note is not null, expected nullable"),
    (
        "ALTER TABLE orders ALTER note SET DEFAULT 'x'",
        "column orders.note has default 'x'::character varying, expected none",
    ),
    ("ALTER TABLE orders ADD mine int", "+column orders.mine"),
    ("ALTER TABLE users ALTER age DROP DEFAULT", "column users.age has no default, expected 1"),
    ("ALTER TABLE orders RENAME CONSTRAINT buyer TO mine", ""),
    ("ALTER TABLE users DROP CONSTRAINT users_age_check", "check ((age > 0)) on users is missing"),
    ("CREATE INDEX mine ON orders (lower(note)) WHERE id > 1", "+index mine on orders"),
    ("CREATE VIEW seen AS SELECT 1", "+view seen"),
    (
        "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 3'",
        "function twice(n integer) differs",
    ),
    ("ALTER TABLE users DISABLE TRIGGER touch", "trigger touch on users differs"),
    ("DROP SCHEMA app CASCADE", "table app.settings is missing; schema app is missing"),
    APART,
    (
        "ALTER TABLE orders ALTER note TYPE varchar(41)",
        "column orders.note has type character varying(41), expected character varying(40)",
    ),
    (
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, of)",
        "primary key of orders is (id, of), expected (id)",
    ),
    (
        "ALTER TABLE orders DROP CONSTRAINT buyer, ADD FOREIGN KEY (of) REFERENCES users",
        "foreign key (of) REFERENCES users(id) ON DELETE CASCADE on orders is missing; \
         +foreign key (of) REFERENCES users(id) on orders",
    ),
    ("ALTER TABLE users DROP CONSTRAINT users_email_age_key", "unique key (email, age) on users is missing"),
    ("ALTER INDEX orders_of RENAME TO renamed", ""),
    ("DROP VIEW adults", "view adults is missing"),
    ("DROP TRIGGER touch ON users", "trigger touch on users is missing"),
    ("ALTER TABLE app.settings ALTER value SET NOT NULL", "column app.settings.value is not null, expected nullable"),
    (
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON orders USING (id > 1)",
        "table orders has row security on, expected none; +policy mine on orders",
    ),
    APART,
    (
        "ALTER TABLE orders DROP note",
        "column orders.note is missing; index orders_by_note on orders is missing; index orders_of on orders is missing",
    ),
    APART,
    ("DROP INDEX orders_of", "index orders_of on orders is missing"),
    APART,
    (
        "DROP INDEX orders_of; CREATE UNIQUE INDEX orders_of ON orders (of DESC)",
        "index orders_of on orders is unique (of DESC), expected (of, note)",
    ),
];

const MYSQL: &[Case] = &[
    ("DROP TABLE orders", "table orders is missing"),
    ("ALTER TABLE users MODIFY email VARCHAR(80)", "column users.email is nullable, expected not null"),
    ("ALTER TABLE users ALTER age SET DEFAULT 2", "column users.age has default 2, expected 1"),
    ("CREATE OR REPLACE VIEW adults AS SELECT id, email FROM users WHERE age > 18", "view adults differs"),
    ("DROP FUNCTION twice", "function twice is missing"),
    ("DROP TRIGGER touch", "trigger touch on users is missing"),
    ("CREATE TABLE mine (id INT)", "+table mine"),
    APART,
    (
        "ALTER TABLE users MODIFY email VARCHAR(81) NOT NULL",
        "column users.email has type varchar(81), expected varchar(80)",
    ),
    ("ALTER TABLE orders ALTER note SET DEFAULT 'x'", "column orders.note has default 'x', expected none"),
    ("ALTER TABLE orders ADD mine INT", "+column orders.mine"),
    ("ALTER TABLE users DROP INDEX email", "index email on users is missing"),
    (
        "ALTER TABLE orders DROP PRIMARY KEY, ADD PRIMARY KEY (id, of)",
        "primary key of orders is (id, of), expected (id)",
    ),
    (
        "ALTER TABLE orders DROP FOREIGN KEY buyer",
        "foreign key (of) references users (id) on delete cascade on orders is missing",
    ),
    ("ALTER TABLE orders ADD CHECK (id > 1)", "+check (`id` > 1) on orders"),
    ("CREATE INDEX mine ON orders (note(3))", "+index mine on orders"),
    ("DROP INDEX orders_by_note ON orders", "index orders_by_note on orders is missing"),
    ("DROP VIEW adults", "view adults is missing"),
    (
        "DROP FUNCTION twice; CREATE FUNCTION twice(n BIGINT) RETURNS INT DETERMINISTIC RETURN n * 2",
        "function twice differs",
    ),
    (
        "DROP TRIGGER touch; CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW SET NEW.age = 1",
        "trigger touch on users differs",
    ),
    APART,
    ("ALTER TABLE orders RENAME INDEX orders_by_note TO renamed", ""),
    APART,
    (
        "DROP INDEX orders_by_note ON orders; CREATE UNIQUE INDEX orders_by_note ON orders (id, note)",
        "index orders_by_note on orders is unique (id, note), expected (note)",
    ),
    (
        "ALTER TABLE orders DROP FOREIGN KEY buyer; ALTER TABLE orders ENGINE = Aria",
        "table orders has engine Aria, expected InnoDB; \
         foreign key (of) references users (id) on delete cascade on orders is missing",
    ),
];

async fn what_is_in_the_database_of_a_newer_binary_is_built_from_its_stored_scripts(world: World) {
    let newer = world.three();
    world.up(&newer).await.unwrap();
    let older = set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    world.run("DROP TABLE c").await;
    let validation = validated(&world, &older).await;
    assert_eq!(validation.differences, ["table c is missing"]);
}

async fn a_script_that_fails_in_the_scratch_database_is_told(world: World) {
    let set = set([
        ("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"),
        ("0002_b.sql", "CREATE TABLE b (id INT PRIMARY KEY);\nINSERT INTO b (id) SELECT id FROM made_by_hand;"),
    ]);
    world.run("CREATE TABLE made_by_hand (id INT)").await;
    world.up(&set).await.unwrap();
    let validation = validated(&world, &set).await;
    assert!(validation.is_valid());
    let why = world.each(
        "no such table: made_by_hand (1)",
        "relation \"made_by_hand\" does not exist (42P01)",
        "made_by_hand' doesn't exist (1146/42S02)",
    );
    let [told] = &validation.unchecked[..] else { panic!("{validation}") };
    assert!(told.starts_with("the schema: 0002_b failed in the scratch database: ") && told.ends_with(why), "{told}");
    all_scratch_databases_go(&world).await;
}

async fn a_script_that_reaches_out_of_its_database_does_not_run_twice(world: World) {
    let text = world.each(
        "ATTACH ':memory:' AS other",
        "CREATE TABLE a (id int);\nDO $$ BEGIN EXECUTE 'DROP ROLE IF EXISTS whimbrel_nobody'; END $$",
        "CREATE TABLE a (id INT);\nDROP ROLE IF EXISTS whimbrel_nobody",
    );
    let text = format!("-- whimbrel:no-transaction\n{text};");
    let set = set_for(world.dialect(), [("0001_a.sql", &*text)]);
    world.up(&set).await.unwrap();
    let what = world.each("`ATTACH`, line 2", "`DROP ROLE`, line 3", "`DROP ROLE`, line 3");
    let expected = format!("the schema: 0001_a reaches out of its database ({what}), and may not run twice");
    assert_eq!(validated(&world, &set).await.unchecked, [expected]);
}

async fn without_a_scratch_database_it_is_said_what_was_not_checked(world: World) {
    let set = shop(&world);
    world.up(&set).await.unwrap();
    let never = world.migrator(&set).scratch_database(ScratchDatabase::Never).validate().await.unwrap();
    assert_eq!(never.unchecked, ["the schema: no scratch database is allowed"]);
    let full = world.migrator(&set).scratch_url(world.url()).validate().await.unwrap();
    let is = "the schema: the scratch database is not empty, it has table";
    assert!(full.unchecked[0].starts_with(is), "{full}");
    assert!(world.has("users").await);
    let nowhere = world.migrator(&set).scratch_url("sqlite::memory:").validate().await.unwrap();
    let dialect = world.dialect();
    let why = format!("the schema: the scratch database is one of sqlite, not of {dialect}");
    assert_eq!(nowhere.unchecked, [why]);
}

async fn a_run_compares_the_schema_where_that_was_asked_for(world: World) {
    let set = shop(&world);
    let validating = || world.migrator(&set).validate_schema(ValidateSchema::On);
    validating().up().await.unwrap();
    world.run("DROP VIEW adults").await;
    if !world.is_sqlite() {
        assert!(validating().up().await.unwrap().is_up_to_date());
    }
    let error = validating().scratch_database(ScratchDatabase::Create).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("view adults is missing"), "{error}");
}

async fn who_may_not_create_a_database_is_told_what_was_not_checked(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let (url, expected) = match &world {
        World::Postgres(_, database) => {
            let (role, url) = database.role().await;
            database.execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{role}\"")).await;
            let why = "may not create a database; name one with `--scratch-url` or grant CREATEDB";
            (url, format!("the schema: role {role} {why}"))
        }
        World::Mysql(_, database) => {
            let user = format!("{}_u", database.name());
            let grant = format!("GRANT SELECT ON `{}`.* TO {user}@'127.0.0.1'", database.name());
            database.execute(&format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'; {grant}")).await;
            let mut url = url::Url::parse(&database.url()).unwrap();
            url.set_username(&user).unwrap();
            url.set_password(Some("pw")).unwrap();
            let why = "may not create a database; name one with `--scratch-url` or GRANT ALL ON `whimbrel\\_scratch\\_%`.* to it";
            (url.to_string(), format!("the schema: user {user}@127.0.0.1 {why}"))
        }
        _ => return,
    };
    let validation = Migrator::connect(&set, &url).unwrap().validate().await.unwrap();
    assert_eq!(validation.unchecked, [expected]);
    assert!(validation.is_valid());
    assert!(validation.to_string().contains("\nnot checked: the schema: "), "{validation}");
    if let World::Mysql(_, database) = &world {
        database.execute(&format!("DROP USER {}_u@'127.0.0.1'", database.name())).await;
    }
}

/// A second database of the same sort, whose URL is the scratch database's.
async fn a_scratch_database_that_was_named_is_emptied(world: World) {
    let set = shop(&world);
    world.up(&set).await.unwrap();
    world.run("DROP VIEW adults").await;
    let scratch = match &world {
        World::Postgres(..) => World::postgres().await,
        _ => World::mysql().await,
    };
    let scratch = scratch.unwrap();
    for _ in 0..2 {
        let validation = world.migrator(&set).scratch_url(scratch.url()).validate().await.unwrap();
        assert_eq!(
            (&validation.differences[..], &validation.unchecked[..]),
            (&["view adults is missing".to_owned()][..], &[][..])
        );
        assert_eq!(validation.unmanaged, [""; 0]);
    }
    assert!(!scratch.has("users").await && !scratch.has("whimbrel_history").await);
}

async fn a_scratch_database_that_was_named_is_one_runs_at_a_time(world: World) {
    let slow = world.each("", "SELECT pg_sleep(4)", "DO SLEEP(4)");
    let text = format!("-- whimbrel:no-transaction\nCREATE TABLE a (id INT PRIMARY KEY);\n{slow};");
    let set = set_for(world.dialect(), [("0001_a.sql", &*text)]);
    world.up(&set).await.unwrap();
    let scratch = match &world {
        World::Postgres(..) => World::postgres().await,
        _ => World::mysql().await,
    };
    let scratch = scratch.unwrap();
    let (mut one, mut other) =
        (world.migrator(&set).scratch_url(scratch.url()), world.migrator(&set).scratch_url(scratch.url()));
    let comes_later = async {
        while !scratch.has("a").await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other.validate().await.unwrap()
    };
    let (first, second) = tokio::join!(one.validate(), comes_later);
    let first = first.unwrap();
    assert!(first.is_valid() && first.unchecked.is_empty(), "{first}");
    let said = "the schema: somebody else uses the scratch database: try again, or name another one";
    assert_eq!(second.unchecked, [said]);
    assert!(!scratch.has("a").await);
}

async fn a_scratch_database_goes_with_a_run_that_is_dropped(world: World) {
    let slow = world.each("", "SELECT pg_sleep(0.7)", "DO SLEEP(0.7)");
    let text = format!("CREATE TABLE b (id INT PRIMARY KEY);\n{slow};");
    let files = [("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);"), ("0002_b.sql", &*text)];
    let set = set_for(world.dialect(), files);
    world.up(&set).await.unwrap();
    let mut migrator = world.migrator(&set);
    let dropped = tokio::time::timeout(Duration::from_millis(500), migrator.validate()).await;
    assert!(dropped.is_err(), "the script takes longer");
    all_scratch_databases_go(&world).await;
}

/// Those that are there now; the tests beside this one have some as well, which go when they are done.
async fn all_scratch_databases_go(world: &World) {
    let sql = match world {
        World::Sqlite(..) => return,
        World::Postgres(..) => "SELECT datname::text FROM pg_database WHERE datname LIKE 'whimbrel\\_scratch\\_%'",
        World::Mysql(..) => {
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'whimbrel\\_scratch\\_%'"
        }
        World::Scylla(..) => "SELECT keyspace_name FROM system_schema.keyspaces",
    };
    let mut left = world.texts(sql).await;
    left.retain(|name| name.starts_with("whimbrel_scratch_"));
    for _ in 0..300 {
        let now = world.texts(sql).await;
        left.retain(|name| now.contains(name));
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{left:?}");
}

async fn a_scratch_database_that_cannot_be_reached_is_told_without_its_password(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let scheme = world.each("sqlite", "postgres", "mysql");
    let url = format!("{scheme}://nobody:hunter2@127.0.0.1:1/scratch");
    let migrator = || world.migrator(&set).scratch_url(&*url);
    let told = migrator().validate().await.unwrap();
    let said = "the schema: the scratch database: the database cannot be reached (127.0.0.1:1): ";
    assert!(told.unchecked[0].starts_with(said), "{told}");
    let settings = whimbrel::Settings::default().scratch_database(ScratchDatabase::Url(url.clone()));
    assert!(!format!("{told}{settings:?}").contains("hunter2"));
}

async fn a_keyspace_is_compared_with_one_of_its_scripts(world: World) {
    let set = world.set([
        ("0001_users.sql", "CREATE TABLE users (id INT PRIMARY KEY, age INT, email TEXT);"),
        ("0002_index.sql", "CREATE INDEX users_by_age ON users (age);\nCREATE TYPE place (town TEXT);"),
    ]);
    let migrator = || Migrator::connect(&set, &world.url()).unwrap().cluster(quick());
    migrator().up().await.unwrap();
    let valid = migrator().validate().await.unwrap();
    assert_eq!(valid.to_string(), "valid: 2 migrations compared, 0 verify scripts asked");
    world
        .run(
            "DROP INDEX users_by_age; ALTER TABLE users DROP age; ALTER TABLE users ADD mine INT; \
             ALTER TYPE place ADD street TEXT; CREATE INDEX mine ON users (email); CREATE TABLE mine (id INT PRIMARY KEY)",
        )
        .await;
    let validation = migrator().validate().await.unwrap();
    let differences = [
        "column users.age is missing",
        "index users_by_age on users is missing",
        "type place is town text, street text, expected town text",
    ];
    assert_eq!(validation.differences, differences);
    assert_eq!(validation.unmanaged, ["column users.mine", "index mine on users", "table mine"]);
    all_scratch_databases_go(&world).await;
}

async fn a_script_that_names_its_keyspace_is_read_instead(world: World) {
    let create = format!("CREATE TABLE {}.users (id INT PRIMARY KEY);", world.database());
    let set = world.set([("0001_users.sql", &*create)]);
    let migrator = || Migrator::connect(&set, &world.url()).unwrap().cluster(quick());
    migrator().up().await.unwrap();
    let validation = migrator().validate().await.unwrap();
    assert!(validation.is_valid(), "{validation}");
    let expected = format!(
        "the schema by a scratch keyspace, only by what the scripts say: 0001_users reaches out of its database (`{}.`, \
         line 1), and may not run twice",
        world.database()
    );
    assert_eq!(validation.unchecked, [expected]);
    world.run("DROP TABLE users").await;
    assert_eq!(migrator().validate().await.unwrap().differences, ["table users is missing"]);
}

async fn a_connection_that_was_passed_in_cannot_be_followed(world: World) {
    let set = world.three();
    world.up(&set).await.unwrap();
    let expected = "the schema: a connection that was passed in does not tell where a scratch database can be reached: pass \
                    a pool or a URL, or name one with `--scratch-url`";
    let validation = match &world {
        World::Postgres(_, database) => {
            let mut connection = database.connect().await;
            Migrator::new(&set, &mut connection).validate().await
        }
        World::Mysql(_, database) => {
            let mut connection = database.connect().await;
            Migrator::new(&set, &mut connection).validate().await
        }
        _ => return,
    };
    assert_eq!(validation.unwrap().unchecked, [expected]);
}

async fn whatever_postgres_has_is_emptied_out_of_a_scratch_database(world: World) {
    let set = set_for(
        "postgres",
        [(
            "0001_all.sql",
            "CREATE TYPE span AS RANGE (subtype = int);\nCREATE TYPE pair AS (a int, b int);\n\
             CREATE DOMAIN positive AS int CHECK (VALUE > 0);\nCREATE SEQUENCE numbers;\n\
             CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s span, n serial, p positive, at pair);\n\
             CREATE VIEW seen AS SELECT id, s FROM a;\nCREATE MATERIALIZED VIEW kept AS SELECT id FROM seen;\n\
             CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n\
             CREATE TRIGGER touch BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch();\n\
             CREATE FUNCTION width(s span) RETURNS int LANGUAGE sql AS 'SELECT upper(s) - lower(s)';\n\
             CREATE FUNCTION add(x int, y int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT x + y';\n\
             CREATE AGGREGATE total (int) (SFUNC = add, STYPE = int);\n\
             CREATE TABLE parts (id int DEFAULT add(1, 2)) PARTITION BY RANGE (id);\n\
             CREATE TABLE part PARTITION OF parts DEFAULT;",
        )],
    );
    world.up(&set).await.unwrap();
    let scratch = World::postgres().await.unwrap();
    for _ in 0..2 {
        let validation = world.migrator(&set).scratch_url(scratch.url()).validate().await.unwrap();
        let said = (&validation.differences[..], &validation.unchecked[..], &validation.unmanaged[..]);
        assert_eq!(said, (&[][..], &[][..], &[][..]));
    }
    let left = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION ALL \
                SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION ALL \
                SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace";
    assert_eq!(scratch.texts(left).await, [""; 0]);
}

async fn a_history_in_a_schema_of_its_own_is_no_difference(world: World) {
    world.run("CREATE SCHEMA app; CREATE EXTENSION pg_trgm").await;
    let set = set_for(
        "postgres",
        [("0001_a.sql", "CREATE TABLE app.a (note text);\nCREATE INDEX i ON app.a USING gin (note gin_trgm_ops);")],
    );
    let migrator = || world.migrator(&set).history_table("app.schema_history").unwrap();
    migrator().up().await.unwrap();
    let validation = migrator().validate().await.unwrap();
    assert!(validation.is_valid() && validation.unchecked.is_empty(), "{validation}");
    assert_eq!(validation.unmanaged, ["schema app", "extension pg_trgm"]);
}

async fn a_keyspace_that_was_named_is_emptied(world: World) {
    let set = world.set([
        ("0001_types.sql", "CREATE TYPE place (town TEXT);\nCREATE TYPE home (at frozen<place>);"),
        ("0002_users.sql", "CREATE TABLE users (id INT PRIMARY KEY, lives frozen<home>);"),
    ]);
    let migrator = || Migrator::connect(&set, &world.url()).unwrap().cluster(quick());
    migrator().up().await.unwrap();
    let scratch = World::scylla().await.unwrap();
    for _ in 0..2 {
        let validation = migrator().scratch_url(scratch.url()).validate().await.unwrap();
        assert_eq!(validation.to_string(), "valid: 2 migrations compared, 0 verify scripts asked");
    }
    assert!(!scratch.has("users").await && !scratch.has("whimbrel_history").await);
    let validation = migrator().scratch_url(world.url()).validate().await.unwrap();
    let why = "only by what the scripts say: the scratch database is not empty, it has table users: name an empty one";
    assert!(validation.is_valid() && validation.unchecked[0].ends_with(why), "{validation}");
}
