//! Whom to run a database as: PostgreSQL and MariaDB refuse root, and containers often are root.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// An unprivileged user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The first of `names` that exists, when we are root; `None` when we are not and need no other.
    ///
    /// # Panics
    /// As root, when none of the names exists.
    pub(crate) fn unless_unprivileged(names: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let account = names.iter().find_map(|name| find(&users, name));
        Some(account.unwrap_or_else(|| panic!("running as root, and none of the users {names:?} exists: create one")))
    }

    /// Makes `command` run as this user, without our supplementary groups.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

fn find(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [user, _, uid, gid, ..] = fields[..] else { return None };
        (user == name).then_some(Account { name: user.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let users = "postgresql:x:1:2::/:/bin/sh\nbroken\npostgres:x:101:104:admin:/var:/bin/bash\n";
        let expected = Account { name: "postgres".to_owned(), uid: 101, gid: 104 };
        assert_eq!(find(users, "postgres"), Some(expected));
        assert_eq!(find(users, "post"), None);
    }
}
