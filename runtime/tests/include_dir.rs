//! Sets out of directories that the crate `include_dir` has embedded, with no database in the build.

use whimbrel::include_dir::{Dir, include_dir};
use whimbrel::{Migrations, embed_migrations, from_include_dir};

static DEMONSTRATION: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");
static WITH_A_GAP: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../core/tests/sets/bad/gap/migrations");

#[test]
fn an_included_directory_is_the_set_that_the_macro_embeds() {
    static EMBEDDED: Migrations = embed_migrations!("../migrations");
    let included = from_include_dir(&DEMONSTRATION).unwrap();
    assert_eq!(included, EMBEDDED);
    // Also what equality leaves out: where a script stands, and its text to the last byte.
    for (included, embedded) in included.iter().zip(&EMBEDDED) {
        assert_eq!(included.scripts(), embedded.scripts());
    }
}

#[test]
fn a_directory_below_an_included_one_is_a_set_too() {
    static SETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../core/tests/sets/bad/gap");
    let below = from_include_dir(SETS.get_dir("migrations").unwrap()).unwrap_err();
    assert_eq!(below.to_string(), from_include_dir(&WITH_A_GAP).unwrap_err().to_string());
}

#[test]
fn what_is_wrong_with_an_included_directory_is_told_as_of_files() {
    let problems = from_include_dir(&WITH_A_GAP).unwrap_err();
    let told: Vec<_> = problems.iter().map(|problem| (problem.code(), problem.message())).collect();
    assert_eq!(told, [("gap", "the sequence has a gap: found 1, 2, 3, 5, 6; missing 4")]);
}
