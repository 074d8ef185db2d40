//! In place of `tls.rs`, in a build without its feature: what was to be encrypted is refused.

use std::io;

use scylla::client::session::TlsContext;

use crate::driver::scylla::url::Tls;
use crate::error::{Error, ErrorKind, Result};

/// # Errors
/// Always.
pub(crate) fn context(_: &Tls, _: &[String]) -> Result<TlsContext> {
    let help = "build whimbrel with it: `whimbrel = { features = [\"scylla-tls\"] }`";
    Err(Error::new(ErrorKind::Refused, "this build lacks the feature `scylla-tls`, and the URL has `tls=on`")
        .help(help))
}

/// Nothing is encrypted here.
pub(crate) fn refusal(_: &io::Error) -> Option<(&'static str, &'static str)> {
    None
}
