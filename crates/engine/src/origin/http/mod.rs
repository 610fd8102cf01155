//! HTTP origins: GET, where 200 is the value, 404 and 410 are "no such row", and everything else is a failure.
//!
//! Redirects are not followed and proxies of the environment not used: the operator named the host, and no answer may
//! name another one. The body is read piece by piece, so that a bound on values is a bound on memory too, whatever
//! length the server claims. Compression is not asked for, which keeps that bound honest.

mod path;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub(super) use self::path::PathTemplate;
use super::error::{Misfit, OriginError, Waiting};
use super::fetched::bounded;
use super::query::{Form, Query};
use super::{Kind, Load, Origin, OriginOptions, Params, Secret};
use crate::value::{Shape, Value};

/// How long an unused connection is kept; shorter than common servers keep theirs, which close without a word.
const MOST_IDLE: Duration = Duration::from_secs(30);

/// An HTTP service.
pub(super) struct HttpOrigin {
    client: Client,
    base: String,
    places: Semaphore,
    max_value: usize,
    requests: AtomicU64,
    closed: AtomicBool,
}

impl HttpOrigin {
    pub(super) fn new(url: &str, options: &OriginOptions) -> Result<Self, OriginError> {
        let base = Url::parse(url).map_err(|error| OriginError::Address(error.to_string()))?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(OriginError::Address("an origin's url has no query and no fragment".to_owned()));
        }
        let most = options.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("failsoft/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(MOST_IDLE)
            .pool_max_idle_per_host(most)
            .default_headers(headers(options.secret.as_ref())?)
            .build()
            .map_err(|_| OriginError::Address("no HTTP client can be built for it".to_owned()))?;
        Ok(Self {
            client,
            base: base.as_str().trim_end_matches('/').to_owned(),
            places: Semaphore::new(most),
            max_value: options.max_value,
            requests: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    async fn make(&self, query: &Query, params: Params<'_>, deadline: Instant) -> Result<Option<Value>, OriginError> {
        let Form::Path(template) = &query.form else { return Err(OriginError::OtherKind(Kind::Http)) };
        if self.closed.load(Ordering::Relaxed) {
            return Err(OriginError::Closed);
        }
        let Some(path) = template.render(params) else { return Ok(None) };
        let free = timeout_at(deadline, self.places.acquire()).await;
        let _place = free.map_err(|_| OriginError::Timeout(Waiting::Connection))?.map_err(|_| OriginError::Closed)?;
        let body = timeout_at(deadline, self.get(&path)).await.map_err(|_| OriginError::Timeout(Waiting::Answer))??;
        match body {
            Some(body) => bounded(shaped(query.shape, body)?, self.max_value),
            None => Ok(None),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, OriginError> {
        let sent = self.client.get(format!("{}{path}", self.base)).send().await;
        if !sent.as_ref().is_err_and(reqwest::Error::is_connect) {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        let response = sent.map_err(|error| fault(&error))?;
        match response.status() {
            StatusCode::OK => body(response, self.max_value).await.map(Some),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status => Err(OriginError::Http { status: status.as_u16() }),
        }
    }
}

impl Origin for HttpOrigin {
    fn load<'a>(&'a self, query: &'a Query, params: Params<'a>, timeout: Duration) -> Load<'a> {
        let deadline = Instant::now() + timeout;
        Box::pin(self.make(query, params, deadline))
    }

    fn kind(&self) -> Kind {
        Kind::Http
    }

    fn statements(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.places.close();
    }
}

fn headers(secret: Option<&Secret>) -> Result<HeaderMap, OriginError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    if let Some(secret) = secret {
        let bearer = HeaderValue::try_from(format!("Bearer {}", secret.reveal()));
        let mut bearer = bearer.map_err(|_| OriginError::Address("the token cannot stand in a header".to_owned()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

async fn body(mut response: Response, limit: usize) -> Result<Bytes, OriginError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(OriginError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The words of the HTTP client quote the address asked for, and with it the key; only their kind is kept.
fn fault(error: &reqwest::Error) -> OriginError {
    if error.is_timeout() {
        OriginError::Timeout(if error.is_connect() { Waiting::Connection } else { Waiting::Answer })
    } else if error.is_connect() {
        OriginError::Connect(innermost(error))
    } else {
        OriginError::Lost
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let first: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source());
    causes.last().map_or_else(|| "no connection".to_owned(), ToString::to_string)
}

fn shaped(shape: Shape, body: Bytes) -> Result<Option<Value>, OriginError> {
    match shape {
        Shape::Raw => Ok(Some(Value::Raw(body))),
        Shape::Json => {
            parsed(&body)?;
            Ok(Some(Value::Raw(body)))
        }
        Shape::Hash => match parsed(&body)? {
            Json::Object(members) => Ok(hash(members)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                Err(OriginError::Shape(Misfit::NotAnObject))
            }
        },
    }
}

fn parsed(body: &[u8]) -> Result<Json, OriginError> {
    serde_json::from_slice(body).map_err(|_| OriginError::Shape(Misfit::NotJson))
}

/// Texts without their quotes, null left out, everything else in its JSON form.
fn hash(members: serde_json::Map<String, Json>) -> Option<Value> {
    let fields = members.into_iter().filter_map(|(name, member)| {
        let text = match member {
            Json::Null => return None,
            Json::String(text) => text,
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => member.to_string(),
        };
        Some((Bytes::from(name), Bytes::from(text)))
    });
    let fields: Vec<(Bytes, Bytes)> = fields.collect();
    (!fields.is_empty()).then_some(Value::Hash(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_take_the_shape_of_the_route() {
        let body = || Bytes::from_static(b"{\"b\":\"x\",\"a\":1.50,\"n\":null,\"l\":[1,{\"k\":true}]}");
        assert_eq!(shaped(Shape::Json, body()), Ok(Some(Value::Raw(body()))));
        let field = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
        let fields = vec![field("b", "x"), field("a", "1.5"), field("l", "[1,{\"k\":true}]")];
        assert_eq!(shaped(Shape::Hash, body()), Ok(Some(Value::Hash(fields))));
        assert_eq!(shaped(Shape::Hash, Bytes::from_static(b"{}")), Ok(None));
        assert_eq!(shaped(Shape::Raw, Bytes::new()), Ok(Some(Value::Raw(Bytes::new()))));
    }

    #[test]
    fn bodies_that_do_not_fit_are_errors() {
        assert_eq!(shaped(Shape::Json, Bytes::from_static(b"<html>")), Err(OriginError::Shape(Misfit::NotJson)));
        assert_eq!(shaped(Shape::Hash, Bytes::from_static(b"[1]")), Err(OriginError::Shape(Misfit::NotAnObject)));
    }
}
