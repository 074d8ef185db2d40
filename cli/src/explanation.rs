//! The long texts behind the codes of errors: a page for each, in `errors/`.

/// A page.
pub(crate) struct Explanation {
    /// What stands in the brackets of `error[code]`.
    pub(crate) code: &'static str,
    /// In Markdown.
    pub(crate) text: &'static str,
}

impl Explanation {
    /// The first line, behind the code.
    pub(crate) fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, title)| title)
    }

    /// Without the marks that a terminal does not show: examples stand to the right, the name of a file above it.
    pub(crate) fn for_a_terminal(&self) -> String {
        let mut shown = String::new();
        let mut is_example = false;
        for line in self.text.lines() {
            match line.strip_prefix("```") {
                Some(begun) => {
                    is_example = !is_example;
                    if let Some((_, file)) = begun.split_once(' ') {
                        shown.push_str(&format!("  {file}\n"));
                    }
                }
                None if is_example => shown.push_str(&format!("    {line}\n")),
                None => {
                    shown.push_str(line.strip_prefix("# ").unwrap_or(line));
                    shown.push('\n');
                }
            }
        }
        // Commands are written as the user types them.
        shown.replace("**", "").replace("`whimbrel ", "`migrate ")
    }
}

macro_rules! explanations {
    ($($code:literal)*) => {
        /// All pages, by their codes.
        pub(crate) const EXPLANATIONS: &[Explanation] =
            &[$(Explanation { code: $code, text: include_str!(concat!("../errors/", $code, ".md")) }),*];
    };
}

explanations! {
    "ambiguous-dialect"
    "backup"
    "bad-value"
    "bind-marker"
    "broken-link"
    "chained-transaction"
    "changed"
    "changes-quoting"
    "client-command"
    "config-syntax"
    "connection"
    "copy-stdin"
    "copy-stdout"
    "deallocate-all"
    "directive-form"
    "directive-value"
    "discard-all"
    "duplicate-version"
    "empty-file"
    "empty-name"
    "empty-set"
    "failed"
    "file-name"
    "files"
    "gap"
    "history"
    "in_doubt"
    "incomplete-dialect"
    "invalid"
    "io"
    "invalid-character"
    "invalid-name"
    "joined-files"
    "late-directive"
    "locked"
    "long-name"
    "manifest-files"
    "manifest-syntax"
    "manifest-version"
    "minimum-supported"
    "misnamed"
    "missing"
    "missing-directory"
    "mixed-layouts"
    "more-problems"
    "nested-comment"
    "newer"
    "no-dialect"
    "no-down"
    "no-transactions"
    "no-up"
    "no_way_back"
    "not-a-directory"
    "not-batched"
    "not-utf8"
    "nul-byte"
    "numbering"
    "out_of_order"
    "pending"
    "prepare-transaction"
    "refused"
    "refused-in-transaction"
    "repeated-directive"
    "repeated-key"
    "rust-migration"
    "savepoint-outside"
    "sections"
    "stale"
    "stopped"
    "stray-semicolon"
    "sum-changed"
    "sum-format"
    "sum-missing"
    "sum-moved"
    "sum-order"
    "sum-required"
    "sum-unrecorded"
    "symlink-loop"
    "timeout"
    "too-large"
    "unbalanced-begin"
    "unbalanced-commit"
    "unclosed-parenthesis"
    "unknown-directive"
    "unknown-file"
    "unknown-key"
    "unlisted-dialect"
    "unnamed-concurrent-index"
    "unquoted-name"
    "unreadable"
    "unterminated-body"
    "unterminated-comment"
    "unterminated-dollar-quote"
    "unterminated-name"
    "unterminated-string"
    "unused-script"
    "unwritten"
    "use-keyspace"
    "usage"
    "verify-query"
}
