//! From the bytes of a file to its text.

use std::borrow::Cow;

use crate::{Place, Problem};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text without a byte order mark; `shown` is the path as the user wrote it.
///
/// # Errors
/// The first byte that is not UTF-8.
pub(crate) fn text(bytes: Cow<'static, [u8]>, shown: &str) -> Result<Cow<'static, str>, Problem> {
    let bytes = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)),
        Cow::Owned(mut bytes) => {
            if bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            Cow::Owned(bytes)
        }
    };
    match bytes {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| not_utf8(bytes, e.valid_up_to(), shown))
        }
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|e| not_utf8(e.as_bytes(), e.utf8_error().valid_up_to(), shown)),
    }
}

fn not_utf8(bytes: &[u8], at: usize, shown: &str) -> Problem {
    let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let message = format!("the file is not UTF-8: byte {at}, on line {line}, is 0x{:02X}", bytes[at]);
    let help = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "save it as UTF-8: it looks like UTF-16",
        _ => "save it as UTF-8",
    };
    Problem::new("not-utf8", message).at(Place::file(shown)).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(text(Cow::Borrowed(b"\xEF\xBB\xBFselect 1"), "a").unwrap(), "select 1");
        assert_eq!(text(Cow::Owned(b"\xEF\xBB\xBFselect 1".to_vec()), "a").unwrap(), "select 1");
    }

    #[test]
    fn the_first_byte_that_is_not_utf8_is_named() {
        let message = |bytes: &'static [u8]| text(Cow::Borrowed(bytes), "a.sql").unwrap_err().message().to_owned();
        assert_eq!(message(b"ok\nna\xEFve"), "the file is not UTF-8: byte 5, on line 2, is 0xEF");
        assert_eq!(message(b"cut \xC3"), "the file is not UTF-8: byte 4, on line 1, is 0xC3");
    }
}
