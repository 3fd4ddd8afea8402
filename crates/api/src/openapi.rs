//! The contract as an OpenAPI 3.1 document, made of the tables: nothing in it is written twice.

use crate::contract::{Contract, Gives, Takes, codes, contract, parameter};
use crate::ops::{Access, Body, Method, OPS, Role, Row};
use crate::problem::{Code, Problem};
use schemars::SchemaGenerator;
use schemars::generate::{Contract as Way, SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where every path begins.
pub const BASE: &str = "/api/v1";
/// JSON Lines: one item a line.
pub const LINES: &str = "application/x-ndjson";
/// Names a request in answers and in the node's log. Taken over where the caller sends one of 1 to 64 characters of
/// `[A-Za-z0-9._-]`, else made.
pub const REQUEST_ID: &str = "x-request-id";
/// The cursor of the next page, in a header, since JSON Lines have no place for it.
pub const NEXT: &str = "lapwing-next";
/// The journal position that a page reflects.
pub const AS_OF: &str = "lapwing-as-of";

const DEFINITIONS: &str = "/components/schemas";

/// The headings under which operations are listed, by what their paths begin with.
const TAGS: &[(&str, &[&str], &str)] = &[
    ("Referrals", &["referrals", "joint", "absences"], "Cases: drafts, evidence, statements, decisions."),
    ("Members", &["members", "charter"], "Who takes part, and why."),
    (
        "Contacts",
        &["contacts", "profile", "legal", "arrangements", "outcomes"],
        "Whom to ask, and what agencies publish.",
    ),
    ("Admission", &["application", "applications"], "Who wants to take part."),
    ("Decisions", &["proposals", "motions", "objections", "identity", "notices"], "What officers approve."),
    ("Tokens", &["tokens", "whoami"], "Who may use this API."),
    ("Reference", &["openapi.json", "docs"], "This API itself."),
    ("Keeping", &["audit", "erasures", "backup"], "Audit trail, erasure, backups."),
    ("Node", &[], "How the node is, and what happens."),
];

/// The heading of an operation.
pub fn tag(row: &Row) -> &'static str {
    let first = row.path.split('/').nth(1).unwrap_or_default();
    let found = TAGS.iter().find(|(_, beginnings, _)| beginnings.contains(&first));
    found.map_or("Node", |(tag, ..)| tag)
}

/// Who may use an operation, in words.
pub fn who(access: Access) -> &'static str {
    match access {
        Access::Open => "anyone who reaches the port, without a token",
        Access::Any => "any token",
        Access::Cases => "analyst, officer or auditor",
        Access::Officer => "officer",
        Access::Clerk => "officer or admin",
        Access::Admin => "admin",
        Access::Auditor => "auditor",
    }
}

fn method(row: &Row) -> &'static str {
    match row.method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
    }
}

/// The document.
pub fn document() -> Value {
    let mut takes = generator(Way::Deserialize);
    let mut gives = generator(Way::Serialize);
    let problem = gives.subschema_for::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut bodies: Vec<(&str, &str, Value)> = Vec::new();
    for row in OPS {
        let contract = contract(row.op);
        let mut operation = json!({
            "operationId": row.name,
            "tags": [tag(row)],
            "summary": row.summary,
            "description": format!("For {}.", who(row.access)),
            "x-roles": Role::ALL.iter().filter(|r| row.access.allows(**r)).collect::<Vec<_>>(),
            "parameters": parameters(row, &mut gives),
            "responses": responses(row, &contract, &mut gives, problem.as_value()),
        });
        if row.access == Access::Open {
            operation["security"] = json!([]);
        }
        if let Some(body) = request(row, &contract, &mut takes) {
            bodies.push((row.path, method(row), body));
        }
        let Value::Object(operation) = operation else { continue };
        paths.entry(row.path).or_default().insert(method(row).to_owned(), Value::Object(operation));
    }
    let schemas = merge(takes.take_definitions(true), gives.take_definitions(true), &mut bodies);
    for (path, method, body) in bodies {
        if let Some(operation) = paths.get_mut(path).and_then(|p| p.get_mut(method)) {
            operation["requestBody"] = body;
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lapwing: the local API of a node",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "The API of one node, on its loopback address. Every answer carries `x-request-id`; every \
                failure is a problem (RFC 9457) with a stable `code` and a `hint` that says what to do. Fields may be \
                added to answers: ignore what you do not know. A field that the node does not know is refused.",
        },
        "servers": [{ "url": BASE }],
        "security": [{ "token": [] }],
        "tags": TAGS.iter().map(|(name, _, what)| json!({ "name": name, "description": what })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token's secret (`lapwing token new`). Its role says what it may do: `x-roles`.",
                },
            },
            "headers": headers(),
            "schemas": schemas,
        },
    })
}

/// The document as text: the same bytes whatever order a map happens to have.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&sorted(document())).expect("JSON values have text keys");
    text.push('\n');
    text
}

/// The JSON Schema (2020-12) of the pro forma as it is sent, as text: `docs/form.schema.json`. Its shape only: what must
/// be filled in, and what a schema cannot say, is the check's (`POST /referrals/check`).
pub fn form_text() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<lapwing_record::form::Form>();
    schema.insert("title".into(), "Lapwing: the pro forma of a referral, version 1".into());
    let about = "Reconstructed from neighbouring instruments; not an official form. docs/protocol.md, section 6.2, says what \
                 must be filled in and what a schema cannot say.";
    schema.insert("description".into(), about.into());
    let mut text = serde_json::to_string_pretty(&sorted(schema.into())).expect("JSON values have text keys");
    text.push('\n');
    text
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn generator(way: Way) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = DEFINITIONS.into();
        s.meta_schema = None;
        s.contract = way;
    });
    settings.into_generator()
}

fn headers() -> Value {
    let text = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    json!({
        "request-id": text("Names the request in the node's log. The caller's own where it sent a well-formed one."),
        "link": text("`<…>; rel=\"next\"`: where the next page is. Absent at the end (RFC 8288)."),
        "next": text("The cursor of the next page. Absent at the end."),
        "as-of": { "description": "Journal position that the page reflects.", "schema": { "type": "integer", "minimum": 0 } },
    })
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn parameters(row: &Row, generator: &mut SchemaGenerator) -> Vec<Value> {
    let of_path: Vec<&str> = row.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')).collect();
    // an id in a path and a filter may have the same name; in the path it wins
    let of_query = row.query.iter().filter(|name| !of_path.contains(name) || row.body == Body::Upload);
    let places = of_path.iter().map(|n| (*n, "path")).chain(of_query.map(|n| (*n, "query")));
    let mut all: Vec<Value> = places
        .map(|(name, place)| {
            let known = parameter(row.op, name, generator);
            let (schema, what, required) = match known {
                Some(p) => (p.schema.to_value(), p.what, p.required || place == "path"),
                None => (json!({ "type": "string" }), "", place == "path"),
            };
            json!({ "name": name, "in": place, "description": what, "required": required, "schema": schema })
        })
        .collect();
    if row.body == Body::Events {
        let mut resume = all.iter().find(|p| p["name"] == "after").cloned().unwrap_or_default();
        resume["name"] = "last-event-id".into();
        resume["in"] = "header".into();
        all.push(resume);
    }
    all
}

fn request(row: &Row, contract: &Contract, generator: &mut SchemaGenerator) -> Option<Value> {
    let (media, schema) = match contract.takes {
        Takes::Nothing if row.method == Method::Get => return None,
        Takes::Nothing => (
            "application/json",
            json!({ "type": ["object", "null"], "additionalProperties": false, "description": "Nothing: `{}`." }),
        ),
        Takes::Json(schema) => ("application/json", schema(generator).to_value()),
        Takes::Bytes => ("application/octet-stream", json!({})),
    };
    let required = !matches!(contract.takes, Takes::Nothing);
    Some(json!({ "required": required, "content": { media: { "schema": schema } } }))
}

fn responses(row: &Row, contract: &Contract, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut all = Map::new();
    let answer = |what: &str, content: Value| json!({ "description": what, "headers": { REQUEST_ID: header("request-id") }, "content": content });
    match contract.gives {
        Gives::Json(status, schema) => {
            let content = json!({ "application/json": { "schema": schema(generator).to_value() } });
            all.insert(status.to_string(), answer("Done.", content.clone()));
            if let Some(again) = contract.again {
                all.insert(
                    again.to_string(),
                    answer("It was done before, or is not so; the answer in the same form.", content),
                );
            }
        }
        Gives::List(schema) => {
            let item = schema(generator).to_value();
            let page = json!({
                "type": "object",
                "required": ["items", "next", "as_of"],
                "properties": {
                    "items": { "type": "array", "items": item, "description": "The items." },
                    "next": {
                        "type": ["string", "null"],
                        "description": "Give this as `cursor` for the next page; null at the end.",
                    },
                    "as_of": { "type": "integer", "minimum": 0, "description": "Journal position that the answer reflects." },
                },
            });
            // what a line holds is said by `itemSchema` from OpenAPI 3.2 on; to 3.1 the whole is text
            let content = json!({
                "application/json": { "schema": page },
                LINES: {
                    "schema": { "type": "string", "description": "One item a line, each as in `items` of the JSON answer." },
                    "x-item-schema": item,
                },
            });
            let mut list = answer("A page.", content);
            list["headers"]["link"] = header("link");
            list["headers"][NEXT] = header("next");
            list["headers"][AS_OF] = header("as-of");
            all.insert("200".into(), list);
        }
        Gives::Bytes => {
            let bytes = json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } });
            all.insert("200".into(), answer("The bytes.", bytes));
        }
        Gives::File(media) => {
            let file = json!({ media: { "schema": { "type": "string", "format": "binary" } } });
            all.insert("200".into(), answer("The file.", file));
        }
        Gives::Text(media) => {
            all.insert("200".into(), answer("The text.", json!({ media: { "schema": { "type": "string" } } })));
        }
        Gives::Events => {
            let events = json!({ "text/event-stream": { "schema": { "type": "string" } } });
            all.insert("200".into(), answer("A stream that does not end.", events));
        }
        Gives::Document => {
            all.insert(
                "200".into(),
                answer("The document.", json!({ "application/json": { "schema": { "type": "object" } } })),
            );
        }
        Gives::Html => {
            all.insert("200".into(), answer("The page.", json!({ "text/html": { "schema": { "type": "string" } } })));
        }
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    codes(row).into_iter().for_each(|code| by_status.entry(code.status()).or_default().push(code));
    for (status, codes) in by_status {
        let said: Vec<String> = codes.iter().map(|c| format!("`{}`: {}", c.as_str(), c.title())).collect();
        let tokens: Vec<&str> = codes.iter().map(|c| c.as_str()).collect();
        let schema = json!({ "allOf": [problem, { "properties": { "code": { "enum": tokens }, "status": { "const": status } } }] });
        let refused = answer(&said.join(" "), json!({ "application/problem+json": { "schema": schema } }));
        match all.get_mut(&status.to_string()) {
            // an answer and problems of one status: told apart by their media type
            Some(there) => {
                there["description"] = json!(format!("The answer, or: {}", said.join(" ")));
                there["content"]["application/problem+json"] = refused["content"]["application/problem+json"].clone();
            }
            None => drop(all.insert(status.to_string(), refused)),
        }
    }
    Value::Object(all)
}

/// One set of schemas for both ways. What is sent is described strictly: a field that the node does not know is refused.
/// Where a type looks different as it is sent and as it is answered, the former is called `…In`.
fn merge(
    mut takes: Map<String, Value>,
    gives: Map<String, Value>,
    bodies: &mut [(&str, &str, Value)],
) -> Map<String, Value> {
    takes.values_mut().for_each(close);
    let mut apart: BTreeSet<String> =
        takes.keys().filter(|k| gives.get(*k).is_some_and(|g| *g != takes[*k])).cloned().collect();
    loop {
        let refers = |schema: &Value| {
            let text = schema.to_string();
            apart.iter().any(|name| text.contains(&format!("\"#{DEFINITIONS}/{name}\"")))
        };
        let more: Vec<String> = takes
            .iter()
            .filter(|(k, v)| gives.contains_key(*k) && !apart.contains(*k) && refers(v))
            .map(|(k, _)| k.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        apart.extend(more);
    }
    let mut all = gives;
    for (name, mut schema) in takes {
        rename(&mut schema, &apart);
        let name = if apart.contains(&name) { format!("{name}In") } else { name };
        all.insert(name, schema);
    }
    bodies.iter_mut().for_each(|(_, _, body)| rename(body, &apart));
    all
}

/// Every object takes the fields that it has, and no others.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".into(), Value::Bool(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn rename(schema: &mut Value, apart: &BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let name =
                    value.as_str().filter(|_| key == "$ref").and_then(|r| r.rsplit('/').next()).map(str::to_owned);
                match name {
                    Some(name) if apart.contains(&name) => *value = format!("#{DEFINITIONS}/{name}In").into(),
                    _ => rename(value, apart),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|i| rename(i, apart)),
        _ => {}
    }
}

// -- tables of docs/api.md --------------------------------------------------------------------------------------------

/// The operations as a table in Markdown.
pub fn operations_table() -> String {
    let mut text = String::from("| | path | for | what it does |\n|---|---|---|---|\n");
    for row in OPS {
        let method = method(row).to_uppercase();
        text += &format!("| {method} | `{}` | {} | {} |\n", row.path, who(row.access), row.summary);
    }
    text
}

/// The codes as a table in Markdown.
pub fn codes_table() -> String {
    let mut text = String::from("| status | code | what happened | what to do | exit code |\n|---|---|---|---|---|\n");
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|c| (c.status(), *c));
    for code in codes {
        let exit = code.audience().exit_code();
        text +=
            &format!("| {} | `{}` | {} | {} | {exit} |\n", code.status(), code.as_str(), code.title(), code.remedy());
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refs(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    found.extend(value.as_str().filter(|_| key == "$ref").map(str::to_owned));
                    refs(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|i| refs(i, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut found = BTreeSet::new();
        refs(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#{DEFINITIONS}/{name}")), "{name} is used nowhere");
        }
    }

    #[test]
    fn what_is_sent_is_described_strictly_and_what_is_answered_openly() {
        let schemas = &document()["components"]["schemas"];
        assert_eq!(schemas["TokenNew"]["additionalProperties"], false);
        assert_eq!(schemas["ContactIn"]["additionalProperties"], false);
        assert!(schemas["Status"].get("additionalProperties").is_none());
        // sent, most of it may be left out; answered, it is all there
        assert!(schemas["FormIn"].get("required").is_none());
        assert!(schemas["Form"]["required"].as_array().unwrap().len() > 30);
    }

    #[test]
    fn an_operation_says_who_may_use_it_and_how_it_fails() {
        let document = document();
        let operation = &document["paths"]["/referrals/{thread}/submit"]["post"];
        assert_eq!(operation["x-roles"], json!(["officer"]));
        let codes = &operation["responses"]["403"]["content"]["application/problem+json"]["schema"]["allOf"][1];
        assert_eq!(codes["properties"]["code"]["enum"], json!(["forbidden", "bad_host"]));
        assert_eq!(document["paths"]["/livez"]["get"]["security"], json!([]));
    }
}
