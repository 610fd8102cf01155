//! The reference of all settings as Markdown, printed from the schema.

use super::written::schema;
use serde_json::{Map, Value};
use std::fmt::Write;

const OPENING: &str = "\
# Settings

<!-- Printed from the settings themselves: change a setting's description in the code, then run
     FAILSOFT_REWRITE=1 cargo nextest run -p failsoft reference -->

failsoft reads one TOML file. Unknown keys are refused with the line and the nearest known name; everything that is wrong
is reported at once by `failsoft check -c failsoft.toml`. A commented example is
[examples/failsoft.toml](../examples/failsoft.toml); `failsoft check --schema` prints the JSON Schema for editors.

Durations are strings with a unit (`\"200ms\"`, `\"5m\"`), sizes likewise (`\"64MiB\"`: B, KiB, MiB, GiB, TiB). Relative paths
start at the folder of the settings file. A setting marked *restart* takes effect at the next start, every other one when
the file is read again.
";

/// The reference, one section a table.
pub fn reference() -> String {
    let schema = schema();
    let mut text = OPENING.to_owned();
    for (name, section) in members(&schema) {
        match (section.get("items"), section.get("additionalProperties")) {
            (Some(item), _) => print_section(&format!("[[{name}]]"), name, item, &mut text),
            (None, Some(named @ Value::Object(_))) => {
                let path = format!("{name}.NAME");
                print_section(&format!("[{path}]"), &path, named, &mut text);
            }
            (None, _) => print_section(&format!("[{name}]"), name, section, &mut text),
        }
    }
    text
}

/// Prints the section at `path`, and the tables in it.
fn print_section(heading: &str, path: &str, section: &Value, text: &mut String) {
    let described = described(section);
    print(
        text,
        format_args!(
            "\n## `{heading}`\n\n{described}\n\n| key | default | may be | meaning |\n| --- | --- | --- | --- |\n"
        ),
    );
    for (key, setting) in members(section) {
        let restart = if setting.get("x-restart").is_some() { " *restart*" } else { "" };
        let meaning = self::described(setting).replace('\n', " ");
        let default = default(key, setting, section);
        print(text, format_args!("| `{key}` | {default} | {} | {meaning}{restart} |\n", kind(setting)));
    }
    for (key, table) in members(section).filter(|(_, setting)| setting.get("properties").is_some()) {
        let path = format!("{path}.{key}");
        print_section(&format!("[{path}]"), &path, table, text);
    }
}

fn print(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing into a string does not fail");
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn described(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('|', "\\|")
}

fn default(key: &str, setting: &Value, section: &Value) -> String {
    let is_required = section["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key));
    match setting.get("default") {
        _ if is_required => "*required*".to_owned(),
        Some(Value::Null | Value::Object(_)) | None => String::new(),
        Some(value) => format!("`{value}`"),
    }
}

/// What values are allowed, in a few words.
fn kind(setting: &Value) -> String {
    if let Some(choices) = setting.get("anyOf").and_then(Value::as_array) {
        let kinds: Vec<_> = choices.iter().map(kind).filter(|kind| !kind.is_empty()).collect();
        return kinds.join(" or ");
    }
    if let Some(names) = setting.get("oneOf").and_then(Value::as_array) {
        let names: Vec<_> = names.iter().map(|name| format!("`{}`", name["const"])).collect();
        return names.join(", ");
    }
    let bound = |name| setting.get(name).map(shown);
    let bounds = ["x-min", "minimum", "minLength", "minItems"].into_iter().find_map(bound);
    let limit = ["x-max", "maximum", "maxLength", "maxItems"].into_iter().find_map(bound);
    match (type_name(setting), bounds, limit) {
        (name, Some(min), Some(max)) => format!("{name}, {min} to {max}"),
        (name, None, Some(max)) => format!("{name}, up to {max}"),
        (name, _, None) => name.to_owned(),
    }
}

fn type_name(setting: &Value) -> &'static str {
    let of_type = |name: &str| match &setting["type"] {
        Value::Array(types) => types.iter().any(|kind| kind == name),
        kind => kind == name,
    };
    match setting.get("x-kind").and_then(Value::as_str) {
        Some("duration") => "duration",
        Some("size") => "size",
        _ if of_type("string") => "text",
        _ if of_type("integer") => "whole number",
        _ if of_type("number") => "number",
        _ if of_type("boolean") => "`true`, `false`",
        _ if of_type("array") => "list of text",
        _ if of_type("object") => "table",
        _ => "",
    }
}

fn shown(bound: &Value) -> String {
    match bound {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
            format!("{:.0}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}
