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

    let (code, health) = service.call("GET", "/health", None);
    let healthy = json!({ "healthy": true, "version": "0013", "applied": 13, "pending": 0, "unknown": 0 });
    assert_eq!((code, health), (200, healthy));

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

    assert_eq!(service.stop(), "bye");
    let again = Service::start(url);
    assert_eq!(again.printed[0], "up to date at 0013 (13 migrations)");
    // A service that answers is one that listens for the interrupt.
    assert_eq!(again.call("GET", "/health", None).0, 200);
    assert_eq!(again.stop(), "bye");
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
        (code, serde_json::from_str(body).unwrap_or(Value::Null))
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
