//! Commands about the connection itself, answered here: a client's connection is to failsoft, not to Redis.
//!
//! What can be kept for the client is kept (its name, its protocol); for what would have to change the connection that it
//! shares with others it is given one of its own, see [`dedicated`](super::dedicated). Nothing is acknowledged and
//! forgotten.

use std::sync::Arc;

use failsoft::context::Context;
use failsoft::node::{Node, Speaker, UNKNOWN_VERSION};
use failsoft::settings::Auth;
use failsoft::topology::Place;
use failsoft_resp::Command;
use failsoft_resp::encode::{self, Protocol};

use super::access::{Access, Login};

/// What has been said about one client's connection.
pub(super) struct Greeting {
    id: u64,
    name: Vec<u8>,
    database: u32,
    protocol: Protocol,
    /// It is told messages, so that in RESP2 it takes every list for one.
    is_listening: bool,
    /// A node whose place failsoft takes, if one is known.
    primary: Option<Arc<Node>>,
}

/// What became of such a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Answered.
    Answered,
    /// Answered, and the connection is to be closed.
    Goodbye,
    /// Answered, and the connection is to be closed because it guesses passwords.
    Guessing,
}

impl Greeting {
    /// A client with this id.
    pub(super) fn new(id: u64, context: &Context) -> Self {
        let mut greeting =
            Self { id, name: Vec::new(), database: 0, protocol: Protocol::Resp2, is_listening: false, primary: None };
        greeting.take_up(context);
        greeting
    }

    /// Something else is known from here on.
    pub(super) fn take_up(&mut self, context: &Context) {
        self.database = context.world.deployment().database();
        self.primary = context.views.redis.primary(Place::Anywhere).cloned();
    }

    /// The protocol that the client is answered in.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// failsoft's own number of the client.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// What the client calls itself.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// It calls itself something else.
    pub(super) fn set_name(&mut self, name: &[u8]) {
        name.clone_into(&mut self.name);
    }

    /// It is answered in another protocol.
    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Whether messages may come to it.
    pub(super) fn set_listening(&mut self, is_listening: bool) {
        self.is_listening = is_listening;
    }

    /// It begins anew.
    pub(super) fn reset(&mut self) {
        self.name.clear();
        self.protocol = Protocol::Resp2;
    }

    /// Who has to speak first on a connection of the client's own for this command, if it cannot be answered here.
    pub(super) fn needs_own(&self, command: &Command<'_>) -> Option<Speaker> {
        let word = |index: usize| command.get(index).unwrap_or_default().to_ascii_uppercase();
        let speaker = match (word(0).as_slice(), word(1).as_slice()) {
            (b"PING" | b"ECHO" | b"QUIT" | b"RESET" | b"EXEC" | b"DISCARD" | b"UNWATCH", _) => return None,
            (b"SELECT", index) => {
                let other = !index.is_empty() && index.iter().all(u8::is_ascii_digit) && !self.is_home(index);
                return other.then_some(Speaker::Failsoft);
            }
            (b"HELLO" | b"AUTH", _) => return names_user(command).then_some(Speaker::Client),
            (b"CLIENT", b"ID" | b"GETNAME" | b"SETNAME" | b"SETINFO") => return None,
            (b"CLIENT", b"REPLY") if word(2) == b"ON" => return None,
            _ => Speaker::Failsoft,
        };
        Some(speaker)
    }

    /// Whether this command is about another protocol than the present one.
    pub(super) fn changes_protocol(&self, command: &Command<'_>) -> bool {
        let is = |name: &[u8]| command.arg(0).eq_ignore_ascii_case(name);
        match self.protocol {
            Protocol::Resp2 => is(b"HELLO") && command.get(1) == Some(b"3"),
            Protocol::Resp3 => is(b"RESET") || is(b"HELLO") && command.get(1) == Some(b"2"),
        }
    }

    /// Answers such a command.
    pub(super) fn answer(&mut self, command: &Command<'_>, access: &mut Access, out: &mut Vec<u8>) -> Said {
        let word = |index: usize| command.get(index).unwrap_or_default().to_ascii_uppercase();
        match word(0).as_slice() {
            b"PING" if self.is_listening && self.protocol == Protocol::Resp2 => ping_as_message(command, out),
            b"PING" => ping(command, out),
            b"ECHO" => encode::bulk(out, command.arg(1)),
            b"QUIT" => {
                encode::simple(out, "OK");
                return Said::Goodbye;
            }
            b"RESET" => {
                self.reset();
                access.log_out();
                encode::simple(out, "RESET");
            }
            b"EXEC" => encode::error(out, "ERR EXEC without MULTI"),
            b"DISCARD" => encode::error(out, "ERR DISCARD without MULTI"),
            b"UNWATCH" => encode::simple(out, "OK"),
            b"SELECT" => self.select(command.arg(1), out),
            b"HELLO" => return self.hello(command, access, out),
            b"AUTH" if access.auth() == Auth::Users => return auth(command, access, out),
            b"CLIENT" => self.client(word(1).as_slice(), command, out),
            name => refuse(name, out),
        }
        Said::Answered
    }

    fn is_home(&self, index: &[u8]) -> bool {
        index == self.database.to_string().as_bytes()
    }

    fn select(&self, database: &[u8], out: &mut Vec<u8>) {
        if self.is_home(database) {
            return encode::simple(out, "OK");
        }
        encode::error(out, "ERR value is not an integer or out of range");
    }

    fn hello(&mut self, command: &Command<'_>, access: &mut Access, out: &mut Vec<u8>) -> Said {
        let hello = match Hello::read(command, self.protocol) {
            Ok(hello) => hello,
            Err(message) => {
                encode::error(out, &message);
                return Said::Answered;
            }
        };
        match hello.login {
            None => {}
            Some((name, password)) if access.auth() == Auth::Users => match access.log_in(name, password) {
                Login::Welcome => {}
                wrong @ (Login::Wrong | Login::OnceTooOften) => return turn_down(wrong, out),
            },
            Some(_) => {
                refuse(b"HELLO AUTH", out);
                return Said::Answered;
            }
        }
        if access.is_stranger() {
            encode::error(out, HELLO_FROM_A_STRANGER);
            return Said::Answered;
        }
        if let Some(name) = hello.name {
            self.name = name.to_vec();
        }
        self.protocol = hello.protocol;
        self.introduce(out);
        Said::Answered
    }

    fn introduce(&self, out: &mut Vec<u8>) {
        encode::map_header(out, 7, self.protocol);
        let version = self.primary.as_ref().map(|primary| primary.version());
        let version = version.as_ref().map_or(UNKNOWN_VERSION, |version| version.as_str());
        let texts = [("server", "redis"), ("version", version)];
        for (name, value) in texts {
            encode::bulk(out, name.as_bytes());
            encode::bulk(out, value.as_bytes());
        }
        encode::bulk(out, b"proto");
        encode::integer(out, if self.protocol == Protocol::Resp3 { 3 } else { 2 });
        encode::bulk(out, b"id");
        encode::integer(out, self.id as i64);
        for (name, value) in [("mode", "standalone"), ("role", "master")] {
            encode::bulk(out, name.as_bytes());
            encode::bulk(out, value.as_bytes());
        }
        encode::bulk(out, b"modules");
        encode::array_header(out, 0);
    }

    fn client(&mut self, subcommand: &[u8], command: &Command<'_>, out: &mut Vec<u8>) {
        match subcommand {
            b"ID" => encode::integer(out, self.id as i64),
            b"GETNAME" if self.name.is_empty() => encode::nil(out, self.protocol),
            b"GETNAME" => encode::bulk(out, &self.name),
            b"SETNAME" => self.rename(command.arg(2), out),
            // Told by client libraries about themselves on every connection; nothing depends on it.
            b"SETINFO" | b"REPLY" => encode::simple(out, "OK"),
            other => refuse(&[b"CLIENT ", other].concat(), out),
        }
    }

    fn rename(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if let Err(complaint) = check_name(name) {
            return encode::error(out, complaint);
        }
        self.set_name(name);
        encode::simple(out, "OK");
    }
}

/// What a HELLO asks for; its options are read whole before any of them is carried out.
struct Hello<'c> {
    protocol: Protocol,
    login: Option<(&'c [u8], &'c [u8])>,
    name: Option<&'c [u8]>,
}

impl<'c> Hello<'c> {
    /// # Errors
    /// The error's line, in Redis' words.
    fn read(command: &Command<'c>, present: Protocol) -> Result<Self, String> {
        let protocol = match command.get(1) {
            None => present,
            Some(b"2") => Protocol::Resp2,
            Some(b"3") => Protocol::Resp3,
            Some(_) => return Err("NOPROTO unsupported protocol version".to_owned()),
        };
        let mut hello = Self { protocol, login: None, name: None };
        let mut options = command.args().skip(2);
        while let Some(option) = options.next() {
            let word = option.to_ascii_uppercase();
            match (word.as_slice(), options.len()) {
                (b"AUTH", 2..) => hello.login = options.next().zip(options.next()),
                (b"SETNAME", 1..) => hello.name = options.next(),
                _ => return Err(format!("ERR Syntax error in HELLO option '{}'", String::from_utf8_lossy(option))),
            }
            hello.name.map_or(Ok(()), check_name)?;
        }
        Ok(hello)
    }
}

/// AUTH with one of failsoft's own users.
fn auth(command: &Command<'_>, access: &mut Access, out: &mut Vec<u8>) -> Said {
    let login = match (command.get(1), command.get(2), command.get(3)) {
        (Some(password), None, None) => access.log_in(b"default", password),
        (Some(name), Some(password), None) => access.log_in(name, password),
        _ => {
            encode::error(out, "ERR syntax error");
            return Said::Answered;
        }
    };
    match login {
        Login::Welcome => {
            encode::simple(out, "OK");
            Said::Answered
        }
        wrong @ (Login::Wrong | Login::OnceTooOften) => turn_down(wrong, out),
    }
}

fn turn_down(login: Login, out: &mut Vec<u8>) -> Said {
    encode::error(out, "WRONGPASS invalid username-password pair or user is disabled.");
    match login {
        Login::OnceTooOften => Said::Guessing,
        Login::Wrong | Login::Welcome => Said::Answered,
    }
}

/// Whether a command says who the client is.
pub(super) fn names_user(command: &Command<'_>) -> bool {
    let is = |name: &[u8]| command.arg(0).eq_ignore_ascii_case(name);
    let gives_login = || Hello::read(command, Protocol::Resp2).is_ok_and(|hello| hello.login.is_some());
    is(b"AUTH") || is(b"HELLO") && gives_login()
}

const HELLO_FROM_A_STRANGER: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
     HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
     same time";
const BAD_CLIENT_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// Bytes of a client's name: it is kept for as long as the client is there.
const LONGEST_NAME: usize = 1 << 10;
const LONG_CLIENT_NAME: &str = "ERR Client names of more than 1024 bytes are not kept by failsoft.";

fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        _ if !name.iter().all(|byte| (b'!'..=b'~').contains(byte)) => Err(BAD_CLIENT_NAME),
        _ if name.len() > LONGEST_NAME => Err(LONG_CLIENT_NAME),
        _ => Ok(()),
    }
}

fn ping(command: &Command<'_>, out: &mut Vec<u8>) {
    match (command.get(1), command.get(2)) {
        (None, _) => encode::simple(out, "PONG"),
        (Some(message), None) => encode::bulk(out, message),
        (Some(_), Some(_)) => encode::error(out, "ERR wrong number of arguments for 'ping' command"),
    }
}

/// As Redis answers a subscriber.
fn ping_as_message(command: &Command<'_>, out: &mut Vec<u8>) {
    encode::array_header(out, 2);
    encode::bulk(out, b"pong");
    encode::bulk(out, command.get(1).unwrap_or_default());
}

fn refuse(name: &[u8], out: &mut Vec<u8>) {
    let name = String::from_utf8_lossy(name);
    encode::error(out, &format!("ERR '{name}' cannot be answered on a connection that clients share"));
}
