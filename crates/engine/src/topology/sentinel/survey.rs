//! All sentinels are asked at once, and the first majority that agrees is the answer.
//!
//! A sentinel on the machine that went down with the primary answers nobody, so it is not waited for once there is a
//! majority without it. Those that are named in the settings are asked first; those that they tell of are asked where a
//! majority is still missing, as far as they may be connected to.

use std::time::Duration;

use failsoft_core::cluster::Endpoint;
use failsoft_core::sentinel::{Disbelief, SentinelLayout, SentinelWitness, believe, yet_unheard};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::Unheard;
use super::lines::{Lines, witness_over};
use crate::node::NodeOptions;
use crate::settings::NodeAddress;

/// Sentinels that are asked in one survey, those that were named included; more than a dozen watch nothing in earnest.
const MOST_ASKED: usize = 32;
/// How long the others are waited for once something is believed: their connections are kept if they answer in time.
const GRACE: Duration = Duration::from_millis(20);

/// What sentinels have said.
#[derive(Debug)]
pub struct Survey {
    /// What of it is believed, or why nothing is.
    pub verdict: Result<SentinelLayout, Disbelief>,
    /// Who has said something.
    pub witnesses: Vec<SentinelWitness>,
    /// Who has given no usable answer, as long as it was waited for.
    pub unheard: Vec<(NodeAddress, Unheard)>,
}

/// Asks `named`, and those of whom they tell as far as `reach` says how they are spoken to, about the primary called
/// `master_name`; `before` was believed last. Connections are taken from `lines` and given back.
///
/// Takes no longer than two interviews of one sentinel each.
pub async fn survey(
    named: &[NodeOptions],
    master_name: &str,
    before: Option<&SentinelLayout>,
    reach: impl Fn(&Endpoint) -> Option<NodeOptions>,
    lines: &mut Lines,
) -> Survey {
    let judge = |witnesses: &[SentinelWitness]| believe(witnesses, named.len(), before);
    let mut survey = Survey { verdict: Err(Disbelief::NobodySpoke), witnesses: Vec::new(), unheard: Vec::new() };
    survey.ask(named.to_vec(), master_name, judge, lines).await;
    if survey.verdict.is_err() {
        let known = yet_unheard(&survey.witnesses);
        let room = MOST_ASKED.saturating_sub(named.len());
        survey.ask(known.iter().filter_map(reach).take(room).collect(), master_name, judge, lines).await;
    }
    survey
}

impl Survey {
    /// Asks `sentinels` until something is believed and the others have had a moment more.
    async fn ask(
        &mut self,
        sentinels: Vec<NodeOptions>,
        master_name: &str,
        judge: impl Fn(&[SentinelWitness]) -> Result<SentinelLayout, Disbelief>,
        lines: &mut Lines,
    ) {
        let mut asked = JoinSet::new();
        for options in sentinels {
            let (master_name, wire) = (master_name.to_owned(), lines.take(&options.address));
            asked.spawn(async move { (witness_over(&options, &master_name, wire).await, options.address) });
        }
        while let Some(answer) = self.next(&mut asked).await {
            match answer {
                Ok((Ok((witness, wire)), address)) => {
                    self.witnesses.push(witness);
                    lines.keep(address, wire);
                }
                Ok((Err(unheard), address)) => self.unheard.push((address, unheard)),
                Err(_the_runtime_ends) => continue,
            }
            self.verdict = judge(&self.witnesses);
        }
    }

    /// The next answer; nobody is waited for long once something is believed.
    async fn next<T: 'static>(&self, asked: &mut JoinSet<T>) -> Option<Result<T, JoinError>> {
        match self.verdict {
            Ok(_) => timeout(GRACE, asked.join_next()).await.ok().flatten(),
            Err(_) => asked.join_next().await,
        }
    }
}
