//! What the keys of the table hold: put there before, and looked at afterwards, at the Redis itself.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;

use super::class::{OLD, Seed};
use super::{Class, Role};

/// What keys hold, each told as text (`string 5`, `hash field 5`, `none`), by cell.
pub type Contents = BTreeMap<(Role, Class), Vec<String>>;

/// Keys of cache routes that are deleted while Redis is away, and must never be read again as they were before.
pub const DELETED: [&str; 2] = ["row:99", "aside:99"];

const TELL: &str = r"
    local told = {}
    for number, key in ipairs(KEYS) do
        local kind = redis.call('TYPE', key).ok
        local text = ''
        if kind == 'string' then text = ' ' .. redis.call('GET', key) end
        if kind == 'hash' then text = ' ' .. table.concat(redis.call('HGETALL', key), ' ') end
        if kind == 'list' then text = ' ' .. table.concat(redis.call('LRANGE', key, 0, -1), ' ') end
        if kind == 'zset' then text = ' ' .. table.concat(redis.call('ZRANGE', key, 0, -1), ' ') end
        if redis.call('PTTL', key) > 0 then text = text .. ' with an expiry' end
        told[number] = kind .. text
    end
    return told";

/// Every cell that there is.
pub fn cells() -> impl Iterator<Item = (Role, Class)> {
    let of_role =
        |role| Class::ALL.into_iter().filter(move |class| class.is_asked_of(role)).map(move |class| (role, class));
    Role::ALL.into_iter().flat_map(of_role)
}

/// Puts what each class begins with under its keys, at the replica too if there is one.
pub async fn seed(redis: &mut MultiplexedConnection, replicas: usize) {
    let mut pipe = redis::pipe();
    for (role, class) in cells() {
        for key in class.keys(role) {
            let words: &[&str] = match class.seed() {
                Seed::Nothing => continue,
                Seed::Text => &["SET", &key, OLD],
                Seed::Hash => &["HSET", &key, "field", OLD],
                Seed::List => &["RPUSH", &key, "element"],
                Seed::SortedSet => &["ZADD", &key, "1", "member"],
            };
            pipe.cmd(words[0]).arg(&words[1..]).ignore();
        }
    }
    for key in DELETED {
        pipe.cmd("SET").arg(key).arg(OLD).ignore();
    }
    pipe.query_async::<()>(redis).await.unwrap();
    let reached: usize = redis::cmd("WAIT").arg(replicas).arg(10_000).query_async(redis).await.unwrap();
    assert!(reached >= replicas, "the replica has not taken what was put");
}

/// What the keys hold.
pub async fn contents(redis: &mut MultiplexedConnection) -> Contents {
    let keys: Vec<String> = cells().flat_map(|(role, class)| class.keys(role)).collect();
    let mut command = redis::cmd("EVAL");
    command.arg(TELL).arg(keys.len()).arg(&keys);
    let mut told: std::vec::IntoIter<String> = command.query_async::<Vec<String>>(redis).await.unwrap().into_iter();
    cells().map(|(role, class)| ((role, class), told.by_ref().take(class.keys(role).len()).collect())).collect()
}
