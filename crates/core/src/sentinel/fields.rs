//! The names and values in which a sentinel describes a process.

use super::Unreadable;
use crate::cluster::{Endpoint, NodeId};

/// One process, as a sentinel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'f>(Vec<(&'f [u8], &'f [u8])>);

impl<'f> FromIterator<(&'f [u8], &'f [u8])> for Fields<'f> {
    fn from_iter<T: IntoIterator<Item = (&'f [u8], &'f [u8])>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'f> Fields<'f> {
    /// The value of `name`, if it is there and is text.
    pub(super) fn text(&self, name: &str) -> Option<&'f str> {
        let value = self.0.iter().find(|(candidate, _)| *candidate == name.as_bytes())?.1;
        std::str::from_utf8(value).ok()
    }

    /// The value of `name`, which nothing can be understood without.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, Unreadable> {
        self.text(name).and_then(|text| text.parse().ok()).ok_or(Unreadable::Field(name))
    }

    /// Where the process is, if that is somewhere.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        endpoint(self.text("ip")?, self.text("port")?)
    }

    /// The name that the process gave itself when it started; sentinels learn it when they first reach it.
    pub(super) fn run_id(&self) -> Option<NodeId> {
        NodeId::parse(self.text("runid")?)
    }

    pub(super) fn flags(&self) -> impl Iterator<Item = &'f str> {
        self.text("flags").into_iter().flat_map(|flags| flags.split(','))
    }
}

/// The place that `host` and `port` name, if there can be one.
pub(super) fn endpoint(host: &str, port: &str) -> Option<Endpoint> {
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Endpoint::is_host(host).then(|| Endpoint::new(host, port))
}
