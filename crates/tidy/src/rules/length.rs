//! No file grows into the one everybody regrets: at most 500 lines, tests included.

use crate::project::{File, Finding};

const MOST_LINES: usize = 500;

fn findings(files: &[File]) -> Vec<Finding> {
    let lines = |file: &File| file.text.lines().count();
    let too_long = files.iter().filter(|file| lines(file) > MOST_LINES);
    too_long.map(|file| file.finding(MOST_LINES + 1, format!("{} lines: split it", lines(file)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn no_file_is_too_long() {
        assert_none("length", findings(&rust_files()));
    }

    #[test]
    fn the_limit_is_the_last_line_that_passes() {
        let of = |lines| File::sample("a.rs", &"\n".repeat(lines));
        assert_eq!(findings(&[of(MOST_LINES)]), []);
        assert_eq!(findings(&[of(MOST_LINES + 1)]).len(), 1);
    }
}
