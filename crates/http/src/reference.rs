//! The API's description: the OpenAPI document, and the same as a page to read.
//!
//! The page is plain HTML without a script: it asks for nothing, so that its policy can forbid everything, and it reads
//! well in any browser, on paper and aloud. Both are made once, when they are first asked for.

use crate::answer;
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use lapwing_api::openapi;
use lapwing_api::ops::Op;
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;

const STYLE: &str = include_str!("reference.css");
/// What the page may do: be styled by exactly [`STYLE`].
const POLICY: &str = "default-src 'none'; style-src 'sha256-Ba9irpoc7xAXd/fVHS8xvlKo3G/x/SDe0oIzFsAGxQQ='; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::text().into());
static PAGE: LazyLock<Bytes> = LazyLock::new(|| page(&openapi::document()).into());

/// The document, or the page.
pub(crate) fn answer(op: Op) -> Response<Body> {
    if op == Op::OpenApi {
        let mut response = answer::json(200, Vec::new());
        *response.body_mut() = Body::from(DOCUMENT.clone());
        return response;
    }
    let mut response = Response::new(Body::from(PAGE.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Text as HTML: what is between backquotes becomes code.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        let part = escape(part);
        if i % 2 == 1 { write!(out, "<code>{part}</code>") } else { write!(out, "{part}") }.expect("text takes text");
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn str<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn page(document: &Value) -> String {
    let info = &document["info"];
    let operations: Vec<(&str, &str, &Value)> = entries(document, "paths")
        .flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, op)| (method.as_str(), path.as_str(), op))
        })
        .collect();
    let tags: Vec<(&str, &str)> =
        items(document, "tags").iter().map(|t| (str(t, "name"), str(t, "description"))).collect();
    let of = |tag: &str| {
        let tag = tag.to_owned();
        operations.iter().filter(move |(_, _, op)| items(op, "tags").iter().any(|t| *t == *tag))
    };
    let (mut contents, mut sections) = (String::new(), String::new());
    for (tag, what) in &tags {
        contents += &format!("<li><a href=\"#tag-{tag}\">{tag}</a><ul>");
        sections +=
            &format!("<section aria-labelledby=\"tag-{tag}\"><h2 id=\"tag-{tag}\">{tag}</h2><p>{}</p>", prose(what));
        for (method, path, op) in of(tag) {
            let id = str(op, "operationId");
            let shown = format!("<code>{} {}</code>", method.to_uppercase(), escape(path));
            contents += &format!("<li><a href=\"#{id}\">{shown}</a> {}</li>", prose(str(op, "summary")));
            sections += &operation(method, path, op);
        }
        contents += "</ul></li>";
        sections += "</section>";
    }
    let schemas: String = entries(&document["components"], "schemas").map(|(name, s)| named(name, s)).collect();
    let names: String = entries(&document["components"], "schemas")
        .map(|(name, _)| format!("<a href=\"#schema-{name}\">{name}</a> "))
        .collect();
    let (title, version) = (escape(str(info, "title")), escape(str(info, "version")));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\
         <a class=\"skip\" href=\"#main\">To the operations</a>\
         <header><h1>{title}</h1><p>Version {version}. {}</p>\
         <p>The same for programs: <a href=\"{base}/openapi.json\">{base}/openapi.json</a> (OpenAPI 3.1). \
         Paths below are under <code>{base}</code>. Examples suppose that <code>$NODE</code> is the node's address, \
         such as <code>http://127.0.0.1:7421</code>, and <code>$TOKEN</code> a token's secret.</p></header>\
         <nav aria-label=\"Operations\"><ul>{contents}<li><a href=\"#schemas\">Types</a></li></ul></nav>\
         <main id=\"main\">{sections}\
         <section aria-labelledby=\"schemas\"><h2 id=\"schemas\">Types</h2><p>{names}</p>{schemas}</section></main></body></html>\n",
        prose(str(info, "description")),
        base = openapi::BASE,
    )
}

fn operation(method: &str, path: &str, op: &Value) -> String {
    let id = str(op, "operationId");
    let mut out = format!(
        "<article aria-labelledby=\"{id}\"><h3 id=\"{id}\"><code>{} {}</code></h3><p>{} {}</p>",
        method.to_uppercase(),
        escape(path),
        prose(str(op, "summary")),
        prose(str(op, "description")),
    );
    out += &format!("<pre><code>{}</code></pre>", escape(&example(method, path, op)));
    let parameters = items(op, "parameters");
    if !parameters.is_empty() {
        let row = |p: &Value| {
            let must = if p["required"] == true { "" } else { " (optional)" };
            let (name, place) = (escape(str(p, "name")), escape(str(p, "in")));
            let (what, schema) = (prose(str(p, "description")), kind(&p["schema"]));
            format!(
                "<tr><th scope=\"row\"><code>{name}</code></th><td>{place}{must}</td><td>{schema}</td><td>{what}</td></tr>"
            )
        };
        let rows: String = parameters.iter().map(row).collect();
        out += &table("Parameters", &["name", "where", "type", "meaning"], &rows);
    }
    for (media, content) in entries(&op["requestBody"], "content") {
        out += &format!("<p>Body, <code>{}</code>: {}</p>", escape(media), kind(&content["schema"]));
    }
    let mut rows = String::new();
    for (status, response) in entries(op, "responses") {
        let bodies = entries(response, "content").filter(|(media, _)| *media != "application/problem+json");
        let bodies: Vec<String> =
            bodies.map(|(media, c)| format!("<code>{}</code> {}", escape(media), kind(&c["schema"]))).collect();
        let (what, bodies) = (prose(str(response, "description")), bodies.join("<br>"));
        rows += &format!("<tr><th scope=\"row\">{status}</th><td>{what}</td><td>{bodies}</td></tr>");
    }
    out += &table("Answers", &["status", "meaning", "body"], &rows);
    out + "</article>"
}

/// A call of the operation with curl.
fn example(method: &str, path: &str, op: &Value) -> String {
    let mut line = String::from("curl --fail-with-body");
    if op.get("security").is_none() {
        line += " -H \"authorization: Bearer $TOKEN\"";
    }
    let content = op["requestBody"]["content"].as_object();
    match content.and_then(|c| c.keys().next()).map(String::as_str) {
        Some("application/json") => line += " -H 'content-type: application/json' --data @body.json",
        Some(_) => line += " -T FILE",
        None => {}
    }
    if method == "put" {
        line += " -X PUT";
    }
    let needed = items(op, "parameters").iter().filter(|p| p["in"] == "query" && p["required"] == true);
    let query: Vec<String> = needed.map(|p| format!("{0}={{{0}}}", str(p, "name"))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{line} \"$NODE{}{path}{query}\"", openapi::BASE)
}

fn table(caption: &str, heads: &[&str], rows: &str) -> String {
    let heads: String = heads.iter().map(|h| format!("<th scope=\"col\">{h}</th>")).collect();
    // a region that scrolls by itself must be reachable by keyboard
    format!(
        "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table><caption>{caption}</caption>\
         <thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// A type of the document under its own heading.
fn named(name: &str, schema: &Value) -> String {
    let what = prose(str(schema, "description"));
    format!(
        "<article aria-labelledby=\"schema-{name}\"><h3 id=\"schema-{name}\">{name}</h3><p>{what}</p>{}</article>",
        shape(name, schema)
    )
}

fn shape(name: &str, schema: &Value) -> String {
    if schema.get("properties").is_some() {
        return fields(name, schema);
    }
    let variants = items(schema, "oneOf");
    if !variants.is_empty() && variants.iter().all(|v| v.get("properties").is_some()) {
        let one = |v: &Value| format!("<p>{}</p>{}", prose(str(v, "description")), fields(name, v));
        return format!("<p>One of:</p>{}", variants.iter().map(one).collect::<String>());
    }
    format!("<p>{}</p>", kind(schema))
}

fn fields(name: &str, schema: &Value) -> String {
    let required = items(schema, "required");
    let row = |(field, of): (&String, &Value)| {
        let must = if required.iter().any(|r| r == field) { "yes" } else { "no" };
        let (what, of) = (prose(str(of, "description")), kind(of));
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{of}</td><td>{must}</td><td>{what}</td></tr>",
            escape(field)
        )
    };
    let rows: String = entries(schema, "properties").map(row).collect();
    table(&format!("Fields of {name}"), &["field", "type", "always there", "meaning"], &rows)
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escape(&value.to_string()));
    }
    let codes = items(schema, "enum");
    if !codes.is_empty() {
        let codes: Vec<String> =
            codes.iter().map(|c| format!("<code>{}</code>", escape(c.as_str().unwrap_or("null")))).collect();
        return format!("one of {}", codes.join(", "));
    }
    for (key, word) in [("allOf", " and "), ("oneOf", " or "), ("anyOf", " or ")] {
        let parts: Vec<String> = items(schema, key).iter().map(kind).collect();
        if !parts.is_empty() {
            return parts.join(word);
        }
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return "anything".into(),
    };
    let words: Vec<String> = types
        .iter()
        .map(|t| match *t {
            "array" => format!("list of {}", schema.get("items").map_or("anything".into(), kind)),
            "object" => match schema.get("additionalProperties").filter(|a| a.is_object()) {
                Some(values) => format!("map of text to {}", kind(values)),
                None if schema.get("properties").is_some() => {
                    let fields: Vec<String> = entries(schema, "properties")
                        .map(|(k, v)| format!("<code>{}</code>: {}", escape(k), kind(v)))
                        .collect();
                    format!("{{ {} }}", fields.join(", "))
                }
                None if schema.get("additionalProperties").is_some() => "<code>{}</code>".into(),
                None => "object".into(),
            },
            other => other.to_owned(),
        })
        .collect();
    let bounds: Vec<String> = ["format", "pattern", "minimum", "maximum", "minLength", "maxLength", "default"]
        .iter()
        .filter_map(|key| {
            let value = schema.get(*key)?;
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(format!("{key} <code>{}</code>", escape(&value)))
        })
        .collect();
    let bounds = if bounds.is_empty() { String::new() } else { format!(" <small>({})</small>", bounds.join(", ")) };
    words.join(" or ") + &bounds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_page_is_styled_by_what_its_policy_names_and_by_nothing_else() {
        let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "the policy must name sha256-{hash}");
        let page = page(&openapi::document());
        for forbidden in
            ["<script", "<link", "<img", "src=", " style=", "javascript:", "//cdn", "http-equiv", "onclick"]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<style>").count(), 1);
    }

    #[test]
    fn every_link_of_the_page_leads_somewhere_and_no_id_is_there_twice() {
        let page = page(&openapi::document());
        let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|r| r.split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        for target in page.split("href=\"#").skip(1).map(|r| r.split('"').next().unwrap()) {
            assert!(unique.contains(target), "#{target}");
        }
        for row in lapwing_api::ops::OPS {
            assert!(unique.contains(row.name), "{} is not on the page", row.name);
        }
    }

    #[test]
    fn text_from_the_tables_is_text_on_the_page() {
        assert_eq!(prose("a <b> & `c\"d`"), "a &lt;b&gt; &amp; <code>c&quot;d</code>");
    }
}
