//! A failure, recorded before it is reported.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::driver::completed::NONE;
use crate::driver::postgres::link::Link;
use crate::driver::postgres::request;
use crate::driver::{Batch, Ended};
use crate::table_name::Tables;

/// How long others may be in the way of recording it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records the failure that ended a batch, if one did; without a record, the error is reported all the same.
pub(crate) async fn failure(link: &mut Link<'_>, tables: &Tables, batch: &Batch<'_>, ended: &Ended) {
    let Some((step, failure)) = ended.failure(batch) else { return };
    let made = batch.history.present || !ended.done.is_empty();
    let missing = if made { Vec::new() } else { request::TONGUE.create(tables).to_vec() };
    let sql = request::failure(tables, batch, step, failure, &missing);
    let mut backoff = Backoff::new(PATIENCE);
    loop {
        let Err(fault) = link.send(sql.clone(), NONE).await else { return };
        // Whoever ends the run while it sleeps finds no transaction open.
        link.roll_back().await;
        let busy = ["22012", "23505", "55P03"].iter().any(|code| fault.says(code));
        if !busy || !backoff.sleep().await {
            tracing::warn!(error = %fault.into_error(tables), "the failure could not be recorded in the history");
            return;
        }
    }
}
