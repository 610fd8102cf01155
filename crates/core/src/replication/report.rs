//! What a node says of its replication (`INFO replication`).
//!
//! Read from text that a node may fill with anything: what is missing or makes no sense is taken for the worst that it can
//! mean, and nothing is kept beyond a few numbers. A replica that has been promoted still says how far it had come
//! in the stream of the primary before it, which is how old its values are at most until everybody knows of it.

/// Bytes of a report that are read; one of a primary with a thousand replicas is longer, but what matters is
/// at its beginning or in a replica's, which is short.
pub const LONGEST_REPORT: usize = 256 << 10;

/// The stream of changes that a position is in (`master_replid`): 40 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream([u8; 40]);

/// How far a node has come in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which stream.
    pub stream: Stream,
    /// Bytes of it that the node has taken in.
    pub offset: u64,
}

/// Whether a replica hears its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// It does (`master_link_status:up`).
    Up,
    /// It does not, or does not say that it does.
    Down,
    /// It is being sent everything anew; what it holds meanwhile is of no moment in particular.
    Syncing,
}

impl Link {
    /// The name used in `/api/v1/state`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Syncing => "syncing",
        }
    }
}

/// Which part a node says that it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// It is a primary.
    Primary {
        /// How far it had come in its primary's stream when it was promoted, if it ever was.
        promoted_at: Option<Position>,
    },
    /// It replicates another node.
    Replica(Link),
}

/// What a node says of its replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// Which part it plays.
    pub part: Part,
    /// How far it is in its stream; `None` if it does not know.
    pub position: Option<Position>,
    /// `replica-priority`: the lowest is promoted first, 0 is never promoted.
    pub priority: u32,
}

/// What Redis gives a node whose settings say nothing.
const USUAL_PRIORITY: u32 = 100;

impl Report {
    /// Reads lines of `name:value`; those it does not know may say anything. `None`: it does not say which part it plays.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let fields = Fields::of(&text[..text.len().min(LONGEST_REPORT)]);
        let part = match fields.role? {
            b"master" => Part::Primary { promoted_at: fields.promoted_at() },
            b"slave" | b"replica" => Part::Replica(fields.link()),
            _ => return None,
        };
        let offset = match part {
            Part::Primary { .. } => fields.primary_offset,
            Part::Replica(_) => fields.replica_offset,
        };
        let priority = fields.priority.and_then(number).unwrap_or(USUAL_PRIORITY);
        Some(Self { part, position: position(fields.stream, offset), priority })
    }
}

/// The values as they are written.
#[derive(Default)]
struct Fields<'t> {
    role: Option<&'t [u8]>,
    link_status: Option<&'t [u8]>,
    sync_in_progress: Option<&'t [u8]>,
    stream: Option<&'t [u8]>,
    primary_offset: Option<&'t [u8]>,
    replica_offset: Option<&'t [u8]>,
    stream_before: Option<&'t [u8]>,
    promoted_after: Option<&'t [u8]>,
    priority: Option<&'t [u8]>,
}

impl<'t> Fields<'t> {
    fn of(text: &'t [u8]) -> Self {
        let mut fields = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let field = match name {
                b"role" => &mut fields.role,
                b"master_link_status" => &mut fields.link_status,
                b"master_sync_in_progress" => &mut fields.sync_in_progress,
                b"master_replid" => &mut fields.stream,
                b"master_repl_offset" => &mut fields.primary_offset,
                b"slave_repl_offset" | b"replica_repl_offset" => &mut fields.replica_offset,
                b"master_replid2" => &mut fields.stream_before,
                b"second_repl_offset" => &mut fields.promoted_after,
                b"slave_priority" | b"replica_priority" => &mut fields.priority,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        fields
    }

    fn link(&self) -> Link {
        match (self.sync_in_progress, self.link_status) {
            (Some(b"0"), Some(b"up")) => Link::Up,
            (Some(b"0"), _) => Link::Down,
            (_, _) => Link::Syncing,
        }
    }

    /// What was taken in is one byte less than `second_repl_offset`, the first that the old stream does not have.
    fn promoted_at(&self) -> Option<Position> {
        let at = position(self.stream_before, self.promoted_after)?;
        Some(Position { offset: at.offset.checked_sub(1)?, ..at })
    }
}

fn position(stream: Option<&[u8]>, offset: Option<&[u8]>) -> Option<Position> {
    Some(Position { stream: Stream(stream?.try_into().ok()?), offset: offset.and_then(number)? })
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Stream {
    /// The stream of this name.
    pub const fn new(name: [u8; 40]) -> Self {
        Self(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
    const BEFORE: &str = "0fca1bd22fcdbd2cc1b1aa9e6f8bd1cd9bd6ef10";

    fn stream(name: &str) -> Stream {
        Stream::new(name.as_bytes().try_into().unwrap())
    }

    fn replica(more: &str) -> String {
        format!(
            "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6379\r\nslave_read_repl_offset:90\r\n\
             slave_repl_offset:84\r\n{more}slave_priority:25\r\nconnected_slaves:0\r\nmaster_replid:{STREAM}\r\n\
             master_replid2:{}\r\nmaster_repl_offset:84\r\nsecond_repl_offset:-1\r\n",
            "0".repeat(40)
        )
    }

    fn link(more: &str) -> Part {
        Report::parse(replica(more).as_bytes()).unwrap().part
    }

    #[test]
    fn a_replica_says_how_far_it_is_and_whether_it_hears_its_primary() {
        let text = replica("master_link_status:up\r\nmaster_sync_in_progress:0\r\n");
        let position = Some(Position { stream: stream(STREAM), offset: 84 });
        let expected = Report { part: Part::Replica(Link::Up), position, priority: 25 };
        assert_eq!(Report::parse(text.as_bytes()), Some(expected));
        assert_eq!(link("master_link_status:down\r\nmaster_sync_in_progress:0\r\n"), Part::Replica(Link::Down));
        assert_eq!(link("master_link_status:down\r\nmaster_sync_in_progress:1\r\n"), Part::Replica(Link::Syncing));
        assert_eq!(link("master_sync_in_progress:0\r\n"), Part::Replica(Link::Down));
        assert_eq!(link("master_link_status:up\r\n"), Part::Replica(Link::Syncing), "it does not say that it is not");
    }

    #[test]
    fn a_primary_says_where_it_was_promoted() {
        let text = format!(
            "role:master\nmaster_replid:{STREAM}\nmaster_replid2:{BEFORE}\nmaster_repl_offset:200\nsecond_repl_offset:101\n"
        );
        let promoted_at = Some(Position { stream: stream(BEFORE), offset: 100 });
        let position = Some(Position { stream: stream(STREAM), offset: 200 });
        let expected = Report { part: Part::Primary { promoted_at }, position, priority: 100 };
        assert_eq!(Report::parse(text.as_bytes()), Some(expected));
        let never = text.replace("offset:101", "offset:-1");
        assert_eq!(Report::parse(never.as_bytes()).unwrap().part, Part::Primary { promoted_at: None });
    }

    #[test]
    fn what_makes_no_sense_is_not_known() {
        for text in ["", "# Replication", "role:sentinel\n", "role\nrole;master\n"] {
            assert_eq!(Report::parse(text.as_bytes()), None, "{text}");
        }
        let odd = replica("").replace("slave_repl_offset:84", "slave_repl_offset:-1").replace(":25", ":soon");
        let report = Report::parse(odd.as_bytes()).unwrap();
        assert_eq!((report.position, report.priority), (None, USUAL_PRIORITY));
        let short = replica("").replace(STREAM, "8371");
        assert_eq!(Report::parse(short.as_bytes()).unwrap().position, None);
        let endless = ["x:".repeat(LONGEST_REPORT).as_bytes(), b"\nrole:master\n"].concat();
        assert_eq!(Report::parse(&endless), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_node_says_is_too_much(
            lines in proptest::collection::vec("(role|master_replid|slave_repl_offset|second_repl_offset)?:?[a-z0-9-]{0,41}\r?\n?", 0..12),
            rest in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let text = [lines.concat().as_bytes(), &rest].concat();
            let report = Report::parse(&text);
            prop_assert!(report.is_none_or(|report| report.part != Part::Replica(Link::Up)));
        }
    }
}
