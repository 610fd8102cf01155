//! Settings are text from outside: whatever it is, reading it ends, without a panic, in settings or in at least one
//! error, and every problem stands inside the text.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = text.split('\n').count();
    let problems = match failsoft::settings::parse(text, "failsoft.toml") {
        Ok(loaded) => loaded.warnings,
        Err(problems) => {
            assert!(problems.list().iter().any(|problem| problem.severity == failsoft::settings::Severity::Error));
            problems.list().to_vec()
        }
    };
    for position in problems.iter().filter_map(|problem| problem.place.position) {
        assert!((1..=lines).contains(&position.line) && position.column >= 1);
    }
});
