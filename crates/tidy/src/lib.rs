//! Development only: what the compiler and clippy do not know about this project, as tests.
//!
//! Each rule is a function from files to findings, with one test that the project has none and one that a bad sample
//! has. A rule that is wrong about a file is not weakened: the file is listed in [`exceptions`] with the reason.

#[cfg(test)]
mod code;
#[cfg(test)]
mod exceptions;
#[cfg(test)]
mod project;
#[cfg(test)]
mod rules;
