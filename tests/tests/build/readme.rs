//! README's "Start in four steps", taken at its word.

use std::fs::{self, File};
use std::process::Output;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::package::{Package, workspace};

/// The files of the steps, in the order of their blocks.
const FILES: [&str; 5] = [
    "Cargo.toml",
    "migrations/0001_create_users.up.sql",
    "migrations/0001_create_users.down.sql",
    "build.rs",
    "src/main.rs",
];

#[test]
fn the_four_steps_lead_to_a_migrated_database() {
    let (_folder, package) = four_steps("shop");
    let section = section("Start in four steps");
    let (_, told) = section.split_once("`cargo run` says `").unwrap();
    let told: Vec<&str> = told.split('`').step_by(2).take(2).collect();
    assert_eq!(told, ["applied 1 migration in …, now at 0001", "up to date at 0001 (1 migration)"]);
    let (begin, end) = told[0].split_once('…').unwrap();
    let first = package.run();
    let line = first.lines().next().unwrap();
    assert!(line.starts_with(begin) && line.ends_with(end), "{first}");
    assert!(package.path("shop.db").is_file());
    assert_eq!(package.run(), format!("{}\n", told[1]));
}

#[test]
fn without_the_build_script_a_stale_build_refuses_to_run() {
    let (_folder, package) = four_steps("stale-shop");
    fs::remove_file(package.path("build.rs")).unwrap();
    package.run();
    package.write("migrations/0002_b.sql", "CREATE TABLE b (id INTEGER);\n");
    let stale = run(&package);
    assert!(!stale.status.success());
    let section = section("Rebuilds");
    let expected = blocks(&section).into_iter().find(|(language, _)| *language == "text").unwrap().1;
    assert_eq!(String::from_utf8(stale.stderr).unwrap(), expected);
    // The way out that it names.
    let program = File::options().append(true).open(package.path("src/main.rs")).unwrap();
    program.set_modified(SystemTime::now()).unwrap();
    let report = package.run();
    assert!(report.starts_with("applied 1 migration in ") && report.contains("now at 0002\n"), "{report}");
}

fn run(package: &Package) -> Output {
    package.cargo(&["run", "--quiet"]).output().unwrap()
}

/// The crate of the four steps, under a name of its own: a target directory has one program of each name.
///
/// It lies outside the workspace, of which `cargo init` would make it a member.
fn four_steps(name: &str) -> (TempDir, Package) {
    let section = section("Start in four steps");
    let [(_, commands), files @ ..] = &blocks(&section)[..] else { panic!("it begins with commands") };
    let folder = tempfile::tempdir().unwrap();
    let package = Package::of(folder.path());
    for command in commands.replace("--name shop", &format!("--name {name}")).lines() {
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["cargo", ref arguments @ ..] => package.succeed(arguments),
            ["mkdir", name] => fs::create_dir(package.path(name)).unwrap(),
            _ => panic!("{command}"),
        }
    }
    assert_eq!(files.len(), FILES.len());
    let manifest = fs::read_to_string(package.path("Cargo.toml")).unwrap();
    for (file, (_, text)) in FILES.iter().zip(files) {
        assert!(section.contains(&format!("`{file}`")), "{file}");
        package.write(file, text);
    }
    let published = "whimbrel = \"0.1\" ";
    let here = format!("whimbrel = {{ path = {:?} }} ", workspace().join("runtime"));
    let dependencies = fs::read_to_string(package.path("Cargo.toml")).unwrap();
    assert!(dependencies.contains(published) && manifest.ends_with("[dependencies]\n"), "{dependencies}{manifest}");
    package.write("Cargo.toml", &manifest.replace("[dependencies]\n", &dependencies.replace(published, &here)));
    package.lock();
    (folder, package)
}

/// What stands below a heading of README.
fn section(heading: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, after) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    after.split("\n## ").next().unwrap().to_owned()
}

/// The blocks of code, each with its language.
fn blocks(section: &str) -> Vec<(&str, &str)> {
    section.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}
