//! Whether our session stays ours: PgBouncer in transaction mode gives each transaction whichever it has.
//!
//! A transaction of ours does not mind. A step outside one does: its lock, and what its script sets, would stay behind
//! in a session that others get, while its next statement meets another.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::driver::Session;
use crate::driver::completed::{ALL, Completed, NONE};
use crate::driver::postgres::answer::{self, Fault};
use crate::driver::postgres::link::Link;

/// Whether the server heard from its client itself what sqlx says when it connects. PgBouncer tells it by SET, or not
/// at all; of these its own configuration can hold three, so that sqlx's `extra_float_digits` is a fourth for callers.
pub(crate) const IS_DIRECT: &str = "(SELECT count(*) >= 3 FROM pg_settings WHERE source = 'client' \
     AND name IN ('client_encoding', 'DateStyle', 'TimeZone', 'extra_float_digits'))::text";

/// Each round meets a pooler whose other clients leave it a different session free. With four sessions, all of them busy,
/// it gives us the same one by chance in one round of four.
const ROUNDS: usize = 8;

/// In session mode all sessions may be taken, ours among them, so that a second connection waits for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks, unless the history's own request has told that nothing stands between us and the server.
pub(crate) async fn session(link: &mut Link<'_>) -> Result<Session, Fault> {
    if let Some(session) = link.session() {
        return Ok(session);
    }
    let session = match link.second().await? {
        Some(second) => beside(link, second).await?,
        // Of a caller's connection nobody can tell: what its pooler does shows only beside another.
        None => Session::Shared,
    };
    link.note_whose(session);
    Ok(session)
}

/// Between two requests of ours, a second connection holds a session: if it is the one that we had, or if we get
/// another one afterwards, it was not ours.
async fn beside(link: &mut Link<'_>, mut second: PgConnection) -> Result<Session, Fault> {
    for _ in 0..ROUNDS {
        let ours = backend(link.send(BACKEND.to_owned(), ALL).await?);
        let begun = answer::send(&mut second, format!("BEGIN;\n{BACKEND}"), ALL);
        let Ok(begun) = tokio::time::timeout(PATIENCE, begun).await else {
            let stays = ours == backend(link.send(BACKEND.to_owned(), ALL).await?);
            return Ok(if stays { Session::Ours } else { Session::Shared });
        };
        let theirs = backend(begun?);
        let stays = ours != theirs && ours == backend(link.send(BACKEND.to_owned(), ALL).await?);
        answer::send(&mut second, "ROLLBACK".to_owned(), NONE).await?;
        if !stays {
            return Ok(Session::Shared);
        }
    }
    // The server ends it in any case.
    let _ = second.close().await;
    Ok(Session::Ours)
}

const BACKEND: &str = "SELECT pg_backend_pid()::text";

fn backend(answer: Completed) -> Option<String> {
    answer.rows.into_iter().flatten().flatten().next()
}
