//! A pattern as Redis' `SCAN MATCH` understands one: it takes every key of the pattern, and maybe others.
//!
//! A parameter becomes `*`, so who asks Redis with this has to look at each key again.
//!
//! Source: `stringmatchlen` in `src/util.c` of Redis 7.0.

use super::KeyPattern;

impl KeyPattern {
    /// The glob.
    pub fn glob(&self) -> Vec<u8> {
        let mut glob = Vec::new();
        push_literal(&mut glob, &self.prefix);
        for parameter in &self.parameters {
            glob.push(b'*');
            push_literal(&mut glob, &parameter.until);
        }
        if self.tail == super::Tail::AnyRest && glob.last() != Some(&b'*') {
            glob.push(b'*');
        }
        glob
    }
}

fn push_literal(glob: &mut Vec<u8>, literal: &[u8]) {
    for byte in literal {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            glob.push(b'\\');
        }
        glob.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> String {
        String::from_utf8(KeyPattern::parse(text).unwrap().glob()).unwrap()
    }

    #[test]
    fn parameters_take_anything_and_literals_stay_what_they_are() {
        assert_eq!(glob("user:{id}"), "user:*");
        assert_eq!(glob("order:{id:int}:lines"), "order:*:lines");
        assert_eq!(glob("file:{path...}"), "file:*");
        assert_eq!(glob("page:*"), "page:*");
        assert_eq!(glob("*"), "*");
        assert_eq!(glob("whole"), "whole");
        assert_eq!(glob("odd[1]?\\:{{{id}}}:*"), "odd\\[1\\]\\?\\\\:{*}:*");
    }
}
