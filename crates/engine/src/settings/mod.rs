//! Settings: what the operator wrote, and what it means.
//!
//! Two types each: what is *written* (one struct a section, described and bounded for serde and the JSON Schema) and
//! what is *meant* (private fields, getters, nothing left to check). The way from one to the other reports everything
//! that is wrong at once, each with its line.
//!
//! ```text
//! text -> document (places) -> structure (keys, types, bounds) -> written -> meant -> lint
//! ```
//!
//! There are no global settings and nothing is substituted into the text: a secret comes from a file or the
//! environment by being named. Relative paths start at the folder of the settings file.

mod address;
mod breaker;
mod changes;
mod document;
mod fleet;
mod journal;
mod judge;
mod lint;
mod local;
mod log;
pub(crate) mod nearest;
mod origin;
mod problem;
mod publish;
mod redis;
mod reference;
mod request;
mod route;
mod rules;
mod secret;
mod server;
mod structure;
mod units;
mod written;

#[cfg(test)]
mod tests;

pub use breaker::Breaker;
pub use changes::{Change, Effect, changes};
pub use fleet::Fleet;
pub use journal::Journal;
pub use local::{Local, LocalMode, WriteBack};
pub use log::{Log, LogFormat, LogLevel};
pub use origin::{Origin, Target};
pub use problem::{Cause, Excerpt, Place, Position, Problem, Problems, Severity};
pub use publish::Publish;
pub use redis::{AuthFailure, Deployment, Forbidden, Networks, NodeAddress, Redis, Rewrite, Security, Topology};
pub use reference::reference;
pub use request::Request;
pub(crate) use route::why_only_redis;
pub use route::{Fetch, Lease, Proving, ReadFrom, Route, Source};
pub use rules::{Auth, Commands, DenyList, Keys, Rules, User};
pub use secret::{Secret, Surroundings, ThisProcess};
pub use server::{Announced, Server, UnixSocket};
pub use written::schema;

use document::Document;
use judge::Judge;
use secret::Home;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, Deserializer};
use written::WrittenSettings;

/// Everything an operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    written: WrittenSettings,
    server: Server,
    rules: Arc<Rules>,
    log: Log,
    redis: Redis,
    regional: Option<Redis>,
    request: Request,
    breaker: Breaker,
    local: Local,
    write_back: WriteBack,
    publish: Publish,
    journal: Journal,
    fleet: Fleet,
    origins: Vec<Origin>,
    routes: Vec<Route>,
}

/// Settings that may be used, and what is unwise about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is unwise, in the order of the lines.
    pub warnings: Vec<Problem>,
}

/// Reads the settings file at `path`.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let file_name = path.display().to_string();
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => parse(&text, &file_name),
        Ok(Err(_)) => Err(unreadable(&file_name, "the file is not UTF-8 text", "save it as UTF-8")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(unreadable(&file_name, "there is no such file", "name the settings file with -c"))
        }
        Err(error) => {
            let hint = if path.is_dir() { "name a file, not a folder" } else { "look at its permissions" };
            Err(unreadable(&file_name, &format!("the file cannot be read: {error}"), hint))
        }
    }
}

/// Understands `text`, the content of the file called `file_name`.
pub fn parse(text: &str, file_name: &str) -> Result<Loaded, Problems> {
    parse_in(text, file_name, &ThisProcess)
}

/// Like [`parse`], with secrets asked from `surroundings`.
pub fn parse_in(text: &str, file_name: &str, surroundings: &dyn Surroundings) -> Result<Loaded, Problems> {
    let (mut root, faults) = DeTable::parse_recoverable(text);
    let document = Document::new(file_name, text, root.get_ref());
    if !faults.is_empty() {
        return Err(syntax_problems(&document, &faults));
    }
    let mut judge = Judge::new(document);
    structure::check(root.get_mut(), &schema(), &mut judge);
    let written = WrittenSettings::deserialize(Deserializer::from(root));
    let folder = Path::new(file_name).parent().map(Path::to_path_buf).unwrap_or_default();
    let settings = match written {
        Ok(written) => Settings::mean(written, &Home { folder, surroundings }, &mut judge),
        Err(_) if judge.errors() > 0 => None,
        Err(error) => return Err(syntax_problems(judge.document(), &[error])),
    };
    conclude(settings, judge)
}

fn conclude(settings: Option<Settings>, judge: Judge<'_>) -> Result<Loaded, Problems> {
    let errors = judge.errors();
    let problems = judge.into_problems();
    match settings {
        Some(settings) if errors == 0 => Ok(Loaded { settings, warnings: problems }),
        Some(_) | None => Err(Problems::new(Cause::Refused, problems)),
    }
}

/// A line that is not TOML often makes its neighbours look wrong too; the first fault of each line is enough.
fn syntax_problems(document: &Document<'_>, faults: &[toml::de::Error]) -> Problems {
    let mut problems: Vec<Problem> = faults
        .iter()
        .map(|fault| {
            let message = fault.message().lines().next().unwrap_or_default().to_owned();
            document.problem_at(Severity::Error, "", fault.span(), message)
        })
        .collect();
    problems.sort_by_key(|problem| problem.place.position.map(|position| (position.line, position.column)));
    problems.dedup_by_key(|problem| problem.place.position.map(|position| position.line));
    Problems::new(Cause::Refused, problems)
}

fn unreadable(file: &str, message: &str, hint: &str) -> Problems {
    let problem = Problem {
        severity: Severity::Error,
        place: Place { file: file.to_owned(), position: None },
        path: String::new(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        excerpt: None,
    };
    Problems::new(Cause::Unreadable, vec![problem])
}

impl Settings {
    fn mean(written: WrittenSettings, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<Self> {
        let server = Server::mean(&written.server, home, judge);
        let deny = written.server.deny_list(judge);
        let rules = Rules::mean(written.server.auth(), &written.users, deny, judge);
        rules::judge_topology(written.server.auth(), written.redis.topology(), judge);
        let redis = Redis::mean(&written.redis, "redis", home, judge);
        let regional = mean_regional(&written, redis.as_ref(), home, judge);
        let request = Request::mean(&written.request);
        let fleet = Fleet::mean(&written.fleet, judge);
        let breaker = Breaker::mean(&written.breaker, judge);
        let local = Local::mean(&written.local, written.redis.topology(), judge);
        let common = origin::Common { breaker: &breaker, home };
        let origins: Vec<Origin> =
            written.origins.iter().filter_map(|(name, origin)| Origin::mean(name, origin, &common, judge)).collect();
        let ground = route::Ground {
            request: &request,
            redis_timeout: written.redis.timeout(),
            topology: written.redis.topology(),
            has_replicas: redis.as_ref().is_some_and(Redis::may_have_replicas),
            named_replicas: redis.as_ref().map_or(0, |redis| redis.replicas().len()),
            has_regional: written.regional.is_some(),
            local: &local,
            origins: &origins,
            origin_names: &written.origins.keys().map(String::as_str).collect::<Vec<_>>(),
        };
        let routes = route::mean_all(&written.routes, &ground, judge);
        let settings = Self {
            server: server?,
            rules: Arc::new(rules?),
            log: written.log.clone(),
            redis: redis?,
            regional: chosen(regional)?,
            request,
            breaker,
            local,
            write_back: WriteBack::mean(&written.write_back),
            publish: written.publish.clone(),
            journal: Journal::mean(&written.journal),
            fleet,
            origins,
            routes: routes.into_iter().collect::<Option<_>>()?,
            written,
        };
        lint::lint(&settings, &settings.written, judge);
        Some(settings)
    }

    /// The listener and the admin interface.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Who may come in, and what they may do.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// What is said on stderr.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The Redis deployment.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// The second deployment, which is only read from, if there is one.
    pub fn regional(&self) -> Option<&Redis> {
        self.regional.as_ref()
    }

    /// Bounds of one request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// When a Redis node counts as sick. Each origin has its own.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The local tier.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Write-back after an origin load.
    pub fn write_back(&self) -> &WriteBack {
        &self.write_back
    }

    /// What is kept of messages that could not be published.
    pub fn publish(&self) -> &Publish {
        &self.publish
    }

    /// What is remembered of writes that Redis could not take.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The instances that share limits.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The origins, by name.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The routes, first listed first.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    fn as_written(&self) -> serde_json::Value {
        serde_json::to_value(&self.written).expect("settings are plain tables with text keys and finite numbers")
    }
}

/// The second deployment, if one is written; the inner `None` if it cannot be understood.
fn mean_regional(
    written: &WrittenSettings,
    redis: Option<&Redis>,
    home: &Home<'_>,
    judge: &mut Judge<'_>,
) -> Option<Option<Redis>> {
    let written = written.regional.as_ref()?;
    if !redis::judge_regional(judge) {
        return Some(None);
    }
    let regional = Redis::mean(written, "regional", home, judge);
    if let (Some(redis), Some(regional)) = (redis, &regional) {
        redis::ensure_elsewhere(redis, regional, judge);
    }
    Some(regional)
}

/// What was asked for, and can be had.
fn chosen<T>(asked_for: Option<Option<T>>) -> Option<Option<T>> {
    asked_for.map_or(Some(None), |had| had.map(Some))
}

impl Default for Settings {
    /// What an empty file means.
    fn default() -> Self {
        parse("", "").expect("a test reads the empty file").settings
    }
}
