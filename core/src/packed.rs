//! The form in which a set travels through the compiler: one string and one byte string.
//!
//! rustc pays for each expression that it checks and evaluates, and next to nothing for the length of a literal. So
//! the macro emits two literals, and the set takes them apart when it is first asked for a migration, which costs less
//! than a microsecond for each.

use std::sync::OnceLock;

use crate::migrations::last;
use crate::script::Part;
use crate::{Dialect, Digest, Direction, Migration, Migrations, Script, Version};

/// A set as literals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// Versions, names, tasks, folders, paths and scripts, one after the other.
    pub text: String,
    /// The lengths of the texts, and all else.
    pub table: Vec<u8>,
}

/// Packs a set.
pub fn pack(set: &Migrations) -> Packed {
    let mut packed = Packed::default();
    set.iter().for_each(|migration| packed.add_migration(migration));
    packed
}

impl Packed {
    fn add_migration(&mut self, migration: &Migration) {
        self.add_text(migration.version().as_written());
        self.add_text(migration.name());
        // Neither is ever empty, so that no text can mean that there is none.
        self.add_text(migration.task().unwrap_or(""));
        self.add_text(migration.folder().unwrap_or(""));
        self.add_number(migration.scripts().len());
        migration.scripts().iter().for_each(|script| self.add_script(script));
    }

    fn add_script(&mut self, script: &Script) {
        self.table.push(script.direction() as u8);
        self.table.push(script.dialect().map_or(NO_DIALECT, |dialect| dialect as u8));
        self.add_text(script.path());
        self.add_number(script.parts().len());
        script.parts().iter().for_each(|part| self.add_part(part));
        self.add_text(script.text());
        self.add_bytes(script.digests().packed());
        self.add_bytes(script.__table());
    }

    fn add_part(&mut self, part: &Part) {
        self.add_text(&part.path);
        self.table.extend_from_slice(&part.start.to_le_bytes());
        self.table.extend_from_slice(&part.end.to_le_bytes());
    }

    fn add_text(&mut self, text: &str) {
        self.add_number(text.len());
        self.text.push_str(text);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        self.add_number(bytes.len());
        self.table.extend_from_slice(bytes);
    }

    fn add_number(&mut self, number: usize) {
        self.table.extend_from_slice(&(number as u32).to_le_bytes());
    }
}

/// Stands for a portable script.
const NO_DIALECT: u8 = u8::MAX;

/// The two literals, taken apart once.
#[derive(Debug)]
pub struct Embedded {
    text: &'static str,
    table: &'static [u8],
    migrations: OnceLock<Vec<Migration>>,
    /// For each of [`Dialect::ALL`]; the macro runs unoptimized, and would pay a fifth of its time for them.
    heads: [OnceLock<Digest>; 4],
}

impl Embedded {
    /// From what [`pack`] made.
    pub const fn new(text: &'static str, table: &'static [u8]) -> Self {
        Self { text, table, migrations: OnceLock::new(), heads: [const { OnceLock::new() }; 4] }
    }

    /// The migrations.
    pub(crate) fn migrations(&self) -> &[Migration] {
        self.migrations.get_or_init(|| Reader { text: self.text, table: self.table }.migrations())
    }

    /// The end of the chain.
    pub(crate) fn head(&self, dialect: Dialect) -> Digest {
        *self.heads[dialect as usize].get_or_init(|| last(self.migrations(), dialect))
    }
}

/// Reads what [`pack`] wrote.
struct Reader {
    text: &'static str,
    table: &'static [u8],
}

impl Reader {
    fn migrations(mut self) -> Vec<Migration> {
        let mut migrations = Vec::new();
        while !self.table.is_empty() {
            migrations.push(self.migration());
        }
        migrations
    }

    fn migration(&mut self) -> Migration {
        let version = Version::__written(self.text());
        let (name, task, folder) = (self.text(), self.text(), self.text());
        let scripts = (0..self.number()).map(|_| self.script()).collect();
        Migration::unpacked(version, name, present(task), present(folder), scripts)
    }

    fn script(&mut self) -> Script {
        let direction = match self.bytes(1)[0] {
            0 => Direction::Up,
            1 => Direction::Down,
            _ => Direction::Verify,
        };
        let dialect = Dialect::ALL.get(usize::from(self.bytes(1)[0])).copied();
        let path = self.text();
        let parts = (0..self.number()).map(|_| self.part()).collect();
        let text = self.text();
        let (digests, table) = (self.counted(), self.counted());
        Script::unpacked(direction, dialect, path, text, table, digests).of(parts)
    }

    fn part(&mut self) -> Part {
        Part { path: self.text().into(), start: self.number() as u32, end: self.number() as u32 }
    }

    fn text(&mut self) -> &'static str {
        let (text, rest) = self.text.split_at(self.number());
        self.text = rest;
        text
    }

    fn number(&mut self) -> usize {
        let mut number = [0; 4];
        number.copy_from_slice(self.bytes(4));
        u32::from_le_bytes(number) as usize
    }

    /// Bytes after their number.
    fn counted(&mut self) -> &'static [u8] {
        let length = self.number();
        self.bytes(length)
    }

    fn bytes(&mut self, length: usize) -> &'static [u8] {
        let (bytes, rest) = self.table.split_at(length);
        self.table = rest;
        bytes
    }
}

fn present(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}
