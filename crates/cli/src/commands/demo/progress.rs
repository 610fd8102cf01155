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
    phases: &'static [Phase],
    /// Of failsoft, and of the program beside it.
    lives: [Arc<Live>; 2],
}

impl Progress {
    pub(super) fn new(phases: &'static [Phase], lives: [Arc<Live>; 2]) -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { line, phases, lives }
    }

    pub(super) fn show(&self, phase: usize) {
        if let Some(line) = &self.line {
            line.set_message(self.words(phase));
            line.tick();
        }
    }

    /// What is left to be read when the phase is over.
    pub(super) fn leave(&self, phase: usize) {
        match &self.line {
            Some(line) => line.println(self.words(phase)),
            None => eprintln!("{}", self.words(phase)),
        }
    }

    fn words(&self, phase: usize) -> String {
        let [failsoft, aside] = self.lives.each_ref().map(|live| percent(live.answered_percent(phase)));
        let (place, of, name) = (phase + 1, self.phases.len(), self.phases[phase].name);
        format!("[{place}/{of}] {name:<15} answered: {failsoft} with failsoft, {aside} without")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "     -".to_owned(), |share| format!("{share:>5.1}%"))
}
