//! A Cassandra of a test's own, which lets in only those who have a certificate and a password.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::skipped;

/// A running node; it ends when dropped, or when the process does.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    /// Closed, it tells the node to end.
    orders: Option<ChildStdin>,
    /// Its data, and the certificates.
    folder: TempDir,
    port: u16,
}

/// The only name that is in the node's certificate.
pub const NAME: &str = "localhost";

impl Guarded {
    /// Starts one from the jars in the folder `TEST_CASSANDRA_JARS`; `None`, with a line that says so, without it.
    ///
    /// # Panics
    /// When it does not start, and without its jars where `REQUIRE_DATABASES` is set.
    pub fn start() -> Option<Self> {
        if std::env::var_os("TEST_CASSANDRA_JARS").is_none() {
            let required = std::env::var_os("REQUIRE_DATABASES").is_some();
            assert!(!required, "REQUIRE_DATABASES is set, TEST_CASSANDRA_JARS is not");
            skipped("what asks Cassandra for passwords; set TEST_CASSANDRA_JARS to the folder of its jars");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        issue(folder.path());
        fs::write(folder.path().join("settings"), settings(folder.path())).expect("the folder is ours");
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("cassandra/run");
        let mut child = Command::new(run)
            .arg("serve")
            .arg(folder.path().join("node"))
            .env("TEST_CASSANDRA_MORE", folder.path().join("settings"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a bash");
        let orders = child.stdin.take();
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut said).expect("it says a line");
        let port = said.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        let port = port.expect("the node starts");
        Some(Self { child, orders, folder, port })
    }

    /// The port for clients, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the certificate of an authority is, or the certificate or the key of a client.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.child.wait();
        if !std::thread::panicking() {
            assert!(ended.is_ok_and(|status| status.success()), "what started the node did not end well");
        }
    }
}

/// An authority, `ca.pem`, and what it has issued: `node.pem`, for the node, and `client.pem`; and `other.pem`, an
/// authority that has issued nothing.
fn issue(folder: &Path) {
    let request = |name: &str, more: &[&str]| {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-out", &certificate, "-keyout", &key])
            .args(more)
            .current_dir(folder)
            .output()
            .expect("there is an openssl, which Debian's Java depends on");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    request("ca", &[]);
    request("other", &[]);
    let issued = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
    request("node", &[&issued[..], &["-addext", &format!("subjectAltName=DNS:{NAME}")]].concat());
    request("client", &issued);
    // The server reads a key and its certificate from one file.
    let both = ["node.key", "node.pem"].map(|name| fs::read_to_string(folder.join(name)).expect("it was made"));
    fs::write(folder.join("node.both"), both.concat()).expect("the folder is ours");
}

fn settings(folder: &Path) -> String {
    let mut settings = String::from(
        "authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
",
    );
    // What a role may do, it may at once.
    for cached in ["roles", "permissions", "credentials"] {
        writeln!(settings, "{cached}_validity: 0ms").expect("a text takes it");
    }
    let folder = folder.display();
    write!(
        settings,
        "client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: {folder}/node.both
  truststore: {folder}/ca.pem
"
    )
    .expect("a text takes it");
    settings
}
