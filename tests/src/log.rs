//! What is logged on a test's thread, and what is logged anywhere with a mark in it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
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
}

/// What was heard since.
pub fn heard() -> String {
    HEARD.with_borrow(|heard| heard.clone().unwrap_or_default())
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
        span.record(&mut Self);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Self);
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Self);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Visit for Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let line = format!("{field}={value:?}");
        if line.contains(MARK) {
            MARKED.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        }
        HEARD.with_borrow_mut(|heard| {
            if let Some(heard) = heard {
                // Writing to a String cannot fail.
                let _ = writeln!(heard, "{line}");
            }
        });
    }
}
