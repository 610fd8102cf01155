//! Whether a settings text has the structure the schema describes: known keys, right types, values inside their bounds.
//!
//! serde would stop at the first fault and name it in its own words. Reading the schema instead finds all of them, with
//! the nearest known name, and makes the schema the one table from which checking, reference and JSON Schema come. What
//! is at fault is taken out of the document, so that the rest can still be judged.

mod bounds;
mod kind;

use super::document::{Part, join, last_key};
use super::judge::Judge;
use super::nearest::nearest;
use bounds::outside_bounds;
use kind::{kind_of, kinds_of, listed};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reports all that does not fit `schema` and removes it from `root`.
pub(crate) fn check(root: &mut DeTable<'_>, schema: &Value, judge: &mut Judge<'_>) {
    check_table(root, schema, "", judge);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Remove,
}

fn check_table(table: &mut DeTable<'_>, schema: &Value, path: &str, judge: &mut Judge<'_>) {
    let known = schema.get("properties").and_then(Value::as_object);
    let any = schema.get("additionalProperties").filter(|any| any.is_object());
    let mut removed = Vec::new();
    for (key, value) in table.iter_mut() {
        let verdict = match known.and_then(|known| known.get(&**key.get_ref())).or(any) {
            Some(schema) => check_value(value, schema, &join(path, key.get_ref()), judge),
            None => unknown_key(key.get_ref(), value.get_ref(), known, path, judge),
        };
        if verdict == Verdict::Remove {
            removed.push(key.get_ref().to_string());
        }
    }
    for key in removed {
        table.remove(key.as_str());
    }
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !judge.was_written(join(path, required)) {
            judge.unreadable(
                &join(path, required),
                Part::Value,
                format!("missing key `{required}` in {}", shown(path)),
            );
        }
    }
}

fn check_value(value: &mut Spanned<DeValue<'_>>, schema: &Value, path: &str, judge: &mut Judge<'_>) -> Verdict {
    let Some(schema) = alternative(schema, value.get_ref()) else {
        let message = format!("`{}` must be {}, not {}", last_key(path), kinds_of(schema), kind_of(value.get_ref()));
        let problem = judge.unreadable(path, Part::Value, message);
        if let Some(example) = kind::example(schema) {
            problem.hint(format!("for example {} = {example}", last_key(path)));
        }
        return Verdict::Remove;
    };
    if let Some(names) = kind::names(schema) {
        return check_name(value.get_ref().as_str().unwrap_or_default(), &names, path, judge);
    }
    if let Some(message) = outside_bounds(value.get_ref(), schema, last_key(path)) {
        judge.unreadable(path, Part::Value, message);
        return Verdict::Remove;
    }
    match value.get_mut() {
        DeValue::Table(table) => check_table(table, schema, path, judge),
        DeValue::Array(items) => return check_items(items, schema, path, judge),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
    Verdict::Keep
}

fn check_items(items: &mut [Spanned<DeValue<'_>>], schema: &Value, path: &str, judge: &mut Judge<'_>) -> Verdict {
    let mut all = Verdict::Keep;
    for (index, item) in items.iter_mut().enumerate() {
        if check_value(item, &schema["items"], &format!("{path}[{index}]"), judge) == Verdict::Remove {
            all = Verdict::Remove;
        }
    }
    all
}

fn check_name(written: &str, names: &[&str], path: &str, judge: &mut Judge<'_>) -> Verdict {
    if names.contains(&written) {
        return Verdict::Keep;
    }
    let key = last_key(path);
    let known = listed(names.iter().map(|name| format!("\"{name}\"")), "or");
    let problem = match nearest(written, names.iter().copied()) {
        Some(name) => {
            judge.unreadable(path, Part::Value, format!("unknown {key} \"{written}\"; did you mean \"{name}\"?"))
        }
        None => judge.unreadable(path, Part::Value, format!("unknown {key} \"{written}\"")),
    };
    problem.hint(format!("{key} may be {known}"));
    Verdict::Remove
}

fn unknown_key(
    key: &str,
    value: &DeValue<'_>,
    known: Option<&Map<String, Value>>,
    path: &str,
    judge: &mut Judge<'_>,
) -> Verdict {
    let names = || known.into_iter().flat_map(|known| known.keys().map(String::as_str));
    let is_section = path.is_empty() && (value.is_table() || value.is_array());
    let what =
        if is_section { format!("unknown section [{key}]") } else { format!("unknown key `{key}` in {}", shown(path)) };
    let message = match nearest(key, names()) {
        Some(name) if is_section => format!("{what}; did you mean {}?", section(name, known)),
        Some(name) => format!("{what}; did you mean `{name}`?"),
        None => what,
    };
    let list = listed(names().map(|name| if path.is_empty() { section(name, known) } else { name.to_owned() }), "and");
    judge.unreadable(&join(path, key), Part::Key, message).hint(format!("{} knows {list}", shown(path)));
    Verdict::Remove
}

fn section(name: &str, known: Option<&Map<String, Value>>) -> String {
    match known.and_then(|known| known.get(name)) {
        Some(schema) if schema["type"] == "array" => format!("[[{name}]]"),
        Some(_) | None => format!("[{name}]"),
    }
}

/// A table as it is headed in the file.
fn shown(path: &str) -> String {
    match path.split_once('[') {
        _ if path.is_empty() => "the top of the file".to_owned(),
        Some((list, index)) => match index.split_once("].") {
            Some((_, inner)) => format!("[{list}.{inner}]"),
            None => format!("[[{list}]]"),
        },
        None => format!("[{path}]"),
    }
}

/// The part of `schema` that is about values of the kind `value` has.
fn alternative<'s>(schema: &'s Value, value: &DeValue<'_>) -> Option<&'s Value> {
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().find_map(|choice| alternative(choice, value));
    }
    kind::allows(schema, value).then_some(schema)
}
