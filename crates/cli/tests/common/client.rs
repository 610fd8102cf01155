//! A client that shows replies as they came, byte for byte.

use std::net::SocketAddr;

use failsoft_testkit::hostile::HostileClient;

use super::PATIENCE;

/// A connection to the sidecar. A reply that does not come within [`PATIENCE`] fails the test: nothing may hang.
pub(crate) struct Client(pub(crate) HostileClient);

impl Client {
    /// Connects.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(HostileClient::connect(addr).await)
    }

    /// Asks one command; the reply as it came.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> String {
        self.0.ask(words, PATIENCE).await
    }

    /// GETs a key; the reply as it came.
    pub(crate) async fn get(&mut self, key: &str) -> String {
        self.ask(&["GET", key]).await
    }

    /// Sends a command without waiting for its reply.
    pub(crate) async fn send(&mut self, words: &[&str]) {
        self.0.send_command(words).await.expect("the sidecar keeps its clients");
    }

    /// The next reply as it came.
    pub(crate) async fn reply(&mut self) -> String {
        String::from_utf8_lossy(&self.0.read_reply(PATIENCE).await).into_owned()
    }

    /// Sends all commands at once; their replies in the order in which they came.
    pub(crate) async fn pipeline(&mut self, commands: &[Vec<&str>]) -> Vec<String> {
        for command in commands {
            self.send(command).await;
        }
        let mut replies = Vec::new();
        for _ in commands {
            replies.push(self.reply().await);
        }
        replies
    }
}
