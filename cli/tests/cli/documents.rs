//! Documents whose screens are produced by running them.

use std::path::Path;

use crate::transcript::carried_out;

#[test]
fn the_screens_of_the_command_line_are_what_it_prints() {
    carried_out(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md"));
}
