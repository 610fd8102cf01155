//! What every cell has to be whatever the page says: the promises of the roles, written by hand.
//!
//! A page that is rewritten from what was observed could come to say anything. These say what it may not.

use super::class::OLD;
use super::{Cell, Class, Condition, Effect, Reply, Role};

/// What is wrong with a cell, in the words of the rules that it breaks.
pub fn complaints(cell: &Cell) -> Vec<&'static str> {
    RULES.iter().filter(|(_, holds)| !holds(cell)).map(|(words, _)| *words).collect()
}

/// What is promised, and whether a cell keeps it.
type Rule = (&'static str, fn(&Cell) -> bool);

/// Each holds of every cell.
const RULES: &[Rule] = &[
    ("everybody is answered", |cell| !matches!(cell.reply, Reply::Closed | Reply::Nothing)),
    ("failsoft's own errors say when to try again", says_when),
    ("where Redis does what it is asked, its answer is the answer, and it is done", is_redis),
    ("a full Redis takes no write, and nobody but a cache or a limit is told otherwise", full_takes_nothing),
    ("UNAVAILABLE means that nothing was done", unavailable_is_not_done),
    ("unknown is only what was sent and not answered, and it is done or not", unknown_was_sent),
    ("what was sent and not answered is unknown, but to a cache or a limit", silent_is_unknown),
    ("a read changes nothing", reads_change_nothing),
    ("the origin is asked for the values of its route alone", origin_is_for_rows),
    (
        "who fails closed is answered by the primary alone, or by the replica that a session's route allows",
        closed_is_primary,
    ),
    ("who fails closed is refused while the primary is away", closed_is_refused),
    (
        "a session is never nil while the primary is away, unless a replica that its route allows says so",
        sessions_are_never_nil,
    ),
    ("what a cache is told to keep or to delete is acknowledged, and what Redis held is not left", caches_keep),
    ("what a cache cannot keep it refuses", caches_refuse),
    ("there is always a row, and never a deleted one", rows_are_read),
    ("what only the application can make is what it was, or nil, or refused", asides_are_honest),
    ("a flag is what was last known, or its default, and is not written while the primary is away", flags_are_known),
    ("an open limit lets in, a local one counts, and both refuse what they do not understand", limits_do_as_told),
    ("news are kept until they can be told", news_are_kept),
    ("keys without a route hear Redis, and where it says nothing UNAVAILABLE", plain_is_redis),
];

fn says_when(cell: &Cell) -> bool {
    match &cell.reply {
        Reply::Error { word, retry_after_ms } => match word.as_str() {
            "UNAVAILABLE" | "OVERLOADED" | "OUTCOMEUNKNOWN" => retry_after_ms.is_some_and(|wait| wait > 0),
            _ => true,
        },
        _ => true,
    }
}

fn is_redis(cell: &Cell) -> bool {
    let is_asked =
        cell.condition == Condition::Healthy || cell.condition == Condition::Full && !cell.class.needs_memory();
    let Some(truth) = cell.truth.as_ref().filter(|_| is_asked) else { return true };
    match (cell.role, cell.class) {
        (Role::Cache | Role::Flag, Class::GetAbsent) => true,
        _ => cell.reply == truth.reply && (cell.effect == Effect::Done) == truth.is_change,
    }
}

fn full_takes_nothing(cell: &Cell) -> bool {
    if cell.condition != Condition::Full || !cell.class.needs_memory() {
        return true;
    }
    match cell.role {
        Role::Cache | Role::Aside | Role::LimitOpen | Role::LimitLocal => true,
        // A flag is read.
        Role::Flag if cell.class == Class::Own => true,
        _ => cell.reply.word().is_some() && cell.effect == Effect::None,
    }
}

fn unavailable_is_not_done(cell: &Cell) -> bool {
    !cell.reply.is_unavailable() || cell.effect == Effect::None || cell.role.is_cache() && cell.effect == Effect::Gone
}

fn unknown_was_sent(cell: &Cell) -> bool {
    let is_one_or_the_other = matches!(cell.effect, Effect::None | Effect::Done);
    let is_invalidated = cell.role.is_cache() && cell.effect == Effect::Gone;
    !cell.reply.is_outcome_unknown()
        || cell.condition == Condition::Silent && !cell.class.is_read() && (is_one_or_the_other || is_invalidated)
}

fn silent_is_unknown(cell: &Cell) -> bool {
    let is_sent = cell.condition == Condition::Silent && !cell.class.is_read() && !cell.class.has_own_connection();
    let is_news = cell.role == Role::Invalidation && cell.class == Class::Publish;
    let is_told = !is_news && (cell.role.is_closed() || matches!(cell.role, Role::Unclassified));
    !(is_sent && is_told) || cell.reply.is_outcome_unknown()
}

fn reads_change_nothing(cell: &Cell) -> bool {
    !cell.class.is_read()
        || match cell.effect {
            Effect::None => true,
            Effect::WrittenBack => cell.role == Role::Cache,
            // It was deleted before; or writing the row back was not answered, so that it is not believed.
            Effect::Gone => {
                cell.role.is_cache() && cell.condition == Condition::Recovering
                    || cell.is_origin_asked && cell.condition == Condition::Silent
            }
            Effect::Done | Effect::Other(_) => false,
        }
}

fn origin_is_for_rows(cell: &Cell) -> bool {
    !cell.is_origin_asked || cell.role == Role::Cache && cell.class.is_read_of_values()
}

fn closed_is_primary(cell: &Cell) -> bool {
    if !cell.role.is_closed() || cell.reply.word().is_some() || cell.is_news() {
        return true;
    }
    match cell.tier.as_deref() {
        Some("primary") => !cell.condition.is_away(),
        Some("replica") => cell.role == Role::SessionOnReplica && cell.class.is_read(),
        Some(_) => false,
        // What failsoft says itself has no tier.
        None => cell.class == Class::Own && !cell.condition.is_away(),
    }
}

fn closed_is_refused(cell: &Cell) -> bool {
    let is_replica = cell.role == Role::SessionOnReplica && cell.tier.as_deref() == Some("replica");
    !cell.role.is_closed() || !cell.condition.is_away() || cell.is_news() || is_replica || is_sorry(cell)
}

fn sessions_are_never_nil(cell: &Cell) -> bool {
    let is_session = match cell.role {
        Role::Session => true,
        Role::SessionOnReplica => cell.tier.as_deref() != Some("replica"),
        _ => false,
    };
    !is_session || !cell.condition.is_away() || !cell.reply.has_nil()
}

fn caches_keep(cell: &Cell) -> bool {
    if !cell.role.is_cache() || !cell.condition.is_away() {
        return true;
    }
    match cell.class {
        Class::Set => {
            cell.reply == Reply::Status("OK".to_owned()) && matches!(cell.effect, Effect::Done | Effect::Gone)
        }
        Class::Del => cell.reply == Reply::Integer(1) && cell.effect == Effect::Done,
        Class::Expire => cell.reply == Reply::Integer(1) && matches!(cell.effect, Effect::Done | Effect::Gone),
        _ => true,
    }
}

fn caches_refuse(cell: &Cell) -> bool {
    let is_kept = matches!(cell.class, Class::Set | Class::Del | Class::Expire);
    let is_error = is_sorry(cell) || is_loading(cell);
    !cell.role.is_cache() || !cell.condition.is_away() || cell.class.is_read() || is_kept || is_error
}

fn rows_are_read(cell: &Cell) -> bool {
    if cell.role != Role::Cache || !cell.class.is_read_of_values() {
        return true;
    }
    let is_row = |reply: &Reply| matches!(reply, Reply::Text(text) if text.starts_with('{'));
    let is_value = |reply: &Reply| is_old(reply) || is_row(reply);
    match (&cell.reply, cell.class) {
        (reply, Class::GetAbsent) => is_row(reply),
        (reply, _) if cell.condition == Condition::Recovering => reply.all(is_row),
        (reply, Class::GetSeen) => is_old(reply),
        (reply, _) => reply.all(is_value),
    }
}

fn asides_are_honest(cell: &Cell) -> bool {
    if cell.role != Role::Aside || !cell.class.is_read_of_values() || !cell.condition.is_away() {
        return true;
    }
    let is_there = match cell.tier.as_deref() {
        Some("replica") => cell.class != Class::GetAbsent,
        _ => cell.class == Class::GetSeen && cell.condition != Condition::Recovering,
    };
    match is_there {
        true => cell.reply.all(is_old),
        false => cell.reply.is_unavailable() || cell.reply.all(|reply| *reply == Reply::Nil),
    }
}

fn flags_are_known(cell: &Cell) -> bool {
    if cell.role != Role::Flag || !cell.condition.is_away() || cell.class == Class::Own {
        return true;
    }
    let is_default = |reply: &Reply| *reply == Reply::Text("off".to_owned());
    match cell.class {
        Class::GetSeen => is_old(&cell.reply),
        Class::Get | Class::GetAbsent | Class::Mget if cell.tier.as_deref() != Some("replica") => {
            cell.reply.all(is_default)
        }
        Class::Get | Class::Mget => cell.reply.all(is_old),
        class if class.is_read() => true,
        _ => is_sorry(cell),
    }
}

fn limits_do_as_told(cell: &Cell) -> bool {
    let is_twice = cell.is_counted_unheard() && cell.effect == Effect::Other(vec!["string 7".to_owned()]);
    if cell.is_owed() && cell.effect != Effect::Done && !is_twice {
        return false;
    }
    if !cell.condition.is_away() {
        return true;
    }
    match (cell.role, cell.class) {
        (Role::LimitOpen | Role::LimitLocal, Class::Incr) => cell.reply == Reply::Integer(1),
        (Role::LimitOpen | Role::LimitLocal, Class::Hset | Class::Eval | Class::Transaction | Class::Blocking) => {
            is_sorry(cell)
        }
        (Role::LimitOpen | Role::LimitLocal, Class::Zrange) => is_sorry(cell),
        _ => true,
    }
}

fn news_are_kept(cell: &Cell) -> bool {
    !cell.is_news() || cell.reply == Reply::Integer(0)
}

fn plain_is_redis(cell: &Cell) -> bool {
    if cell.role != Role::Unclassified || !cell.condition.is_away() {
        return true;
    }
    match cell.condition {
        // Which Redis does while it loads.
        Condition::Loading if cell.class == Class::Publish => cell.reply == Reply::Integer(0),
        Condition::Loading => is_loading(cell),
        _ => is_sorry(cell),
    }
}

/// Nothing was done, or nobody knows. What a script, or a connection of the client's own, brings is Redis' own words.
fn is_sorry(cell: &Cell) -> bool {
    let is_passed_on = matches!(cell.class, Class::Eval | Class::Transaction | Class::Blocking);
    cell.reply.is_unavailable() || cell.reply.is_outcome_unknown() || is_passed_on && is_loading(cell)
}

fn is_loading(cell: &Cell) -> bool {
    cell.condition == Condition::Loading && cell.reply.word() == Some("LOADING")
}

fn is_old(reply: &Reply) -> bool {
    *reply == Reply::Text(OLD.to_owned())
}
