//! Any JSON for people: names and values, indented. For answers whose shape is the node's to choose.

use super::out::{Out, one_line};
use serde_json::Value;

/// Lines of a value.
pub fn lines(value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk(value, 0, &mut out);
    out
}

/// Takes out what is null or an empty list, at any depth.
pub fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, v| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty()));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("-".into()),
        Value::Bool(b) => Some(if *b { "yes" } else { "no" }.into()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) => Some(one_line(s)),
        Value::Array(items) if items.is_empty() => Some("none".into()),
        Value::Array(items) => {
            let scalars: Option<Vec<String>> = items.iter().map(scalar).collect();
            scalars.map(|s| s.join(", ")).filter(|s| s.len() <= 90)
        }
        Value::Object(map) if map.is_empty() => Some("none".into()),
        Value::Object(_) => None,
    }
}

fn walk(value: &Value, depth: usize, out: &mut Vec<String>) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = one_line(&key.replace('_', " "));
                match scalar(value) {
                    Some(text) => out.push(format!("{pad}{key}: {text}")),
                    None => {
                        out.push(format!("{pad}{key}:"));
                        walk(value, depth + 1, out);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let at = out.len();
                walk(item, depth + 1, out);
                if let Some(first) = out.get_mut(at) {
                    let text = first.trim_start().to_owned();
                    *first = format!("{pad}- {text}");
                }
            }
        }
        other => out.push(format!("{pad}{}", scalar(other).unwrap_or_default())),
    }
}

impl Out {
    /// Any JSON for people.
    pub fn tree(&self, value: &Value) {
        for line in lines(value) {
            self.line(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_answers_are_readable() {
        let value = json!({"reason": "complete", "electors": [{"who": "harbor", "word": {"code": "clear"}}], "by": ["a", "b"], "x": null});
        let mut pruned = value.clone();
        prune(&mut pruned);
        assert!(pruned.get("x").is_none() && pruned.get("by").is_some());
        let text = lines(&value).join("\n");
        assert_eq!(text, "by: a, b\nelectors:\n  - who: harbor\n    word:\n      code: clear\nreason: complete\nx: -");
    }
}
