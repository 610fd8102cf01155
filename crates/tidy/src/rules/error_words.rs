//! The table of Redis' error words in `docs/errors.md` says what the core does, because it is printed from it.
//!
//! Change the core, then run `FAILSOFT_REWRITE=1 cargo test -p failsoft-tidy error_words`.

use failsoft_core::circuit::Evidence;
use failsoft_core::refusal::{Recourse, Refusal};

use super::marked::Marks;

const MARKS: Marks = Marks { begin: "<!-- error words: begin -->\n", end: "<!-- error words: end -->\n" };

fn table() -> String {
    let mut table =
        String::from("| Redis says | in metrics and details | for the circuit | a read on a cache or flag route |\n");
    table += "| --- | --- | --- | --- |\n";
    for refusal in Refusal::ALL {
        let (word, name) = (word(refusal), refusal.name());
        let (evidence, recourse) = (for_the_circuit(refusal.evidence()), for_a_read(refusal.recourse()));
        table += &format!("| `{word}` | `{name}` | {evidence} | {recourse} |\n");
    }
    table
}

/// How Redis begins such an error.
fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Loading => "LOADING",
        Refusal::Busy => "BUSY",
        Refusal::MasterDown => "MASTERDOWN",
        Refusal::ClusterDown => "CLUSTERDOWN The cluster is down",
        Refusal::SlotUnserved => "CLUSTERDOWN Hash slot not served",
        Refusal::Moved => "MOVED",
        Refusal::Ask => "ASK",
        Refusal::TryAgain => "TRYAGAIN",
        Refusal::CrossSlot => "CROSSSLOT",
        Refusal::ReadOnly => "READONLY",
        Refusal::OutOfMemory => "OOM",
        Refusal::Misconfigured => "MISCONF",
        Refusal::NoReplicas => "NOREPLICAS",
        Refusal::MaxClients => "ERR max number of clients",
        Refusal::NoAuth => "NOAUTH",
        Refusal::WrongPass => "WRONGPASS",
        Refusal::NoPermission => "NOPERM",
        Refusal::WrongType => "WRONGTYPE",
        Refusal::NoScript => "NOSCRIPT",
        Refusal::ExecAbort => "EXECABORT",
        Refusal::Other => "ERR",
    }
}

fn for_the_circuit(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Success => "well: the node answers",
        Evidence::Slow => "slow",
        Evidence::Failure => "sick: a failure",
        Evidence::Abandoned => "no evidence either way",
    }
}

fn for_a_read(recourse: Recourse) -> &'static str {
    match recourse {
        Recourse::PassOn => "the error, in Redis' words",
        Recourse::NextTier => "the next tier",
        Recourse::Repeat => "asked again once, then the next tier",
        Recourse::AsAuthPolicySays => "as `redis.auth_failure` says",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_core_does() {
        MARKS.hold_to("docs/errors.md", &table(), "error_words");
    }

    #[test]
    fn the_words_are_those_the_core_recognises() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_error(word(refusal).as_bytes()), refusal);
        }
    }
}
