//! What is logged on a test's thread, and what is logged anywhere with a mark in it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Above `debug`.
    static LOUD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Listens to the thread from now on: to all levels, spans and events, each field a line.
///
/// The subscriber is the process's: with one for a thread, a place in the code that another thread reaches first stays
/// silent for all.
///
/// # Panics
/// When something else subscribed for the process.
pub fn listen() {
    static SUBSCRIBE: Once = Once::new();
    SUBSCRIBE.call_once(|| tracing::subscriber::set_global_default(Ear).expect("nobody else subscribes"));
    HEARD.set(Some(String::new()));
    LOUD.set(String::new());
}

/// What was heard since.
pub fn heard() -> String {
    HEARD.with_borrow(|heard| heard.clone().unwrap_or_default())
}

/// What was heard since above `debug`, a span or an event a line: its level, and its fields behind it.
pub fn heard_above_debug() -> String {
    LOUD.with_borrow(String::clone)
}

/// Whatever is logged with this in it is kept, whichever thread logs it: SQLite's statements run on one of sqlx's.
pub const MARK: &str = "m4rk-of-a-script";

static MARKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was logged with the mark and this word in it, since anybody listens.
pub fn marked(word: &str) -> Vec<String> {
    let marked = MARKED.lock().unwrap_or_else(PoisonError::into_inner);
    marked.iter().filter(|line| line.contains(word)).cloned().collect()
}

struct Ear;

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        begin(span.metadata());
        span.record(&mut Self);
        end();
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Self);
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        begin(event.metadata());
        event.record(&mut Self);
        end();
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

thread_local! {
    /// The line that is being heard.
    static LINE: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn begin(metadata: &Metadata<'_>) {
    let is_loud = *metadata.level() <= Level::INFO;
    LINE.set(
        is_loud.then(|| format!("{} {}", metadata.level(), if metadata.is_span() { metadata.name() } else { "" })),
    );
}

fn end() {
    if let Some(line) = LINE.take() {
        LOUD.with_borrow_mut(|loud| loud.push_str(&format!("{line}\n")));
    }
}

impl Visit for Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let line = format!("{field}={value:?}");
        if line.contains(MARK) {
            MARKED.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        }
        LINE.with_borrow_mut(|open| open.iter_mut().for_each(|text| text.push_str(&format!(" {line}"))));
        HEARD.with_borrow_mut(|heard| {
            if let Some(heard) = heard {
                // Writing to a String cannot fail.
                let _ = writeln!(heard, "{line}");
            }
        });
    }
}
