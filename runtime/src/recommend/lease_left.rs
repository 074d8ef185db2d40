//! A runner that holds the right to migrate, and gives no sign of life.

use crate::health::Ago;
use crate::history::Holder;
use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let Holder::Session(runner) = &facts.history.holder else { return Vec::new() };
    let Some((work, ago)) = runner.work.as_ref().and_then(|work| Some((work, work.last_sign?))) else {
        return Vec::new();
    };
    if ago <= work.lease.unwrap_or(facts.settings.lease) {
        return Vec::new();
    }
    let reason =
        format!("{} (pid {}) holds the right to migrate, and has been silent for {}", work.by, work.process, Ago(ago));
    vec![(reason, Some("`migrate up` takes over".to_owned()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::example;
    use crate::report::Action;
    use crate::runner::{Runner, Work};
    use std::time::Duration;
    use whimbrel_core::Dialect;

    #[test]
    fn who_is_silent_is_taken_over() {
        let told = |seconds| {
            let work = Work {
                by: "deploy@web-3".to_owned(),
                process: 4711,
                application: "shop".to_owned(),
                version: "1".parse().unwrap(),
                action: Action::Apply,
                statement: 1,
                statements: 1,
                since: String::new(),
                last_sign: Some(Duration::from_secs(seconds)),
                beat: None,
                lease: None,
                key: "1".to_owned(),
                end: String::new(),
            };
            let mut example = example(Dialect::Postgres, ["SELECT 1"]);
            example.history.holder = Holder::Session(Box::new(Runner { session: String::new(), work: Some(work) }));
            example.told(advice)
        };
        let reason = "deploy@web-3 (pid 4711) holds the right to migrate, and has been silent for 4 minutes";
        assert_eq!(told(240), [reason, "`migrate up` takes over"]);
        assert!(told(3).is_empty());
    }
}
