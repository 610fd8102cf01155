//! Who somebody is: what Redis says, or an error that says try again. Never a copy, never a guess.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::codec::{Codec, Json};
use super::room::{Room, millis, words};
use super::{Error, replies};

/// Sessions of type `T` on one route with role session.
pub struct Sessions<T, C = Json> {
    room: Room,
    codec: C,
    values: PhantomData<fn() -> T>,
}

impl<T, C> Sessions<T, C> {
    pub(super) fn new(room: Room, codec: C) -> Self {
        Self { room, codec, values: PhantomData }
    }

    /// The same route, its sessions written by another codec.
    #[must_use]
    pub fn with_codec<D: Codec<T>>(self, codec: D) -> Sessions<T, D> {
        Sessions::new(self.room, codec)
    }

    /// Lets the session live for `ttl` from now; whether there is one.
    ///
    /// # Errors
    /// It is not known to be done.
    pub async fn touch(&self, key: impl AsRef<[u8]>, ttl: Duration) -> Result<bool, Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let reply = self.room.change(words([b"PEXPIRE", key, &millis(ttl)?])).await?;
        Ok(replies::integer(&reply)? == 1)
    }

    /// Ends the session; whether there was one.
    ///
    /// # Errors
    /// It is not known to be done: the session may live on.
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let reply = self.room.change(words([b"DEL", key])).await?;
        Ok(replies::integer(&reply)? == 1)
    }
}

impl<T, C: Codec<T>> Sessions<T, C> {
    /// The session, if there is one.
    ///
    /// # Errors
    /// Redis could not say: nobody is to be taken for logged out ([`Error::Unavailable`]: 503, with
    /// [`retry_after`](Error::retry_after)). Or what is stored is no `T`.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let answered = self.room.read(&[b"GET", key]).await?;
        let bytes = replies::bytes(&answered.reply)?;
        Ok(bytes.map(|bytes| self.codec.decode(&bytes)).transpose()?)
    }

    /// Writes the session, to live for `ttl`.
    ///
    /// # Errors
    /// It is not known to be written.
    pub async fn set(&self, key: impl AsRef<[u8]>, session: &T, ttl: Duration) -> Result<(), Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let session = self.codec.encode(session)?;
        let reply = self.room.change(words([b"SET", key, &session, b"PX", &millis(ttl)?])).await?;
        replies::done(&reply)
    }
}

impl<T, C: Clone> Clone for Sessions<T, C> {
    fn clone(&self) -> Self {
        Self::new(self.room.clone(), self.codec.clone())
    }
}

impl<T, C> fmt::Debug for Sessions<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("route", &self.room.name()).finish_non_exhaustive()
    }
}
