//! The known name an unknown one was probably meant to be.
//!
//! Counts single-letter slips: one letter wrong, missing, too many, or two neighbours swapped (the restricted
//! Damerau-Levenshtein distance). A name is offered only when at most a third of its letters would have to change.

/// The nearest of `names` to `written`, if any is near enough.
pub(crate) fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (slips(written, name), name))
        .filter(|(slips, name)| *slips <= (name.len() / 3).max(1))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

fn slips(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let right: Vec<char> = right.chars().take(64).collect();
    let mut before = vec![0; right.len() + 1];
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut current = vec![row; right.len() + 1];
        for column in 1..=right.len() {
            let same = left[row - 1] == right[column - 1];
            let changed = above[column - 1] + usize::from(!same);
            current[column] = changed.min(above[column] + 1).min(current[column - 1] + 1);
            if row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1] {
                current[column] = current[column].min(before[column - 2] + 1);
            }
        }
        (before, above) = (above, current);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let names = ["listen", "admin", "threads", "max_clients"];
        for (written, name) in [
            ("lsiten", Some("listen")),
            ("listn", Some("listen")),
            ("max-clients", Some("max_clients")),
            ("thread", Some("threads")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names.into_iter()), name, "{written}");
        }
    }
}
