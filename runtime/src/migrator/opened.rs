//! The driver of a migrator, when it could be made and the set is written for it.

use whimbrel_core::{Dialect, Migrations};

use crate::driver::Driver;
use crate::error::{Error, ErrorKind, Result};

/// The driver, when it could be made and the set is written for it.
pub(crate) fn opened<'d, 'a>(
    driver: &'d mut Result<Box<dyn Driver + 'a>, Option<Error>>,
    set: &Migrations,
) -> Result<&'d mut Box<dyn Driver + 'a>> {
    match driver {
        Ok(driver) => {
            let dialect = driver.dialect();
            if set.supports(dialect) {
                return Ok(driver);
            }
            let written: Vec<&str> = set.dialects().map(Dialect::name).collect();
            let message = format!("the migrations are written for {}, not for {dialect}", written.join(" and "));
            Err(Error::new(ErrorKind::Refused, message)
                .help(format!("migrate another database, or add `{}` variants of all migrations", variant(dialect))))
        }
        Err(error) => Err(error.take().unwrap_or_else(|| {
            Error::new(ErrorKind::Refused, "this migrator could not be made").help("make a new one")
        })),
    }
}

/// How the names of a dialect's own scripts end.
fn variant(dialect: Dialect) -> String {
    match dialect {
        Dialect::Cql => ".cql".to_owned(),
        dialect => format!(".{dialect}.sql"),
    }
}
