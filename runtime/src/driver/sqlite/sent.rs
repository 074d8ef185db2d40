//! A statement of a script on its way, and what its answer means.

use std::ops::Range;
use std::time::Duration;

use whimbrel_core::{Script, Statement};

use crate::driver::completed::Completed;
use crate::driver::sqlite::answer::{Fault, found_nothing, point};
use crate::driver::{Failure, Part, Stop};
use crate::report::Took;
use crate::table_name::Tables;

/// A statement, or a verify query, that is sent.
pub(crate) struct Sent<'s> {
    part: Part,
    text: &'s str,
    range: Range<usize>,
    timeout: Option<Duration>,
}

impl<'s> Sent<'s> {
    pub(crate) fn new(part: Part, script: &'s Script, statement: &Statement, timeout: Option<Duration>) -> Self {
        Self { part, text: script.text_of(statement), range: statement.range(), timeout }
    }

    pub(crate) fn sql(&self) -> String {
        self.text.to_owned()
    }

    /// What its error means inside a transaction.
    pub(crate) fn stop(&self, fault: Fault, tables: &Tables) -> Stop {
        match fault {
            busy if busy.is_busy() => Stop::Contended(busy.into_cause()),
            fault if fault.is_database() => Stop::Failed(Box::new(self.failure(fault))),
            broken => Stop::Broken(broken.into_error(tables)),
        }
    }

    /// What its error means outside a transaction: what was kept before it stays. Where the patience is spent, it goes on
    /// with this statement another time.
    pub(crate) fn stop_outside(&self, fault: Fault, tables: &Tables, kept: usize) -> Stop {
        match fault.is_database() {
            true => Stop::Failed(Box::new(Failure { kept, ..self.failure(fault) })),
            false => Stop::Broken(fault.into_error(tables)),
        }
    }

    /// What its error is told as.
    pub(crate) fn failure(&self, fault: Fault) -> Failure {
        let interrupted = fault.is_interrupt();
        let mut cause = fault.into_cause();
        if let (true, Some(timeout)) = (interrupted, self.timeout) {
            cause.message = format!("it took longer than {}", Took(timeout));
        }
        let range = point(&cause.message, self.text, self.range.start);
        Failure { part: self.part, range: Some(range), cause, kept: 0 }
    }

    /// What a verify query's answer is told as, when it holds no row.
    pub(crate) fn missing(&self, answer: &Completed) -> Option<Failure> {
        let cause = (!answer.has_rows()).then(found_nothing)?;
        Some(Failure { part: self.part, range: Some(self.range.clone()), cause, kept: 0 })
    }
}
