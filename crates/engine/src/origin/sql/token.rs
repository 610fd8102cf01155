//! Just enough of SQL's lexical rules to know what is text, what is a comment and what is a placeholder.
//!
//! The dialects differ where it matters: backslashes in MySQL's quotes and PostgreSQL's `E''`, dollar quotes and nested
//! comments in PostgreSQL, `#` comments in MySQL, brackets around names in SQLite, and each one's own placeholders.
//! Unknown bytes become one-byte tokens: a statement that is wrong in other ways is for the database to refuse.

use std::ops::Range;

use crate::origin::Kind;
use crate::origin::query::QueryError;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::origin) enum What {
    /// A keyword or a bare name.
    Word,
    /// A name in quotes, backticks or brackets.
    QuotedName,
    /// A text or number.
    Literal,
    /// `:name`.
    Placeholder,
    /// A placeholder in the database's own style.
    Foreign,
    /// `;`
    Semicolon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// Anything else.
    Symbol,
}

/// A token and its bytes in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::origin) struct Token {
    pub(in crate::origin) what: What,
    pub(in crate::origin) range: Range<usize>,
}

/// All tokens of a text, blanks and comments left out.
pub(super) fn tokens(kind: Kind, text: &str) -> Result<Vec<Token>, QueryError> {
    let mut scanner = Scanner { kind, bytes: text.as_bytes(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(start) = scanner.skip_blanks()? {
        let what = scanner.token()?;
        tokens.push(Token { what, range: start..scanner.at });
    }
    Ok(tokens)
}

struct Scanner<'a> {
    kind: Kind,
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(with)
    }

    /// Moves to the next token's first byte, which it returns; `None` at the end.
    fn skip_blanks(&mut self) -> Result<Option<usize>, QueryError> {
        while self.at < self.bytes.len() {
            if self.peek(0).is_ascii_whitespace() {
                self.at += 1;
            } else if self.starts(b"/*") {
                self.block_comment()?;
            } else if self.line_comment() {
                self.skip_line();
            } else {
                return Ok(Some(self.at));
            }
        }
        Ok(None)
    }

    fn line_comment(&self) -> bool {
        let dashes = self.starts(b"--");
        match self.kind {
            Kind::Mysql => self.peek(0) == b'#' || dashes && (self.peek(2) <= b' '),
            Kind::Sqlite | Kind::Postgres | Kind::Http | Kind::Code => dashes,
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn block_comment(&mut self) -> Result<(), QueryError> {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            if self.starts(b"/*") && (depth == 0 || self.kind == Kind::Postgres) {
                depth += 1;
                self.at += 2;
            } else if self.starts(b"*/") {
                depth -= 1;
                self.at += 2;
            } else {
                self.at += 1;
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(QueryError::Unclosed("a comment"))
    }

    fn token(&mut self) -> Result<What, QueryError> {
        let byte = self.peek(0);
        match byte {
            b'\'' => self.quoted(b'\'', self.kind == Kind::Mysql, What::Literal),
            b'"' if self.kind == Kind::Mysql => self.quoted(b'"', true, What::Literal),
            b'"' => self.quoted(b'"', false, What::QuotedName),
            b'`' if self.kind != Kind::Postgres => self.quoted(b'`', false, What::QuotedName),
            b'[' if self.kind == Kind::Sqlite => self.quoted(b']', false, What::QuotedName),
            b'e' | b'E' if self.kind == Kind::Postgres && self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', true, What::Literal)
            }
            b'$' if self.kind == Kind::Postgres => self.dollar(),
            b':' => Ok(self.colon()),
            _ if is_name_start(byte) => Ok(self.run(What::Word)),
            b'0'..=b'9' => Ok(self.run(What::Literal)),
            _ => Ok(self.symbol(byte)),
        }
    }

    /// From the opening quote over the closing one; a doubled quote stays inside.
    fn quoted(&mut self, close: u8, backslash: bool, what: What) -> Result<What, QueryError> {
        self.at += 1;
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            if backslash && byte == b'\\' || byte == close && close != b']' && self.peek(1) == close {
                self.at += 2;
            } else if byte == close {
                self.at += 1;
                return Ok(what);
            } else {
                self.at += 1;
            }
        }
        Err(QueryError::Unclosed(if what == What::Literal { "a quoted text" } else { "a quoted name" }))
    }

    /// PostgreSQL: `$1` is its own placeholder, `$tag$` opens a text that runs to the next `$tag$`.
    fn dollar(&mut self) -> Result<What, QueryError> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            return Ok(self.run(What::Foreign));
        }
        let tag_end = self.bytes[self.at + 1..].iter().position(|byte| !is_name(*byte) || *byte == b'$');
        let Some(tag_end) = tag_end.map(|end| self.at + 1 + end).filter(|end| self.bytes[*end] == b'$') else {
            self.at += 1;
            return Ok(What::Symbol);
        };
        let tag = &self.bytes[self.at..=tag_end];
        let body = &self.bytes[tag_end + 1..];
        let end = body.windows(tag.len()).position(|window| window == tag);
        self.at = tag_end + 1 + end.ok_or(QueryError::Unclosed("a dollar-quoted text"))? + tag.len();
        Ok(What::Literal)
    }

    fn colon(&mut self) -> What {
        if is_name_start(self.peek(1)) {
            self.at += 1;
            return self.run(What::Placeholder);
        }
        self.at += if self.peek(1) == b':' || self.peek(1) == b'=' { 2 } else { 1 };
        What::Symbol
    }

    fn run(&mut self, what: What) -> What {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| !is_name(*byte)).unwrap_or(rest.len());
        what
    }

    fn symbol(&mut self, byte: u8) -> What {
        self.at += 1;
        match byte {
            b'(' => What::Open,
            b')' => What::Close,
            b';' => What::Semicolon,
            b'?' if self.kind == Kind::Sqlite => self.run(What::Foreign),
            b'?' if self.kind == Kind::Mysql => What::Foreign,
            b'@' | b'$' if self.kind == Kind::Sqlite && is_name_start(self.peek(0)) => self.run(What::Foreign),
            _ => What::Symbol,
        }
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(kind: Kind, text: &str) -> Vec<&str> {
        let found = tokens(kind, text).unwrap();
        found.iter().filter(|token| token.what == What::Placeholder).map(|token| &text[token.range.clone()]).collect()
    }

    #[test]
    fn placeholders_stand_outside_quotes_comments_and_casts() {
        for kind in [Kind::Sqlite, Kind::Postgres, Kind::Mysql] {
            let text = "SELECT ':a', 'it''s :b', \":c\" -- :d\n/* :e */ FROM t WHERE x=:f AND y = (:g_1)";
            assert_eq!(names(kind, text), [":f", ":g_1"], "{kind}");
        }
    }

    #[test]
    fn postgres_has_its_own_quotes() {
        let text = "SELECT E'\\' :a', $$ :b $$, $t$ $$ :c $t$, x::text, a[1:2], /* /* :d */ :e */ :f::int FROM t WHERE j ->> 'k' = :g";
        assert_eq!(names(Kind::Postgres, text), [":f", ":g"]);
    }

    #[test]
    fn mysql_has_its_own_quotes() {
        let text = "SELECT 'a\\' :a', \"\\\" :b\", `:c` # :d\n, 5--:e\n, @v := :f -- :g\n";
        assert_eq!(names(Kind::Mysql, text), [":e", ":f"]);
    }

    #[test]
    fn sqlite_has_its_own_quotes() {
        assert_eq!(names(Kind::Sqlite, "SELECT [:a], `:b`, 'a\\', :c"), [":c"]);
    }

    #[test]
    fn what_is_never_closed_is_an_error() {
        for text in ["'a", "\"a", "/* a", "$x$ a $y$"] {
            assert!(matches!(tokens(Kind::Postgres, text), Err(QueryError::Unclosed(_))), "{text}");
        }
    }

    proptest! {
        /// Tokens never overlap, always move forward and lie on character boundaries, whatever the text.
        #[test]
        fn any_text_is_cut_in_order(text in "[ -~\\n'\"$:;é]{0,60}") {
            for kind in [Kind::Sqlite, Kind::Postgres, Kind::Mysql] {
                let mut done = 0;
                for token in tokens(kind, &text).unwrap_or_default() {
                    prop_assert!(token.range.start >= done && token.range.end > token.range.start);
                    prop_assert!(text.get(token.range.clone()).is_some());
                    done = token.range.end;
                }
            }
        }
    }
}
