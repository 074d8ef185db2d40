//! Who gets into a cluster, by which URL, and what those read who do not.
//!
//! One node that wants TLS, a certificate, a user and a password serves all of it, one after the other.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use whimbrel::{Error, ErrorKind, Migrations, Migrator, Rollback};
use whimbrel_tests::cassandra::Keyspace;
use whimbrel_tests::guarded::{Guarded, NAME};
use whimbrel_tests::log::{MARK, heard, listen, marked};

/// In the password of every role, and in a script; it begins with [`MARK`].
const SECRET: &str = "m4rk-of-a-script-that-opens-a-cluster";

const ADMIN: &str = "cassandra:cassandra";

/// What a URL is made of.
struct At<'n> {
    node: &'n Guarded,
    host: &'n str,
    user: String,
    keyspace: &'n str,
    /// Each with its value, joined by `&`.
    options: String,
}

impl<'n> At<'n> {
    fn new(node: &'n Guarded, user: &str) -> Self {
        let file = |name: &str| node.file(name).display().to_string();
        let options = ["ca.pem", "client.pem", "client.key"].map(file);
        let options = format!("tls=on&tls_ca={}&tls_cert={}&tls_key={}", options[0], options[1], options[2]);
        Self { node, host: NAME, user: format!("{user}@"), keyspace: "shop", options }
    }

    fn host(self, host: &'n str) -> Self {
        Self { host, ..self }
    }

    fn keyspace(self, keyspace: &'n str) -> Self {
        Self { keyspace, ..self }
    }

    fn option(self, option: &str) -> Self {
        Self { options: format!("{}&{option}", self.options), ..self }
    }

    fn options(self, options: String) -> Self {
        Self { options, ..self }
    }

    fn url(&self) -> String {
        let Self { node, host, user, keyspace, options } = self;
        format!("scylla://{user}{host}:{}/{keyspace}?{options}", node.port())
    }

    async fn up(&self, set: &Migrations) -> Result<usize, Error> {
        up(&self.url(), set).await
    }

    /// Runs a test's own CQL, whose history nobody asks for.
    async fn execute(&self, cql: &str) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let table = format!("admin.history_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = format!("{}&{ONE_REPLICA}", self.options);
        let url = At { keyspace: "admin", user: self.user.clone(), options, ..*self }.url();
        let set = set(&[("0001_own.cql", cql)]);
        let mut migrator = Migrator::connect(&set, &url).unwrap().history_table(&table).unwrap();
        migrator.up().await.unwrap();
    }
}

async fn up(url: &str, set: &Migrations) -> Result<usize, Error> {
    Ok(Migrator::connect(set, url)?.lock_timeout(Duration::from_secs(3)).up().await?.steps().len())
}

fn set(files: &[(&str, &str)]) -> Migrations {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Migrations::from_files(files).unwrap()
}

/// Sorts of errors, and each as `main` prints it; all of them together are a file, to be read by a person.
struct Told<'n> {
    node: &'n Guarded,
    all: String,
}

impl Told<'_> {
    fn tell(&mut self, what: &str, found: Result<usize, Error>, kind: ErrorKind) {
        let error = found.err().unwrap_or_else(|| panic!("{what}: it succeeds"));
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        let folder = self.node.file("").display().to_string();
        let shown = format!("{error:?}").replace(&format!(":{}", self.node.port()), ":PORT").replace(&folder, "/");
        writeln!(self.all, "## {what} ({kind:?})").unwrap();
        for line in shown.lines() {
            // It depends on who is quicker, the end of the connection or the reason for it.
            let line = match line.split_once("): ") {
                Some((before, _)) if SENTENCES_OF_A_RACE.iter().any(|known| line.starts_with(known)) => {
                    format!("{before}): …")
                }
                _ => line.to_owned(),
            };
            writeln!(self.all, "{line}").unwrap();
        }
        self.all.push('\n');
    }
}

const SENTENCES_OF_A_RACE: [&str; 3] =
    ["the server does not accept our side of TLS", "the server does not speak CQL", "the server does not speak TLS"];

#[tokio::test]
async fn whom_a_cluster_lets_in_and_what_the_others_read() {
    let Some(node) = Guarded::start() else { return };
    let Some(open) = Keyspace::create().await else { return };
    listen();
    At::new(&node, ADMIN).execute(&roles()).await;
    let mut told = Told { node: &node, all: String::new() };
    encryption(&mut told, &open).await;
    names_and_passwords(&mut told).await;
    keyspaces(&mut told).await;
    rights(&mut told).await;
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/cql_access.txt");
        std::fs::write(file, &told.all).unwrap();
    } else {
        assert_eq!(told.all, include_str!("cql_access.txt"));
    }
    nothing_tells_a_secret(&node).await;
}

async fn nothing_tells_a_secret(node: &Guarded) {
    // What the driver logs would be heard.
    assert!(heard().contains("Requested keyspace change: shop"), "{}", heard());
    assert!(SECRET.starts_with(MARK));
    let logged = marked(SECRET);
    assert!(logged.is_empty(), "{logged:#?}");
    let shop = shop();
    let url = At::new(node, &user("deploy")).url();
    let mut migrator = Migrator::connect(&shop, &url).unwrap();
    let history = format!("{:?}{:?}", migrator.history().await.unwrap(), migrator.status().await.unwrap());
    assert!(history.contains("0001_a.cql") && !history.contains(SECRET), "{history}");
}

/// The roles, and the keyspace that they are about.
fn roles() -> String {
    let role = |name: &str| format!("CREATE ROLE {name} WITH PASSWORD = '{name} {SECRET}' AND LOGIN = true;\n");
    let roles: String = ["deploy", "creator", "reader", "nobody"].map(role).concat();
    format!(
        "{roles}
         CREATE KEYSPACE shop WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}};
         GRANT ALL PERMISSIONS ON KEYSPACE shop TO deploy;
         CREATE KEYSPACE own WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}};
         GRANT CREATE ON KEYSPACE own TO creator;"
    )
}

fn user(name: &str) -> String {
    format!("{name}:{name}%20{SECRET}")
}

const SHOP: &str = "CREATE TABLE a (k int PRIMARY KEY, v text); INSERT INTO a (k, v) VALUES (1, 'x')";

fn shop() -> Migrations {
    set(&[("0001_a.cql", SHOP)])
}

async fn encryption(told: &mut Told<'_>, open: &Keyspace) {
    let node = told.node;
    let at = || At::new(node, &user("deploy"));
    let file = |name: &str| node.file(name).display().to_string();
    let authority = |name: &str| format!("tls=on&tls_ca={}", file(name));
    let pair = |certificate: &str, key: &str| {
        format!("{}&tls_cert={}&tls_key={}", authority("ca.pem"), file(certificate), file(key))
    };
    assert_eq!(at().up(&shop()).await.unwrap(), 1);
    for good in [at().host("127.0.0.1").option("tls_name=localhost"), at().host("127.0.0.1").option("tls_name=*")] {
        assert_eq!(good.up(&shop()).await.unwrap(), 0, "{}", good.options);
    }
    let bad = [
        ("another authority", at().options(authority("other.pem"))),
        ("another authority, whatever the name", at().options(format!("{}&tls_name=*", authority("other.pem")))),
        ("the usual authorities", at().options("tls=on".to_owned())),
        ("no certificate of the client", at().options(authority("ca.pem"))),
        ("another name", at().option("tls_name=db.example")),
        ("an address that is not in the certificate", at().host("127.0.0.1")),
        ("no TLS", at().options(String::new())),
    ];
    for (what, at) in bad {
        told.tell(what, at.up(&shop()).await, ErrorKind::Connection);
    }
    let url = format!("{}?tls=on&tls_ca={}", open.url(), file("ca.pem"));
    let port = url::Url::parse(&url).unwrap().port().unwrap_or(9042);
    let plain = up(&url, &shop()).await;
    told.tell("TLS to a server without it", plain, ErrorKind::Connection);
    told.all = told.all.replace(&format!(":{port}"), ":PORT");
    let bad = [
        ("no such file", authority("nothing.pem")),
        ("a key for a certificate", authority("ca.key")),
        ("a certificate for a key", pair("client.pem", "client.pem")),
        ("the key of another certificate", pair("client.pem", "ca.key")),
        ("no name", format!("{}&tls_name=a_b%20c", authority("ca.pem"))),
        ("TLS by halves", format!("tls_ca={}", file("ca.pem"))),
    ];
    for (what, options) in bad {
        told.tell(what, at().options(options).up(&shop()).await, ErrorKind::Refused);
    }
}

async fn names_and_passwords(told: &mut Told<'_>) {
    let at = |user: &str| At::new(told.node, user);
    let bad = [
        ("a wrong password", at(&format!("deploy:{SECRET}")).url()),
        ("no such user", at(&format!("stranger:{SECRET}")).url()),
        ("no user", At { user: String::new(), ..at("") }.url()),
        ("nobody listens", format!("scylla://deploy:{SECRET}@127.0.0.1:1/shop")),
        ("no such host", format!("scylla://deploy:{SECRET}@nowhere.invalid/shop")),
    ];
    for (what, url) in bad {
        told.tell(what, up(&url, &shop()).await, ErrorKind::Connection);
    }
}

const ONE_REPLICA: &str = "create_keyspace={'class': 'SimpleStrategy', 'replication_factor': 1}";

async fn keyspaces(told: &mut Told<'_>) {
    let node = told.node;
    let at = |user: &str, keyspace| At::new(node, user).keyspace(keyspace);
    let deploy = user("deploy");
    told.tell("no such keyspace", at(&deploy, "Missing").up(&shop()).await, ErrorKind::Connection);
    let bad = [
        ("no right to create it", at(&deploy, "missing").option(ONE_REPLICA)),
        ("no such replication", at(ADMIN, "missing").option("create_keyspace={'class': 'Nowhere'}")),
        ("no keyspace", at(&deploy, "")),
    ];
    for (what, at) in bad {
        told.tell(what, at.up(&shop()).await, ErrorKind::Refused);
    }
    assert_eq!(at(ADMIN, "made").option(ONE_REPLICA).up(&shop()).await.unwrap(), 1);
}

async fn rights(told: &mut Told<'_>) {
    let node = told.node;
    let at = |name: &str| At::new(node, &user(name));
    let admin = At::new(node, ADMIN);
    told.tell("no right to read", at("nobody").up(&shop()).await, ErrorKind::Refused);

    // Whoever may read finds everything up to date.
    admin.execute("GRANT SELECT ON KEYSPACE shop TO reader").await;
    assert_eq!(at("reader").up(&shop()).await.unwrap(), 0);
    let create = ("0001_a.cql", SHOP);
    let more = set(&[create, ("0002_b.cql", "CREATE TABLE b (k int PRIMARY KEY)")]);
    told.tell("no right to write", at("reader").up(&more).await, ErrorKind::Refused);

    // Whoever creates a table may do everything with it.
    let creator = at("creator").keyspace("own");
    let all = set(&[
        ("0001_a.up.cql", "CREATE TABLE a (k int PRIMARY KEY); ALTER TABLE a ADD v text; INSERT INTO a (k) VALUES (1)"),
        ("0001_a.down.cql", "DROP TABLE a"),
        ("0002_d.up.cql", "CREATE TYPE b (c int); CREATE TABLE d (k int PRIMARY KEY, v text); CREATE INDEX e ON d (v)"),
        ("0002_d.down.cql", "DROP INDEX e; DROP TABLE d"),
    ]);
    assert_eq!(creator.up(&all).await.unwrap(), 2);
    let mut migrator = Migrator::connect(&all, &creator.url()).unwrap();
    assert_eq!(migrator.down(Rollback::All).await.unwrap().applied(), 0);

    admin.execute("GRANT SELECT ON KEYSPACE own TO nobody").await;
    let elsewhere = async |at: At<'_>, set: &Migrations| {
        let mut migrator = Migrator::connect(set, &at.url()).unwrap().history_table("own.another").unwrap();
        migrator.up().await.map(|report| report.applied())
    };
    told.tell("no right to create the history", elsewhere(at("nobody"), &all).await, ErrorKind::Refused);
    let drop = set(&[("0001_a.cql", "DROP TABLE shop.a")]);
    told.tell("no right to what a script does", elsewhere(creator, &drop).await, ErrorKind::Failed);
}
