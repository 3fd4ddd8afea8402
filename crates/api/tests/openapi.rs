//! The published description is what the tables say. `UPDATE_OPENAPI=1 cargo test -p lapwing-api` writes it anew.

#![allow(clippy::unwrap_used)]

use lapwing_api::openapi;
use std::path::PathBuf;

fn docs(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

fn compare(name: &str, made: &str) {
    let path = docs(name);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/{name} is not what the tables say. If the change is meant: UPDATE_OPENAPI=1 cargo test -p lapwing-api"
    );
}

#[test]
fn the_published_document_is_what_the_tables_say() {
    compare("openapi.json", &openapi::text());
}

#[test]
fn the_tables_of_the_manual_are_what_the_tables_of_the_program_say() {
    let mut text = std::fs::read_to_string(docs("api.md")).unwrap();
    for (name, table) in [("operations", openapi::operations_table()), ("codes", openapi::codes_table())] {
        let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
        let from = text.find(&begin).unwrap_or_else(|| panic!("no place for the {name}")) + begin.len();
        let to = text.find(&end).unwrap();
        text.replace_range(from..to, &table);
    }
    compare("api.md", &text);
}
