//! The words of a statement, read from left to right.

use whimbrel_core::Dialect;
use whimbrel_core::words::words;

use super::name::{Name, kept, written};

pub(crate) struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    /// The keyspace of names that have none.
    keyspace: &'a str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, keyspace: &'a str) -> Self {
        let mut words = words(text, Dialect::Cql);
        while words.last() == Some(&";") {
            words.pop();
        }
        Self { words, at: 0, keyspace }
    }

    pub(crate) fn rest(&self) -> &[&'a str] {
        &self.words[self.at.min(self.words.len())..]
    }

    pub(crate) fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or("")
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied()?;
        self.at += 1;
        Some(word)
    }

    /// Takes words of that shape, all of them or none; `a|b` is a choice.
    pub(crate) fn take(&mut self, shape: &str) -> bool {
        let rest = self.rest();
        let fits = |(index, part): (usize, &str)| {
            rest.get(index).is_some_and(|word| part.split('|').any(|choice| word.eq_ignore_ascii_case(choice)))
        };
        let is_here = shape.split(' ').enumerate().all(fits);
        if is_here {
            self.at += shape.split(' ').count();
        }
        is_here
    }

    pub(crate) fn expect(&mut self, shape: &str) -> Option<()> {
        self.take(shape).then_some(())
    }

    pub(crate) fn expect_end(&self) -> Option<()> {
        self.rest().is_empty().then_some(())
    }

    /// The first of those shapes that stands here, and what it means.
    pub(crate) fn one_of<T: Copy>(&mut self, shapes: &[(&str, T)]) -> Option<T> {
        shapes.iter().find(|(shape, _)| self.take(shape)).map(|(_, meaning)| *meaning)
    }

    pub(crate) fn name(&mut self) -> Option<String> {
        self.next().and_then(kept)
    }

    /// A name with quotes where it needs them.
    pub(crate) fn name_written(&mut self) -> Option<String> {
        self.name().map(|name| written(&name))
    }

    pub(crate) fn keyspace(&mut self) -> Option<Name> {
        Some(Name { keyspace: self.name()?, name: String::new() })
    }

    /// A name that may have a keyspace.
    pub(crate) fn qualified(&mut self) -> Option<Name> {
        let first = self.name()?;
        if self.take(".") {
            return Some(Name { keyspace: first, name: self.name()? });
        }
        Some(Name { keyspace: self.keyspace.to_owned(), name: first })
    }

    /// What stands between parentheses, with commas between.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.expect("(")?;
        let mut items = Vec::new();
        while !self.take(")") {
            items.push(item(self)?);
            // Parser.g: the last comma may have nothing behind it.
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Some(items)
    }

    /// One item, or several in parentheses.
    pub(crate) fn one_or_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        if self.peek() == "(" { self.list(item) } else { Some(vec![item(self)?]) }
    }

    /// Passes over words up to one of those, which stays; what is in parentheses or braces counts as one word.
    pub(crate) fn pass_until(&mut self, ends: &[&str]) {
        let mut depth = 0_usize;
        while let Some(word) = self.words.get(self.at) {
            if depth == 0 && ends.iter().any(|end| word.eq_ignore_ascii_case(end)) {
                return;
            }
            match *word {
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
    }
}
