//! Just enough HTTP/1.1 for a client's connection pool: keep-alive, pipelining, bodies skipped.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use super::{HttpOrigin, OriginMode, Shared};

struct Request {
    path: String,
    keep_alive: bool,
}

pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read(&mut reader).await {
        let _under_way = shared.counts.arrived(&request.path);
        let (status, body) = shared.answer(&request.path).await;
        let ending = if request.keep_alive { "keep-alive" } else { "close" };
        let head = format!("HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nConnection: {ending}\r\n");
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        if writer.write_all(text.as_bytes()).await.is_err() || !request.keep_alive {
            break;
        }
    }
    if writer.shutdown().await.is_ok() {
        while matches!(reader.read(&mut [0; 1024]).await, Ok(1..)) {}
    }
}

/// Reads one request; `None` at the end of the connection or of its sense.
async fn read(reader: &mut BufReader<ReadHalf<'_>>) -> Option<Request> {
    let first = line(reader).await?;
    let mut words = first.split_whitespace();
    let path = words.nth(1)?.to_owned();
    let mut keep_alive = words.next()? != "HTTP/1.0";
    let mut length = 0;
    loop {
        let header = line(reader).await?.to_ascii_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(("connection", value)) => keep_alive &= value.trim() != "close",
            Some(_) => {}
            None => break,
        }
    }
    tokio::io::copy(&mut reader.take(length), &mut tokio::io::sink()).await.ok()?;
    Some(Request { path, keep_alive })
}

async fn line(reader: &mut BufReader<ReadHalf<'_>>) -> Option<String> {
    let mut text = String::new();
    let read = reader.read_line(&mut text).await.ok()?;
    (read > 0).then(|| text.trim_end().to_owned())
}

impl Shared {
    async fn answer(&self, path: &str) -> (u16, String) {
        let latency = *self.latency.lock();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let mut mode = self.mode.subscribe();
        let mode = mode.wait_for(|mode| *mode != OriginMode::Hang).await.map_or(OriginMode::Refuse, |mode| *mode);
        match mode {
            OriginMode::Fail(status) => (status, "{}".to_owned()),
            OriginMode::Answer | OriginMode::Hang | OriginMode::Refuse => self.content(path),
        }
    }

    fn content(&self, path: &str) -> (u16, String) {
        if let Some(fixed) = self.fixed.lock().get(path) {
            return fixed.clone();
        }
        let known = path.trim_start_matches('/').rsplit_once('/');
        let entity = known.and_then(|(collection, id)| Some((collection, id.parse::<u64>().ok()?)));
        match entity {
            Some((collection, id)) if id <= *self.largest_id.lock() => (200, HttpOrigin::body_of(collection, id)),
            Some(_) | None => (404, "{}".to_owned()),
        }
    }
}
