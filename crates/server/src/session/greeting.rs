//! Commands about the connection itself, answered here: a client's connection is to failsoft, not to Redis.
//!
//! What can be kept for the client is kept (its name); what would have to change the connection that it shares with
//! others is refused in so many words, never acknowledged and forgotten.

use failsoft_resp::Command;
use failsoft_resp::encode::{self, Protocol};

/// What has been said about one client's connection.
pub(super) struct Greeting {
    id: u64,
    name: Vec<u8>,
    database: u32,
    protocol: Protocol,
}

/// What became of such a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Answered.
    Answered,
    /// Answered, and the connection is to be closed.
    Goodbye,
}

impl Greeting {
    /// A client with this id, on the database that failsoft has been set to.
    pub(super) fn new(id: u64, database: u32) -> Self {
        Self { id, name: Vec::new(), database, protocol: Protocol::Resp2 }
    }

    /// The protocol that the client is answered in.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Answers such a command.
    pub(super) fn answer(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Said {
        let word = |index: usize| command.get(index).unwrap_or_default().to_ascii_uppercase();
        match word(0).as_slice() {
            b"PING" => ping(command, out),
            b"ECHO" => encode::bulk(out, command.arg(1)),
            b"QUIT" => {
                encode::simple(out, "OK");
                return Said::Goodbye;
            }
            b"RESET" => {
                self.name.clear();
                self.protocol = Protocol::Resp2;
                encode::simple(out, "RESET");
            }
            b"SELECT" => self.select(command.arg(1), out),
            b"HELLO" => self.hello(command, out),
            b"CLIENT" => self.client(word(1).as_slice(), command, out),
            b"AUTH" => encode::error(
                out,
                "ERR AUTH is not supported by failsoft yet: it speaks to Redis as the user in its own settings",
            ),
            name => refuse(name, out),
        }
        Said::Answered
    }

    fn select(&self, database: &[u8], out: &mut Vec<u8>) {
        if database == self.database.to_string().as_bytes() {
            return encode::simple(out, "OK");
        }
        if !database.iter().all(u8::is_ascii_digit) || database.is_empty() {
            return encode::error(out, "ERR value is not an integer or out of range");
        }
        let own = self.database;
        encode::error(out, &format!("ERR failsoft serves database {own} only: it is named in its settings"));
    }

    fn hello(&mut self, command: &Command<'_>, out: &mut Vec<u8>) {
        let protocol = match command.get(1) {
            None => self.protocol,
            Some(b"2") => Protocol::Resp2,
            Some(b"3") => Protocol::Resp3,
            Some(_) => return encode::error(out, "NOPROTO unsupported protocol version"),
        };
        let mut options = command.args().skip(2);
        while let Some(option) = options.next() {
            match (option.to_ascii_uppercase().as_slice(), options.next()) {
                (b"AUTH", _) => return refuse(b"HELLO AUTH", out),
                (b"SETNAME", Some(name)) if is_client_name(name) => self.name = name.to_vec(),
                (b"SETNAME", Some(_)) => return encode::error(out, BAD_CLIENT_NAME),
                (other, _) => {
                    let option = String::from_utf8_lossy(other);
                    return encode::error(out, &format!("ERR Syntax error in HELLO option '{option}'"));
                }
            }
        }
        self.protocol = protocol;
        self.introduce(out);
    }

    fn introduce(&self, out: &mut Vec<u8>) {
        encode::map_header(out, 7, self.protocol);
        let texts = [("server", "redis"), ("version", "7.0.0")];
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
            b"SETNAME" => self.set_name(command.arg(2), out),
            // Told by client libraries about themselves on every connection; nothing depends on it.
            b"SETINFO" => encode::simple(out, "OK"),
            other => refuse(&[b"CLIENT ", other].concat(), out),
        }
    }

    fn set_name(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if !is_client_name(name) {
            return encode::error(out, BAD_CLIENT_NAME);
        }
        self.name = name.to_vec();
        encode::simple(out, "OK");
    }
}

const BAD_CLIENT_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

fn is_client_name(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn ping(command: &Command<'_>, out: &mut Vec<u8>) {
    match (command.get(1), command.get(2)) {
        (None, _) => encode::simple(out, "PONG"),
        (Some(message), None) => encode::bulk(out, message),
        (Some(_), Some(_)) => encode::error(out, "ERR wrong number of arguments for 'ping' command"),
    }
}

fn refuse(name: &[u8], out: &mut Vec<u8>) {
    let name = String::from_utf8_lossy(name);
    encode::error(
        out,
        &format!("ERR '{name}' is not supported by failsoft yet: it is about a connection that clients share"),
    );
}
