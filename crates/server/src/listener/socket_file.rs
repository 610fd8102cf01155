//! Listening in the file system.
//!
//! The file is there for others only when everything about it is right: the socket is bound, gets its mode, and listens
//! last, so nobody comes in through a moment of wider rights. What a dead process has left behind is replaced; a socket
//! that somebody listens at, or a file that is no socket, is left alone and refused. At the end the file goes, unless it
//! has become another's meanwhile.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use failsoft::settings::UnixSocket;
use socket2::{Domain, SockAddr, Socket, Type};

use super::BACKLOG;

/// A socket in the file system, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// Listens at the path of `settings`.
pub(super) fn listen(settings: &UnixSocket) -> io::Result<(SocketFile, UnixListener)> {
    clear(settings.path())?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(settings.path())?)?;
    let file = SocketFile { identity: identity(settings.path())?, path: settings.path().to_owned() };
    fs::set_permissions(settings.path(), Permissions::from_mode(settings.mode()))?;
    socket.listen(BACKLOG)?;
    Ok((file, socket.into()))
}

/// Makes room at `path` if what is there is nobody's any more.
fn clear(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket is there"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::symlink_metadata(path)?;
    Ok(Identity { device: found.dev(), inode: found.ino() })
}

impl fmt::Display for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.path.display())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(folder: &Path) -> UnixSocket {
        UnixSocket::new(folder.join("failsoft.sock"), 0o600)
    }

    #[test]
    fn the_socket_has_its_mode_is_listened_at_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let settings = at(folder.path());
        let (file, _listener) = listen(&settings).unwrap();
        assert_eq!(fs::metadata(settings.path()).unwrap().mode() & 0o7777, 0o600);
        UnixStream::connect(settings.path()).unwrap();
        drop(file);
        assert!(!settings.path().exists());
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_and_the_living_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = at(folder.path());
        drop(UnixListener::bind(settings.path()).unwrap());
        let (_file, _listener) = listen(&settings).unwrap();
        assert_eq!(listen(&settings).unwrap_err().kind(), ErrorKind::AddrInUse);
        UnixStream::connect(settings.path()).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let settings = at(folder.path());
        fs::write(settings.path(), "precious").unwrap();
        assert_eq!(listen(&settings).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(settings.path()).unwrap(), "precious");
    }

    #[test]
    fn a_socket_that_has_become_anothers_stays() {
        let folder = tempfile::tempdir().unwrap();
        let settings = at(folder.path());
        let (file, _listener) = listen(&settings).unwrap();
        fs::rename(settings.path(), folder.path().join("moved")).unwrap();
        let _other = UnixListener::bind(settings.path()).unwrap();
        drop(file);
        assert!(settings.path().exists());
    }
}
