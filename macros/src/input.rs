//! What the user wrote between the parentheses.

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::{LitStr, Token};
use whimbrel_core::{Dialect, Problem};

use crate::fallback::Failure;

/// The directory that stands for an empty argument list.
const DEFAULT: &str = "migrations";

/// Keys that may follow the directory.
const KEYS: [&str; 1] = ["dialect"];

const USAGE: &str = "write `embed_migrations!(\"migrations\")`, or with a key: \
                     `embed_migrations!(\"migrations\", dialect = \"postgres\")`";

/// The arguments of `embed_migrations!`.
pub(crate) struct Input {
    /// The directory as the user wrote it.
    pub(crate) shown: String,
    /// The user's literal, or the whole call: where errors stand.
    pub(crate) span: Span,
    /// Overrides `whimbrel.toml`.
    pub(crate) dialect: Option<Dialect>,
}

/// Splits `$crate; <arguments>`.
pub(crate) fn split(tokens: TokenStream) -> (TokenStream, TokenStream) {
    let mut tokens = tokens.into_iter();
    let is_border = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let whimbrel = tokens.by_ref().take_while(|token| !is_border(token)).collect();
    (whimbrel, tokens.collect())
}

impl Input {
    /// Reads the arguments; all that is wrong with them is told at once.
    pub(crate) fn parse(arguments: TokenStream) -> Result<Self, Failure> {
        let parser = |input: ParseStream<'_>| Ok(Self::read(input));
        parser.parse2(arguments).unwrap_or_else(|error| Err(Failure::one(not_understood(), error.span())))
    }

    /// The directory as the machine knows it.
    pub(crate) fn resolve(&self) -> Result<PathBuf, Failure> {
        let fail = |problem| Failure::one(problem, self.span);
        if is_absolute(&self.shown) {
            return Err(fail(absolute(&self.shown)));
        }
        let root = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| fail(no_manifest()))?;
        // A bare path, without `./`, is what `include_str!` and the stale check are given.
        let below = Path::new(&self.shown).components().filter(|part| *part != std::path::Component::CurDir);
        let directory = Path::new(&root).join(below.collect::<PathBuf>());
        if holds(&directory, Path::new(&root)) {
            return Err(fail(whole_package(&self.shown)));
        }
        Ok(directory)
    }

    fn read(input: ParseStream<'_>) -> Result<Self, Failure> {
        let mut read = Self { shown: DEFAULT.to_owned(), span: Span::call_site(), dialect: None };
        let mut failure = Failure::default();
        if !input.is_empty() && !input.peek(syn::Ident) {
            let Ok(literal) = input.parse::<LitStr>() else {
                return Err(Failure::one(not_a_literal(), rest(input)));
            };
            (read.shown, read.span) = (literal.value(), literal.span());
            comma(input)?;
        }
        while !input.is_empty() {
            let (key, value) = entry(input)?;
            read.set(&key, &value).unwrap_or_else(|more| failure.extend(more));
            comma(input)?;
        }
        failure.none_or(read)
    }

    fn set(&mut self, key: &Ident, value: &LitStr) -> Result<(), Failure> {
        if key != "dialect" {
            return Err(Failure::one(unknown_key(&key.to_string()), key.span()));
        }
        let dialect = Dialect::from_name(&value.value());
        let unknown = || Failure::one(unknown_dialect(&value.value()), value.span());
        self.dialect = Some(dialect.ok_or_else(unknown)?);
        Ok(())
    }
}

/// `key = "value"`.
fn entry(input: ParseStream<'_>) -> Result<(Ident, LitStr), Failure> {
    // A call such as `concat!(…)` or a constant stands where the literal should: one sentence for all of them.
    if !(input.peek(syn::Ident) && input.peek2(Token![=])) {
        return Err(Failure::one(not_a_literal(), rest(input)));
    }
    let read = || Ok((input.parse()?, input.parse::<Token![=]>()?, input.parse()?));
    let read: syn::Result<(Ident, Token![=], LitStr)> = read();
    let (key, _, value) = read.map_err(|error| Failure::one(not_understood(), error.span()))?;
    Ok((key, value))
}

fn comma(input: ParseStream<'_>) -> Result<(), Failure> {
    if input.is_empty() || input.parse::<Token![,]>().is_ok() {
        return Ok(());
    }
    Err(Failure::one(not_understood(), rest(input)))
}

/// The place of what comes next; the rest is dropped, so that the parser does not complain of it as well.
fn rest(input: ParseStream<'_>) -> Span {
    let span = input.span();
    drop(input.parse::<TokenStream>());
    span
}

/// Absolute on any system, also on those that do not compile this.
fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    has_drive || path.starts_with(['/', '\\'])
}

/// Whether the package lies in the directory; one that is not there holds nothing.
fn holds(directory: &Path, package: &Path) -> bool {
    let real = directory.canonicalize().and_then(|directory| Ok((directory, package.canonicalize()?)));
    real.is_ok_and(|(directory, package)| package.starts_with(directory))
}

fn whole_package(path: &str) -> Problem {
    Problem::new("whole-package", format!("`{path}` holds the whole package, with its sources and target/"))
        .help("move the migrations into a folder of their own, and name that: \"migrations\"")
}

fn absolute(path: &str) -> Problem {
    Problem::new("absolute-path", format!("`{path}` is an absolute path, which exists on one machine only"))
        .help("write it relative to the folder of Cargo.toml: \"migrations\" or \"../migrations\"")
}

fn no_manifest() -> Problem {
    Problem::new("no-manifest-directory", "the variable CARGO_MANIFEST_DIR is not set, so the directory has no root")
        .help("build with cargo, or set it to the folder that the path is relative to")
}

fn not_understood() -> Problem {
    Problem::new("bad-argument", "these arguments are not understood").help(USAGE)
}

fn not_a_literal() -> Problem {
    Problem::new("not-a-literal", "the directory must be a string literal: the macro runs before anything is evaluated")
        .help(USAGE)
}

fn unknown_key(key: &str) -> Problem {
    Problem::new("unknown-key", format!("`{key}` is not a key of embed_migrations!"))
        .help(format!("write `{}`; everything else is set in whimbrel.toml", KEYS[0]))
}

fn unknown_dialect(name: &str) -> Problem {
    Problem::new("unknown-dialect", format!("`{name}` is not a dialect"))
        .help(format!("write one of {}", Dialect::ALL.map(|dialect| format!("`{dialect}`")).join(", ")))
}
