//! Values that can be made again: read from whoever answers, made by one caller for all, written for the next.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use failsoft_core::Tier;
use failsoft_resp::encode::{self, Protocol};
use parking_lot::Mutex;

use super::codec::{Codec, Json};
use super::room::{Room, millis, words};
use super::{Answer, BoxError, Error, replies};
use crate::caller::Answered;
use crate::job::{Job, Matter};
use crate::origin::{Loader, OriginError};
use crate::route::Way;
use crate::value::Value;
use crate::verb::Verb;

/// Values of type `T` on one route with role cache.
pub struct Cache<T, C = Json> {
    room: Room,
    codec: C,
    values: PhantomData<fn() -> T>,
}

/// What the program's own load has said, for the one caller whose load it is.
type Told = Arc<Mutex<Option<BoxError>>>;

impl<T, C> Cache<T, C> {
    pub(super) fn new(room: Room, codec: C) -> Self {
        Self { room, codec, values: PhantomData }
    }

    /// The same route, its values written by another codec.
    #[must_use]
    pub fn with_codec<D: Codec<T>>(self, codec: D) -> Cache<T, D> {
        Cache::new(self.room, codec)
    }

    /// Drops the value, here and in Redis: whoever reads next makes it anew.
    ///
    /// While Redis is away the copy here is dropped, and Redis is told before its answers are trusted again.
    ///
    /// # Errors
    /// It could not be made sure of.
    pub async fn invalidate(&self, key: impl AsRef<[u8]>) -> Result<(), Error> {
        self.invalidate_many([key]).await
    }

    /// Drops these values, wherever in a cluster they are.
    ///
    /// # Errors
    /// It could not be made sure of for all of them; it may have been for some.
    pub async fn invalidate_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<(), Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        self.room.ensure_own(&keys)?;
        if keys.is_empty() {
            return Ok(());
        }
        let keys = keys.iter().map(|key| key.as_ref().to_vec());
        let reply = self.room.change(std::iter::once(b"DEL".to_vec()).chain(keys).collect()).await?;
        replies::integer(&reply).map(drop)
    }
}

impl<T, C: Codec<T>> Cache<T, C> {
    /// The value of `key`, from the best tier that answers: an origin of the route's own is asked too, a closure is not.
    ///
    /// # Errors
    /// Nobody could say; or what is stored is no `T` ([`Error::Codec`]).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Answer<T>, Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let answered = self.room.read(&[b"GET", key]).await?;
        self.decode(answer_of(&answered)?)
    }

    /// The value of `key`; where nobody has it, what `load` makes of it, kept here and written to Redis for all.
    ///
    /// However many ask for a key, one load is under way for it in this process, within the bounds of the route's
    /// origin. It runs in a task of its own. When it fails, or may not begin, an older value is served within the route's
    /// `max_stale`. `load` is called only if this caller is the one who makes the value; `None` is remembered as an
    /// absence for the route's `negative_ttl`.
    ///
    /// Stored bytes that are no `T`, as another version of the program may have written them, are dropped and made anew.
    ///
    /// # Errors
    /// The value could not be made and there is none to be served: [`Error::Load`] with the loader's own error,
    /// [`Error::Overloaded`], or [`Error::Unavailable`] for those who waited for another's load.
    pub async fn get_or_load<F, L, E>(&self, key: impl AsRef<[u8]>, load: F) -> Result<Answer<T>, Error>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
        T: Send + 'static,
    {
        let _call = self.room.begin()?;
        let key = key.as_ref();
        let told = Told::default();
        let mut loader = Some(self.loader(load, told.clone()));
        let first = self.read_or_load(key, &mut loader).await;
        let answered = match self.settle(first, &told)? {
            Err(_) if loader.is_some() => {
                // The reload answers in any case; whoever cannot drop it now drops it when it is read next.
                let _ = self.invalidate(key).await;
                let second = self.read_or_load(key, &mut loader).await;
                self.settle(second, &told)?
            }
            settled => settled,
        };
        answered.map_err(Error::from)
    }

    /// Writes `value`, for as long as the route's `ttl` says.
    ///
    /// # Errors
    /// It is not known to be written.
    pub async fn set(&self, key: impl AsRef<[u8]>, value: &T) -> Result<(), Error> {
        self.set_for(key, value, self.room.ttl()?).await
    }

    /// Writes `value`, for as long as `ttl`.
    ///
    /// # Errors
    /// It is not known to be written.
    pub async fn set_for(&self, key: impl AsRef<[u8]>, value: &T, ttl: Duration) -> Result<(), Error> {
        let key = key.as_ref();
        self.room.ensure_own(&[key])?;
        let (value, ttl) = (self.codec.encode(value)?, millis(ttl)?);
        let reply = self.room.change(words([b"SET", key, &value, b"PX", &ttl])).await?;
        replies::done(&reply)
    }

    async fn read_or_load(&self, key: &[u8], loader: &mut Option<Loader>) -> Result<Answered, Error> {
        let context = self.room.caller().context();
        let world = &context.world;
        let route = self.room.route_of(world, key)?;
        if world.route(route).source.is_none() {
            return Err(Error::misuse(format!(
                "route {} has no origin whose bounds a load could keep to: give it one, with url = \"code:\" in the settings",
                world.route(route).name
            )));
        }
        let mut frame = Vec::new();
        encode::command(&mut frame, [b"GET", key]);
        let end = frame.len() - b"\r\n".len();
        let matter = Matter {
            route,
            way: Way::Made,
            verb: Some(Verb::Get),
            key: (end - key.len()) as u32..end as u32,
            place: context.views.redis.place_of(key),
            protocol: Protocol::Resp2,
            stand_in: None,
        };
        world.handle_request();
        let job = Job::new(world, matter, frame, context.now());
        Ok(context.answer_with(job, loader).await)
    }

    /// What was answered, as a value if it is one; the outer error where there is no answer.
    fn settle(
        &self,
        answered: Result<Answered, Error>,
        told: &Told,
    ) -> Result<Result<Answer<T>, super::CodecError>, Error> {
        let answer = match answer_of(&answered?) {
            Err(error @ (Error::Unavailable(_) | Error::Overloaded(_))) => {
                return Err(told.lock().take().map_or(error, Error::Load));
            }
            other => other?,
        };
        Ok(answer.try_map(|bytes| self.codec.decode(&bytes)))
    }

    fn loader<F, L, E>(&self, load: F, told: Told) -> Loader
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
        T: Send + 'static,
    {
        let codec = self.codec.clone();
        Loader::new(move || {
            Box::pin(async move {
                let loaded: Result<Option<T>, BoxError> = load().await.map_err(Into::into);
                let encoded = loaded.and_then(|value| Ok(value.map(|value| codec.encode(&value)).transpose()?));
                encoded.map(|bytes| bytes.map(|bytes| Value::Raw(Bytes::from(bytes)))).map_err(|error| {
                    *told.lock() = Some(error);
                    OriginError::Program
                })
            })
        })
    }

    fn decode(&self, answer: Answer<Bytes>) -> Result<Answer<T>, Error> {
        Ok(answer.try_map(|bytes| self.codec.decode(&bytes))?)
    }
}

/// The value of an answer to GET.
fn answer_of(answered: &Answered) -> Result<Answer<Bytes>, Error> {
    let value = replies::bytes(&answered.reply)?;
    let facts = &answered.facts;
    Ok(Answer { value, tier: facts.tier().unwrap_or(Tier::Primary), age: facts.age, is_stale: facts.is_stale })
}

impl<T, C: Clone> Clone for Cache<T, C> {
    fn clone(&self) -> Self {
        Self::new(self.room.clone(), self.codec.clone())
    }
}

impl<T, C> fmt::Debug for Cache<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("route", &self.room.name()).finish_non_exhaustive()
    }
}
