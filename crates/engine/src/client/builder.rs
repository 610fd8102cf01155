//! From what a program says to a running engine.
//!
//! What is said in code becomes the text of a settings file, and is judged as such a file is: so there is one judge, with
//! one set of sentences, and what a program is configured with can be printed, kept and given to `failsoft check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::Handle;
use toml::{Table, Value};

use super::origin::{Origin, Pressure, of_program};
use super::route::{Route, written};
use super::{Duration, Failsoft};
use crate::assemble::AssembleError;
use crate::engine::Engine;
use crate::origin::{self, CodeOrigins};
use crate::settings::{self, Loaded, Problem, Problems, Settings};

/// What problems with settings are said to be in that were made in code.
const IN_CODE: &str = "(said in code)";

/// Why there is no engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings are not sound: everything that is wrong with them, each with what to do about it.
    #[error("{}", said(.0))]
    Settings(Problems),
    /// They are sound and cannot be carried out: a certificate that is not there, a query that is none.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Connections need a runtime to live on.
    #[error("Failsoft is built on a tokio runtime: call `build` inside of one")]
    NoRuntime,
    /// Something was said in code beside a settings file.
    #[error("`{0}` was said in code beside settings from elsewhere: say everything in one place")]
    TwoPlaces(&'static str),
    /// An origin was made known that the settings do not name.
    #[error("there is no origin `{0}` with url = \"code:\" in the settings")]
    UnknownOrigin(String),
}

/// Where the settings come from.
enum Source {
    Code(Table),
    File(PathBuf),
    Text(String),
    Settings(Box<Settings>),
}

/// Says what a [`Failsoft`] is to be, then makes it.
#[must_use = "nothing happens until `build` is called"]
pub struct Builder {
    source: Source,
    origins: BTreeMap<String, Arc<dyn origin::Origin>>,
    beside: Option<&'static str>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { source: Source::Code(Table::new()), origins: BTreeMap::new(), beside: None }
    }
}

impl Builder {
    /// One Redis at `redis://[user:password@]host:port[/database]`, `rediss://` or `unix://`; the first of several is the
    /// primary, the others its replicas.
    pub fn redis<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        let mut urls: Vec<Value> = urls.into_iter().map(|url| url.as_ref().into()).collect();
        let replicas = urls.split_off(urls.len().min(1));
        let this = self.put("redis", &["redis", "nodes"], urls);
        if replicas.is_empty() { this } else { this.put("redis", &["redis", "replicas"], replicas) }
    }

    /// A cluster, of which these are some nodes.
    pub fn cluster<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        let urls: Vec<Value> = urls.into_iter().map(|url| url.as_ref().into()).collect();
        self.put("cluster", &["redis", "topology"], "cluster").put("cluster", &["redis", "nodes"], urls)
    }

    /// The primary that these sentinels watch under this name.
    pub fn sentinels<U: AsRef<str>>(self, master_name: &str, urls: impl IntoIterator<Item = U>) -> Self {
        let urls: Vec<Value> = urls.into_iter().map(|url| url.as_ref().into()).collect();
        self.put("sentinels", &["redis", "topology"], "sentinel")
            .put("sentinels", &["redis", "master_name"], master_name)
            .put("sentinels", &["redis", "nodes"], urls)
    }

    /// Connections to each node; one unless said, which all calls share.
    pub fn connections(self, count: u32) -> Self {
        self.put("connections", &["redis", "connections"], i64::from(count))
    }

    /// How long a Redis node may take to answer; 200 ms unless said.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.put("timeout", &["redis", "timeout"], written(timeout))
    }

    /// How long a call may take over all tiers; a second unless said.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.put("deadline", &["request", "deadline"], written(deadline))
    }

    /// Bytes of local copies; 64 MiB unless said.
    pub fn local_capacity(self, bytes: u64) -> Self {
        self.put("local_capacity", &["local", "capacity"], format!("{bytes}B"))
    }

    /// What keys are for. The first route that takes a key wins.
    pub fn route<R>(mut self, route: Route<R>) -> Self {
        let Some(root) = self.root("route") else { return self };
        let mut table = route.table;
        let routes = root.entry("routes").or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(routes) = routes else { return self };
        let own_origin = route.origin.map(|mut origin| {
            let name = format!("route-{}", routes.len());
            origin.insert("url".to_owned(), "code:".into());
            table.insert("origin".to_owned(), name.clone().into());
            (name, origin)
        });
        routes.push(Value::Table(table));
        match own_origin {
            Some((name, origin)) => self.put("route", &["origins", &name], origin),
            None => self,
        }
    }

    /// An origin that is code. In settings from elsewhere it is the one of this name with `url = "code:"`, whose bounds
    /// stand there; see [`known_origin`](Self::known_origin).
    pub fn origin(mut self, name: &str, origin: impl Origin, pressure: Pressure) -> Self {
        let mut table = pressure.table;
        table.insert("url".to_owned(), "code:".into());
        self.origins.insert(name.to_owned(), of_program(origin));
        self.put("origin", &["origins", name], table)
    }

    /// The code of an origin that the settings name with `url = "code:"` and bound.
    pub fn known_origin(mut self, name: &str, origin: impl Origin) -> Self {
        self.origins.insert(name.to_owned(), of_program(origin));
        self
    }

    /// Any other setting, by its path in the settings file: `("breaker.cooldown", "5s")`.
    pub fn setting(self, path: &str, value: impl Into<Value>) -> Self {
        self.put("setting", &path.split('.').collect::<Vec<_>>(), value)
    }

    /// All from the settings file at `path`, as the sidecar reads it; what is about the sidecar alone is not looked at.
    pub fn settings_file(self, path: impl AsRef<Path>) -> Self {
        self.from(Source::File(path.as_ref().to_owned()))
    }

    /// All from the text of a settings file.
    pub fn settings_text(self, text: &str) -> Self {
        self.from(Source::Text(text.to_owned()))
    }

    /// All from settings that were read already.
    pub fn settings(self, settings: Settings) -> Self {
        self.from(Source::Settings(Box::new(settings)))
    }

    /// What was said in code, as the text of a settings file: for `failsoft check`, or to see what became of it. It holds
    /// the passwords that URLs hold.
    pub fn to_toml(&self) -> String {
        match &self.source {
            Source::Code(table) => text_of(table),
            Source::Text(text) => text.clone(),
            Source::File(_) | Source::Settings(_) => String::new(),
        }
    }

    /// The engine, running on the present tokio runtime. Redis need not be there.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Failsoft, BuildError> {
        Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if let Some(said) = self.beside {
            return Err(BuildError::TwoPlaces(said));
        }
        let loaded = match self.source {
            Source::Code(table) => settings::parse(&text_of(&table), IN_CODE),
            Source::File(path) => settings::load(&path),
            Source::Text(text) => settings::parse(&text, ""),
            Source::Settings(settings) => Ok(Loaded { settings: *settings, warnings: Vec::new() }),
        };
        let Loaded { settings, warnings } = loaded.map_err(BuildError::Settings)?;
        ensure_named(&settings, &self.origins)?;
        let engine = Engine::with_code(settings, 1, CodeOrigins::of(self.origins))?;
        Ok(Failsoft::start(engine, warnings))
    }

    fn from(mut self, source: Source) -> Self {
        if matches!(&self.source, Source::Code(table) if !table.is_empty()) {
            self.beside.get_or_insert("the routes");
        }
        self.source = source;
        self
    }

    /// What is said in code so far; `said` is the method that says more.
    fn root(&mut self, said: &'static str) -> Option<&mut Table> {
        match &mut self.source {
            Source::Code(table) => Some(table),
            Source::File(_) | Source::Text(_) | Source::Settings(_) => {
                self.beside.get_or_insert(said);
                None
            }
        }
    }

    fn put(mut self, said: &'static str, path: &[&str], value: impl Into<Value>) -> Self {
        if let (Some(root), Some((last, tables))) = (self.root(said), path.split_last()) {
            let table = tables.iter().try_fold(root, |table, key| {
                table.entry(*key).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
            });
            table.map(|table| table.insert((*last).to_owned(), value.into()));
        }
        self
    }
}

fn text_of(table: &Table) -> String {
    toml::to_string(table).expect("tables with text as keys can be written")
}

/// All problems; those with what was said in code by the setting's path, since there is no file whose lines they are on.
fn said(problems: &Problems) -> String {
    let said = |problem: &Problem| match problem.place.file.as_str() {
        IN_CODE => {
            let hint = problem.hint.as_deref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            format!("{}: {}: {}{hint}", problem.severity, problem.path, problem.message)
        }
        _ => problem.to_string(),
    };
    problems.list().iter().map(said).collect::<Vec<_>>().join("\n")
}

/// Code that nothing would ask is a name that was misspelt.
fn ensure_named(settings: &Settings, code: &BTreeMap<String, Arc<dyn origin::Origin>>) -> Result<(), BuildError> {
    let is_named = |name: &str| {
        settings.origins().iter().any(|origin| **origin.name() == *name && origin.kind() == origin::Kind::Code)
    };
    match code.keys().find(|name| !is_named(name)) {
        Some(name) => Err(BuildError::UnknownOrigin(name.clone())),
        None => Ok(()),
    }
}
