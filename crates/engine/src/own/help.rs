//! `FAILSOFT HELP`: every subcommand with a line about it, as Redis' containers tell theirs.

use failsoft_resp::encode;

/// What each subcommand is, in the order of the alphabet; a line that does not begin with one belongs to the line before.
pub(super) const LINES: &[&str] = &[
    "ABORT <key> <token>",
    "    Free what BEGIN has reserved.",
    "BEGIN <key> <ttl-ms> [NONCE <nonce>]",
    "    Begin what is to be done once: new with a token, in-progress, or done with the result.",
    "COMMIT <key> <token> <result> [<ttl-ms>]",
    "    Keep the result of what was begun.",
    "EXPLAIN <command> [<arg> ...]",
    "    What would become of a command at this moment, and why, without carrying it out.",
    "EXTEND <key> <token> <ttl-ms>",
    "    Let a lock last for so long from here on.",
    "FLAG <name> [<default>]",
    "    What a flag is, as far as anybody knows: value, version, tier, age in milliseconds.",
    "HELP",
    "    Print this help.",
    "LAST",
    "    Who gave this connection's last answer, how old it was, and why nobody above did.",
    "LIMIT <key> <rate> <period-ms> [<burst>] [<cost>]",
    "    Whether somebody may once more: allowed, remaining, reset-ms, retry-ms, and who decided (redis, local, open).",
    "LOCK <key> <ttl-ms> [NONCE <nonce>]",
    "    Take a lock: a fencing token, or nil if somebody else holds it.",
    "MODE [auto|origin-only|pass-through] [ROUTE <name>]",
    "    What is wanted of the routes whatever is observed; with a mode, switch one route or all.",
    "STATE",
    "    How failsoft is, as JSON: the same as /api/v1/state.",
    "UNLOCK <key> <token>",
    "    Give a lock back.",
];

const HEAD: &str = "FAILSOFT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:";

/// The reply.
pub(super) fn answer() -> Vec<u8> {
    let mut out = Vec::new();
    encode::array_header(&mut out, LINES.len() + 1);
    std::iter::once(&HEAD).chain(LINES).for_each(|line| encode::simple(&mut out, line));
    out
}
