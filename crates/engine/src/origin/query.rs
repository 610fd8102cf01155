//! A route's query, compiled once: SQL with `:name` placeholders, or a path template with `{name}` placeholders.
//!
//! Everything that can be said about a query without a database is said here, when the settings are read: unknown
//! placeholders, several statements, statements that do not read. What needs a database (columns, types) is said by
//! the first load.

use std::sync::Arc;

use super::http::PathTemplate;
use super::mysql;
use super::parameter::ParameterKind;
use super::sql::{self, Sql};
use super::{Kind, Params};
use crate::value::Shape;

/// A query as written, ready to be loaded with the parameters of a key.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) shape: Shape,
    pub(super) form: Form,
}

#[derive(Clone, Debug)]
pub(super) enum Form {
    Sql(Arc<Sql>),
    Path(Arc<PathTemplate>),
    Code,
}

/// Why a query cannot be used, said without any database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing but blanks and comments.
    #[error("the query is empty")]
    Empty,
    /// A quote or comment is opened and never closed.
    #[error("{0} is never closed")]
    Unclosed(&'static str),
    /// Text follows the end of the first statement.
    #[error("only one statement is allowed")]
    SeveralStatements,
    /// The statement does not begin like one that reads.
    #[error("a query must begin with SELECT, WITH, VALUES or TABLE, not `{found}`")]
    NotARead {
        /// Its first word.
        found: String,
    },
    /// A placeholder that the route's keys do not bind.
    #[error("`{name}` is not bound by the route's keys{}", nearest_hint(.nearest.as_deref()))]
    UnknownPlaceholder {
        /// The placeholder.
        name: String,
        /// The nearest name that is bound.
        nearest: Option<String>,
    },
    /// A placeholder in the database's own style, which nothing would be bound to.
    #[error("`{found}` is the database's own kind of placeholder; write `:name`")]
    ForeignPlaceholder {
        /// As found.
        found: String,
    },
    /// MySQL turns `42abc` into 42 where it compares with a number; here it cannot be seen what it compares with.
    #[error(
        "MySQL may turn `:{name}` into a number here and find another row; declare `{{{name}:int}}` in the keys, or compare it directly with one column (`column = :{name}`) of a single SELECT"
    )]
    Coerced {
        /// The parameter.
        name: String,
    },
    /// The path template cannot be used.
    #[error("path template: {0}")]
    Path(&'static str),
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Query {
    /// Compiles SQL (or, for [`Kind::Http`], a path template) for an origin of this kind. `bound` is what the route's
    /// keys bind: names with their kinds.
    pub fn compile(kind: Kind, text: &str, shape: Shape, bound: &[(&str, ParameterKind)]) -> Result<Self, QueryError> {
        for name in placeholders(kind, text)? {
            if !bound.iter().any(|(known, _)| *known == name) {
                let nearest = nearest(&name, bound.iter().map(|(known, _)| *known));
                return Err(QueryError::UnknownPlaceholder { name, nearest });
            }
        }
        let form = match kind {
            Kind::Code => Form::Code,
            Kind::Http => Form::Path(Arc::new(PathTemplate::parse(text)?)),
            Kind::Sqlite | Kind::Postgres | Kind::Mysql => Form::Sql(Arc::new(Sql::parse(kind, text, bound)?)),
        };
        if let (Kind::Mysql, Form::Sql(sql)) = (kind, &form) {
            mysql::check(sql)?;
        }
        Ok(Self { shape, form })
    }

    /// What code is asked: nothing but the key and what is bound in it.
    pub fn of_code(shape: Shape) -> Self {
        Self { shape, form: Form::Code }
    }

    /// The shape of the values this query makes.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

/// The names of the placeholders in a query, each once, in order of appearance.
pub fn placeholders(kind: Kind, text: &str) -> Result<Vec<String>, QueryError> {
    let all = match kind {
        Kind::Code => Vec::new(),
        Kind::Http => PathTemplate::parse(text)?.names().map(str::to_owned).collect::<Vec<_>>(),
        Kind::Sqlite | Kind::Postgres | Kind::Mysql => sql::placeholders(kind, text)?,
    };
    let mut names: Vec<String> = Vec::with_capacity(all.len());
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The bytes bound to a name; a name the key does not bind is empty.
pub(super) fn bytes_of<'a>(params: Params<'a>, name: &str) -> &'a [u8] {
    params.iter().find(|(bound, _)| *bound == name).map_or(&[], |(_, bytes)| bytes)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let (distance, nearest) = known.map(|known| (edits(name, known), known)).min()?;
    (distance <= name.chars().count().div_ceil(3)).then(|| nearest.to_owned())
}

/// Levenshtein's distance, in characters.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &[(&str, ParameterKind)] = &[("id", ParameterKind::Text), ("tenant", ParameterKind::Text)];

    fn refused(kind: Kind, text: &str) -> QueryError {
        Query::compile(kind, text, Shape::Raw, ID).unwrap_err()
    }

    #[test]
    fn unknown_placeholders_are_named_with_the_nearest_known() {
        let error = refused(Kind::Sqlite, "SELECT 1 WHERE :tenat = 'x'");
        assert_eq!(error.to_string(), "`tenat` is not bound by the route's keys; did you mean `tenant`?");
        let error = refused(Kind::Http, "/users/{elephant}");
        assert_eq!(error, QueryError::UnknownPlaceholder { name: "elephant".into(), nearest: None });
    }

    #[test]
    fn placeholders_are_listed_once_in_order() {
        assert_eq!(placeholders(Kind::Postgres, "SELECT :b, :a, :b::text").unwrap(), ["b", "a"]);
        assert_eq!(placeholders(Kind::Http, "/{b}/{a}?x={b}").unwrap(), ["b", "a"]);
    }

    #[test]
    fn only_single_reading_statements() {
        assert_eq!(refused(Kind::Sqlite, " -- nothing\n"), QueryError::Empty);
        assert_eq!(refused(Kind::Postgres, "SELECT 1; DROP TABLE users"), QueryError::SeveralStatements);
        assert_eq!(refused(Kind::Sqlite, "DELETE FROM t"), QueryError::NotARead { found: "DELETE".into() });
        assert_eq!(refused(Kind::Mysql, "SELECT 'it"), QueryError::Unclosed("a quoted text"));
        for text in
            ["select 1;", "SELECT 1 ; -- end", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)"]
        {
            Query::compile(Kind::Postgres, text, Shape::Raw, ID).unwrap();
        }
    }

    #[test]
    fn foreign_placeholders_are_refused() {
        for (kind, found) in [
            (Kind::Sqlite, "?1"),
            (Kind::Sqlite, "@id"),
            (Kind::Sqlite, "$id"),
            (Kind::Postgres, "$1"),
            (Kind::Mysql, "?"),
        ] {
            assert_eq!(
                refused(kind, &format!("SELECT {found}")),
                QueryError::ForeignPlaceholder { found: found.into() },
                "{kind}"
            );
        }
        Query::compile(Kind::Postgres, "SELECT tags ? 'a' FROM t", Shape::Raw, ID).unwrap();
        Query::compile(Kind::Mysql, "SELECT @@version", Shape::Raw, ID).unwrap();
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!((edits("", "abc"), edits("kitten", "sitting"), edits("ä", "a")), (3, 3, 1));
    }
}
