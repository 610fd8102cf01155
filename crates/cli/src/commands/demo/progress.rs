//! Says on stderr how it is going: one living line on a terminal, one line a phase elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::live::Live;
use super::plan::Phase;

/// The line, or the lines.
#[derive(Debug)]
pub(super) struct Progress {
    /// Absent where stderr is no terminal.
    line: Option<ProgressBar>,
    /// Of failsoft, and of the program beside it.
    lives: [Arc<Live>; 2],
}

impl Progress {
    pub(super) fn new(lives: [Arc<Live>; 2]) -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { line, lives }
    }

    pub(super) fn show(&self, phase: Phase) {
        if let Some(line) = &self.line {
            line.set_message(self.words(phase));
            line.tick();
        }
    }

    /// What is left to be read when the phase is over.
    pub(super) fn leave(&self, phase: Phase) {
        match &self.line {
            Some(line) => line.println(self.words(phase)),
            None => eprintln!("{}", self.words(phase)),
        }
    }

    fn words(&self, phase: Phase) -> String {
        let [failsoft, aside] = self.lives.each_ref().map(|live| percent(live.answered_percent(phase)));
        format!("{} {:<15} answered: {failsoft} with failsoft, {aside} without", place(phase), phase.name())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

fn place(phase: Phase) -> String {
    format!("[{}/{}]", phase.index() + 1, Phase::COUNT)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "     -".to_owned(), |share| format!("{share:>5.1}%"))
}
