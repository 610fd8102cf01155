//! Where a route's missing values come from: an origin, and what it is asked.

use super::Ground;
use super::written::WrittenRoute;
use crate::origin::{Kind, Query, QueryError, placeholders};
use crate::settings::judge::Judge;
use crate::settings::nearest::nearest;
use crate::value::Shape;
use failsoft_core::pattern::{KeyPattern, ParameterKind};

/// How a missing value is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    origin: usize,
    fetch: Fetch,
}

/// What an origin is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// A database: a query with `:name` parameters.
    Query(String),
    /// An HTTP service: a path with `{name}` parameters, appended to the origin's URL.
    Get(String),
    /// Code of the program: the key, and what is bound in it.
    Code,
}

impl Source {
    /// Which of `Settings::origins` it is.
    pub fn origin(&self) -> usize {
        self.origin
    }

    /// What it is asked.
    pub fn fetch(&self) -> &Fetch {
        &self.fetch
    }
}

/// The source `written` names, if it names one that can be used.
pub(super) fn read_source(
    written: &WrittenRoute,
    pattern: &KeyPattern,
    path: &str,
    ground: &Ground<'_>,
    judge: &mut Judge<'_>,
) -> Option<Source> {
    let Some(name) = &written.origin else {
        refuse_fetch_without_origin(written, path, judge);
        return None;
    };
    ensure_known(name, path, ground, judge);
    let origin = ground.origins.iter().position(|origin| **origin.name() == **name)?;
    let kind = ground.origins[origin].kind();
    let fetch = read_fetch(written, kind, path, judge)?;
    judge_fetch(&fetch, kind, written.shape.unwrap_or_default(), pattern, path, judge);
    Some(Source { origin, fetch })
}

fn refuse_fetch_without_origin(written: &WrittenRoute, path: &str, judge: &mut Judge<'_>) {
    for (key, is_written) in [("query", written.query.is_some()), ("get", written.get.is_some())] {
        if is_written {
            judge.error(format!("{path}.{key}"), format!("`{key}` needs an `origin` to ask"));
        }
    }
}

fn ensure_known(name: &str, path: &str, ground: &Ground<'_>, judge: &mut Judge<'_>) {
    if ground.origin_names.contains(&name) {
        return;
    }
    let guess = nearest(name, ground.origin_names.iter().copied());
    let guess = guess.map_or_else(String::new, |guess| format!("; did you mean \"{guess}\"?"));
    judge
        .error(format!("{path}.origin"), format!("there is no origin \"{name}\"{guess}"))
        .hint(format!("an origin is described in [origins.{name}]"));
}

fn read_fetch(written: &WrittenRoute, kind: Kind, path: &str, judge: &mut Judge<'_>) -> Option<Fetch> {
    match (kind, &written.query, &written.get) {
        (Kind::Code, None, None) => return Some(Fetch::Code),
        (Kind::Code, query, _) => {
            let key = if query.is_some() { "query" } else { "get" };
            judge
                .error(format!("{path}.{key}"), format!("an origin that is code takes no `{key}`"))
                .hint("it is given the key and what `keys` binds in it");
        }
        (Kind::Http, None, Some(get)) => return Some(Fetch::Get(get.clone())),
        (Kind::Http, Some(_), _) => {
            judge.error(format!("{path}.query"), "an HTTP origin has no queries").hint("name a path with `get`");
        }
        (Kind::Http, None, None) => {
            judge.error(path, "the route names an HTTP origin but no path").hint("add get = \"/users/{id}\"");
        }
        (Kind::Sqlite | Kind::Postgres | Kind::Mysql, Some(query), None) => return Some(Fetch::Query(query.clone())),
        (Kind::Sqlite | Kind::Postgres | Kind::Mysql, _, Some(_)) => {
            judge.error(format!("{path}.get"), format!("a {kind} origin has no paths")).hint("write a `query`");
        }
        (Kind::Sqlite | Kind::Postgres | Kind::Mysql, None, None) => {
            judge
                .error(path, format!("the route names a {kind} origin but no query"))
                .hint("add query = \"SELECT ... WHERE id = :id\"");
        }
    }
    None
}

/// Compiles what the origin is asked, as it will be compiled to be used, so that nothing is left to find at the start.
fn judge_fetch(fetch: &Fetch, kind: Kind, shape: Shape, pattern: &KeyPattern, path: &str, judge: &mut Judge<'_>) {
    let (key, text) = match fetch {
        Fetch::Query(query) => ("query", query),
        Fetch::Get(get) => ("get", get),
        Fetch::Code => return,
    };
    let bound: Vec<_> = pattern.parameters().iter().map(|own| (own.name(), kind_for_origin(own.kind()))).collect();
    match Query::compile(kind, text, shape, &bound) {
        Ok(_) => {}
        Err(error @ QueryError::UnknownPlaceholder { .. }) => {
            judge.error(format!("{path}.{key}"), error.to_string()).hint("bind it in `keys` with {name}");
        }
        Err(error) => {
            judge.error(format!("{path}.{key}"), error.to_string());
        }
    }
    judge_use(&placeholders(kind, text).unwrap_or_default(), key, kind, pattern, path, judge);
}

/// The kind of a parameter in the words of the origins.
fn kind_for_origin(kind: ParameterKind) -> crate::origin::ParameterKind {
    match kind {
        ParameterKind::Int => crate::origin::ParameterKind::Int,
        ParameterKind::Text | ParameterKind::Path => crate::origin::ParameterKind::Text,
    }
}

fn judge_use(used: &[String], key: &str, kind: Kind, pattern: &KeyPattern, path: &str, judge: &mut Judge<'_>) {
    for parameter in pattern.parameters() {
        if !used.iter().any(|name| name == parameter.name()) {
            judge
                .warning(
                    format!("{path}.keys"),
                    format!("`keys` binds `{}`, which `{key}` does not use: many keys, one value", parameter.name()),
                )
                .hint(format!("use it in `{key}`"));
        } else if kind == Kind::Mysql && parameter.kind() != ParameterKind::Int {
            advise_int(parameter.name(), path, judge);
        }
    }
}

fn advise_int(name: &str, path: &str, judge: &mut Judge<'_>) {
    judge
        .warning(
            format!("{path}.keys"),
            format!(
                "MySQL compares text with a number by its first digits; nothing here says that `{name}` is no number"
            ),
        )
        .hint(format!("write {{{name}:int}} if the column is a number; if it is text, let this warning stand"));
}
