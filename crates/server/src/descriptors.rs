//! How many file descriptors this process may have, and how many of them clients may take.
//!
//! A client that takes the last descriptor takes it from everybody: no connection to Redis, none to an origin, no
//! answer for the orchestrator. So, as Redis does, the limit is raised as far as the system allows at the start, and the
//! bound on clients is lowered until a reserve remains. Raising fails only where a sandbox forbids it; then what there
//! is has to do.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for clients: 128 visitors of the admin interface, and as many for origins' pools, settings
/// files, the log and connections beyond a thread's usual few.
const RESERVED: u64 = 256;
/// Descriptors of one thread that are not for clients: its runtime, its listeners, its connections to nodes.
const RESERVED_PER_THREAD: u64 = 16;

/// Raises this process' limit, and returns how many of `wanted` clients there is room for beside `threads` threads and
/// `dedicated` connections to Redis that belong to single clients.
///
/// Says so where there is room for fewer.
pub(crate) fn room_for_clients(wanted: usize, threads: usize, dedicated: usize) -> usize {
    let limit = raised_limit();
    let reserved = RESERVED + RESERVED_PER_THREAD * threads as u64 + dedicated as u64;
    let room = room(limit, reserved, wanted);
    if room < wanted {
        tracing::warn!(
            "server.max_clients is {wanted}, but this process may have only {limit} file descriptors, {} of them not for \
             clients: at most {room} clients are let in; raise the limit (`ulimit -n`, LimitNOFILE= in systemd, \
             --ulimit nofile= of a container) to {} or lower server.max_clients",
            limit - room as u64,
            wanted as u64 + reserved,
        );
    }
    room
}

/// Where the limit does not even cover what is reserved, clients and the rest share it.
fn room(limit: u64, reserved: u64, wanted: usize) -> usize {
    let room = limit.saturating_sub(reserved).max(limit / 2).max(1);
    usize::try_from(room).unwrap_or(usize::MAX).min(wanted)
}

/// The soft limit, after it has been made as high as the hard one.
fn raised_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::debug!(%error, "the limit on file descriptors cannot be raised");
            current.unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_kept_from_clients_and_a_small_limit_is_shared() {
        for (limit, wanted, expected) in [
            (u64::MAX, 10_000, 10_000),
            (10_288, 10_000, 10_000),
            (10_287, 10_000, 9_999),
            (1_024, 10_000, 736),
            (1_024, 100, 100),
            (500, 10_000, 250),
            (1, 10_000, 1),
        ] {
            assert_eq!(room(limit, 288, wanted), expected, "{limit} descriptors");
        }
    }
}
