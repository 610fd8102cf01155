//! A script that Redis runs, by its name where Redis has it and by its text where it does not.
//!
//! Redis calls a script by the SHA-1 of its text, and forgets all of them when it is restarted or told to: `NOSCRIPT`
//! means that nothing was run, and that the text is to be sent.

use std::ops::Range;
use std::sync::OnceLock;

use failsoft_resp::encode;
use failsoft_resp::reply::{self, Head};
use sha1::{Digest as _, Sha1};

/// A script.
pub(crate) struct Script {
    text: &'static str,
    name: OnceLock<String>,
}

/// How a script is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its name: `EVALSHA`.
    Name,
    /// By its text: `EVAL`, after which Redis knows the name.
    Text,
}

/// A command, and where its first key is.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) key: Range<u32>,
}

impl Script {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, name: OnceLock::new() }
    }

    /// The command that runs it on these keys, at least one.
    pub(crate) fn frame(&self, form: Form, keys: &[&[u8]], arguments: &[&[u8]]) -> Frame {
        let (verb, which) = match form {
            Form::Name => (&b"EVALSHA"[..], self.name()),
            Form::Text => (&b"EVAL"[..], self.text),
        };
        let mut bytes = Vec::new();
        encode::array_header(&mut bytes, 3 + keys.len() + arguments.len());
        encode::bulk(&mut bytes, verb);
        encode::bulk(&mut bytes, which.as_bytes());
        encode::bulk(&mut bytes, keys.len().to_string().as_bytes());
        let mut key = 0..0;
        for (index, word) in keys.iter().chain(arguments).enumerate() {
            encode::bulk(&mut bytes, word);
            if index == 0 {
                let end = bytes.len() - 2;
                key = (end - word.len()) as u32..end as u32;
            }
        }
        Frame { bytes, key }
    }

    fn name(&self) -> &str {
        self.name.get_or_init(|| {
            let digest = Sha1::digest(self.text.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}

/// Whether `reply` says that the script is not known by its name: nothing was run.
pub(crate) fn is_unknown(reply: &[u8]) -> bool {
    matches!(reply::head(reply), Some(Head::Error(text)) if reply::error_word(text) == b"NOSCRIPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_called_by_the_sum_of_its_text_and_the_key_is_where_it_is_said_to_be() {
        let script = Script::new("return 1");
        let frame = script.frame(Form::Name, &[b"lock:a", b"b"], &[b"7"]);
        assert_eq!(
            String::from_utf8_lossy(&frame.bytes),
            "*6\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n$1\r\n2\r\n$6\r\nlock:a\r\n$1\r\nb\r\n$1\r\n7\r\n"
        );
        assert_eq!(&frame.bytes[frame.key.start as usize..frame.key.end as usize], b"lock:a");
        assert!(script.frame(Form::Text, &[b"k"], &[]).bytes.starts_with(b"*4\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n"));
    }

    #[test]
    fn an_unknown_script_has_its_own_word() {
        assert!(is_unknown(b"-NOSCRIPT No matching script. Please use EVAL.\r\n"));
        assert!(!is_unknown(b"-ERR NOSCRIPT\r\n"));
        assert!(!is_unknown(b"$8\r\nNOSCRIPT\r\n"));
    }
}
