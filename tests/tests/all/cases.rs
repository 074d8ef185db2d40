//! What the cases share: sets out of texts, and futures that are dropped half-way.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use whimbrel::{Error, Migrations, Outcome, Report};

/// A set out of files, written for one dialect.
pub(crate) fn files<'t>(dialect: &str, files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Migrations {
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let config = ("whimbrel.toml".to_owned(), format!("dialect = \"{dialect}\"").into_bytes());
    Migrations::from_files(files.chain([config])).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A set of up scripts, `0001_a.sql` and so on.
pub(crate) fn ups<T: AsRef<str>>(dialect: &str, scripts: &[T]) -> Migrations {
    let paths: Vec<String> = (1..=scripts.len()).map(|number| format!("{number:04}_{}.sql", name(number))).collect();
    files(dialect, paths.iter().map(String::as_str).zip(scripts.iter().map(AsRef::as_ref)))
}

/// `a` to `z`, then `aa`.
fn name(number: usize) -> String {
    let letter = char::from(b'a' + ((number - 1) % 26) as u8);
    letter.to_string().repeat((number - 1) / 26 + 1)
}

/// What became of the steps: `done`, `failed`, `not run`.
pub(crate) fn outcomes(report: &Report) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Done => "done",
        Outcome::Failed(_) => "failed",
        Outcome::NotRun => "not run",
        _ => "unknown",
    };
    report.steps().iter().map(|step| word(&step.outcome)).collect()
}

/// The outcomes in the report of an error.
pub(crate) fn outcomes_before(error: &Error) -> Vec<&'static str> {
    error.report().map(outcomes).unwrap_or_default()
}

/// When a future is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drop {
    /// As soon as it waits for the n-th time.
    Waiting(usize),
    /// When what it waits for the n-th time has come.
    Woken(usize),
}

/// Runs a future up to a point, then drops it; its output when it came to its end before.
pub(crate) async fn dropped<F: Future>(future: F, when: Drop) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if matches!(when, Drop::Woken(last) if polls == last) {
            return Poll::Ready(None);
        }
        let polled = future.as_mut().poll(context).map(Some);
        polls += 1;
        match when {
            Drop::Waiting(last) if polls == last && polled.is_pending() => Poll::Ready(None),
            _ => polled,
        }
    })
    .await
}

#[test]
fn names_are_distinct() {
    assert_eq!([name(1), name(26), name(27)], ["a", "z", "aa"]);
}
