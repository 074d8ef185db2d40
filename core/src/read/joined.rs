//! Scripts of several files, which a manifest puts together.

use std::borrow::Cow;

use super::{Empty, Outline, read_with};
use crate::lex::{Lexer, TokenKind};
use crate::script::Part;
use crate::{Dialect, Place, Problem, Script, Warning};

/// One of the files.
pub(crate) struct File<'a> {
    /// Relative to the directory of the set.
    pub(crate) path: &'a str,
    /// The path as the user wrote it.
    pub(crate) shown: String,
    pub(crate) text: Cow<'static, str>,
}

/// Reads the script that the files make, one after the other; the outline is that of their manifest.
///
/// # Errors
/// As for each file by itself. Where none has a problem: what is wrong with them together.
pub(crate) fn read_joined(
    outline: &Outline<'_>,
    files: &[File<'_>],
    empty: Empty,
) -> Result<(Script, Vec<Warning>), Vec<Problem>> {
    // By itself first: what has no end must not run on into the next.
    let (mut alone, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let outline = Outline { path: file.path, shown: &file.shown, ..outline.clone() };
        match read_with(&outline, file.text.clone(), empty, &[]) {
            Ok((script, _)) => alone.push(script),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (text, parts) = joined(&alone, outline.read_as);
    let (script, warnings) = read_with(outline, text.into(), Empty::Allow, &parts)?;
    check(outline, &script, &alone, files)?;
    Ok((script.of(parts), warnings))
}

/// The text of all, with what ends the last line and the last statement of each but the last.
fn joined(alone: &[Script], read_as: &[Dialect]) -> (String, Vec<Part>) {
    let (mut text, mut parts) = (String::new(), Vec::new());
    let mut before: Option<&Script> = None;
    for script in alone {
        text.push_str(before.map_or("", |before| between(before, read_as)));
        let start = text.len() as u32;
        text.push_str(script.text());
        parts.push(Part { path: script.path().to_owned().into(), start, end: text.len() as u32 });
        before = Some(script);
    }
    (text, parts)
}

/// What must stand between a script and the next.
fn between(script: &Script, read_as: &[Dialect]) -> &'static str {
    match (script.text().ends_with('\n'), is_ended(script, read_as)) {
        (true, true) => "",
        (false, true) => "\n",
        (true, false) => ";\n",
        (false, false) => "\n;\n",
    }
}

/// Whether a `;` stands behind its last statement, or it has none.
fn is_ended(script: &Script, read_as: &[Dialect]) -> bool {
    let last = script.statements().last().map(|last| last.range().end);
    let mut lexer = Lexer::new(script.text().as_bytes(), read_as.first().copied().unwrap_or(Dialect::Cql));
    lexer.go_to(last.unwrap_or(0));
    let mut ends_with = if last.is_some() { 0 } else { b';' };
    loop {
        let token = lexer.next();
        if token.kind == TokenKind::End {
            return ends_with == b';';
        }
        ends_with = token.byte;
    }
}

/// Notes what only some of the files ask for, and what is other than in each by itself.
fn check(outline: &Outline<'_>, script: &Script, alone: &[Script], files: &[File<'_>]) -> Result<(), Vec<Problem>> {
    let wrong = |file: &File<'_>, message: String| {
        let problem = Problem::new("joined-files", message).at(Place::file(&file.shown));
        Err(vec![problem.help("give it a version of its own")])
    };
    let asks = |alone: &Script| ![outline.options, script.options()].contains(&alone.options());
    if let Some((_, file)) = alone.iter().zip(files).find(|(alone, _)| asks(alone)) {
        let message = format!("`{}` asks for what the files beside it do not: they are one script", file.path);
        return wrong(file, message);
    }
    let count = alone.iter().map(Script::len).sum::<usize>();
    match files.last() {
        Some(last) if script.len() != count => {
            wrong(last, format!("`{}` is read otherwise after the files before it", last.path))
        }
        _ => Ok(()),
    }
}
