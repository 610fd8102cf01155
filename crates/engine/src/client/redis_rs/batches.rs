//! Which commands of a pipeline may be under way at once: neighbours that are about different keys, or only read.
//!
//! A node takes up what comes over one connection in order, but a command that is repeated, redirected or answered by
//! another tier is overtaken by the next. Of one key, that would show: what was written is read in the next line.

use std::collections::HashMap;

use failsoft_resp::commands::{self, Access, Class};

use crate::words::Words;

/// Commands that are under way at once.
const MOST_TOGETHER: usize = 512;

/// What the commands of a batch do to a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
}

/// The commands in their order, cut where the next has to wait for those before it.
pub(super) fn batches(frames: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut batches: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut used = HashMap::new();
    let mut is_open = false;
    for frame in frames {
        let uses = uses(&frame);
        let fits = uses.as_ref().is_some_and(|uses| !uses.iter().any(|(key, own)| collides(&used, key, *own)));
        match batches.last_mut() {
            Some(batch) if is_open && fits && batch.len() < MOST_TOGETHER => batch.push(frame),
            Some(_) | None => {
                used.clear();
                batches.push(vec![frame]);
            }
        }
        is_open = uses.is_some();
        for (key, own) in uses.into_iter().flatten() {
            let known = used.entry(key).or_insert(own);
            if own == Use::Writes {
                *known = Use::Writes;
            }
        }
    }
    batches
}

fn collides(used: &HashMap<Vec<u8>, Use>, key: &[u8], own: Use) -> bool {
    used.get(key).is_some_and(|other| *other == Use::Writes || own == Use::Writes)
}

/// The keys of a command with what it does to them; `None` of one that may be about anything.
fn uses(frame: &[u8]) -> Option<Vec<(Vec<u8>, Use)>> {
    let words = Words::of(frame);
    let words = words.as_slices();
    let spec = commands::lookup(words.first()?, words.get(1).copied())?;
    let is_about_keys = matches!(commands::class_of(spec, words), Class::Read | Class::Write);
    let keys: Vec<_> = commands::keys(spec, words)
        .filter_map(|position| Some((words.get(position.index)?.to_vec(), use_of(position.access))))
        .collect();
    (is_about_keys && !keys.is_empty()).then_some(keys)
}

fn use_of(access: Access) -> Use {
    match access {
        Access::Read => Use::Reads,
        Access::Write | Access::Channel => Use::Writes,
    }
}

#[cfg(test)]
mod tests {
    use failsoft_resp::encode;

    use super::*;

    fn cut(pipeline: &[&str]) -> Vec<usize> {
        let frames = pipeline.iter().map(|line| {
            let mut frame = Vec::new();
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode::command(&mut frame, words);
            frame
        });
        batches(frames.collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn commands_on_different_keys_go_together() {
        assert_eq!(cut(&["SET a 1", "SET b 2", "GET c", "MGET d e"]), [4]);
        assert_eq!(cut(&["GET a", "GET a", "MGET a b"]), [3]);
    }

    #[test]
    fn what_is_written_is_waited_for_before_it_is_read() {
        assert_eq!(cut(&["SET a 1", "GET a", "SET a 2", "SET b 1"]), [1, 1, 2]);
        assert_eq!(cut(&["GET a", "SET a 1"]), [1, 1]);
    }

    #[test]
    fn what_may_be_about_anything_is_alone() {
        assert_eq!(cut(&["SET a 1", "FLUSHALL", "SET a 1", "KEYS *", "SET b 1"]), [1, 1, 1, 1, 1]);
        assert_eq!(cut(&["EVAL x 1 a", "GET b", "NOSUCH a"]), [1, 1, 1]);
    }

    #[test]
    fn a_batch_has_a_bound() {
        let lines: Vec<String> = (0..MOST_TOGETHER + 1).map(|index| format!("GET k{index}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(cut(&lines), [MOST_TOGETHER, 1]);
    }
}
