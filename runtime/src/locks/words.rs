//! A statement as words, for who looks for what it locks.

use whimbrel_core::Dialect;
use whimbrel_core::words;

use crate::doubt::fit;
use crate::doubt::mysql::plain;

/// The words of a statement, without the `;` and what does not matter.
pub(crate) fn of(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut words = words::words(text, dialect);
    while words.last() == Some(&";") {
        words.pop();
    }
    if dialect == Dialect::Mysql { plain(words) } else { words }
}

/// Whether a word is that one.
pub(crate) fn is(word: Option<&&str>, known: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(known))
}

/// Whether these words, `a b`, stand one after the other anywhere.
pub(crate) fn has(words: &[&str], phrase: &str) -> bool {
    place(words, phrase).is_some()
}

/// Where these words stand first.
pub(crate) fn place(words: &[&str], phrase: &str) -> Option<usize> {
    let parts: Vec<&str> = phrase.split(' ').collect();
    let alike = |window: &[&str]| window.iter().zip(&parts).all(|(word, part)| word.eq_ignore_ascii_case(part));
    words.windows(parts.len()).position(alike)
}

/// The first shape that fits, with its names and what follows it.
pub(crate) fn first<'w, 's, T>(
    words: &'w [&'s str],
    table: &'static [(&str, T)],
) -> Option<(Vec<String>, &'w [&'s str], &'static T)> {
    table.iter().find_map(|(shape, means)| {
        let (names, taken) = fit(words, shape)?;
        Some((names, &words[taken..], means))
    })
}

/// The items between commas that stand in no parenthesis.
pub(crate) fn items<'w, 's>(words: &'w [&'s str]) -> Vec<&'w [&'s str]> {
    let mut depth = 0_usize;
    let is_border = |word: &&str| {
        match *word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *word == ","
    };
    words.split(is_border).collect()
}

/// The tables that a statement refers to: `REFERENCES users (id)`.
pub(crate) fn referenced(words: &[&str]) -> Vec<String> {
    let mut tables: Vec<String> = (0..words.len())
        .filter_map(|at| fit(&words[at..], "references *").and_then(|(names, _)| names.into_iter().next()))
        .collect();
    tables.sort();
    tables.dedup();
    tables
}

/// The table that a statement creates.
pub(crate) fn created(text: &str, dialect: Dialect) -> Option<String> {
    const SHAPES: [&str; 2] = [
        "create ?or ?replace ?global|local ?temp|temporary|unlogged table ?if ?not ?exists *",
        "create ?or ?replace materialized view ?if ?not ?exists *",
    ];
    let words = of(text, dialect);
    SHAPES.iter().find_map(|shape| fit(&words, shape)?.0.into_iter().next())
}

/// Whether two names are the same table's, as far as a text tells: without the schema, the quotes and the case.
pub(crate) fn same(one: &str, other: &str) -> bool {
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// The last part of a name, out of its quotes.
pub(crate) fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches(['"', '`', '[', ']'])
}
