//! A SCAN over all shards, one call at a time: the command a shard is asked, and its answer made the cluster's.

use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;
use failsoft_resp::reply::{self, Head};

use super::cursor::{BadCursor, Position, Survey, read};

/// The command that the shard at `position` is asked: the client's with the node's own cursor.
pub fn ask<A: Arguments + ?Sized>(command: &A, position: Position) -> Vec<u8> {
    let cursor = position.cursor().to_string();
    let mut frame = Vec::new();
    encode::array_header(&mut frame, command.count());
    for index in 0..command.count() {
        let word = if index == 1 { cursor.as_bytes() } else { command.at(index).unwrap_or_default() };
        encode::bulk(&mut frame, word);
    }
    frame
}

/// Appends what the client is told when the shard at `position` has said `answer`. Its errors pass through.
pub fn answer(survey: &Survey, position: Position, answer: &[u8], out: &mut Vec<u8>) {
    let Some((cursor, found)) = page(answer) else {
        return out.extend_from_slice(answer);
    };
    match survey.after(position, cursor) {
        Ok(next) => {
            encode::array_header(out, 2);
            encode::bulk(out, next.to_string().as_bytes());
            out.extend_from_slice(found);
        }
        Err(error) => refuse(error, out),
    }
}

/// Appends why a scan cannot go on.
pub fn refuse(error: BadCursor, out: &mut Vec<u8>) {
    encode::error(out, &error.to_string());
}

/// The cursor and the elements of an answer to SCAN.
fn page(answer: &[u8]) -> Option<(u64, &[u8])> {
    let mut parts = reply::elements(answer);
    let (Some(Head::Bulk(cursor)), found) = (reply::head(parts.next()?), parts.next()?) else {
        return None;
    };
    Some((read(cursor)?, found))
}

#[cfg(test)]
mod tests {
    use failsoft_core::cluster::Slot;

    use super::*;

    #[test]
    fn options_stay_and_the_cursor_is_the_nodes_own() {
        let slots = [[Slot::FIRST..=Slot::new(99).unwrap()], [Slot::new(100).unwrap()..=Slot::LAST]];
        let survey = Survey::of(slots.iter().map(|slots| (&slots[..], Some("name".to_owned())))).unwrap();
        let mut told = Vec::new();
        answer(&survey, survey.find(b"0").unwrap(), b"*2\r\n$2\r\n17\r\n*1\r\n$1\r\na\r\n", &mut told);
        let (cursor, found) = page(&told).unwrap();
        assert_eq!(found, b"*1\r\n$1\r\na\r\n");
        let position = survey.find(cursor.to_string().as_bytes()).unwrap();
        let frame = ask(&["SCAN", &cursor.to_string(), "COUNT", "5"][..], position);
        assert_eq!(frame, b"*4\r\n$4\r\nSCAN\r\n$2\r\n17\r\n$5\r\nCOUNT\r\n$1\r\n5\r\n");
        let refused = b"-ERR syntax error\r\n";
        let mut told = Vec::new();
        answer(&survey, position, refused, &mut told);
        assert_eq!(told, refused);
    }
}
