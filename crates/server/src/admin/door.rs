//! Who is let in, and for how long without a word.
//!
//! The HTTP server bounds the size of a request's head by itself and the one path that takes a body that of the body, but it waits
//! forever for a head that never ends, and for as many of them as there are. So there is a bound on visitors, beyond
//! which the next one waits in the kernel's queue, and one on the time between two answers to a visitor: whoever has
//! not been answered for so long, because it asks too slowly, does not read, or is idle, is closed.
//!
//! When the process is out of descriptors, visitors are let in one after the other through the [`Reserve`], each for a
//! short time in all.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use super::reserve::Reserve;

/// Connections at a time: an orchestrator's, a few scrapers', some browsers'.
const MAX_VISITORS: usize = 128;
/// Time between two answers on one connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// All the time a visitor has who was let in through the reserve: others may wait.
const RESERVE_PATIENCE: Duration = Duration::from_secs(2);
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A listener with bounds.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
    reserve: Arc<Reserve>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, reserve: Arc<Reserve>) -> Self {
        Self::with_bounds(listener, reserve, MAX_VISITORS, PATIENCE)
    }

    pub(super) fn with_bounds(
        listener: TcpListener,
        reserve: Arc<Reserve>,
        visitors: usize,
        patience: Duration,
    ) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(visitors)), patience, reserve }
    }

    /// Whoever comes next, and through which door.
    async fn next(&self) -> (TcpStream, SocketAddr, Entry) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                self.reserve.refill();
                return (stream, address, Entry::Free);
            }
            if let Some((stream, address)) = self.accept_through_reserve() {
                return (stream, address, Entry::Reserve(self.reserve.clone()));
            }
            sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Gives up the reserve for one who waits; not waiting, so that nobody else gets it meanwhile.
    fn accept_through_reserve(&self) -> Option<(TcpStream, SocketAddr)> {
        let mut nobody = Context::from_waker(Waker::noop());
        if self.reserve.give_up()
            && let Poll::Ready(Ok(visitor)) = self.listener.poll_accept(&mut nobody)
        {
            return Some(visitor);
        }
        self.reserve.refill();
        None
    }
}

impl Listener for Door {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address, entry) = self.next().await;
        let patience = match entry {
            Entry::Free => self.patience,
            Entry::Reserve(_) => RESERVE_PATIENCE,
        };
        let until = Box::pin(sleep(patience));
        (Visitor { stream: Some(stream), patience, until, entry, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// With whose descriptor a visitor came in.
enum Entry {
    /// With one of those that are there for everybody.
    Free,
    /// With the one in reserve, which goes back there.
    Reserve(Arc<Reserve>),
}

/// A connection that ends when it has not been answered for too long.
pub(super) struct Visitor {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    patience: Duration,
    until: Pin<Box<Sleep>>,
    entry: Entry,
    _place: OwnedSemaphorePermit,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if let (Entry::Reserve(reserve), Some(stream)) = (&self.entry, self.stream.take()) {
            reserve.take_back(stream);
        }
    }
}

impl Visitor {
    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("only dropping takes the stream"))
    }

    /// What to say where the socket says that it is not ready.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.until.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn note_progress<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Ok(written)) => {
                if let Entry::Free = self.entry {
                    let until = Instant::now() + self.patience;
                    self.until.as_mut().reset(until);
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(context),
        }
    }
}

impl AsyncRead for Visitor {
    /// Reading does not buy time: a head that comes letter by letter is as bad as none.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.wait(context) {
            Poll::Pending => self.stream().poll_read(context, buffer),
            over @ Poll::Ready(_) => over,
        }
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(context, bytes);
        self.note_progress(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(context, parts);
        self.note_progress(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
