//! `docs/roles-table.md`: a table for each role, a row for each class of commands, a column for each condition.

use std::fmt::Write;
use std::path::Path;

use super::{Cell, Class, Condition, Role};

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/roles-table.md");

const PREFACE: &str = "\
# Roles, cell by cell

What each [role](roles.md) answers to each class of commands, in each condition of Redis, and what becomes of the data. This
page is written by a test (`crates/cli/tests/roles.rs`) that makes each condition with real servers and asks every cell;
it fails when a cell is another than it says here, and, whatever it says here, when a promise of a role is broken
(`crates/cli/tests/table/rules.rs`). `FAILSOFT_REWRITE=1 cargo nextest run -p failsoft-cli --test roles` writes it anew.

A cell is the reply, then in parentheses who gave it if it was not the primary, then what has become of the key when all is
well again, if that is another thing than before: *done* (as Redis does it), *gone* (invalidated, so that nothing old is
left). The origin of a cache that the application fills is the application: nil sends it to its database. Bold words are [errors](errors.md); each of failsoft's own came with `retry-after-ms`. Where a write may have happened
it is **OUTCOMEUNKNOWN**. Strings held `\"5\"`, and writes wrote `7`.

| condition | Redis |
| --- | --- |
";

/// Holds the page against what was observed, or writes it if `FAILSOFT_REWRITE` is set.
///
/// # Panics
/// When they differ; the lines that do are in the message.
pub fn check(cells: &[Cell]) {
    let observed = page(cells);
    if std::env::var_os("FAILSOFT_REWRITE").is_some() {
        std::fs::write(PLACE, observed).expect("the page can be written");
        return;
    }
    let written = std::fs::read_to_string(Path::new(PLACE)).unwrap_or_default();
    let differing: Vec<String> = observed
        .lines()
        .zip(written.lines().chain(std::iter::repeat("")))
        .filter(|(observed, written)| observed != written)
        .map(|(observed, written)| format!("written  {written}\nobserved {observed}\n"))
        .collect();
    assert!(written == observed, "docs/roles-table.md says otherwise:\n{}", differing.join("\n"));
}

fn page(cells: &[Cell]) -> String {
    let mut page = PREFACE.to_owned();
    for condition in Condition::ALL {
        writeln!(page, "| {} | {} |", condition.title(), condition.meaning()).expect("a string takes all");
    }
    for role in Role::ALL {
        table(&mut page, role, cells);
    }
    page
}

fn table(page: &mut String, role: Role, cells: &[Cell]) {
    let titles: Vec<&str> = Condition::ALL.iter().map(|condition| condition.title()).collect();
    let line = "| --- ".repeat(titles.len() + 1);
    write!(page, "\n## {}\n\n| | {} |\n{line}|\n", role.title(), titles.join(" | ")).expect("a string takes all");
    for class in Class::ALL.into_iter().filter(|class| class.is_asked_of(role)) {
        let of = |condition| {
            let found = cells.iter().find(|cell| (cell.condition, cell.role, cell.class) == (condition, role, class));
            found.map_or_else(String::new, ToString::to_string)
        };
        let row: Vec<String> = Condition::ALL.into_iter().map(of).collect();
        writeln!(page, "| {} | {} |", class.title(role), row.join(" | ")).expect("a string takes all");
    }
}
