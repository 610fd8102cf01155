//! HTTP origins against a real socket: what is sent for which key, what each answer means, and bad servers.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use failsoft::origin::{
    Kind, Misfit, Origin, OriginError, OriginOptions, OriginReason, ParameterKind, Query, Secret, Waiting, open,
};
use failsoft::value::{Shape, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// Serves by path and reports the head of every request.
struct Server {
    address: SocketAddr,
    heads: UnboundedReceiver<String>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (tell, heads) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, tell.clone()));
            }
        });
        Self { address, heads }
    }

    fn origin(&self) -> Arc<dyn Origin> {
        self.origin_at("")
    }

    fn origin_at(&self, base: &str) -> Arc<dyn Origin> {
        let options = OriginOptions {
            max_connections: 4,
            max_value: 2 << 20,
            secret: Some(Secret::new("canary-token")),
            ..Default::default()
        };
        open(&format!("http://{}{base}", self.address), options).unwrap()
    }
}

async fn serve(mut socket: TcpStream, tell: UnboundedSender<String>) {
    while let Some(head) = head(&mut socket).await {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        tell.send(head).unwrap();
        let reply = match path.as_str() {
            "/silent" => std::future::pending().await,
            "/hangs-up" => return,
            "/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
            "/claims" => b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx".to_vec(),
            "/away" => b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "/chunked" => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec()
            }
            path => reply(path),
        };
        if socket.write_all(&reply).await.is_err() || path == "/cut" {
            return;
        }
    }
}

fn reply(path: &str) -> Vec<u8> {
    let (status, body) = match path.trim_start_matches('/').split_once('/') {
        Some(("status", status)) => (status.to_owned(), b"body".to_vec()),
        Some(("size", size)) => ("200".to_owned(), vec![b'x'; size.parse().unwrap()]),
        Some(("html", _)) => ("200".to_owned(), b"<html>".to_vec()),
        Some(_) | None => ("200".to_owned(), format!("{{\"path\":\"{path}\",\"n\":1,\"none\":null}}").into_bytes()),
    };
    let head = format!("HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

async fn head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

fn query(template: &str, shape: Shape) -> Query {
    Query::compile(Kind::Http, template, shape, &[("id", ParameterKind::Text)]).unwrap()
}

async fn ask(origin: &dyn Origin, query: &Query, id: &str) -> Result<Option<Value>, OriginError> {
    origin.load(query, &[("id", id.as_bytes())], LONG).await
}

fn raw(text: &str) -> Option<Value> {
    Some(Value::Raw(Bytes::copy_from_slice(text.as_bytes())))
}

#[tokio::test]
async fn all_shapes() {
    let server = Server::start().await;
    let origin = server.origin_at("/api/");
    let body = "{\"path\":\"/api/users/42\",\"n\":1,\"none\":null}";
    for shape in [Shape::Raw, Shape::Json] {
        assert_eq!(ask(&*origin, &query("/users/{id}", shape), "42").await, Ok(raw(body)));
    }
    let fields = vec![(Bytes::from("path"), Bytes::from("/api/users/42")), (Bytes::from("n"), Bytes::from("1"))];
    assert_eq!(ask(&*origin, &query("/users/{id}", Shape::Hash), "42").await, Ok(Some(Value::Hash(fields))));
    assert_eq!(
        ask(&*server.origin(), &query("/html/{id}", Shape::Json), "42").await,
        Err(OriginError::Shape(Misfit::NotJson))
    );
    assert_eq!(ask(&*server.origin(), &query("/{id}", Shape::Raw), "chunked").await, Ok(raw("abcde")));
    assert_eq!(origin.statements(), 3);
}

#[tokio::test]
async fn hostile_keys_stay_one_part_of_the_path() {
    let mut server = Server::start().await;
    let origin = server.origin();
    let query = query("/users/{id}?full=1", Shape::Raw);
    for (id, sent) in [
        ("a/b", "/users/a%2Fb?full=1"),
        ("?admin=1&x#y", "/users/%3Fadmin%3D1%26x%23y?full=1"),
        ("@evil:80", "/users/%40evil%3A80?full=1"),
        ("x HTTP/1.1\r\nHost: evil\r\n\r\n", "/users/x%20HTTP%2F1.1%0D%0AHost%3A%20evil%0D%0A%0D%0A?full=1"),
        ("%2e%2e%2fadmin", "/users/%252e%252e%252fadmin?full=1"),
        ("Zoë", "/users/Zo%C3%AB?full=1"),
    ] {
        assert!(ask(&*origin, &query, id).await.unwrap().is_some(), "{id:?}");
        let head = server.heads.recv().await.unwrap();
        assert!(head.starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("host: {}\r\n", server.address)), "{head}");
        assert!(head.contains("authorization: Bearer canary-token\r\n"), "{head}");
    }
    for id in ["", ".", "..", "../admin", "a/../../b"] {
        assert_eq!(ask(&*origin, &query, id).await, Ok(None), "{id:?}");
    }
    assert_eq!(origin.statements(), 6);
}

#[tokio::test]
async fn what_each_status_means() {
    let server = Server::start().await;
    let origin = server.origin();
    let query = query("/status/{id}", Shape::Raw);
    assert_eq!(ask(&*origin, &query, "200").await, Ok(raw("body")));
    for absent in ["404", "410"] {
        assert_eq!(ask(&*origin, &query, absent).await, Ok(None));
    }
    for status in [201, 206, 301, 400, 401, 403, 429, 500, 503] {
        assert_eq!(ask(&*origin, &query, &status.to_string()).await, Err(OriginError::Http { status }));
    }
}

#[tokio::test]
async fn bad_servers() {
    let server = Server::start().await;
    let origin = server.origin();
    let query = query("/{id}", Shape::Raw);
    assert_eq!(ask(&*origin, &query, "away").await, Err(OriginError::Http { status: 302 }));
    assert_eq!(ask(&*origin, &query, "hangs-up").await, Err(OriginError::Lost));
    assert_eq!(ask(&*origin, &query, "cut").await, Err(OriginError::Lost));
    for _ in 0..6 {
        let silent = origin.load(&query, &[("id", b"silent")], SHORT).await;
        assert_eq!(silent, Err(OriginError::Timeout(Waiting::Answer)));
        let claims = origin.load(&query, &[("id", b"claims")], SHORT).await;
        assert_eq!(claims, Err(OriginError::Timeout(Waiting::Answer)));
    }
    assert!(ask(&*origin, &query, "fine").await.unwrap().is_some());
}

#[tokio::test]
async fn a_megabyte_and_one_byte_too_many() {
    let server = Server::start().await;
    let origin = server.origin();
    let query = query("/size/{id}", Shape::Raw);
    assert_eq!(ask(&*origin, &query, "1048576").await.unwrap().unwrap().payload_len(), 1 << 20);
    assert_eq!(ask(&*origin, &query, "2097152").await.unwrap().unwrap().payload_len(), 2 << 20);
    assert_eq!(ask(&*origin, &query, "2097153").await, Err(OriginError::TooLarge { limit: 2 << 20 }));
}

#[tokio::test]
async fn down_at_the_start_then_up() {
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = holder.local_addr().unwrap();
    drop(holder);
    let origin = open(&format!("http://{address}"), OriginOptions::default()).unwrap();
    let query = query("/{id}", Shape::Raw);
    let down = ask(&*origin, &query, "canary-key").await.unwrap_err();
    assert!(down.reason() == OriginReason::Connect && !down.to_string().contains("canary-key"), "{down}");
    assert_eq!(origin.statements(), 0);
    let server = Server::on(TcpListener::bind(address).await.unwrap());
    assert!(ask(&*origin, &query, "42").await.unwrap().is_some());
    drop(server);
}

#[tokio::test]
async fn fifty_at_once_over_four_places_and_dropped_loads() {
    let server = Server::start().await;
    let origin = server.origin();
    let query = Arc::new(query("/users/{id}", Shape::Raw));
    for _ in 0..6 {
        let silent = Query::compile(Kind::Http, "/silent", Shape::Raw, &[]).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), origin.load(&silent, &[], LONG)).await.is_err());
    }
    let before = origin.statements();
    let loads: Vec<_> = (0..50)
        .map(|n| {
            let (origin, query) = (Arc::clone(&origin), Arc::clone(&query));
            tokio::spawn(async move {
                let expected = raw(&format!("{{\"path\":\"/users/{n}\",\"n\":1,\"none\":null}}"));
                (ask(&*origin, &query, &n.to_string()).await, expected)
            })
        })
        .collect();
    for load in loads {
        let (found, expected) = load.await.unwrap();
        assert_eq!(found, Ok(expected));
    }
    assert_eq!(origin.statements() - before, 50);
    origin.close();
    assert_eq!(ask(&*origin, &query, "1").await, Err(OriginError::Closed));
}
