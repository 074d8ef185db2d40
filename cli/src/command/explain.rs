//! `explain`: the long text behind an error's code.

use serde_json::json;
use whimbrel_core::nearest::nearest;

use crate::answer::Answer;
use crate::exit::Exit;
use crate::explanation::{EXPLANATIONS, Explanation};
use crate::failure::Failure;
use crate::table::Table;

pub(crate) fn explain(code: Option<&str>) -> Result<Answer, Failure> {
    let Some(code) = code else { return Ok(all()) };
    // `error[in_doubt]`, as it may be pasted.
    let code = code.trim().trim_start_matches("error").trim_matches(['[', ']', ':']);
    let same = |known: &&Explanation| known.code.replace('_', "-").eq_ignore_ascii_case(&code.replace('_', "-"));
    if let Some(known) = EXPLANATIONS.iter().find(same) {
        let value = json!({ "code": known.code, "title": known.title(), "text": known.text });
        return Ok(Answer::new(known.for_a_terminal(), value));
    }
    let failure = Failure::new(Exit::Usage, format!("there is no error `{code}`"));
    Err(match nearest(code, EXPLANATIONS.iter().map(|known| known.code)) {
        Some(nearest) => failure.help(format!("did you mean `migrate explain {nearest}`?")),
        None => failure.help("`migrate explain` lists all codes"),
    })
}

fn all() -> Answer {
    let mut table = Table::default();
    for known in EXPLANATIONS {
        table.line([known.code.into(), known.title().into()]);
    }
    let codes: Vec<_> =
        EXPLANATIONS.iter().map(|known| json!({ "code": known.code, "title": known.title() })).collect();
    Answer::new(table.written(), json!({ "codes": codes }))
}
