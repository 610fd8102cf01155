//! Kinds of values: what a value is, what a schema allows, and both in words.

use serde_json::Value;
use toml::de::DeValue;

/// Whether `schema` (without alternatives) is about values of the kind `value` has.
pub(super) fn allows(schema: &Value, value: &DeValue<'_>) -> bool {
    let wanted = types_of(schema);
    match value {
        DeValue::String(_) => wanted.contains(&"string"),
        DeValue::Integer(_) => wanted.contains(&"integer") || wanted.contains(&"number"),
        DeValue::Float(_) => wanted.contains(&"number"),
        DeValue::Boolean(_) => wanted.contains(&"boolean"),
        DeValue::Array(_) => wanted.contains(&"array"),
        DeValue::Table(_) => wanted.contains(&"object"),
        DeValue::Datetime(_) => false,
    }
}

/// What a value is, in words.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Datetime(_) => "a date",
    }
}

/// What a schema allows, in words.
pub(super) fn kinds_of(schema: &Value) -> String {
    let mut kinds: Vec<&str> = choices(schema).into_iter().flat_map(words).collect();
    kinds.dedup();
    kinds.join(" or ")
}

/// What a value of the schema may look like, where the kind alone does not say.
pub(super) fn example(schema: &Value) -> Option<&'static str> {
    match schema.get("x-kind")?.as_str()? {
        "duration" => Some("\"200ms\""),
        "size" => Some("\"64MiB\""),
        _ => None,
    }
}

/// The names a schema allows, if it allows only names.
pub(super) fn names(schema: &Value) -> Option<Vec<&str>> {
    let choices = schema.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| choice.get("const")?.as_str()).collect()
}

/// Words as a list: "a, b and c", or with another last word than "and".
pub(super) fn listed(words: impl Iterator<Item = String>, last_word: &str) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {last_word} {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn choices(schema: &Value) -> Vec<&Value> {
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(choices) => choices.iter().flat_map(self::choices).collect(),
        None => vec![schema],
    }
}

fn words(schema: &Value) -> Vec<&'static str> {
    if names(schema).is_some() {
        return vec!["a string"];
    }
    let kind = schema.get("x-kind").and_then(Value::as_str);
    let word = |name: &str| match (name, kind) {
        ("string", Some("duration")) => Some("a duration in quotes"),
        ("string", Some("size")) => Some("a size in quotes"),
        ("string", _) => Some("a string"),
        ("integer", _) => Some("a whole number"),
        ("number", _) => Some("a number"),
        ("boolean", _) => Some("true or false"),
        ("array", _) => Some("a list"),
        ("object", _) => Some("a table"),
        _ => None,
    };
    types_of(schema).into_iter().filter_map(word).collect()
}

fn types_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) | None if names(schema).is_some() => vec!["string"],
        Some(_) | None => Vec::new(),
    }
}
