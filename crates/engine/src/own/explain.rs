//! `FAILSOFT EXPLAIN <command...>`: what would become of a command at this moment, and why.
//!
//! The text of `failsoft explain`, from the function that routes; but where that is told how the tiers are, here their
//! circuits, the deployment as it is believed to be and the copies in memory are those by which clients are served. The
//! command itself is not carried out, and nobody is asked anything.

use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;

use crate::context::Context;
use crate::explain::text::{self, Explained, Scenery};
use crate::explain::{Explanation, Located, Told, explain_now};
use crate::node::Node;
use crate::topology::{Place, Shard, View};

/// A command to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Box<[Box<[u8]>]>);

impl Subject {
    /// What stands after `FAILSOFT EXPLAIN`.
    pub(super) fn read<A: Arguments + ?Sized>(command: &A) -> Self {
        Self((2..command.count()).filter_map(|index| command.at(index)).map(Box::from).collect())
    }

    /// The command to be explained.
    pub fn words(&self) -> &[Box<[u8]>] {
        &self.0
    }

    /// The reply: the text, a line each.
    pub(super) fn answer(&self, context: &Context) -> Vec<u8> {
        let words: Vec<&[u8]> = self.0.iter().map(AsRef::as_ref).collect();
        let explanation = explain_now(&context.world, &words, context.now());
        let mut out = Vec::new();
        if matches!(explanation.told, Told::WrongArity) {
            let name = explanation.spec.map_or("", |spec| spec.name);
            encode::error(&mut out, &format!("ERR wrong number of arguments for '{name}' command"));
            return out;
        }
        let text =
            text::of(&Explained { words: &words, when: &[], explanation: &explanation, scenery: &Now(&explanation) });
        let lines: Vec<&str> = text.lines().collect();
        encode::array_header(&mut out, lines.len());
        lines.iter().for_each(|line| encode::bulk(&mut out, line.as_bytes()));
        out
    }
}

/// What is believed of the deployment.
struct Now<'e>(&'e Explanation<'e>);

impl Scenery for Now<'_> {
    /// A client has no settings file.
    fn source(&self, _place: usize) -> Option<String> {
        None
    }

    fn shard(&self, located: Option<&Located>) -> Vec<String> {
        let view = &self.0.view;
        let place = located.map_or(Place::Anywhere, |located| Place::Slot(located.slot));
        match view.shard_of(place) {
            Some(shard) => members(view, shard),
            None => vec!["not known".to_owned()],
        }
    }

    fn shards(&self) -> Vec<Vec<String>> {
        let view = &self.0.view;
        view.shards().iter().map(|shard| members(view, shard)).collect()
    }
}

fn members(view: &View, shard: &Shard) -> Vec<String> {
    let primary = view.primary_of(shard).map(|node| member("primary", node));
    let replicas = view.replicas_of(shard).map(|node| member("replica", node));
    primary.or(Some("no primary is known".to_owned())).into_iter().chain(replicas).collect()
}

fn member(part: &str, node: &Node) -> String {
    format!("{part} {}: circuit {}", node.name(), node.health().state())
}
