use super::*;
use crate::report::Action;

const NOW: u64 = 1_795_276_550; // 2026-11-21 15:55:50Z

fn set(number: usize) -> Migrations {
    let file = |n: usize| (format!("{n:04}_m{n}.sql"), format!("CREATE TABLE t{n} (id INT)").into_bytes());
    Migrations::from_files((1..=number).map(file)).unwrap()
}

/// An entry as one of a set of nine has it.
fn entry(version: usize, state: &str, changes: &[(&str, &str)]) -> Entry {
    let all = set(9);
    let checksum = all.iter().nth(version - 1).unwrap().checksum(Dialect::Postgres).to_string();
    let (name, path) = (format!("m{version}"), format!("migrations/{version:04}_m{version}.sql"));
    let columns = [
        ("version", version.to_string()),
        ("rank", version.to_string()),
        ("name", name),
        ("kind", "sql".to_owned()),
        ("path", path),
        ("checksum", checksum),
        ("state", state.to_owned()),
        ("statements", "3".to_owned()),
        ("applied", if state == "completed" { "3" } else { "1" }.to_owned()),
        ("started_at", "2026-11-18 15:55:49.000Z".to_owned()),
        ("completed_at", "2026-11-18 15:55:50.000Z".to_owned()),
        ("applied_by", "deploy@web-1".to_owned()),
        ("application", "shop 2.4.0".to_owned()),
    ];
    let value = |name: &&str| {
        let changed = changes.iter().find(|(changed, _)| changed == name).map(|(_, value)| (*value).to_owned());
        changed.or_else(|| columns.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    };
    Entry::from_row(crate::history::COLUMNS.iter().map(value).collect()).unwrap()
}

fn completed(versions: std::ops::RangeInclusive<usize>) -> Vec<Entry> {
    versions.map(|version| entry(version, "completed", &[])).collect()
}

fn and(mut entries: Vec<Entry>, more: Entry) -> Vec<Entry> {
    entries.push(more);
    entries
}

fn session(last_sign: Option<u64>) -> Holder {
    let work = Work {
        by: "deploy@web-3".to_owned(),
        process: 4711,
        application: "shop 2.4.0".to_owned(),
        version: "0003".parse().unwrap(),
        action: Action::Apply,
        statement: 2,
        statements: 3,
        since: "2026-11-21 15:50:00.000Z".to_owned(),
        last_sign: last_sign.map(Duration::from_secs),
        beat: None,
        lease: None,
        key: "3".to_owned(),
        end: String::new(),
    };
    Holder::Session(Box::new(Runner { session: "pid 12 (deploy, shop) since 15:50:00Z".to_owned(), work: Some(work) }))
}

struct Case {
    name: &'static str,
    entries: Vec<Entry>,
    holder: Holder,
    agreement: Agreement,
    settings: Settings,
    shown: &'static str,
}

/// A set of three on a server that nobody migrates.
fn case(name: &'static str, entries: Vec<Entry>, shown: &'static str) -> Case {
    let settings = Settings::default();
    Case { name, entries, holder: Holder::Nobody, agreement: Agreement::NotOne, settings, shown }
}

fn cases() -> Vec<Case> {
    let running = || and(completed(1..=2), entry(3, "running", &[]));
    let edited = || [vec![entry(1, "completed", &[("checksum", &"ab".repeat(32))])], completed(2..=3)].concat();
    vec![
        case("all is well", completed(1..=3), "healthy, at 0003"),
        case("a fresh database", Vec::new(), "degraded\n  3 migrations are pending: 0001, 0002, 0003   `migrate up`"),
        case(
            "one is pending",
            completed(1..=2),
            "degraded\n  0003 m3 is pending; the last one was applied 3 days ago   `migrate up`",
        ),
        case(
            "an older one is pending",
            [completed(1..=1), completed(3..=3)].concat(),
            "degraded\n  \
             0002 m2 is pending; the last one was applied 3 days ago                   `migrate up`\n  \
             0002 m2 is older than 0003, which is applied: it will be refused   `migrate renumber`, or allow it",
        ),
        Case {
            settings: Settings::default().out_of_order(OutOfOrder::Allow),
            ..case(
                "an older one may be pending",
                [completed(1..=1), completed(3..=3)].concat(),
                "degraded\n  0002 m2 is pending; the last one was applied 3 days ago   `migrate up`",
            )
        },
        case(
            "one was edited",
            edited(),
            "unhealthy\n  0001 m1 was edited after it was applied   \
             restore it, or accept it: `migrate resolve 0001 --accept`",
        ),
        case(
            "one has failed",
            and(completed(1..=2), entry(3, "failed", &[])),
            "unhealthy\n  0003 m3 has failed at statement 2 of 3   `migrate status` says why; correct it, then `migrate up`",
        ),
        case(
            "one has failed in a transaction",
            and(completed(1..=2), entry(3, "failed", &[("applied", "0")])),
            "unhealthy\n  0003 m3 has failed   `migrate status` says why; correct it, then `migrate up`",
        ),
        case(
            "a rollback has failed at its first statement",
            and(completed(1..=2), entry(3, "failed", &[("undone", "0")])),
            "unhealthy\n  the rollback of 0003 m3 has failed at statement 1 of 3   \
             `migrate status` says why; correct it, then `migrate up`",
        ),
        case(
            "one was asked to stop",
            and(completed(1..=2), entry(3, "failed", &[("error", "stopped as asked, after statement 1 of 3")])),
            "degraded\n  0003 m3 was stopped after 1 of 3 statements   `migrate up` goes on",
        ),
        case(
            "a rollback was asked to stop",
            and(
                completed(1..=2),
                entry(3, "failed", &[("undone", "2"), ("error", "stopped as asked, after statement 2 of 3")]),
            ),
            "degraded\n  the rollback of 0003 m3 was stopped after 2 of 3 statements   `migrate down 0003_m3` goes on",
        ),
        case(
            "one was interrupted",
            running(),
            "unhealthy\n  0003 m3 was interrupted at statement 2 of 3, by deploy@web-1   \
             `migrate up` finds out what became of it, and goes on",
        ),
        case(
            "a rollback was interrupted",
            and(completed(1..=2), entry(3, "running", &[("undone", "3")])),
            "unhealthy\n  the rollback of 0003 m3 was interrupted after its last statement, by deploy@web-1   \
             `migrate up` finds out what became of it, and goes on",
        ),
        Case {
            holder: Holder::Unknown,
            ..case(
                "nobody knows who is at it",
                running(),
                "degraded\n  0003 m3 stands at statement 2 of 3, or was interrupted there   \
                 `migrate up` waits for it, and goes on if it is dead",
            )
        },
        Case {
            holder: session(Some(3)),
            ..case(
                "somebody is at it",
                running(),
                "degraded\n  a runner on web-3 (pid 4711) is applying 0003, at statement 2 of 3",
            )
        },
        Case {
            holder: session(None),
            ..case(
                "somebody is at it who can give no sign",
                running(),
                "degraded\n  a runner on web-3 (pid 4711) is applying 0003, at statement 2 of 3",
            )
        },
        Case {
            holder: session(Some(240)),
            ..case(
                "a runner is silent",
                and(completed(1..=2), entry(3, "running", &[])),
                "degraded\n  a runner on web-3 (pid 4711) has been silent for 4 minutes   `migrate up` takes over",
            )
        },
        Case {
            holder: session(Some(240)),
            settings: Settings::default().lease(Duration::from_secs(600)),
            ..case(
                "a runner may be silent for longer",
                running(),
                "degraded\n  a runner on web-3 (pid 4711) is applying 0003, at statement 2 of 3",
            )
        },
        Case {
            holder: session(Some(3)),
            settings: Settings::default().timeout(Duration::from_secs(60)),
            ..case(
                "somebody is at it for too long",
                running(),
                "unhealthy\n  \
                 0003 m3 is at work, for 3 days where a run may take 1 min 0 s    `migrate status` says who is at it\n  \
                 a runner on web-3 (pid 4711) is applying 0003, at statement 2 of 3",
            )
        },
        case(
            "a newer release has been here",
            completed(1..=4),
            "degraded\n  0004 m4 is not known to this binary, applied by shop 2.4.0   deploy shop 2.4.0 or newer",
        ),
        Case {
            settings: Settings::default().newer(Newer::AllowIfExpanding),
            ..case(
                "a newer release that only expands may be here",
                and(completed(1..=3), entry(4, "completed", &[("phase", "expand")])),
                "healthy, at 0004",
            )
        },
        Case { agreement: Agreement::One, ..case("the nodes agree", completed(1..=3), "healthy, at 0003") },
        Case {
            agreement: Agreement::Versions(2),
            ..case(
                "the nodes do not agree",
                completed(1..=3),
                "unhealthy\n  the nodes do not agree on the schema: they have 2 versions   \
                 look what keeps them apart (`nodetool describecluster`)",
            )
        },
        Case {
            agreement: Agreement::Nodes("10.0.0.3:9042".to_owned()),
            ..case(
                "a node is silent",
                completed(1..=3),
                "degraded\n  of the cluster, 10.0.0.3:9042 does not answer   \
                 look what keeps them apart (`nodetool describecluster`)",
            )
        },
        case(
            "the worst comes first",
            [vec![entry(1, "completed", &[("checksum", &"ab".repeat(32))])], completed(2..=2)].concat(),
            "unhealthy\n  \
             0001 m1 was edited after it was applied                       \
             restore it, or accept it: `migrate resolve 0001 --accept`\n  \
             0003 m3 is pending; the last one was applied 3 days ago   `migrate up`",
        ),
    ]
}

#[test]
fn from_what_was_found_to_how_well_it_is() {
    let squeezed = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let set = set(3);
    for Case { name, entries, holder, agreement, settings, shown } in cases() {
        let history = History { present: true, last_event: 1, entries, holder };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let facts = Facts {
            set: &set,
            dialect: Dialect::Postgres,
            history: &history,
            settings: &settings,
            agreement: &agreement,
            absent: None,
            now,
        };
        let health = judge(facts);
        assert_eq!(squeezed(&health.to_string()), squeezed(shown), "{name}");
        let is_cluster = agreement != Agreement::NotOne;
        assert_eq!(health.checked.contains(&"agreement"), is_cluster, "{name}");
        assert_eq!(health.http_status(), if health.level == Level::Unhealthy { 503 } else { 200 }, "{name}");
    }
}

#[test]
fn the_commands_stand_below_each_other() {
    let reason = |sentence: &str, command: Option<&str>| Reason {
        level: Level::Degraded,
        sentence: sentence.to_owned(),
        command: command.map(str::to_owned),
    };
    let long = "x".repeat(100);
    let health = Health {
        level: Level::Degraded,
        reasons: vec![
            reason("short", Some("`a`")),
            reason("a bit longer", Some("`b`")),
            reason(&long, Some("`c`")),
            reason("d", None),
        ],
        ..unread(&Error::new(ErrorKind::Connection, "x"))
    };
    let shown = format!("degraded\n  short          `a`\n  a bit longer   `b`\n  {long}   `c`\n  d");
    assert_eq!(health.to_string(), shown);
}

#[test]
fn what_cannot_be_read_is_unhealthy() {
    let cases = [
        (ErrorKind::Connection, &["reachable"][..]),
        (ErrorKind::Timeout, &["reachable"]),
        (ErrorKind::Refused, &["reachable"]),
        (ErrorKind::History, &["reachable", "history"]),
    ];
    for (kind, checked) in cases {
        let error =
            Error::new(kind, "it cannot be read; nothing was run").details("a\nb").help("mend it").source("because");
        let health = unread(&error);
        assert_eq!(health.to_string(), "unhealthy\n  it cannot be read: because   mend it");
        assert_eq!(health.checked, checked, "{kind:?}");
    }
}
