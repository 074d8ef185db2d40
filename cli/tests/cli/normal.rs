//! What differs from run to run, as it would be at a friend's.

use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

/// One pattern, and what stands in its place.
struct Rule(Regex, &'static str);

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |pattern: &str, instead| Rule(Regex::new(pattern).unwrap(), instead);
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        regex::escape(String::from_utf8_lossy(&output.stdout).trim())
    };
    let who = format!("{}@{}", said("id", "-un"), said("uname", "-n"));
    vec![
        rule(&who, "ada@web-1"),
        rule(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+Z", "2026-11-20 14:02:11.128Z"),
        rule(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2026-11-20 14:02:11Z"),
        rule(r"\b\d{14}\b", "20261120140211"),
        rule(r"\b\d{4}-\d\d-\d\d\b", "2026-11-20"),
        rule(r#""(\w+_ms)": \d+"#, r#""$1": 3"#),
        rule(r#""process": \d+"#, r#""process": 4711"#),
        rule(r#"[^\s"]*/\.tmp\w+/"#, "/srv/shop/"),
        rule(r"\d+ seconds? ago", "3 seconds ago"),
        rule(r"(\w)   +(`|restore)", "$1   $2"),
        rule(r"\bby  +application", "by         application"),
        rule(r"  +\d+(\.\d+)? (ms|s)$", "   3 ms"),
        rule(r"\b\d+(\.\d+)? (ms|s)\b", "3 ms"),
    ]
});

/// The text with a time, a duration and a host that are always the same.
pub(crate) fn normal(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut column = None;
    for line in &mut lines {
        if let Some(head) = TOOK.find(line) {
            // A slow machine makes the column wider.
            let behind = line[head.end()..].find(|c: char| c != ' ').unwrap_or(0);
            column = Some((line[..head.start()].chars().count() + 2, 4 + behind));
        } else if line.is_empty() {
            column = None;
        }
        if let Some((at, width)) = column {
            *line = narrowed(line, at, width);
        }
        for Rule(pattern, instead) in RULES.iter() {
            *line = pattern.replace_all(line, *instead).into_owned();
        }
    }
    let mut normal = lines.join("\n");
    if text.ends_with('\n') {
        normal.push('\n');
    }
    normal
}

static TOOK: LazyLock<Regex> = LazyLock::new(|| Regex::new("  took").unwrap());

/// The line with a cell of that place and width, with the blanks behind it, as if the longest one were `3 ms`.
fn narrowed(line: &str, at: usize, width: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= at {
        return line.to_owned();
    }
    let end = (at + width).min(chars.len());
    let cell: String = chars[at..end].iter().collect();
    let cell = match cell.trim() {
        "took" => "took",
        "" => "    ",
        _ => "3 ms",
    };
    let blanks = if end < chars.len() { "  " } else { "" };
    let (before, behind): (String, String) = (chars[..at].iter().collect(), chars[end..].iter().collect());
    format!("{before}{cell}{blanks}{behind}").trim_end().to_owned()
}

#[test]
fn a_slow_machine_says_the_same() {
    let slow = "  version  when  took    by\n  0001     x     12.3 s  ada\n  0002     x     failed\n";
    let slow = slow.replace("failed", "  1 ms  ada");
    assert_eq!(normal(&slow), "  version  when  took  by\n  0001     x     3 ms  ada\n  0002     x     3 ms  ada\n");
    assert_eq!(normal("applied 1 migration in 128 ms, now at 0001"), "applied 1 migration in 3 ms, now at 0001");
}
