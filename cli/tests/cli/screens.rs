//! Every screen, as `shown/` has it; and its shape as JSON, whose keys `docs/json.md` lists.

use std::fs;
use std::path::Path;

use crate::shop::{Shop, USUAL};

#[test]
fn status_and_plan_of_a_fresh_database() {
    let shop = Shop::usual();
    shop.shown("status_fresh", &["status"]);
    shop.shown("status_fresh_check", &["status", "--check"]);
    shop.shown("plan", &["plan"]);
    shop.shown("plan_until", &["plan", "add_email"]);
    shop.shown("plan_sql", &["plan", "--sql"]);
    shop.shown("version_none", &["version"]);
    shop.shown("history_none", &["history"]);
}

#[test]
fn up_in_parts_and_down_again() {
    let shop = Shop::usual();
    shop.shown("up_one", &["up", "1"]);
    shop.shown("up_name", &["up", "0002_add_email"]);
    shop.shown("status_half", &["status"]);
    shop.shown("up", &["up"]);
    shop.shown("up_nothing", &["up"]);
    shop.shown("status", &["status"]);
    shop.shown("status_check", &["status", "--check"]);
    shop.shown("status_by_task", &["status", "--by-task"]);
    shop.shown("plan_nothing", &["plan"]);
    shop.shown("plan_down", &["plan", "--down", "2"]);
    shop.shown("version", &["version"]);
    shop.shown("history", &["history"]);
    shop.shown("validate", &["validate"]);
    shop.shown("down_without_yes", &["down"]);
    shop.shown("down", &["down", "--yes"]);
    shop.shown("down_to", &["down", "--to", "0001", "--yes"]);
    shop.shown("history_after_down", &["history"]);
}

#[test]
fn what_failed_what_changed_and_what_is_unknown() {
    let shop = Shop::usual();
    shop.write("0003_orders.up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);\nINSERT INTO ordres VALUES (1);\n");
    shop.shown("up_failed", &["up"]);
    shop.shown("status_failed", &["status"]);
    shop.write("0003_orders.up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n");
    shop.done(&["up"]);
    shop.write("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN mail TEXT;\n");
    shop.shown("status_changed", &["status"]);
    shop.shown("plan_changed", &["plan"]);
    shop.shown("up_changed", &["up"]);
    shop.write(USUAL[2].0, USUAL[2].1);
    for path in ["0003_orders.up.sql", "0003_orders.down.sql"] {
        fs::remove_file(shop.path("migrations").join(path)).unwrap();
    }
    shop.shown("status_unknown", &["status"]);
    shop.shown("up_newer", &["up"]);
}

#[test]
fn what_happened_and_what_a_person_settles() {
    let shop = Shop::usual();
    shop.done(&["up", "2"]);
    shop.shown("events", &["events"]);
    shop.shown("recommendations", &["recommendations"]);
    shop.shown("health", &["health"]);
    shop.write("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN mail TEXT;\n");
    shop.shown("health_changed", &["health"]);
    shop.shown("resolve_without_yes", &["resolve", "0002", "--accept"]);
    shop.shown("resolve_accept", &["resolve", "0002", "--accept", "--yes"]);
    shop.shown("resolve_nothing", &["resolve", "0002", "--accept", "--yes"]);
    shop.shown("force", &["force", "0003", "--yes"]);
    shop.shown("report_summary", &["report", "summary"]);
}

#[test]
fn a_reset_takes_the_database_away_that_was_asked_for() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    shop.shown("reset_without_yes", &["reset"]);
    assert!(shop.path("shop.db").exists());
    shop.shown("reset", &["reset", "--yes"]);
    assert_eq!(shop.done(&["version"]), "nothing is applied\n");
    shop.done(&["up"]);
    shop.shown("reset_json", &["reset", "--yes", "--json"]);
}

#[test]
fn a_reset_that_is_refused_asks_nothing_before() {
    let shop = Shop::usual();
    std::fs::create_dir(shop.path("production")).unwrap();
    let on = |arguments: &[&str]| {
        let mut command = shop.command(arguments);
        command.env("DATABASE_URL", format!("sqlite://{}?mode=rwc", shop.path("production/shop.db").display()));
        command.output().unwrap()
    };
    assert!(on(&["up"]).status.success());
    let told = String::from_utf8(on(&["reset"]).stderr).unwrap();
    assert!(told.contains("`production`, which is called like a place of production; nothing was dropped"), "{told}");
    assert!(!told.contains("-wal") && !told.contains("there is no terminal"), "{told}");
}

#[test]
fn a_baseline_and_what_it_keeps() {
    let shop = Shop::usual();
    shop.shown("baseline_without_yes", &["baseline", "0002"]);
    shop.shown("baseline", &["baseline", "add_email", "--yes"]);
    shop.shown("down_past_a_baseline", &["down", "--yes"]);
}

#[test]
fn the_commands_for_files() {
    let shop = Shop::usual();
    shop.shown("check", &["check"]);
    shop.shown("sum", &["sum"]);
    shop.write("0005_late.up.sql", "CREATE TABLE late (id INT);\n");
    shop.shown("check_wrong", &["check"]);
    shop.shown("check_wrong_json", &["check", "--json"]);
}

/// The commands, as the help lists them.
fn commands(shop: &Shop) -> Vec<String> {
    let help = shop.done(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = |line: &str| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
    };
    commands.lines().filter_map(name).filter(|name| name != "help").collect()
}

#[test]
fn help_of_all_commands() {
    let shop = Shop::without_database(&[]);
    shop.shown("help", &["--help"]);
    for command in commands(&shop) {
        shop.shown(&format!("help_{command}"), &[&command, "--help"]);
    }
}

#[test]
fn json_of_each_command_is_documented() {
    let shop = Shop::usual();
    shop.shown("status_fresh_json", &["status", "--json"]);
    shop.shown("plan_json", &["plan", "--json"]);
    shop.shown("up_json", &["up", "--json"]);
    for (name, arguments) in [
        ("status_json", &["status"][..]),
        ("version_json", &["version"]),
        ("history_json", &["history"]),
        ("validate_json", &["validate"]),
        ("events_json", &["events"]),
        ("health_json", &["health"]),
        ("recommendations_json", &["recommendations"]),
        ("check_json", &["check"]),
        ("sum_json", &["sum"]),
        ("explain_json", &["explain", "gap"]),
        ("down_json", &["down", "--yes"]),
        ("error_json", &["up", "nowhere"]),
    ] {
        shop.shown(name, &[arguments, &["--json"]].concat());
    }
    let shop = Shop::usual();
    shop.write("0003_orders.up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);\nINSERT INTO ordres VALUES (1);\n");
    shop.shown("up_failed_json", &["up", "--json"]);
    let shop = Shop::usual();
    shop.shown("baseline_json", &["baseline", "0002", "--yes", "--json"]);
    shop.shown("force_json", &["force", "0003", "--yes", "--json"]);
    documented();
}

/// Whose texts are long, and tested elsewhere.
fn parsed(shop: &Shop, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&shop.done(&[arguments, &["--json"]].concat())).unwrap()
}

/// Each key of each shown value stands in `docs/json.md`, in backquotes.
fn documented() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(package.join("../docs/json.md")).unwrap();
    let mut missing = Vec::new();
    let shop = Shop::without_database(&[]);
    let mut values: Vec<(String, serde_json::Value)> =
        [&["completions", "bash"][..], &["man"], &["man", "--out", "man"], &["explain"]]
            .map(|arguments| (arguments.join(" "), parsed(&shop, arguments)))
            .into();
    for entry in fs::read_dir(package.join("tests/cli/shown")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.ends_with("_json") {
            continue;
        }
        let shown = fs::read_to_string(&path).unwrap();
        let text = shown.split_once('\n').unwrap().1;
        let text = text.split("\n--- ").next().unwrap();
        let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        values.push((name, value));
    }
    for (name, value) in values {
        let is_misused = value["error"]["kind"] == "usage" && value["command"].is_null();
        assert!(value["format"] == 1 && (value["command"].is_string() || is_misused), "{name}");
        keys(&value, &mut |key| {
            if !document.contains(&format!("`{key}`")) {
                missing.push(format!("{name}: {key}"));
            }
        });
    }
    assert!(missing.is_empty(), "not in docs/json.md: {missing:#?}");
}

fn keys(value: &serde_json::Value, seen: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
            seen(key);
            keys(value, seen);
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys(value, seen)),
        _ => {}
    }
}
