//! Completions and manuals.

use crate::shop::Shop;

#[test]
fn each_shell_has_completions() {
    let shop = Shop::without_database(&[]);
    for (shell, holds) in [
        ("bash", "complete -F _whimbrel"),
        ("zsh", "#compdef whimbrel"),
        ("fish", "complete -c whimbrel"),
        ("powershell", "'whimbrel'"),
        ("elvish", "edit:completion:arg-completer[whimbrel]"),
    ] {
        let script = shop.done(&["completions", shell]);
        assert!(script.contains(holds) && script.contains("renumber"), "{shell}");
    }
    let output = shop.run(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn each_command_has_a_manual() {
    let shop = Shop::without_database(&[]);
    let page = shop.done(&["man"]);
    assert!(page.contains(".TH whimbrel 1") && page.contains("Applies what is pending"), "{page}");
    let files = shop.done(&["man", "--out", "man"]);
    for path in ["man/whimbrel.1", "man/whimbrel-up.1", "man/whimbrel-explain.1"] {
        assert!(files.lines().any(|line| line == path) && shop.path(path).is_file(), "{path} {files}");
    }
    let page = std::fs::read_to_string(shop.path("man/whimbrel-up.1")).unwrap();
    assert!(page.contains("whimbrel\\-up") || page.contains("whimbrel up"), "{page}");
}
