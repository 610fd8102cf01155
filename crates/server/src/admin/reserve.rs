//! The descriptor that lets one visitor in when the process has no other left.
//!
//! An orchestrator kills a process that does not answer `/livez`, and an operator needs `/metrics` most when something
//! has run out. So a descriptor is held back: it is given up for one visitor at a time, who is told to go after one
//! answer, and when that visitor goes, the socket's descriptor is not closed, which would hand it to the next client,
//! but made a blank again in one step (`dup2`). Between giving up and accepting somebody else may be quicker; then the
//! reserve is filled again as soon as anything is closed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::dup2;
use tokio::net::TcpStream;

/// A descriptor held in reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    /// What `kept` is a copy of; none if not even that could be opened.
    blank: Option<OwnedFd>,
    kept: Mutex<Option<OwnedFd>>,
}

impl Reserve {
    pub(super) fn new() -> Arc<Self> {
        let blank = File::open("/dev/null").ok().map(OwnedFd::from);
        let reserve = Self { blank, kept: Mutex::new(None) };
        reserve.refill();
        Arc::new(reserve)
    }

    /// Gives the descriptor up, if it is there: the next accept may have it.
    pub(super) fn give_up(&self) -> bool {
        self.kept.lock().take().is_some()
    }

    /// Takes a descriptor, if there is none in reserve and one can be had.
    pub(super) fn refill(&self) {
        let mut kept = self.kept.lock();
        if kept.is_none() {
            *kept = self.blank.as_ref().and_then(|blank| blank.try_clone().ok());
        }
    }

    /// Whether there is nothing in reserve: the process is out of descriptors.
    pub(super) fn is_spent(&self) -> bool {
        self.kept.lock().is_none()
    }

    /// Closes the connection and keeps its descriptor.
    pub(super) fn take_back(&self, stream: TcpStream) {
        let (Ok(stream), Some(blank)) = (stream.into_std(), &self.blank) else {
            return;
        };
        let mut descriptor = OwnedFd::from(stream);
        if dup2(blank, &mut descriptor).is_ok() {
            self.kept.lock().get_or_insert(descriptor);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::fd::AsRawFd;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_taken_back_is_closed_and_its_descriptor_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let reserve = Reserve::new();
        assert!(!reserve.is_spent() && reserve.give_up() && reserve.is_spent() && !reserve.give_up());

        let (stream, _) = listener.accept().await.unwrap();
        let number = stream.as_raw_fd();
        reserve.take_back(stream);
        assert_eq!(visitor.read(&mut [0]).await.unwrap(), 0, "the visitor sees the end");
        assert_eq!(reserve.kept.lock().as_ref().map(AsRawFd::as_raw_fd), Some(number));
        reserve.refill();
        assert_eq!(reserve.kept.lock().as_ref().map(AsRawFd::as_raw_fd), Some(number), "one is enough");
    }
}
