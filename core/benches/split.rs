//! How fast a script is split and read: MB/s for each dialect, for 10 MB and for 100 MB, which must be alike.
//!
//! `cargo bench -p whimbrel-core` measures with optimization; macros run without it, which `cargo bench -p
//! whimbrel-core --profile dev` measures (on 2 MB).

use std::borrow::Cow;
use std::time::{Duration, Instant};

use whimbrel_core::read::{Demand, Outline, read};
use whimbrel_core::script::Options;
use whimbrel_core::split::split;
use whimbrel_core::{Dialect, Direction};

const MB: usize = 1_000_000;

const PLAIN: &str = "\
-- the users, and what they have bought
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'nobody; really', created_at TIMESTAMP);
CREATE INDEX users_name ON users (name);
INSERT INTO users (id, name) VALUES (1, 'O''Hara'), (2, 'a somewhat longer string, as real rows have them'); /* two */
UPDATE users SET name = 'x' WHERE id >= 10 AND name <> 'y';
ALTER TABLE users ADD COLUMN email TEXT;
";

/// What a splitter can be slow on, each for itself.
const ALIKE: [(&str, &str); 4] = [
    ("statements", "SELECT 1;\n"),
    ("names", "SELECT a.id, a.created_at, customers.address, order_items.price, x1, is_deleted FROM a, b, c;\n"),
    (
        "strings",
        "INSERT INTO a VALUES ('it is a long text, with a newline here\nand so on, and on, and on, and on, and on');\n",
    ),
    ("comments", "-- this is what a licence looks like, in lines of eighty bytes or somewhat less\nDROP TABLE a;\n"),
];

fn main() {
    let sizes = if cfg!(debug_assertions) { [MB, 2 * MB] } else { [10 * MB, 100 * MB] };
    for dialect in Dialect::ALL {
        for size in sizes {
            measure(dialect, "mixed", &format!("{PLAIN}{}", special(dialect)), size);
        }
        for (what, unit) in ALIKE {
            measure(dialect, what, unit, sizes[0]);
        }
    }
}

fn measure(dialect: Dialect, what: &str, unit: &str, size: usize) {
    let text = unit.repeat(size / unit.len() + 1);
    let splitting = best(|| assert!(!split(&text, dialect).is_empty()));
    let reading = best(|| read_one(dialect, text.clone()));
    let speed = |time: Duration| text.len() as f64 / MB as f64 / time.as_secs_f64();
    println!(
        "{:8} {what:10} {:>4} MB  split {splitting:>7.1?} ({:>6.0} MB/s)  read, with its digest {reading:>7.1?} ({:>6.0} MB/s)",
        dialect.name(),
        size / MB,
        speed(splitting),
        speed(reading)
    );
}

/// What only this dialect has.
fn special(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE WHEN 1 THEN 2 END; END;\n",
        Dialect::Postgres => "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN; RETURN 1; END $$;\n",
        Dialect::Mysql => "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN IF 1 THEN SET @a = 2; END IF; END;\n",
        _ => "BEGIN BATCH INSERT INTO a (b) VALUES (1); UPDATE a SET c = 2 WHERE b = 1; APPLY BATCH;\n",
    }
}

fn read_one(dialect: Dialect, text: String) {
    let (direction, options, demand) = (Direction::Up, Options::default(), Demand::Nothing);
    let outline = Outline {
        direction,
        dialect: Some(dialect),
        read_as: &[dialect],
        path: "1.sql",
        shown: "1.sql",
        options,
        demand,
    };
    assert!(read(&outline, Cow::Owned(text)).is_ok());
}

/// The shortest of five runs: what disturbs only adds.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..5).map(time).min().unwrap_or_default()
}
