//! What sort of end it was, for scripts.

use whimbrel::ErrorKind;

/// An exit code; the table of them stands in `lib.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Pending = 3,
    Refused = 4,
    Busy = 5,
    InDoubt = 6,
    Unreachable = 7,
    Invalid = 8,
    /// As shells have it for a program that SIGINT ended.
    Stopped = 130,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        use ErrorKind as Kind;
        match kind {
            Kind::Connection => Self::Unreachable,
            Kind::Changed | Kind::Missing | Kind::OutOfOrder | Kind::Newer | Kind::NoWayBack => Self::Refused,
            Kind::Refused | Kind::History | Kind::Stale => Self::Refused,
            Kind::Pending => Self::Pending,
            Kind::Invalid => Self::Invalid,
            Kind::InDoubt => Self::InDoubt,
            Kind::Locked | Kind::Timeout => Self::Busy,
            Kind::Stopped => Self::Stopped,
            // Failed, and what later versions add.
            _ => Self::Failed,
        }
    }
}
