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
fn the_published_schema_of_the_pro_forma_is_that_of_its_types() {
    compare("form.schema.json", &openapi::form_text());
}

#[test]
fn the_schema_takes_a_whole_form_and_names_every_field_of_it() {
    let schema: serde_json::Value = serde_json::from_str(&openapi::form_text()).unwrap();
    let form = serde_json::to_value(lapwing_record::form::whole()).unwrap();
    walk(&schema, &schema, &form, "form");
}

/// Every member of a value stands in its schema, and every code in its list; nothing else is taken.
fn walk(root: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value, path: &str) {
    use serde_json::Value;
    let mut schema = schema;
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        schema = options.iter().find(|o| o["type"] != "null").unwrap();
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        schema = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{path}: {name}"));
    }
    match value {
        Value::Object(map) => {
            assert_eq!(schema["additionalProperties"], false, "{path}: takes what it does not know");
            for (key, value) in map {
                let member = schema["properties"].get(key).unwrap_or_else(|| panic!("{path}.{key} is not described"));
                let described = member.get("description").is_some() || member.get("$ref").is_some();
                assert!(described, "{path}.{key} has no description");
                walk(root, member, value, &format!("{path}.{key}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(root, &schema["items"], item, &format!("{path}[]"))),
        Value::String(_) if schema.get("enum").is_some() => {
            assert!(schema["enum"].as_array().unwrap().contains(value), "{path}: {value} is no code");
        }
        _ => {}
    }
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
