//! Bytes that are no request, as a hostile client or a confused one sends them.

use failsoft_testkit::hostile::HostileClient;

use super::{PATIENCE, shown};

/// What Redis closes a connection for, or should.
pub fn malformed() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 30] = [
        b"*x\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*1.0\r\n$4\r\nPING\r\n",
        b"*\r\n",
        b"*1\r\n+PING\r\n",
        b"*1\r\n:4\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*1\r\n\r\n$4\r\nPING\r\n",
        b"*1\r\n\xff4\r\n",
        b"*2\r\n$3\r\nGET\r\n$003\r\nabc\r\n",
        b"*2\r\n$3\r\nGET\r\n$+3\r\nabc\r\n",
        b"*2\r\n$3\r\nGET\r\n$-1\r\n",
        b"*2\r\n$3\r\nGET\r\n$-5\r\n",
        b"*2\r\n$3\r\nGET\r\n$536870913\r\n",
        b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n",
        b"*2\r\n$3\r\nGET\r\n$x\r\n",
        b"*2\r\n$3\r\nGET\r\n$\r\n",
        b"SET key \"unbalanced\r\n",
        b"SET key 'unbalanced\r\n",
        b"SET key \"closed\"in the middle\r\n",
        b"POST / HTTP/1.1\r\n",
        b"Host: localhost:6379\r\n",
        b"post / HTTP/1.1\r\n",
        b"*1\r\n$4\r\nPOST\r\n",
        b"*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n",
    ];
    let mut inputs: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    inputs.push(vec![b'a'; 64 * 1024 + 1]);
    inputs.push([b"*".to_vec(), vec![b'1'; 64 * 1024 + 1]].concat());
    inputs.push([b"*1\r\n$".to_vec(), vec![b'1'; 64 * 1024 + 1]].concat());
    inputs
}

/// What comes back until the connection is closed.
pub async fn until_closed(addr: std::net::SocketAddr, input: &[u8]) -> String {
    let mut client = HostileClient::connect(addr).await;
    // A peer that has closed in the middle of it has made up its mind.
    let _ = client.send(input).await;
    shown(client.read_until_closed(PATIENCE).await.bytes)
}
