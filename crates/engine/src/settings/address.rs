//! URLs of Redis nodes and of origins, taken apart into what is dialled and what is secret.
//!
//! One small parser for all schemes, because the one thing that must never go wrong is the same for all: the password
//! leaves the URL here and is not in any text that may be logged afterwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A URL as written; `Debug` blots out a password in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct WrittenUrl(pub(crate) String);

impl fmt::Debug for WrittenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", blot_passwords(&self.0))
    }
}

/// The parts of `scheme://[user[:password]@]authority[rest]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'u> {
    pub(crate) scheme: &'u str,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// User name as written, for putting the URL together again without its password.
    pub(crate) raw_username: &'u str,
    pub(crate) authority: &'u str,
    /// From the first `/`, `?` or `#` after the authority.
    pub(crate) rest: &'u str,
}

impl<'u> Url<'u> {
    pub(crate) fn parse(text: &'u str) -> Result<Self, &'static str> {
        let (scheme, after) = text.split_once("://").ok_or("it does not begin with a scheme such as redis://")?;
        let (before_rest, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let (user, authority) = before_rest.rsplit_once('@').unwrap_or(("", before_rest));
        let (raw_username, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(decode(password)?)),
            None => (user, None),
        };
        let username = if raw_username.is_empty() { None } else { Some(decode(raw_username)?) };
        Ok(Self { scheme, username, password: password.filter(|word| !word.is_empty()), raw_username, authority, rest })
    }

    /// The URL without its password.
    pub(crate) fn without_password(&self) -> String {
        let at = if self.raw_username.is_empty() { "" } else { "@" };
        format!("{}://{}{at}{}{}", self.scheme, self.raw_username, self.authority, self.rest)
    }
}

/// `text` with its `%xx` resolved.
pub(crate) fn decode(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "a `%` in it is not followed by two hexadecimal digits that make text";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(BROKEN)?;
        let digits = std::str::from_utf8(digits).map_err(|_| BROKEN)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| BROKEN)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| BROKEN)
}

/// Splits `host:port`, `[v6]:port` or `host`.
pub(crate) fn host_and_port(authority: &str, default_port: u16) -> Result<(&str, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').ok_or("a `[` in it is not closed")?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("its port is not a number from 1 to 65535")?,
        None if port.is_empty() => default_port,
        None => return Err("something other than a port follows the host"),
    };
    Ok((host, port))
}

/// A line of settings without the passwords and their hashes that stand in it.
pub(crate) fn blot_secrets(line: &str) -> String {
    let key = line.trim_start().split(['=', ' ', '.']).next().unwrap_or_default();
    let names_a_secret = key.starts_with("password") && key != "password_file" && key != "password_env";
    let is_secret =
        |text: &str| names_a_secret || text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut blotted = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(['"', '\'']) {
        let quote = &rest[start..=start];
        let (before, after) = rest.split_at(start + 1);
        let (text, following) = after.split_once(quote).unwrap_or((after, ""));
        blotted.push_str(before);
        blotted.push_str(if is_secret(text) { "***" } else { text });
        blotted.push_str(if text.len() < after.len() { quote } else { "" });
        rest = following;
    }
    blot_passwords(&(blotted + rest))
}

/// `text` with every password in a URL replaced by `***`. Blots too much rather than too little: up to the last `@`
/// of the word, since a password that was not encoded may hold a `/`.
pub(crate) fn blot_passwords(text: &str) -> String {
    let mut blotted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://").map(|scheme_end| scheme_end + 3) {
        let (before, after) = rest.split_at(start);
        let end = after.find(|c: char| "\"'".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        let (user_and_host, following) = after.split_at(end);
        blotted.push_str(before);
        match user_and_host.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((name, host)) => blotted.push_str(&format!("{name}:***@{host}")),
            None => blotted.push_str(user_and_host),
        }
        rest = following;
    }
    blotted + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together_without_its_password() {
        let url = Url::parse("postgres://app%40x:p%3Aw@db:5432/shop?sslmode=require").unwrap();
        assert_eq!(url.username.as_deref(), Some("app@x"));
        assert_eq!(url.password.as_deref(), Some("p:w"));
        assert_eq!((url.authority, url.rest), ("db:5432", "/shop?sslmode=require"));
        assert_eq!(url.without_password(), "postgres://app%40x@db:5432/shop?sslmode=require");
        assert!(Url::parse("nothing").is_err());
        assert!(Url::parse("redis://:%zz@h").is_err());
        assert!(Url::parse("redis://:%f@h").is_err());
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(host_and_port("h", 6379), Ok(("h", 6379)));
        assert_eq!(host_and_port("h:1", 6379), Ok(("h", 1)));
        assert_eq!(host_and_port("[::1]:7", 6379), Ok(("::1", 7)));
        for authority in ["", ":1", "h:0", "h:70000", "h:x", "[::1", "[::1]x"] {
            assert!(host_and_port(authority, 6379).is_err(), "{authority}");
        }
    }

    #[test]
    fn passwords_are_blotted_out_wherever_they_stand() {
        assert_eq!(blot_passwords("url = \"redis://u:s3@h/1\" # x"), "url = \"redis://u:***@h/1\" # x");
        assert_eq!(blot_passwords("a://:p@q@h b://h:1/"), "a://:***@h b://h:1/");
        assert_eq!(blot_passwords("redis://:p/q?r@h/1"), "redis://:***@h/1");
        assert_eq!(blot_passwords("no url"), "no url");
        let hash = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF"[..64].to_owned();
        assert_eq!(blot_secrets(&format!("  '{hash}', \"{hash}\"]")), "  '***', \"***\"]");
        assert_eq!(blot_secrets("password_sha256 = [\"letmein\"] # x"), "password_sha256 = [\"***\"] # x");
        assert_eq!(blot_secrets("password = 'let\"me in"), "password = '***");
        assert_eq!(blot_secrets("password_file = 'x'"), "password_file = 'x'");
        assert_eq!(blot_secrets("url = \"redis://u:s3@h/1\""), "url = \"redis://u:***@h/1\"");
        assert_eq!(format!("{:?}", WrittenUrl("redis://:secret@h".into())), "\"redis://:***@h\"");
    }
}
