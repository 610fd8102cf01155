//! Programs on PATH.

use std::path::PathBuf;

use super::error::DemoError;

/// The full path of a program the demo cannot do without.
pub(super) fn find(name: &'static str) -> Result<PathBuf, DemoError> {
    look_up(name).ok_or(DemoError::NoProgram(name))
}

/// The full path of a program, if it is on PATH.
pub(super) fn look_up(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_said() {
        assert!(look_up("sh").unwrap().is_absolute());
        let missing = find("no-such-program-anywhere").unwrap_err();
        assert_eq!(missing.to_string(), "no-such-program-anywhere was not found on PATH");
    }
}
