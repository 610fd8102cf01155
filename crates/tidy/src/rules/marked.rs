//! A part of a page that is printed from the code, between two marks.

use crate::project::{file, root};

/// Where a printed part begins and ends.
pub(super) struct Marks {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
}

impl Marks {
    /// Fails unless `printed` stands between the marks on `page`; writes it there if `FAILSOFT_REWRITE` is set. `test` is what
    /// has to be run then.
    pub(super) fn hold_to(&self, page: &str, printed: &str, test: &str) {
        let text = file(page).text;
        let wanted = self.with(&text, printed).unwrap_or_else(|| panic!("{page} lacks {} or {}", self.begin, self.end));
        if std::env::var_os("FAILSOFT_REWRITE").is_some() {
            std::fs::write(root().join(page), &wanted).expect("the page can be written");
            return;
        }
        assert!(text == wanted, "{page} is behind: FAILSOFT_REWRITE=1 cargo test -p failsoft-tidy {test}");
    }

    /// `text` with `printed` between the marks.
    fn with(&self, text: &str, printed: &str) -> Option<String> {
        let (before, rest) = text.split_once(self.begin)?;
        let (_, after) = rest.split_once(self.end)?;
        Some([before, self.begin, printed, self.end, after].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_behind_differs() {
        let marks = Marks { begin: "<!-- begin -->\n", end: "<!-- end -->\n" };
        let page = ["intro\n", marks.begin, "old\n", marks.end, "end\n"].concat();
        assert_eq!(marks.with(&page, "new\n"), Some(["intro\n", marks.begin, "new\n", marks.end, "end\n"].concat()));
        assert_eq!(marks.with("no marks", "new\n"), None);
    }
}
