//! Bounds of single values: the smallest and the greatest number, duration, size and length the schema allows.

use crate::settings::units::{WrittenDuration, WrittenSize};
use serde_json::Value;
use std::fmt::Display;
use toml::de::DeValue;

/// What is wrong with `value`, if it is outside what `schema` allows for `key`.
pub(super) fn outside_bounds(value: &DeValue<'_>, schema: &Value, key: &str) -> Option<String> {
    let result = match value {
        DeValue::String(text) => check_text(text, schema, key),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => check_number(number as f64, schema, key),
            Err(_) => Err(format!("`{key}` is not a number that fits 64 bits")),
        },
        DeValue::Float(number) => check_number(number.as_str().parse().unwrap_or(f64::NAN), schema, key),
        DeValue::Array(items) => check_count(items.len(), schema, key),
        DeValue::Boolean(_) | DeValue::Table(_) | DeValue::Datetime(_) => Ok(()),
    };
    result.err()
}

fn check_text(text: &str, schema: &Value, key: &str) -> Result<(), String> {
    match schema.get("x-kind").and_then(Value::as_str) {
        Some("duration") => {
            let bound = |name| WrittenDuration::parse(schema.get(name)?.as_str()?).ok();
            check_between(&WrittenDuration::parse(text)?, bound("x-min"), bound("x-max"), key)
        }
        Some("size") => {
            let bound = |name| WrittenSize::parse(schema.get(name)?.as_str()?).ok();
            check_between(&WrittenSize::parse(text)?, bound("x-min"), bound("x-max"), key)
        }
        Some(_) | None => check_length(text.len(), schema, key),
    }
}

fn check_between<T: PartialOrd + Display>(value: &T, min: Option<T>, max: Option<T>, key: &str) -> Result<(), String> {
    match (min, max) {
        (Some(min), _) if *value < min => Err(format!("`{key}` must be at least {min}; {value} is too little")),
        (_, Some(max)) if *value > max => Err(format!("`{key}` must be at most {max}; {value} is too much")),
        (_, _) => Ok(()),
    }
}

fn check_number(value: f64, schema: &Value, key: &str) -> Result<(), String> {
    if !value.is_finite() {
        return Err(format!("`{key}` must be a finite number"));
    }
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    check_between(&value, bound("minimum"), bound("maximum"), key)
}

fn check_length(len: usize, schema: &Value, key: &str) -> Result<(), String> {
    let bound = |name| schema.get(name).and_then(Value::as_u64);
    match (bound("minLength"), bound("maxLength")) {
        (Some(min), _) if (len as u64) < min => Err(format!("`{key}` may not be empty")),
        (_, Some(max)) if len as u64 > max => Err(format!("`{key}` may have at most {max} bytes; it has {len}")),
        (_, _) => Ok(()),
    }
}

fn check_count(count: usize, schema: &Value, key: &str) -> Result<(), String> {
    let bound = |name| schema.get(name).and_then(Value::as_u64);
    match (bound("minItems"), bound("maxItems")) {
        (Some(min), _) if (count as u64) < min => Err(format!("`{key}` must name at least {min}")),
        (_, Some(max)) if count as u64 > max => Err(format!("`{key}` may have at most {max} entries; it has {count}")),
        (_, _) => Ok(()),
    }
}
