//! What servers refuse: a wrong password, a right that is missing.

use tokio::runtime::Runtime;
use whimbrel_tests::{mysql, postgres};

use crate::shop::{Shop, USUAL, expect, told};

/// What is told, with the server's address and the names that a test makes up as they are in books.
#[track_caller]
fn shown(name: &str, shop: &Shop, arguments: &[&str], url: &str, renamed: &[(&str, &str)]) {
    let output = shop.command(arguments).env("DATABASE_URL", url).output().unwrap();
    let mut text = told(&output);
    let parsed = url::Url::parse(url).unwrap();
    let password = parsed.password().unwrap_or("hunter2");
    assert!(!text.contains(password), "the password is shown:\n{text}");
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    for (from, to) in renamed.iter().copied().chain([(&*port, ""), ("127.0.0.1", "db"), ("localhost", "db")]) {
        if !from.is_empty() {
            text = text.replace(from, to);
        }
    }
    expect(name, &format!("$ whimbrel {}\n{text}", arguments.join(" ")));
}

#[test]
fn postgres_refuses() {
    let runtime = Runtime::new().unwrap();
    let Some(database) = runtime.block_on(postgres::Database::create()) else { return };
    let shop = Shop::without_database(&USUAL);
    let (role, url) = runtime.block_on(database.role());
    let renamed = [(&*role, "app"), (database.name(), "shop")];
    shown("postgres_wrong_password", &shop, &["status"], &database.url_as(&role, "hunter2wrong"), &renamed);
    shown("postgres_no_rights", &shop, &["up"], &url, &renamed);
}

#[test]
fn mysql_refuses() {
    let runtime = Runtime::new().unwrap();
    let Some(database) = runtime.block_on(mysql::Database::create()) else { return };
    let shop = Shop::without_database(&USUAL);
    let user = database.name().replace("whimbrel_test", "w");
    let (as_user, password) = (format!("'{user}'@'127.0.0.1'"), "secret-of-the-user");
    runtime.block_on(database.execute(&format!("CREATE USER {as_user} IDENTIFIED BY '{password}'")));
    runtime.block_on(database.execute(&format!("GRANT SELECT ON `{}`.* TO {as_user}", database.name())));
    let url_with = |password: &str| {
        let mut url = url::Url::parse(&database.url()).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(Some(password)).unwrap();
        url.to_string()
    };
    let renamed = [(&*user, "app"), (database.name(), "shop")];
    let ended = std::panic::catch_unwind(|| {
        shown("mysql_wrong_password", &shop, &["status"], &url_with("hunter2wrong"), &renamed);
        shown("mysql_no_rights", &shop, &["up"], &url_with(password), &renamed);
    });
    // A server keeps its users when a database goes.
    runtime.block_on(database.execute(&format!("DROP USER {as_user}")));
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
