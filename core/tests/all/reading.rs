//! Reading a script as a whole: options, digests, what is stored.

use whimbrel_core::script::Wrapping;
use whimbrel_core::{Dialect, Kind};

use crate::{read_as, read_portable};

#[test]
fn a_simple_script_is_read_in_every_dialect() {
    let text = "\u{feff}-- users\ncreate table a (b int primary key);\ninsert into a (b) values (1);\n";
    for dialect in Dialect::ALL {
        let script = read_as(dialect, text).unwrap();
        let statements: Vec<_> = script.statements().collect();
        assert_eq!(statements.len(), 2, "{dialect}");
        assert_eq!(script.text_of(&statements[1]), "insert into a (b) values (1)");
        assert_eq!((statements[1].line, statements[1].kind), (3, Kind::Dml));
    }
    assert_eq!(read_portable(text).unwrap().len(), 2);
}

#[test]
fn a_wrapped_script_keeps_its_pair() {
    for text in ["begin;\ncreate table a (b int);\ncommit;", "START TRANSACTION; create table a (b int); COMMIT"] {
        for dialect in [Dialect::Postgres, Dialect::Mysql] {
            assert_eq!(read_as(dialect, text).unwrap().wrapping(), Wrapping::Whole, "{dialect}: {text}");
        }
    }
}
