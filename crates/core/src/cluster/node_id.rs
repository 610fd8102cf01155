//! The name that a node of a cluster keeps for life, whatever its address.

use std::fmt;

/// 160 random bits, which Redis writes as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 20]);

impl NodeId {
    /// Reads the 40 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_digits_are_read_and_written_alike_and_nothing_else_is_read() {
        let text = "07c37dfeb235213a872192d90877d0cd55635b91";
        assert_eq!(NodeId::parse(text).unwrap().to_string(), text);
        assert_eq!(NodeId::parse(&text.to_uppercase()), NodeId::parse(text));
        for wrong in ["", "-", &text[1..], &format!("{text}0"), &text.replace('f', "g"), &"é".repeat(20)] {
            assert_eq!(NodeId::parse(wrong), None, "{wrong}");
        }
    }
}
