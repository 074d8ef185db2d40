//! A script for one dialect that says what the plain one does.

use whimbrel_core::Script;

use crate::recommend::Advice;
use crate::recommend::facts::Facts;

pub(crate) fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let mut told = Vec::new();
    for migration in facts.set {
        let is_plain =
            |script: &&Script, of: &Script| script.dialect().is_none() && script.direction() == of.direction();
        for own in migration.scripts() {
            let Some(dialect) = own.dialect() else { continue };
            let plain = migration.scripts().iter().find(|script| is_plain(script, own));
            if plain.is_some_and(|plain| plain.digest(dialect) == own.digest(dialect)) {
                let path = facts.set.path_of(own);
                let reason = format!("{path} says for {dialect} what the plain script does");
                told.push((reason, Some("remove it".to_owned())));
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::example::of;
    use whimbrel_core::{Dialect, Migrations};

    #[test]
    fn a_variant_that_says_the_same_is_not_needed() {
        let told = |own: &str| {
            let files = [("0001_a.sql", "SELECT 1; -- plain"), ("0001_a.postgres.sql", own)];
            let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
            of(Dialect::Postgres, Migrations::from_files(files).unwrap()).told(advice)
        };
        assert_eq!(told("SELECT 1;")[0], "0001_a.postgres.sql says for postgres what the plain script does");
        assert!(told("SELECT 2;").is_empty());
    }
}
