//! The examples, run as a user would run them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Cargo builds the examples before the tests, beside them.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    Command::new(path.join("examples").join(name))
}

#[test]
fn quickstart_migrates_a_file_and_is_up_to_date_the_second_time() {
    let folder = TempDir::new().unwrap();
    let run = || {
        let output = example("quickstart").arg("test.db").current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = run();
    assert!(first.starts_with("test.db: applied 13 migrations in "), "{first}");
    assert!(first.contains("visitor 1: Hello!"), "{first}");
    let second = run();
    assert!(second.starts_with("test.db: up to date at 0013 (13 migrations)\n"), "{second}");
    assert!(second.contains("visitor 1: Hello!\n  visitor 2: Hello!"), "{second}");
}

#[test]
fn the_service_works_on_sqlite() {
    let folder = TempDir::new().unwrap();
    the_service_works(&format!("sqlite://{}/service.db?mode=rwc", folder.path().display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_works_on_postgres() {
    let Some(database) = whimbrel_tests::postgres::Database::create().await else { return };
    the_service_works(&database.url());
}

fn the_service_works(url: &str) {
    let service = Service::start(url);
    assert!(service.printed[0].starts_with("applied 13 migrations in "), "{:?}", service.printed);

    let (code, mut health) = service.call("GET", "/health", None);
    assert!(health["took_ms"].take().is_u64(), "{health}");
    let checked = ["reachable", "history", "checksums", "interrupted", "runner", "pending", "unknown"];
    let healthy = json!({
        "level": "healthy", "reasons": [], "version": "0013", "applied": 13, "pending": 0, "unknown": 0,
        "checked": checked, "took_ms": null,
    });
    assert_eq!((code, health), (200, healthy));
    the_metrics_tell_of_it(&service);

    let ada = json!({ "email": "Ada@example.org", "name": "Ada" });
    let (code, user) = service.call("POST", "/users", Some(&ada));
    assert_eq!((code, &user["name"]), (201, &json!("Ada")), "{user}");
    assert_eq!(service.call("POST", "/users", Some(&ada)).0, 409);
    assert_eq!(service.call("POST", "/users", Some(&json!({ "email": "nonsense", "name": "N" }))).0, 422);
    let (_, users) = service.call("GET", "/users", None);
    assert_eq!(users, json!([user]));

    let hello = json!({ "author_id": user["id"], "body": "Hello!" });
    assert_eq!(service.call("POST", "/rooms/general/messages", Some(&hello)).0, 201);
    assert_eq!(service.call("POST", "/rooms/nowhere/messages", Some(&hello)).0, 404);
    let (code, messages) = service.call("GET", "/rooms/general/messages", None);
    let messages = messages.as_array().unwrap();
    assert_eq!((code, messages.len()), (200, 2), "{messages:?}");
    let found = messages.iter().find(|message| message["author"] == "Ada").expect("Ada's message");
    assert_eq!(found["body"], "Hello!");

    what_is_edited_is_unhealthy(&service, url);
    assert_eq!(service.stop(), "bye");
    let again = Service::start(url);
    assert_eq!(again.printed[0], "up to date at 0013 (13 migrations)");
    // A service that answers is one that listens for the interrupt.
    assert_eq!(again.call("GET", "/health", None).0, 200);
    assert_eq!(again.stop(), "bye");
}

/// In the form that Prometheus reads.
fn the_metrics_tell_of_it(service: &Service) {
    let (code, metrics) = service.text("GET", "/metrics", None);
    let dialect = if metrics.contains("dialect=\"sqlite\"") { "sqlite" } else { "postgres" };
    assert_eq!(code, 200, "{metrics}");
    for line in [
        format!("migration_success_total{{dialect=\"{dialect}\",action=\"applied\"}} 13"),
        format!("schema_version_info{{dialect=\"{dialect}\",version=\"0013\"}} 1"),
        format!("migration_pending{{dialect=\"{dialect}\"}} 0"),
        format!("migration_health{{dialect=\"{dialect}\"}} 0"),
        format!("migration_lease_age_seconds{{dialect=\"{dialect}\"}} 0"),
        "# TYPE migration_duration_seconds summary".to_owned(),
        "# TYPE migration_lock_wait_seconds summary".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

/// Somebody has a history that this binary has not written.
fn what_is_edited_is_unhealthy(service: &Service, url: &str) {
    let run = |sql: &'static str| {
        let url = url.to_owned();
        // The test of PostgreSQL has a runtime of its own.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                sqlx::any::install_default_drivers();
                let pool = sqlx::AnyPool::connect(&url).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.unwrap();
                pool.close().await;
            });
        });
        thread.join().unwrap();
    };
    run("UPDATE whimbrel_history SET state = 'failed' WHERE version = '13'");
    let (code, health) = service.call("GET", "/health", None);
    assert_eq!(
        (code, &health["level"], &health["reasons"][0]["level"]),
        (503, &json!("unhealthy"), &json!("unhealthy"))
    );
    assert!(service.text("GET", "/metrics", None).1.contains("migration_health{dialect=\""));
    run("UPDATE whimbrel_history SET state = 'completed' WHERE version = '13'");
    assert_eq!(service.call("GET", "/health", None).0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_on_a_cluster_makes_its_keyspace_and_is_up_to_date_the_second_time() {
    let Some(keyspace) = whimbrel_tests::cassandra::Keyspace::create().await else { return };
    keyspace.execute(&format!("DROP KEYSPACE {}", keyspace.name())).await;
    let node = keyspace.url().split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let run = || {
        let mut command = example("scylla_service");
        let output = command.env("SCYLLADB_NODE", &node).env("SCYLLADB_KEYSPACE", keyspace.name()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let holds = "should hold 3 pins; each is to have 3 copies\n";
    let first = run();
    assert!(first.starts_with("applied 2 migrations in ") && first.ends_with(holds), "{first}");
    let second = run();
    assert!(second.starts_with("up to date at 1.1.0 (2 migrations)\n") && second.ends_with(holds), "{second}");
}

/// The running example.
struct Service {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    address: String,
    /// What it printed before it listened.
    printed: Vec<String>,
}

impl Service {
    fn start(url: &str) -> Self {
        let mut child = example("axum_service")
            .env("DATABASE_URL", url)
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut service = Self { child, output, address: String::new(), printed: Vec::new() };
        while service.address.is_empty() {
            let mut line = String::new();
            assert!(service.output.read_line(&mut line).unwrap() > 0, "it ended after {:?}", service.printed);
            match line.trim_end().strip_prefix("listening on http://") {
                Some(address) => service.address = address.to_owned(),
                None => service.printed.push(line.trim_end().to_owned()),
            }
        }
        service
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (code, body) = self.text(method, path, body);
        (code, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn text(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut socket = TcpStream::connect(&self.address).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, body.to_owned())
    }

    /// Interrupts it as Ctrl-C would; the last line that it printed.
    fn stop(mut self) -> String {
        let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", self.child.id())).status().unwrap();
        assert!(kill.success());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest.lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Service {
    // A test that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
