//! What a parameter of a MySQL statement is compared with, as far as the statement's tokens show it.
//!
//! Only one form is understood: `column = :name` (or `<`, `<>` and so on; the left side may also be a call, such as
//! `CAST(day AS CHAR)`) as a whole condition of a statement with a single SELECT. There the left side can be selected
//! by itself from the same tables, and the type the database names for it is the type of the comparison. Everything
//! else, arithmetic and subqueries above all, is refused for parameters that are not declared whole numbers.

use crate::origin::parameter::ParameterKind;
use crate::origin::query::QueryError;
use crate::origin::sql::{Slot, Sql, What};

const COMPARISONS: [&str; 8] = ["=", "<=>", "<>", "!=", "<", "<=", ">", ">="];
const BEFORE_A_CONDITION: [&str; 7] = ["WHERE", "AND", "OR", "NOT", "ON", "HAVING", "XOR"];
const AFTER_A_CONDITION: [&str; 15] = [
    "AND", "OR", "XOR", "GROUP", "ORDER", "HAVING", "LIMIT", "FOR", "LOCK", "WHERE", "JOIN", "LEFT", "RIGHT", "CROSS",
    "INNER",
];
const AFTER_FROM: [&str; 8] = ["WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "FOR", "LOCK", "WINDOW"];

/// Refuses statements with a parameter that MySQL might turn into another value unseen.
pub(in crate::origin) fn check(sql: &Sql) -> Result<(), QueryError> {
    for slot in &sql.slots {
        let parameter = &sql.parameters[slot.parameter];
        let seen = match parameter.kind {
            ParameterKind::Int => true,
            ParameterKind::Text => is_always_text(sql, slot) || probe(sql, slot).is_some(),
        };
        if !seen {
            return Err(QueryError::Coerced { name: parameter.name.clone() });
        }
    }
    Ok(())
}

/// LIKE compares as texts whatever the column's type.
pub(super) fn is_always_text(sql: &Sql, slot: &Slot) -> bool {
    slot.token > 0 && is_word(sql, slot.token - 1, &["LIKE"]) && ends_a_condition(sql, slot.token + 1)
}

/// Where MySQL's grammar wants a bare number.
pub(super) fn is_bare_number(sql: &Sql, slot: &Slot) -> bool {
    slot.token > 0 && is_word(sql, slot.token - 1, &["LIMIT", "OFFSET"])
}

/// The statement that selects what the placeholder is compared with, from the same tables.
pub(super) fn probe(sql: &Sql, slot: &Slot) -> Option<String> {
    let selects = (0..sql.tokens.len()).filter(|at| is_word(sql, *at, &["SELECT"])).count();
    let operator = comparison_before(sql, slot.token)?;
    let operand = operand_before(sql, operator)?;
    let stands_alone = operand == 0 || is_word(sql, operand - 1, &BEFORE_A_CONDITION) || opens(sql, operand - 1);
    if selects != 1 || !stands_alone || !ends_a_condition(sql, slot.token + 1) {
        return None;
    }
    let compared = text_between(sql, operand, operator);
    let from = top_level(sql, 0, &["FROM"])?;
    let end = top_level(sql, from + 1, &AFTER_FROM).unwrap_or(sql.tokens.len());
    Some(format!("SELECT {compared} {}", text_between(sql, from, end)))
}

/// The first token of the comparison that ends right before `token`.
fn comparison_before(sql: &Sql, token: usize) -> Option<usize> {
    let symbols = (0..token).rev().take_while(|at| sql.tokens[*at].what == What::Symbol && sql.word(*at) != ".");
    let operator = symbols.last()?;
    let text: String = (operator..token).map(|at| sql.word(at)).collect();
    COMPARISONS.contains(&text.as_str()).then_some(operator)
}

/// The first token of the column or call that ends right before `end`.
fn operand_before(sql: &Sql, end: usize) -> Option<usize> {
    let last = end.checked_sub(1)?;
    if sql.tokens[last].what == What::Close {
        let open = matching_open(sql, last)?;
        let name = open.checked_sub(1)?;
        let is_call = sql.tokens[name].what == What::Word && !is_word(sql, name, &BEFORE_A_CONDITION);
        return is_call.then_some(name);
    }
    let mut first = is_name(sql, last).then_some(last)?;
    while first >= 2 && sql.word(first - 1) == "." && is_name(sql, first - 2) {
        first -= 2;
    }
    Some(first)
}

fn matching_open(sql: &Sql, close: usize) -> Option<usize> {
    let mut depth = 0;
    (0..=close).rev().find(|at| {
        depth += nesting(sql, *at);
        depth == 0
    })
}

fn ends_a_condition(sql: &Sql, token: usize) -> bool {
    token >= sql.tokens.len() || sql.tokens[token].what == What::Close || is_word(sql, token, &AFTER_A_CONDITION)
}

/// The first of these words outside parentheses, from a token on.
fn top_level(sql: &Sql, from: usize, words: &[&str]) -> Option<usize> {
    let mut depth = 0;
    (from..sql.tokens.len()).find(|at| {
        depth += nesting(sql, *at);
        depth == 0 && is_word(sql, *at, words)
    })
}

fn nesting(sql: &Sql, token: usize) -> i32 {
    i32::from(sql.tokens[token].what == What::Open) - i32::from(sql.tokens[token].what == What::Close)
}

/// The statement's text from one token up to another, placeholders written MySQL's way.
fn text_between(sql: &Sql, from: usize, to: usize) -> String {
    let words = (from..to).map(|at| if sql.tokens[at].what == What::Placeholder { "?" } else { sql.word(at) });
    let mut text = String::new();
    for (word, at) in words.zip(from..) {
        let gap = at > from && sql.tokens[at - 1].range.end < sql.tokens[at].range.start;
        text.push_str(if gap { " " } else { "" });
        text.push_str(word);
    }
    text
}

fn is_name(sql: &Sql, token: usize) -> bool {
    matches!(sql.tokens[token].what, What::Word | What::QuotedName)
}

fn is_word(sql: &Sql, token: usize, words: &[&str]) -> bool {
    let found = sql.tokens.get(token).is_some_and(|token| token.what == What::Word);
    found && words.iter().any(|word| word.eq_ignore_ascii_case(sql.word(token)))
}

fn opens(sql: &Sql, token: usize) -> bool {
    sql.tokens[token].what == What::Open
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::origin::Kind;

    fn parsed(text: &str, kind: ParameterKind) -> Sql {
        Sql::parse(Kind::Mysql, text, &[("x", kind)]).unwrap()
    }

    fn probed(text: &str) -> Option<String> {
        let sql = parsed(text, ParameterKind::Text);
        probe(&sql, sql.slots.last().unwrap())
    }

    #[test]
    fn a_compared_column_is_selected_from_the_same_tables() {
        for (text, probe) in [
            ("SELECT a, b AS c FROM t WHERE id = :x", "SELECT id FROM t"),
            (
                "SELECT a FROM t u JOIN v ON v.id=u.id AND v.k=:x WHERE u.`n m` <=> :x ORDER BY a",
                "SELECT u.`n m` FROM t u JOIN v ON v.id=u.id AND v.k=?",
            ),
            ("SELECT a FROM t WHERE (n >= :x OR z = 1) LIMIT 1", "SELECT n FROM t"),
            ("SELECT a FROM t WHERE CAST(d AS CHAR) = :x", "SELECT CAST(d AS CHAR) FROM t"),
            ("SELECT EXTRACT(DAY FROM d) FROM t -- end\n WHERE n = :x # end", "SELECT n FROM t"),
        ] {
            assert_eq!(probed(text).as_deref(), Some(probe), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_seen_through_is_refused() {
        for text in [
            "SELECT a FROM t WHERE a + id = :x",
            "SELECT a FROM t WHERE id = :x + 0",
            "SELECT a FROM t WHERE id = - :x",
            "SELECT a FROM t WHERE id IN (:x)",
            "SELECT a FROM t WHERE id = ABS(:x)",
            "SELECT a FROM t WHERE (id) = :x",
            "SELECT a FROM t WHERE id BETWEEN :x AND 9",
            "SELECT a FROM t WHERE :x = id",
            "SELECT a FROM t WHERE id = (SELECT id FROM u WHERE n = :x)",
            "SELECT :x",
        ] {
            let sql = parsed(text, ParameterKind::Text);
            assert_eq!(check(&sql), Err(QueryError::Coerced { name: "x".into() }), "{text}");
            assert_eq!(check(&parsed(text, ParameterKind::Int)), Ok(()), "{text}");
        }
    }

    #[test]
    fn like_and_limit_are_clear_without_a_probe() {
        let like = parsed("SELECT a FROM t WHERE n LIKE :x", ParameterKind::Text);
        assert!(is_always_text(&like, &like.slots[0]) && check(&like).is_ok());
        let limit = parsed("SELECT a FROM t LIMIT :x", ParameterKind::Int);
        assert!(is_bare_number(&limit, &limit.slots[0]));
    }
}
