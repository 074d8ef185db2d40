//! The patterns of `ignore`: `*` and `?` within a name, `**` across folders.

/// A pattern for paths with `/` between their parts.
///
/// Three wildcards in 30 lines, instead of a crate in the tree of every user's macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(String);

impl Glob {
    /// A pattern; every text is one.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.trim_start_matches("./").trim_end_matches('/').to_owned())
    }

    /// The pattern.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits the path, or a folder that the path lies in.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let ends = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| fits(self.0.as_bytes(), &path.as_bytes()[..end]))
    }
}

/// Goes back to the last `*` when a byte does not fit, and from there to the last `**`; so it is never exponential.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let (mut star, mut stars) = (None, None);
    loop {
        if pattern[p..].starts_with(b"**") {
            // `**/` also stands for no folder at all.
            p += if pattern[p..].starts_with(b"**/") { 3 } else { 2 };
            stars = Some((p, t));
            star = None;
        } else if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if t < path.len() && p < pattern.len() && is_same(pattern[p], path[t]) {
            (p, t) = (p + 1, t + 1);
        } else if t == path.len() && p == pattern.len() {
            return true;
        } else if let Some((after, from)) = star.filter(|&(_, from)| from < path.len() && path[from] != b'/') {
            star = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else if let Some((after, from)) = stars.filter(|&(_, from)| from < path.len()) {
            stars = Some((after, from + 1));
            star = None;
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
}

fn is_same(pattern: u8, byte: u8) -> bool {
    pattern == byte || (pattern == b'?' && byte != b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_name_and_two_do_not() {
        for (pattern, path, expected) in [
            ("seed.sql", "seed.sql", true),
            ("seed.sql", "a/seed.sql", false),
            ("**/seed.sql", "seed.sql", true),
            ("**/seed.sql", "a/b/seed.sql", true),
            ("**/seed.sql", "a/b/seed.sql.old", false),
            ("*.txt", "notes.txt", true),
            ("*.txt", "a/notes.txt", false),
            ("*.txt", "notes.txt.old", false),
            ("seeds", "seeds/a/b.sql", true),
            ("seeds/", "seeds/a.sql", true),
            ("seeds/**", "seeds/a/b.sql", true),
            ("seeds/*", "seeds/a.sql", true),
            ("./seeds/*", "seeds/a.sql", true),
            ("000?_x.sql", "0001_x.sql", true),
            ("a?b", "a/b", false),
            ("a**z", "a/b/c/z", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("**/x/*.sql", "1/x/2/x/a.sql", true),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).fits(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!Glob::new(&"*a".repeat(40)).fits(&"a".repeat(2_000).replace('a', "ab")));
    }
}
