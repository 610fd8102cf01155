//! Files: the example, the printed reference, and files that cannot be read.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

#[test]
fn the_example_is_accepted_without_a_word() {
    let loaded = load(&project("examples/failsoft.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.settings.routes().len(), 12);
    assert_eq!(loaded.settings.origins().len(), 2);
}

#[test]
fn the_printed_reference_is_up_to_date() {
    let file = project("docs/settings.md");
    if std::env::var_os("FAILSOFT_REWRITE").is_some() {
        std::fs::write(&file, reference()).unwrap();
    }
    let printed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(printed == reference(), "docs/settings.md is stale: run this test with FAILSOFT_REWRITE=1");
}

#[test]
fn every_setting_is_described_and_has_a_default_or_needs_none() {
    fn check(schema: &Value, path: &str) {
        for (key, setting) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(setting["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path} is not described");
            let is_required = schema["required"].as_array().is_some_and(|keys| keys.contains(&key.as_str().into()));
            assert!(is_required || setting.get("default").is_some(), "{path} has no default");
            let is_number = ["integer", "number"].iter().any(|kind| setting["type"].to_string().contains(kind));
            assert!(!is_number || setting.get("maximum").is_some(), "{path} is not bounded");
            assert!(setting.get("x-kind").is_none() || setting.get("x-max").is_some(), "{path} is not bounded");
            check(setting, &path);
            check(&setting["items"], &path);
            check(&setting["additionalProperties"], &path);
        }
    }
    check(&schema(), "");
}

#[test]
fn a_file_that_cannot_be_read_is_one_sentence_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failsoft.toml");
    let missing = load(&file).unwrap_err();
    assert_eq!(missing.cause(), Cause::Unreadable);
    assert_eq!(
        missing.to_string(),
        format!("{}: error: there is no such file\nhint: name the settings file with -c", file.display())
    );
    std::fs::write(&file, b"a = \"\xff\"").unwrap();
    assert_eq!(load(&file).unwrap_err().list()[0].message, "the file is not UTF-8 text");
    assert_eq!(load(folder.path()).unwrap_err().cause(), Cause::Unreadable);
    std::fs::write(&file, "x = ").unwrap();
    assert_eq!(load(&file).unwrap_err().cause(), Cause::Refused);
}
