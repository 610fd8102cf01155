//! Switches and configuration: the last that is known of them, and always an answer.
//!
//! A flag is asked for with what is right where nobody can say what it is. So there is no outage in which a program does not
//! know what to do; whence a value is, and how old, comes with it.

use std::fmt;
use std::str::{self, FromStr};
use std::time::Duration;

use failsoft_core::Tier;

use super::Error;
use super::codec::CodecError;
use super::locks::of_refusal;
use super::room::Room;
pub use crate::primitive::flag::Version;
use crate::primitive::flag::{Flag, read};

/// Flags on one route with role flag.
#[derive(Clone)]
pub struct Flags {
    room: Room,
}

/// What a flag is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<T> {
    /// Its value.
    pub value: T,
    /// Who says so; [`Tier::Default`] for the route's default and the caller's.
    pub tier: Tier,
    /// How long ago a value from local memory was obtained.
    pub age: Duration,
    /// The version of the value: the same wherever the same value is known. None of the caller's default.
    pub version: Option<Version>,
}

/// Whether something is switched on. Read from `on`, `true`, `yes`, `1` and their opposites, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Toggle {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Flags {
    pub(super) fn new(room: Room) -> Self {
        Self { room }
    }

    /// What the flag `key` is; `default` where it does not exist, and where nobody can say.
    ///
    /// A value is text, read as `T` reads text: [`Toggle`], numbers, `String`, or a type of the program's own.
    ///
    /// # Errors
    /// What is stored is no text, or no `T`; or Redis refuses the question.
    pub async fn get<T: FromStr>(&self, key: impl AsRef<[u8]>, default: T) -> Result<Known<T>, Error> {
        let _call = self.room.begin()?;
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        match read(&self.room.caller().context(), key, None).await.map_err(of_refusal) {
            Ok(Flag { value: Some(value), tier, age }) => {
                Ok(Known { value: parse(&value)?, tier, age, version: Some(Version::of(&value)) })
            }
            Ok(Flag { value: None, .. }) | Err(Error::Unavailable(_) | Error::Overloaded(_)) => {
                Ok(Known { value: default, tier: Tier::Default, age: Duration::ZERO, version: None })
            }
            Err(error) => Err(error),
        }
    }
}

fn parse<T: FromStr>(value: &[u8]) -> Result<T, Error> {
    let why = match str::from_utf8(value).map(str::parse) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(_)) => format!("it does not read as {}", std::any::type_name::<T>()),
        Err(error) => format!("no UTF-8 from byte {} on", error.valid_up_to()),
    };
    Err(CodecError::Decode { format: "text", why }.into())
}

impl Toggle {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// A text that is neither on nor off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither on nor off")]
pub struct Neither;

impl FromStr for Toggle {
    type Err = Neither;

    fn from_str(text: &str) -> Result<Self, Neither> {
        match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Ok(Self::On),
            "off" | "false" | "no" | "0" => Ok(Self::Off),
            _ => Err(Neither),
        }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags").field("route", &self.room.name()).finish()
    }
}
