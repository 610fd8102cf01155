//! Opening the doors that the settings name, for all threads.
//!
//! At an address and port each thread has a socket of its own, and the kernel spreads clients over them. A socket in the
//! file system can be there only once, so all threads accept at the same one.

use std::net::SocketAddr;
use std::{fmt, io};

use failsoft::settings::{Server, UnixSocket};

use super::socket_file;
pub(crate) use super::socket_file::SocketFile;
use super::{Listener, Speech, tcp};
use crate::sidecar::StartError;

/// The doors of all threads.
#[derive(Default)]
pub(crate) struct Doors {
    /// What each thread listens at.
    pub(crate) of_threads: Vec<Vec<Listener>>,
    /// Where clients come in over TCP; the port is known even where the settings left it to the kernel.
    pub(crate) tcp: Option<SocketAddr>,
    /// Where clients come in over TLS.
    pub(crate) tls: Option<SocketAddr>,
    /// The socket in the file system.
    pub(crate) file: Option<SocketFile>,
}

impl Doors {
    /// Opens what `server` names, for so many threads.
    pub(crate) fn open(server: &Server, threads: usize) -> Result<Self, StartError> {
        let mut doors = Self { of_threads: (0..threads).map(|_| Vec::new()).collect(), ..Self::default() };
        if let Some(address) = server.listen() {
            let listeners = tcp::bind_all(address, threads).map_err(cannot("server.listen", address))?;
            doors.tcp = Some(listeners[0].local_addr().unwrap_or(address));
            doors.add(listeners.into_iter().map(|listener| Listener::Tcp(listener, Speech::Plain)));
        }
        if let Some(address) = server.tls_listen() {
            let listeners = tcp::bind_all(address, threads).map_err(cannot("server.tls_listen", address))?;
            doors.tls = Some(listeners[0].local_addr().unwrap_or(address));
            doors.add(listeners.into_iter().map(|listener| Listener::Tcp(listener, Speech::Tls)));
        }
        if let Some(socket) = server.unix_socket() {
            doors.open_file(socket, threads).map_err(cannot("server.unix_socket", socket.path().display()))?;
        }
        Ok(doors)
    }

    fn open_file(&mut self, settings: &UnixSocket, threads: usize) -> io::Result<()> {
        let (file, listener) = socket_file::listen(settings)?;
        self.file = Some(file);
        let listeners =
            (0..threads).map(|_| listener.try_clone().map(Listener::Unix)).collect::<io::Result<Vec<_>>>()?;
        self.add(listeners.into_iter());
        Ok(())
    }

    fn add(&mut self, listeners: impl Iterator<Item = Listener>) {
        self.of_threads.iter_mut().zip(listeners).for_each(|(thread, listener)| thread.push(listener));
    }
}

/// Listens at `address` on the present runtime, for operators.
pub(crate) fn open_admin(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    tcp::bind_all(address, 1)
        .and_then(|mut listeners| tokio::net::TcpListener::from_std(listeners.remove(0)))
        .map_err(cannot("server.admin", address))
}

impl fmt::Display for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tcp = self.tcp.iter().map(SocketAddr::to_string);
        let file = self.file.iter().map(SocketFile::to_string);
        let tls = self.tls.iter().map(|address| format!("tls:{address}"));
        f.write_str(&tcp.chain(tls).chain(file).collect::<Vec<_>>().join(", "))
    }
}

fn cannot(setting: &'static str, address: impl ToString) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::Listen { setting, address: address.to_string(), error }
}
