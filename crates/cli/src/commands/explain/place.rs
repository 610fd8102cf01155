//! On which lines of the settings file the routes begin.
//!
//! The file has been understood before, so its structure is not looked at again: a route begins where a line says so.
//! Routes written as one inline array have no line of their own, and none is told.

use std::path::Path;

/// The lines of `[[routes]]` in the file, counted from 1, in order.
pub(super) fn lines_of_routes(file: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    lines(&text)
}

fn lines(text: &str) -> Vec<usize> {
    let begins =
        |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().collect::<String>() == "[[routes]]";
    text.lines().enumerate().filter(|(_, line)| begins(line)).map(|(index, _)| index + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_begins_where_its_header_stands() {
        assert_eq!(lines("[redis]\n\n[[routes]]\nkeys = 'a'\n  [[ routes ]] # second\n# [[routes]]\n"), [3, 5]);
    }
}
