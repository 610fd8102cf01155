//! May this client run this command?
//!
//! Asked once for every command, before anything is done about it, wherever it would go: to Redis, to a copy here, to an
//! origin, into a transaction. So a rule holds while Redis is away as it does while it is there. Where nothing is
//! forbidden to anybody, asking is one branch.
//!
//! Knows neither sockets nor nodes: it is told commands and says a [`Verdict`], in Redis' own words where Redis has
//! them, so that client libraries understand. No word of the client's is repeated but the command's name.

mod grant;
mod refusal;

use std::sync::Arc;

use failsoft::settings::{Auth, Rules, User};
use failsoft::telemetry::counter::Counter;
use failsoft::telemetry::figures::REFUSALS;
use failsoft_resp::commands::{self, Arguments, Flags, Spec};

pub(crate) use self::refusal::Denial;
use self::refusal::Refused;

/// Wrong passwords that one connection may try; with the last of them it is closed. A guesser needs a new connection for
/// each handful of guesses, and a client with an old secret is not shut out.
pub(crate) const MAX_FAILURES: u32 = 8;

/// Whether a command may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Allowed,
    /// Not before the client has said who it is.
    NeedsAuth,
    /// Not this one, or not with these keys.
    Denied(Denial),
}

/// What came of a client's saying who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The client is who it says.
    Welcome,
    /// It is not, or there is no such user.
    Wrong,
    /// It is not, once too often: it is to be closed.
    OnceTooOften,
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It does not matter: the door is open.
    Anybody,
    /// Has not said so, and must.
    Stranger,
    /// A user of failsoft's own.
    Own(Arc<User>),
    /// Somebody whom Redis has recognised.
    OfRedis,
}

/// What is counted about those who are not let through.
#[derive(Debug, Default)]
pub(crate) struct AccessStats {
    /// Wrong names or passwords.
    pub(crate) failures: Counter,
    /// Commands that were refused, in the order of [`REFUSALS`].
    pub(crate) refused: [Counter; REFUSALS.len()],
}

impl AccessStats {
    /// Commands that were refused, by why.
    pub(crate) fn refused(&self) -> Vec<(&'static str, u64)> {
        REFUSALS.into_iter().zip(self.refused.iter().map(Counter::get)).collect()
    }
}

/// What one client may do.
#[derive(Debug)]
pub(crate) struct Access {
    rules: Arc<Rules>,
    standing: Standing,
    /// Whether every command is allowed, so that none has to be looked at.
    is_unbounded: bool,
    failures: u32,
    stats: Arc<AccessStats>,
}

impl Access {
    /// The access of a client that has just come.
    pub(crate) fn new(rules: Arc<Rules>, stats: Arc<AccessStats>) -> Self {
        let standing = standing_at_first(rules.auth());
        let mut access = Self { rules, standing, is_unbounded: false, failures: 0, stats };
        access.note_bounds();
        access
    }

    /// Judges a command. Inside a transaction too, where a verdict other than allowed spoils the whole of it.
    #[inline]
    pub(crate) fn judge<A: Arguments + ?Sized>(&self, command: &A) -> Verdict {
        if self.is_unbounded { Verdict::Allowed } else { self.judge_closely(command) }
    }

    /// Whom this client has to convince.
    pub(crate) fn auth(&self) -> Auth {
        self.rules.auth()
    }

    /// Whether the client still has to say who it is.
    pub(crate) fn is_stranger(&self) -> bool {
        self.standing == Standing::Stranger
    }

    /// What the client is called that has said who it is.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.standing {
            Standing::Own(user) => Some(user.name()),
            Standing::Anybody | Standing::Stranger | Standing::OfRedis => None,
        }
    }

    /// Takes up a name and a password of one of failsoft's own users. The client stays who it was if they are wrong, as
    /// in Redis.
    pub(crate) fn log_in(&mut self, name: &[u8], password: &[u8]) -> Login {
        if let Some(user) = self.rules.user(name).filter(|user| user.knows(password)) {
            self.standing = Standing::Own(user.clone());
            self.note_bounds();
            return Login::Welcome;
        }
        self.note_wrong_password()
    }

    /// What the client has said of who it is was wrong: somebody's judgement, failsoft's or Redis'.
    pub(crate) fn note_wrong_password(&mut self) -> Login {
        self.stats.failures.increment();
        self.failures += 1;
        if self.failures < MAX_FAILURES { Login::Wrong } else { Login::OnceTooOften }
    }

    /// Redis has recognised the client, on a connection of its own.
    pub(crate) fn note_recognised(&mut self) {
        self.standing = Standing::OfRedis;
        self.note_bounds();
    }

    /// The client is nobody again: RESET.
    pub(crate) fn log_out(&mut self) {
        self.standing = standing_at_first(self.rules.auth());
        self.note_bounds();
    }

    /// Goes by new rules. A user who is no longer there, or not enabled, has to log in again.
    pub(crate) fn take_up(&mut self, rules: &Arc<Rules>) {
        if Arc::ptr_eq(&self.rules, rules) {
            return;
        }
        self.rules = rules.clone();
        self.standing = match (&self.standing, rules.auth()) {
            (Standing::Own(user), Auth::Users) => {
                rules.user(user.name().as_bytes()).map_or(Standing::Stranger, |user| Standing::Own(user.clone()))
            }
            (Standing::OfRedis, Auth::Redis) => Standing::OfRedis,
            (_, auth) => standing_at_first(auth),
        };
        self.note_bounds();
    }

    fn note_bounds(&mut self) {
        let is_trusted = match &self.standing {
            Standing::Anybody | Standing::OfRedis => true,
            Standing::Stranger => false,
            Standing::Own(user) => grant::is_whole(user),
        };
        self.is_unbounded = is_trusted && self.rules.deny().is_empty();
    }

    #[cold]
    fn judge_closely<A: Arguments + ?Sized>(&self, command: &A) -> Verdict {
        let spec = spec_of(command);
        let verdict = self.verdict(spec, command);
        if let Some(refused) = Refused::of(&verdict) {
            self.stats.refused[refused as usize].increment();
        }
        verdict
    }

    fn verdict<A: Arguments + ?Sized>(&self, spec: Option<&'static Spec>, command: &A) -> Verdict {
        let needs_no_auth = spec.is_some_and(|spec| spec.flags.contains(Flags::NO_AUTH));
        if self.is_stranger() && !needs_no_auth {
            return Verdict::NeedsAuth;
        }
        if let Some(spec) = spec.filter(|spec| self.rules.deny().covers(spec, command)) {
            return Verdict::Denied(Denial::Listed(spec.name));
        }
        match &self.standing {
            Standing::Own(user) if !needs_no_auth => {
                grant::judge(user, spec, command).map_or(Verdict::Allowed, Verdict::Denied)
            }
            Standing::Own(_) | Standing::Anybody | Standing::Stranger | Standing::OfRedis => Verdict::Allowed,
        }
    }
}

fn standing_at_first(auth: Auth) -> Standing {
    match auth {
        Auth::Open => Standing::Anybody,
        Auth::Users | Auth::Redis => Standing::Stranger,
    }
}

/// What the command is; its container, if the subcommand is a newer server's.
fn spec_of<A: Arguments + ?Sized>(command: &A) -> Option<&'static Spec> {
    let name = command.at(0)?;
    commands::lookup(name, command.at(1)).or_else(|| commands::lookup(name, None))
}

#[cfg(test)]
mod tests;
