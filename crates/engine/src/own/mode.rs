//! `FAILSOFT MODE [auto|origin-only|pass-through] [ROUTE name]`: what an operator wants of the routes, told or switched.
//!
//! Without a mode the routes are told with theirs; with one it is switched, for one route or for all that may have it.

use failsoft_core::mode::Mode;
use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;

use super::error::{ParseError, shown};
use super::{Asker, encode_map};
use crate::mode::{self, Switched, Wish};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeCommand {
    /// The mode of this route, or of all.
    Tell(Option<String>),
    /// Another mode.
    Switch(Wish),
}

/// Bytes of a route's name: no route has a longer one.
const LONGEST_NAME: usize = 64 * 4;

const SYNTAX: &str = "syntax error: it is FAILSOFT MODE [auto|origin-only|pass-through] [ROUTE name]";

impl ModeCommand {
    pub(super) fn read<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        let words: Vec<&[u8]> = (2..command.count()).filter_map(|index| command.at(index)).collect();
        match words[..] {
            [] => Ok(Self::Tell(None)),
            [word, name] if is_route(word) => Ok(Self::Tell(Some(text(name)))),
            [mode] => Ok(Self::Switch(Wish { mode: named(mode)?, route: None })),
            [mode, word, name] if is_route(word) => {
                Ok(Self::Switch(Wish { mode: named(mode)?, route: Some(text(name)) }))
            }
            _ => Err(ParseError::Argument(SYNTAX.to_owned())),
        }
    }

    pub(super) fn answer(&self, asker: &Asker) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Tell(route) => tell(route.as_deref(), asker, &mut out),
            Self::Switch(wish) => match asker.engine.switch_mode(wish, &asker.who) {
                Ok(Switched { routes: 1, .. }) => encode::simple(&mut out, "OK"),
                Ok(Switched { routes, .. }) => encode::simple(&mut out, &format!("OK {routes} routes")),
                Err(error) => encode::error(&mut out, &format!("ERR {error}")),
            },
        }
        out
    }
}

fn is_route(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"route")
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(&word[..word.len().min(LONGEST_NAME)]).into_owned()
}

fn named(word: &[u8]) -> Result<Mode, ParseError> {
    Mode::named(word).ok_or_else(|| {
        ParseError::Argument(format!("'{}' is no mode: there are auto, origin-only and pass-through", shown(word)))
    })
}

fn tell(route: Option<&str>, asker: &Asker, out: &mut Vec<u8>) {
    let (world, _) = asker.engine.world();
    if let Some(error) = route.and_then(|name| mode::find(&world, name).err()) {
        return encode::error(out, &format!("ERR {error}"));
    }
    let told = mode::modes(&world).filter(|(name, _)| route.is_none_or(|route| route == *name));
    let pairs: Vec<(&str, &str)> = told.map(|(name, mode)| (name, mode.name())).collect();
    encode_map(&pairs, asker.protocol, out);
}
