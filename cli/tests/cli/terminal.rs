//! The binary on a terminal, which a test types into.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::shop::Shop;

/// A machine that is busy needs time, but nothing waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the binary on it.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    /// Held: its end is the end of the terminal.
    _master: Box<dyn MasterPty + Send>,
    typed: Box<dyn std::io::Write + Send>,
    bytes: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    fn with(shop: &Shop, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let pair =
            native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_whimbrel"));
        command.args(arguments);
        command.cwd(shop.folder());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("DATABASE_URL", "sqlite://shop.db?mode=rwc");
        variables.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (mut reader, typed) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let (sender, bytes) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // On Linux the end of the program is an error of its terminal.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, _master: pair.master, typed, bytes, shown: String::new() }
    }

    /// Waits until that is shown.
    fn until(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.shown.contains(text) {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("`{text}` is not shown, but:\n{}", self.shown),
            }
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.typed.write_all(keys.as_bytes()).unwrap();
        self.typed.flush().unwrap();
    }

    /// Its exit code and all that was shown.
    fn ended(mut self) -> (u32, String) {
        let begun = Instant::now();
        while let Ok(bytes) = self.bytes.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        let status = self.child.wait().unwrap();
        (status.exit_code(), self.shown)
    }
}

const QUESTION: &str = "[y/N] ";

#[test]
fn down_shows_the_plan_and_asks() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    let mut terminal = Terminal::with(&shop, &["down", "2"], &[]);
    terminal.until(QUESTION);
    assert!(terminal.shown.contains("DROP TABLE orders"), "{}", terminal.shown);
    terminal.type_in("n\n");
    let (code, shown) = terminal.ended();
    assert_eq!(code, 4, "{shown}");
    assert!(shown.contains("nothing was done"), "{shown}");
    assert_eq!(shop.done(&["version"]), "0003 orders\n");

    let mut terminal = Terminal::with(&shop, &["down", "2"], &[]);
    terminal.until(QUESTION);
    terminal.type_in("y\n");
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("rolled back 2 migrations"), "{shown}");
    assert_eq!(shop.done(&["version"]), "0001 users\n");
}

#[test]
fn an_interrupt_or_the_end_of_the_input_at_the_question_is_a_no() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    // Ctrl-C, Ctrl-D, and Return alone.
    for keys in ["\u{3}", "\u{4}", "\r"] {
        let mut terminal = Terminal::with(&shop, &["down"], &[]);
        terminal.until(QUESTION);
        terminal.type_in(keys);
        let (code, shown) = terminal.ended();
        assert_ne!(code, 0, "{keys:?} {shown}");
        assert_eq!(shop.done(&["version"]), "0003 orders\n", "{keys:?}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let shop = Shop::usual();
    let escape = '\u{1b}';
    let (code, shown) = Terminal::with(&shop, &["status"], &[]).ended();
    assert!(code == 0 && shown.contains(escape), "{shown:?}");
    let (code, shown) = Terminal::with(&shop, &["status"], &[("NO_COLOR", "1")]).ended();
    assert!(code == 0 && !shown.contains(escape), "{shown:?}");
    let (code, shown) = Terminal::with(&shop, &["status"], &[("TERM", "dumb")]).ended();
    assert!(code == 0 && !shown.contains(escape), "{shown:?}");
    assert!(!shop.done(&["status"]).contains(escape));
}

/// Three statements outside a transaction that take a second or more each.
fn slow() -> Shop {
    let counted = |table: &str| {
        format!(
            "CREATE TABLE {table} AS WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 6000000) \
             SELECT count(*) AS n FROM c;\n"
        )
    };
    let text = ["-- whimbrel:no-transaction\n".to_owned(), counted("a"), counted("b"), counted("c")].concat();
    Shop::of(&[("0001_slow.sql", &text)])
}

#[test]
fn an_interrupt_stops_at_a_safe_point_and_the_next_run_goes_on() {
    let shop = slow();
    let mut terminal = Terminal::with(&shop, &["up"], &[]);
    terminal.until("statement 1 of 3");
    terminal.type_in("\u{3}");
    terminal.until("stopping at the next safe point");
    let (code, shown) = terminal.ended();
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("which stay") && shown.contains("run it again"), "{shown}");
    assert!(shop.done(&["history"]).contains("0001"));
    // What is done would fail if it ran again.
    shop.done(&["up"]);
    assert_eq!(shop.done(&["version"]), "0001 slow\n");
}

#[test]
fn a_second_interrupt_stops_at_once_and_the_next_run_finds_out() {
    let shop = slow();
    let mut terminal = Terminal::with(&shop, &["up"], &[]);
    terminal.until("statement 1 of 3");
    terminal.type_in("\u{3}");
    terminal.until("stopping at the next safe point");
    // Twice at once is one signal.
    terminal.type_in("\u{3}");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    terminal.type_in("\u{3}");
    let (code, shown) = terminal.ended();
    assert_eq!(code, 130, "{shown}");
    shop.done(&["up", "--lock-timeout", "1s"]);
    assert_eq!(shop.done(&["version"]), "0001 slow\n");
}
