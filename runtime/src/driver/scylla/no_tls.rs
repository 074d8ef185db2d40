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

#[cfg(test)]
mod tests {
    use crate::driver::scylla::from_url;

    #[test]
    fn tls_without_the_feature_is_refused() {
        let error = from_url("scylla://h/ks?tls=on").err().map(|error| format!("{error:?}")).unwrap_or_default();
        assert!(error.contains("the feature `scylla-tls`, and the URL has `tls=on`\n  help: build"), "{error}");
        assert!(from_url("scylla://h/ks?tls=off").is_ok());
    }
}
