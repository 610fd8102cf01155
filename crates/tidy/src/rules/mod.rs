//! The rules, one file each.

mod dependence;
mod error_words;
mod headers;
mod length;
mod links;
mod marked;
mod places;
mod purity;
mod seeds;
mod signals;
mod sleeps;
mod supply;
mod unfinished;
mod unwraps;
mod wasm;
