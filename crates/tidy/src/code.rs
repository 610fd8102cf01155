//! Rust as a flat list of tokens with their lines, without comments, and without tests where those do not count.
//!
//! Tokens rather than text, because a banned word in a comment or a string breaks no rule; tokens rather than a syntax
//! tree, because no rule here needs more.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::project::File;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

/// All tokens of `file`.
pub(crate) fn tokens(file: &File) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten(parse(file), &mut tokens);
    tokens
}

/// The tokens of `file` without items under `#[cfg(test)]`.
pub(crate) fn production(file: &File) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten(without_tests(parse(file)), &mut tokens);
    tokens
}

/// Where `words` follow each other in `tokens`; the lines.
pub(crate) fn lines_with(tokens: &[Token], words: &[&str]) -> Vec<usize> {
    let fits = |window: &&[Token]| window.iter().zip(words).all(|(token, word)| token.text == *word);
    tokens.windows(words.len()).filter(fits).map(|window| window[0].line).collect()
}

/// Those of `files` that are compiled only for tests and benchmarks.
pub(crate) fn test_files(files: &[File]) -> BTreeSet<String> {
    let declared: BTreeSet<String> = files.iter().flat_map(test_modules).collect();
    let is_test = |path: &str| {
        path.split('/').any(|part| part == "tests" || part == "benches" || part == "tests.rs")
            || declared.iter().any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    files.iter().map(|file| file.path.clone()).filter(|path| is_test(path)).collect()
}

fn parse(file: &File) -> TokenStream {
    file.text.parse().unwrap_or_else(|error| panic!("{} is not Rust: {error}", file.path))
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => flatten_group(&group, line, tokens),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {
                tokens.push(Token { text: tree.to_string(), line });
            }
        }
    }
}

fn flatten_group(group: &Group, line: usize, tokens: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    tokens.push(Token { text: open.to_owned(), line });
    flatten(group.stream(), tokens);
    tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
}

/// Drops each `#[cfg(test)]` with the item below it: everything up to the next `;` or the next braces.
fn without_tests(stream: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let is_hash = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_hash && trees.peek().is_some_and(is_cfg_test) {
            trees.by_ref().skip(1).find(ends_item);
        } else {
            kept.push(tree);
        }
    }
    kept.into_iter().collect()
}

fn is_cfg_test(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

fn ends_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    }
}

/// The modules that `file` declares under `#[cfg(test)]`, as paths without `.rs`.
fn test_modules(file: &File) -> Vec<String> {
    let path = Path::new(&file.path);
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else {
        return Vec::new();
    };
    let is_root = ["mod", "lib", "main"].iter().any(|name| stem == *name);
    let folder = if is_root { folder.to_owned() } else { folder.join(stem) };
    let cfg_test_mod = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let tokens = tokens(file);
    let declarations = tokens.windows(cfg_test_mod.len() + 2).filter(|window| {
        window.iter().zip(cfg_test_mod).all(|(token, word)| token.text == word) && window[9].text == ";"
    });
    declarations.map(|window| folder.join(&window[8].text).to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_tests_are_not_production_code() {
        let text = "fn a() { b.unwrap(); \"x.unwrap()\"; } // .unwrap()\n#[cfg(test)]\nmod tests { fn c() { d.unwrap() } }\n\
                    #[cfg(test)]\nmod model;\nfn e() { f.unwrap() }";
        let file = File::sample("crates/x/src/a.rs", text);
        assert_eq!(lines_with(&production(&file), &[".", "unwrap"]), [1, 6]);
        assert_eq!(lines_with(&tokens(&file), &[".", "unwrap"]), [1, 3, 6]);
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test_file_with_all_below_it() {
        let files = [
            File::sample("src/circuit/mod.rs", "#[cfg(test)]\nmod model;"),
            File::sample("src/circuit/model.rs", ""),
            File::sample("src/circuit/model/part.rs", ""),
            File::sample("src/guard.rs", "#[cfg(test)] mod props;"),
            File::sample("src/guard/props.rs", ""),
            File::sample("src/guard/rate.rs", ""),
            File::sample("tests/all.rs", ""),
        ];
        let found: Vec<String> = test_files(&files).into_iter().collect();
        let expected = ["src/circuit/model.rs", "src/circuit/model/part.rs", "src/guard/props.rs", "tests/all.rs"];
        assert_eq!(found, expected);
    }
}
