//! Where the macro can stand.

use whimbrel::{Migrations, embed_migrations};

use crate::package::{Package, manifest};

static STATIC: Migrations = embed_migrations!("../migrations");
const CONST: Migrations = embed_migrations!("../migrations");

macro_rules! wrapped {
    ($name:ident, $path:literal) => {
        static $name: Migrations = embed_migrations!($path);
    };
}

wrapped!(WRAPPED, "../migrations");

macro_rules! wrapped_expression {
    ($path:expr) => {
        embed_migrations!($path,)
    };
}

const fn constant_function() -> Migrations {
    embed_migrations!("./../migrations")
}

fn generic<T: Default>() -> (T, Migrations) {
    (T::default(), embed_migrations!("../migrations"))
}

#[test]
fn as_a_static_a_constant_a_value_and_behind_a_macro() {
    static LOCAL: Migrations = embed_migrations!("../migrations");
    let expression = wrapped_expression!("../migrations");
    assert!(!STATIC.is_empty());
    for set in [&CONST, &WRAPPED, &LOCAL, &expression, &constant_function(), &generic::<u8>().1] {
        assert_eq!(*set, STATIC);
    }
}

/// Names of the user that the emitted code must not stumble over.
mod names {
    #![allow(dead_code, missing_docs, non_camel_case_types)]
    pub(super) struct Option;
    pub(super) struct Some;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) type str = u8;
    pub(super) const SOURCE: u8 = 0;
    pub(super) static EMBEDDED: u8 = 0;
    pub(super) static SET: whimbrel::Migrations = whimbrel::embed_migrations!("../migrations");
}

#[test]
fn beside_any_names() {
    assert_eq!(names::SET, STATIC);
}

const STRICT: &str = r#"//! A package with every lint switched on.
#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, clippy::all, clippy::pedantic, clippy::nursery, unused_qualifications, unreachable_pub)]

use renamed::Migrations;

/// The set.
pub static MIGRATIONS: Migrations = renamed::embed_migrations!("migrations");

/// The set again.
pub const AGAIN: Migrations = renamed::embed_migrations!();

/// The set of a function.
///
/// ```
/// static DOCUMENTED: renamed::Migrations = renamed::embed_migrations!("migrations");
/// assert_eq!(DOCUMENTED, *strict::set());
/// ```
#[must_use]
pub fn set() -> &'static Migrations {
    static LOCAL: Migrations = renamed::embed_migrations!("migrations",);
    &LOCAL
}
"#;

/// A member of a workspace, so that cargo's working directory is another one; whimbrel has another name.
fn strict() -> Package {
    let package = Package::new("strict-workspace");
    let member = manifest("strict").replace("whimbrel = {", "renamed = { package = \"whimbrel\",");
    package.write("Cargo.toml", "[workspace]\nmembers = [\"strict\"]\nresolver = \"3\"\n");
    package.write("strict/Cargo.toml", &member.replace("[workspace]", ""));
    package.write("strict/src/lib.rs", STRICT);
    package.write("strict/migrations/0001_users.sql", "create table users (id integer);\n");
    package
}

#[test]
fn under_another_name_in_a_member_in_a_doctest_and_under_every_lint() {
    let package = strict();
    package.succeed(&["clippy", "--quiet", "--all-targets"]);
    package.succeed(&["test", "--quiet", "--doc"]);
}

const REEXPORTING: &str = r#"
pub mod database {
    pub use whimbrel::{Migrations, embed_migrations as embed};
}
"#;

const USING: &str = r#"
static MIGRATIONS: facade::database::Migrations = facade::database::embed!();

fn main() {
    println!("{}", MIGRATIONS.len());
}
"#;

#[test]
fn through_the_crate_of_someone_else() {
    let package = Package::new("reexported");
    let without = manifest("user")
        .replace("whimbrel = {", "#")
        .replace("[dependencies]", "[dependencies]\nfacade = { path = \"facade\" }");
    package.write("Cargo.toml", &without);
    package.write("src/main.rs", USING);
    package.write("migrations/0001_users.sql", "create table users (id integer);\n");
    package.write("facade/Cargo.toml", &manifest("facade").replace("[workspace]", ""));
    package.write("facade/src/lib.rs", REEXPORTING);
    assert_eq!(package.run(), "1\n");
}
