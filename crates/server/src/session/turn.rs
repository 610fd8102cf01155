//! What a session waits for between two turns: the client, its replies, its patience, and what concerns everybody.
//!
//! Polled by hand, because this is on the way of every request: each thing that may happen keeps the task's waker from
//! one turn to the next, and nothing is registered anew that has not changed. The one exception is a client that is not
//! read from, which is waited for as any task would.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;

use super::bell::Word;
use super::patience::Hearing;
use super::{Ended, SCRATCH, Session};

impl Session {
    /// Waits for something to happen, and does the reading if the client is read from.
    pub(super) async fn wait(&mut self, reads: bool) -> Result<(), Ended> {
        if reads { poll_fn(|cx| self.poll_turn(cx)).await } else { self.wait_without_reading().await }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if self.replies.poll_news(cx).is_ready() || self.poll_bell(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = self.poll_read(cx) {
            if let Err(ended) = read {
                self.ending = Some(ended);
            }
            return Poll::Ready(Ok(()));
        }
        if self.unwritten() > 0 && self.wire.poll_writable(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.patience.poll(Hearing::Open, cx).map(Err)
    }

    fn poll_bell(&mut self, cx: &Context<'_>) -> Poll<()> {
        let word = ready!(self.bell.poll(cx));
        self.handle_word(word);
        Poll::Ready(())
    }

    pub(super) fn handle_word(&mut self, word: Word) {
        match word {
            Word::Reload => self.is_outdated = true,
            Word::Shutdown => {
                self.ending.get_or_insert(Ended::Shutdown);
            }
        }
    }

    /// Reads once, and dispatches what has become whole.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        loop {
            if ready!(self.wire.poll_readable(cx)).is_err() {
                return Poll::Ready(Err(Ended::Broken));
            }
            let read = SCRATCH.with_borrow_mut(|scratch| match self.wire.read_now(&mut scratch.as_mut_slice()) {
                Ok(0) => {
                    self.is_finished = true;
                    Some(Ok(()))
                }
                Ok(read) => Some(self.take(&scratch[..read])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(_) => Some(Err(Ended::Broken)),
            });
            if let Some(read) = read {
                return Poll::Ready(read);
            }
        }
    }

    async fn wait_without_reading(&mut self) -> Result<(), Ended> {
        let interest = if self.unwritten() > 0 { Interest::WRITABLE } else { Interest::ERROR };
        let Self { wire, replies, bell, patience, .. } = self;
        let word = tokio::select! {
            biased;
            () = poll_fn(|cx| replies.poll_news(cx)) => return Ok(()),
            word = poll_fn(|cx| bell.poll(cx)) => word,
            ready = wire.ready(interest) => return match ready {
                // A reset stays ready for ever: going round again would never let go of the thread.
                Ok(ready) if ready.is_error() => Err(Ended::Broken),
                Ok(_) => Ok(()),
                Err(_) => Err(Ended::Broken),
            },
            ended = poll_fn(|cx| patience.poll(Hearing::Shut, cx)) => return Err(ended),
        };
        self.handle_word(word);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client's task may take while the client only stays connected; its buffers and its replies come on top.
    const MOST_OF_A_TASK: usize = 2 << 10;

    fn size_of_future<F: Future>(_begin: impl FnOnce(Session) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_few_clients_need_is_not_carried_by_all() {
        let size = size_of_future(Session::run);
        assert!(size <= MOST_OF_A_TASK, "{size} bytes, of which the session takes {}", size_of::<Session>());
    }
}
