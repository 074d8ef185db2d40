//! Counters, gauges and histograms, through the facade `metrics`: whichever exporter the application installs gets them.
//!
//! | name | sort | labels | tells |
//! |---|---|---|---|
//! | `migration_duration_seconds` | histogram | `dialect`, `action` | how long each migration took that is done |
//! | `migration_success_total` | counter | `dialect`, `action` | migrations that are done |
//! | `migration_failure_total` | counter | `dialect`, `kind` | runs that ended with an error, by its kind |
//! | `migration_lock_wait_seconds` | histogram | `dialect` | how long a run that had something to do waited for others |
//! | `migration_pending` | gauge | `dialect` | migrations of this binary that are not applied |
//! | `migration_lease_age_seconds` | gauge | `dialect` | how long whoever migrates has given no sign of life; 0 when nobody does |
//! | `migration_health` | gauge | `dialect` | 0 healthy, 1 degraded, 2 unhealthy |
//! | `schema_version_info` | gauge | `dialect`, `version` | 1 for the version that the database is at, 0 for those it was at before |
//!
//! `dialect` is `sqlite`, `postgres`, `mysql` or `cql`; `action` is `applied`, `rolled back` or `baselined`; `kind` is a name
//! of [`ErrorKind`](crate::ErrorKind). No label has more values than that, but for `version`: as many as this process has
//! seen the database at.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use whimbrel_core::{Dialect, Migrations, Version};

use crate::error::Error;
use crate::health::{Health, Level};
use crate::history::{History, Holder};
use crate::report::{Outcome, Report};

const DURATION: &str = "migration_duration_seconds";
const SUCCESS: &str = "migration_success_total";
const FAILURE: &str = "migration_failure_total";
const LOCK_WAIT: &str = "migration_lock_wait_seconds";
const PENDING: &str = "migration_pending";
const LEASE_AGE: &str = "migration_lease_age_seconds";
const HEALTH: &str = "migration_health";
const VERSION: &str = "schema_version_info";

/// What a run has done, at its end.
pub(crate) fn run(set: &Migrations, dialect: Dialect, report: &Report, error: Option<&Error>) {
    describe();
    let dialect = dialect.name();
    for step in report.steps().iter().filter(|step| step.outcome == Outcome::Done) {
        let labels = [("dialect", dialect), ("action", step.action.past())];
        histogram!(DURATION, &labels).record(step.duration.as_secs_f64());
        counter!(SUCCESS, &labels).increment(1);
    }
    if let Some(error) = error {
        counter!(FAILURE, "dialect" => dialect, "kind" => error.kind().name()).increment(1);
    }
    if !report.steps().is_empty() || !report.waited().is_zero() {
        histogram!(LOCK_WAIT, "dialect" => dialect).record(report.waited().as_secs_f64());
    }
    // Without a look at the database nothing is known of it.
    let is_known = error.is_none() || !report.versions.is_empty();
    if is_known {
        let up_to_date = report.steps().is_empty() && report.versions.is_empty();
        let missing = set.iter().filter(|migration| !report.versions.contains(migration.version())).count();
        gauge!(PENDING, "dialect" => dialect).set(if up_to_date { 0.0 } else { missing as f64 });
        version(dialect, report.current());
    }
}

/// What a look at the health has found.
pub(crate) fn health(health: &Health, history: &History, dialect: Dialect) {
    describe();
    let dialect = dialect.name();
    let level = match health.level {
        Level::Healthy => 0.0,
        Level::Degraded => 1.0,
        Level::Unhealthy => 2.0,
    };
    let sign = match &history.holder {
        Holder::Session(runner) => runner.work.as_ref().and_then(|work| work.last_sign),
        Holder::Nobody | Holder::Unknown => None,
    };
    gauge!(HEALTH, "dialect" => dialect).set(level);
    gauge!(PENDING, "dialect" => dialect).set(health.pending as f64);
    gauge!(LEASE_AGE, "dialect" => dialect).set(sign.unwrap_or_default().as_secs_f64());
    version(dialect, health.version.as_ref());
}

/// Nothing could be read, so that the level is all there is to say.
pub(crate) fn unread(dialect: Option<Dialect>) {
    describe();
    let dialect = dialect.map_or("unknown", Dialect::name);
    gauge!(HEALTH, "dialect" => dialect).set(2.0);
}

/// One series is 1, the others that this process has shown are 0.
fn version(dialect: &'static str, current: Option<&Version>) {
    static SHOWN: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());
    let current = current.map(ToString::to_string);
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    shown.extend(current.clone().map(|current| (dialect, current)));
    for (_, version) in shown.iter().filter(|(known, _)| *known == dialect) {
        let is_current = current.as_ref() == Some(version);
        gauge!(VERSION, "dialect" => dialect, "version" => version.clone()).set(if is_current { 1.0 } else { 0.0 });
    }
}

/// A recorder that is installed later is told as well.
fn describe() {
    describe_histogram!(DURATION, Unit::Seconds, "How long each migration took that is done.");
    describe_counter!(SUCCESS, Unit::Count, "Migrations that are done.");
    describe_counter!(FAILURE, Unit::Count, "Runs that ended with an error, by its kind.");
    describe_histogram!(LOCK_WAIT, Unit::Seconds, "How long a run that had something to do waited for others.");
    describe_gauge!(PENDING, Unit::Count, "Migrations of this binary that are not applied.");
    describe_gauge!(
        LEASE_AGE,
        Unit::Seconds,
        "How long whoever migrates has given no sign of life; 0 when nobody does."
    );
    describe_gauge!(HEALTH, "0 healthy, 1 degraded, 2 unhealthy.");
    describe_gauge!(VERSION, "1 for the version that the database is at, 0 for those that it was at before.");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use ::metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
    };

    use super::*;
    use crate::error::ErrorKind;
    use crate::report::{Action, StepReport};

    /// What was recorded, by name and labels, in the order of the labels; and the names that were described.
    #[derive(Debug, Default, Clone)]
    struct Kept(Arc<Mutex<BTreeMap<String, Vec<f64>>>>, Arc<Mutex<BTreeMap<String, String>>>);

    struct One(Kept, String);

    impl One {
        fn keep(&self, value: f64) {
            self.0.0.lock().unwrap().entry(self.1.clone()).or_default().push(value);
        }
    }

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            self.keep(value as f64);
        }
        fn absolute(&self, value: u64) {
            self.keep(value as f64);
        }
    }

    impl GaugeFn for One {
        fn increment(&self, value: f64) {
            self.keep(value);
        }
        fn decrement(&self, value: f64) {
            self.keep(-value);
        }
        fn set(&self, value: f64) {
            self.keep(value);
        }
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.keep(value);
        }
    }

    impl Kept {
        fn one(&self, key: &Key) -> Arc<One> {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(One(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
        }

        fn describe(&self, name: &KeyName, text: &SharedString) {
            self.1.lock().unwrap().insert(name.as_str().to_owned(), text.to_string());
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
            self.describe(&name, &text);
        }
        fn describe_gauge(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
            self.describe(&name, &text);
        }
        fn describe_histogram(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
            self.describe(&name, &text);
        }
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.one(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.one(key))
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.one(key))
        }
    }

    fn set() -> Migrations {
        let file = |n: usize| (format!("{n:04}_m.sql"), format!("CREATE TABLE t{n} (id INT)").into_bytes());
        Migrations::from_files((1..=3).map(file)).unwrap()
    }

    /// A run that has applied 0001 and ended there.
    fn report() -> Report {
        let version: Version = "0001".parse().unwrap();
        let step = StepReport {
            version: version.clone(),
            name: "m".to_owned(),
            task: None,
            action: Action::Apply,
            outcome: Outcome::Done,
            statements: 1,
            rows: None,
            duration: Duration::from_millis(1500),
        };
        let waited = Duration::from_millis(250);
        Report {
            steps: vec![step],
            current: Some(version.clone()),
            versions: [version].into(),
            waited,
            ..Report::default()
        }
    }

    #[test]
    fn a_run_is_counted() {
        let kept = Kept::default();
        let error = Error::new(ErrorKind::Locked, "x");
        ::metrics::with_local_recorder(&kept, || run(&set(), Dialect::Mysql, &report(), Some(&error)));
        let expected = [
            ("migration_duration_seconds{dialect=mysql,action=applied}", 1.5),
            ("migration_failure_total{dialect=mysql,kind=locked}", 1.0),
            ("migration_lock_wait_seconds{dialect=mysql}", 0.25),
            ("migration_pending{dialect=mysql}", 2.0),
            ("migration_success_total{dialect=mysql,action=applied}", 1.0),
            ("schema_version_info{dialect=mysql,version=0001}", 1.0),
        ];
        let found = kept.0.lock().unwrap().clone();
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), vec![value])).into());
    }

    #[test]
    fn one_version_is_current() {
        let kept = Kept::default();
        ::metrics::with_local_recorder(&kept, || {
            for current in ["0001", "0002"] {
                version("cql", Some(&current.parse().unwrap()));
            }
            version("cql", None);
        });
        let found = kept.0.lock().unwrap().clone();
        let values = |name: &str| found[&format!("schema_version_info{{dialect=cql,version={name}}}")].clone();
        assert_eq!((values("0001"), values("0002")), (vec![1.0, 0.0, 0.0], vec![1.0, 0.0]));
    }

    #[test]
    fn what_is_described_is_what_is_documented() {
        let kept = Kept::default();
        ::metrics::with_local_recorder(&kept, || unread(None));
        let (here, book) = (include_str!("metrics.rs"), include_str!("../../docs/metrics.md"));
        let described = kept.1.lock().unwrap().clone();
        assert_eq!(described.len(), 8);
        for name in described.keys() {
            assert!(here.contains(&format!("//! | `{name}` |")) && book.contains(&format!("| `{name}` |")), "{name}");
        }
        assert_eq!(kept.0.lock().unwrap()["migration_health{dialect=unknown}"], [2.0]);
    }
}
