//! Reports: what a page must be for whoever opens it anywhere.

use std::fs;

use crate::shop::{Shop, USUAL};

const HOSTILE: &str = "CREATE TABLE \"<script>alert('x')</script>\" (id INTEGER PRIMARY KEY);\n";

fn page() -> String {
    let shop = Shop::of(&USUAL);
    shop.done(&["up"]);
    shop.write("0004_hostile.up.sql", HOSTILE);
    shop.write("0004_hostile.down.sql", "SELECT 1;\n");
    shop.write(
        "0005_fails.up.sql",
        "-- whimbrel:no-transaction\nINSERT INTO orders (id) VALUES (1);\nINSERT INTO nowhere VALUES ('</pre><b>');\n",
    );
    shop.write("0005_fails.down.sql", "SELECT 1;\n");
    assert_eq!(shop.run(&["up"]).status.code(), Some(1));
    shop.write("0006_pending.up.sql", HOSTILE);
    shop.write("0006_pending.down.sql", "SELECT 1;\n");
    assert_eq!(shop.done(&["report", "html", "--output", "report.html"]), "report.html\n");
    fs::read_to_string(shop.path("report.html")).unwrap()
}

#[test]
fn a_page_needs_no_network_and_no_script() {
    let page = page();
    for word in ["http:", "https:", "src=", "<script", "<link", "@import", "url(", "onclick"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;"), "{page}");
    assert!(!page.contains("</pre><b>"), "{page}");
}

#[test]
fn a_page_has_all_there_is_to_know() {
    let page = page();
    for part in [
        "prefers-color-scheme: dark",
        "<h2 id=\"health\">",
        "<h2 id=\"pending\">",
        "<h2 id=\"timeline\">",
        "<h2 id=\"troubles\">",
        "<h2 id=\"tasks\">",
        "<h2 id=\"schema\">",
        "<h2 id=\"recommendations\">",
        "add_email",
        "no such table: nowhere",
        "unhealthy",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let (opened, closed) = (page.matches("<details>").count(), page.matches("</details>").count());
    // Three that are applied, the hostile one, the one that failed; and in the plan that one, and what is pending.
    assert_eq!((opened, closed), (7, 7));
}

#[test]
fn a_report_for_programs_holds_the_same() {
    let shop = Shop::usual();
    shop.done(&["up", "2"]);
    let report: serde_json::Value = serde_json::from_str(&shop.done(&["report", "json"])).unwrap();
    let result = &report["result"];
    assert_eq!(report["format"], 1);
    assert_eq!(result["status"]["current"], "0002");
    assert_eq!(result["plan"]["steps"][0]["name"], "orders");
    assert_eq!(result["entries"].as_array().unwrap().len(), 2);
    assert_eq!(result["validation"]["valid"], true);
    assert!(result["recommendations"].is_array() && result["health"]["level"] == "degraded", "{result}");
}
