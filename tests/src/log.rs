//! What is logged on a test's thread.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Once;

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
        HEARD.with_borrow_mut(|heard| {
            if let Some(heard) = heard {
                // Writing to a String cannot fail.
                let _ = writeln!(heard, "{field}={value:?}");
            }
        });
    }
}
