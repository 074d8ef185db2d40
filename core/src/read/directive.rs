//! Directives: comments before the first statement that say how a script is run.

use super::page::Page;
use crate::duration::duration;
use crate::lex::Note;
use crate::nearest::nearest;
use crate::script::{Options, Phase};
use crate::split::Cut;

const PREFIX: &str = "whimbrel:";

/// The one that may be given for each rule.
const ALLOW: &str = "allow";

/// The one of a script that is still to be written: `set` refuses it.
pub(crate) const TODO: &str = "todo";

/// A directive's name, the order that mends its value, and what it sets; `Err` when the value is not one.
struct Directive {
    name: &'static str,
    order: &'static str,
    set: fn(&mut Options, &str) -> Result<(), ()>,
}

const DIRECTIVES: [Directive; 8] = [
    Directive { name: "no-transaction", order: "write `-- whimbrel:no-transaction` alone", set: no_transaction },
    Directive { name: "timeout", order: "write `-- whimbrel:timeout 30s`, or in ms, m or h", set: timeout },
    Directive {
        name: "lock-timeout",
        order: "write `-- whimbrel:lock-timeout 2s`, or in ms, m or h",
        set: lock_timeout,
    },
    Directive { name: "wait", order: "write `-- whimbrel:wait 30m`, or in ms, s or h", set: wait },
    Directive { name: "foreign-keys", order: "write `-- whimbrel:foreign-keys off`", set: foreign_keys },
    Directive { name: "phase", order: "write `-- whimbrel:phase expand`, `migrate` or `contract`", set: phase },
    Directive { name: ALLOW, order: "write `-- whimbrel:allow <rule> <reason>`", set: allow },
    Directive { name: TODO, order: "write `-- whimbrel:todo`", set: todo },
];

/// What the outline and the directives ask for together.
pub(super) fn options(page: &mut Page<'_>, cut: &Cut) -> Options {
    let mut options = page.outline.options;
    let first = cut.pieces.first().map_or(page.text.len(), |piece| piece.start);
    let mut given = Vec::new();
    for note in &cut.notes {
        let text = &page.text[note.inner.0..note.inner.1];
        match text.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => {
                let text = text[PREFIX.len()..].trim_start();
                if let Some(name) = ours(page, note, text, first, &mut options) {
                    check_given(page, note, name, &mut given);
                    if name == ALLOW {
                        page.allow(text.split_ascii_whitespace().nth(1).unwrap_or_default());
                    }
                }
            }
            _ if note.start < first => options.no_transaction |= is_of_a_peer(note, text),
            _ => {}
        }
    }
    options
}

/// `-- no-transaction` (sqlx) and `-- atlas:txmode none`.
fn is_of_a_peer(note: &Note, text: &str) -> bool {
    // sqlx looks for it at the very start, whatever follows; further down it may begin a sentence.
    if note.start == 0 && text.starts_with("no-transaction") {
        return true;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words == ["no-transaction"] || words == ["atlas:txmode", "none"]
}

/// Notes a directive that was given before; rules are allowed one by one.
fn check_given(page: &mut Page<'_>, note: &Note, name: &'static str, given: &mut Vec<&'static str>) {
    if given.contains(&name) && name != ALLOW {
        let message = format!("`{name}` is given twice");
        page.wrong(note.start..note.end, "repeated-directive", message, "keep one of them");
    }
    given.push(name);
}

/// Takes a directive of ours; gives its name where nothing is wrong with it.
fn ours(page: &mut Page<'_>, note: &Note, text: &str, first: usize, options: &mut Options) -> Option<&'static str> {
    let place = note.start..note.end;
    let (name, value) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let Some(directive) = DIRECTIVES.iter().find(|directive| directive.name == name) else {
        let message =
            if name.is_empty() { "a directive needs a name".to_owned() } else { format!("unknown directive `{name}`") };
        page.wrong(place, "unknown-directive", message, instead(name));
        return None;
    };
    // The statements may be written above it.
    if note.start > first && name != TODO {
        let help = format!("move `-- whimbrel:{name}` up, before the first statement");
        page.wrong(place, "late-directive", "a directive stands before the first statement", help);
        return None;
    }
    if page.text[place.clone()].starts_with("/*") {
        let help = format!("write `-- whimbrel:{}`", text.trim());
        page.wrong(place, "directive-form", "a directive is a line of its own", help);
        return None;
    }
    let value = value.trim();
    if (directive.set)(options, value).is_ok() {
        return Some(directive.name);
    }
    let message =
        if value.is_empty() { format!("`{name}` needs a value") } else { format!("`{value}` is no value of `{name}`") };
    page.wrong(place, "directive-value", message, directive.order);
    None
}

fn instead(name: &str) -> String {
    let names = || DIRECTIVES.iter().map(|directive| directive.name);
    match nearest(name, names()) {
        Some(known) => format!("write `-- whimbrel:{known}`"),
        None => {
            let known = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("write one of {known}; if it is prose, let it not begin with `{PREFIX}`")
        }
    }
}

fn no_transaction(options: &mut Options, value: &str) -> Result<(), ()> {
    options.no_transaction = true;
    if value.is_empty() { Ok(()) } else { Err(()) }
}

fn timeout(options: &mut Options, value: &str) -> Result<(), ()> {
    options.timeout = Some(duration(value).ok_or(())?);
    Ok(())
}

fn lock_timeout(options: &mut Options, value: &str) -> Result<(), ()> {
    options.lock_timeout = Some(duration(value).ok_or(())?);
    Ok(())
}

fn wait(options: &mut Options, value: &str) -> Result<(), ()> {
    options.wait = Some(duration(value).ok_or(())?);
    Ok(())
}

fn foreign_keys(options: &mut Options, value: &str) -> Result<(), ()> {
    options.foreign_keys_off = true;
    if value == "off" { Ok(()) } else { Err(()) }
}

fn phase(options: &mut Options, value: &str) -> Result<(), ()> {
    let (phase, _) = Phase::NAMES.into_iter().find(|&(_, name)| name == value).ok_or(())?;
    options.phase = Some(phase);
    Ok(())
}

/// What is to be done may stand behind it.
fn todo(_: &mut Options, _: &str) -> Result<(), ()> {
    Ok(())
}

/// The rule may be any for now; that there is a reason is what a reviewer needs.
fn allow(_: &mut Options, value: &str) -> Result<(), ()> {
    let (rule, reason) = value.split_once(|c: char| c.is_ascii_whitespace()).ok_or(())?;
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if rule.split('-').all(is_part) && !reason.trim().is_empty() { Ok(()) } else { Err(()) }
}
