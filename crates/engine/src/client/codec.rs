//! How values become bytes in Redis and back: JSON unless something else is asked for.
//!
//! Bytes that are no such value are an error of their own kind and never a panic: they are what another version of the
//! program, or another program, has written.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a value could not be written as bytes, or bytes could not be read as a value.
///
/// It says where in the bytes, or of which kind, and never what stood there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value has no such form.
    #[error("the value cannot be written as {format}: {why}")]
    Encode {
        /// The name of the codec.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes are no such value.
    #[error("the stored bytes are no such value in {format}: {why}")]
    Decode {
        /// The name of the codec.
        format: &'static str,
        /// What is wrong with them.
        why: String,
    },
}

/// Writes values of type `T` as bytes and reads them again.
pub trait Codec<T>: Clone + Send + Sync + 'static {
    /// The bytes of `value`.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    fn encode(&self, value: &T) -> Result<Vec<u8>, CodecError>;

    /// The value of `bytes`.
    ///
    /// # Errors
    /// [`CodecError::Decode`].
    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// JSON, as serde reads and writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// The bytes themselves: for `Vec<u8>`, [`Bytes`] and `String`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

/// [Postcard](https://postcard.jamesmunns.com): small and fast, for values whose type changes together with every program that
/// reads them.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn encode(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value).map_err(|error| CodecError::Encode { format: "JSON", why: place(&error) })
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| CodecError::Decode { format: "JSON", why: place(&error) })
    }
}

/// serde's own words quote what it has found.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "input",
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Data => "JSON of another shape",
        serde_json::error::Category::Eof => "JSON that breaks off",
    };
    match error.line() {
        0 => what.to_owned(),
        line => format!("{what} at line {line} column {}", error.column()),
    }
}

impl Codec<Vec<u8>> for Raw {
    fn encode(&self, value: &Vec<u8>) -> Result<Vec<u8>, CodecError> {
        Ok(value.clone())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

impl Codec<Bytes> for Raw {
    fn encode(&self, value: &Bytes) -> Result<Vec<u8>, CodecError> {
        Ok(value.to_vec())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Bytes, CodecError> {
        Ok(Bytes::copy_from_slice(bytes))
    }
}

impl Codec<String> for Raw {
    fn encode(&self, value: &String) -> Result<Vec<u8>, CodecError> {
        Ok(value.clone().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned).map_err(|error| CodecError::Decode {
            format: "text",
            why: format!("no UTF-8 from byte {} on", error.valid_up_to()),
        })
    }
}

#[cfg(feature = "postcard")]
impl<T: Serialize + DeserializeOwned> Codec<T> for Postcard {
    fn encode(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        postcard::to_allocvec(value).map_err(|error| CodecError::Encode { format: "postcard", why: error.to_string() })
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        // Bytes that are left over are those of another type.
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => {
                Err(CodecError::Decode { format: "postcard", why: format!("{} bytes too many", rest.len()) })
            }
            Err(error) => Err(CodecError::Decode { format: "postcard", why: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_such_value_is_said_without_being_quoted() {
        let error = Codec::<BTreeMap<String, u32>>::decode(&Json, b"{\"name\":\"canary\"}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the stored bytes are no such value in JSON: JSON of another shape at line 1 column 16"
        );
        let error = Codec::<u32>::decode(&Json, b"canary").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(Codec::<String>::decode(&Raw, b"ab\xff").unwrap_err().to_string().ends_with("from byte 2 on"));
    }

    #[test]
    fn a_map_that_json_cannot_have_is_an_error() {
        let keys_are_lists = BTreeMap::from([(vec![1_u8], 1_u8)]);
        assert!(matches!(Json.encode(&keys_are_lists), Err(CodecError::Encode { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            type Value = (u32, Option<String>, Vec<i8>);
            let _ = Codec::<Value>::decode(&Json, &bytes);
            let _ = Codec::<String>::decode(&Raw, &bytes);
            #[cfg(feature = "postcard")]
            let _ = Codec::<Value>::decode(&Postcard, &bytes);
        }

        #[test]
        fn what_is_written_is_read_again(value: (u32, Option<String>, Vec<i8>)) {
            let is_same = |read: (u32, Option<String>, Vec<i8>)| read == value;
            prop_assert!(Json.decode(&Json.encode(&value).unwrap()).is_ok_and(is_same));
            #[cfg(feature = "postcard")]
            prop_assert!(Postcard.decode(&Postcard.encode(&value).unwrap()).is_ok_and(is_same));
        }
    }
}
