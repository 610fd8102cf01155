//! A socket in the file system, for clients on this machine: where it is, and who may connect.

use crate::settings::judge::Judge;
use std::path::{Path, PathBuf};

/// What an address in the file system may be long, in bytes: the kernel's bound (`sun_path`) without the closing zero.
const LONGEST_PATH: usize = 107;

/// A socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    path: PathBuf,
    mode: u32,
}

impl UnixSocket {
    /// A socket at `path` with the permissions `mode`, as `chmod` counts them.
    pub fn new(path: impl Into<PathBuf>, mode: u32) -> Self {
        Self { path: path.into(), mode }
    }

    pub(super) fn mean(path: &str, mode: &str, folder: &Path, judge: &mut Judge<'_>) -> Option<Self> {
        let path = folder.join(path);
        let len = path.as_os_str().len();
        if len > LONGEST_PATH {
            judge
                .error("server.unix_socket", format!("the path has {len} bytes; a socket's may have {LONGEST_PATH}"))
                .hint("choose a folder nearer to the root, such as /run/failsoft");
            return None;
        }
        match u32::from_str_radix(mode, 8) {
            Ok(mode) if mode <= 0o777 => Some(Self { path, mode }),
            Ok(_) | Err(_) => {
                judge
                    .error("server.unix_socket_mode", format!("`{mode}` is not a file's mode"))
                    .hint("write it as chmod takes it: \"0600\" for the own user, \"0660\" for the group as well");
                None
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its permissions, as `chmod` counts them.
    pub fn mode(&self) -> u32 {
        self.mode
    }
}
