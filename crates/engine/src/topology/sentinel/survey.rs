//! All sentinels are asked at once, and the first majority that agrees is the answer.
//!
//! A sentinel on the machine that went down with the primary answers nobody, so nobody waits for it once there is a
//! majority without it. Those that are named in the settings are asked first; those that they tell of are asked where a
//! majority is still missing, as far as they may be connected to.

use failsoft_core::cluster::Endpoint;
use failsoft_core::sentinel::{Disbelief, SentinelLayout, SentinelWitness, believe, yet_unheard};
use tokio::task::JoinSet;

use super::{Unheard, interview};
use crate::node::NodeOptions;
use crate::settings::NodeAddress;

/// Sentinels that are asked in one survey, those that were named included; more than a dozen watch nothing in earnest.
const MOST_ASKED: usize = 32;

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
/// `master_name`; `before` was believed last.
///
/// Takes no longer than two interviews of one sentinel each.
pub async fn survey(
    named: &[NodeOptions],
    master_name: &str,
    before: Option<&SentinelLayout>,
    reach: impl Fn(&Endpoint) -> Option<NodeOptions>,
) -> Survey {
    let judge = |witnesses: &[SentinelWitness]| believe(witnesses, named.len(), before);
    let mut survey = Survey { verdict: Err(Disbelief::NobodySpoke), witnesses: Vec::new(), unheard: Vec::new() };
    survey.ask(named.to_vec(), master_name, judge).await;
    if survey.verdict.is_err() {
        let known = yet_unheard(&survey.witnesses);
        let room = MOST_ASKED.saturating_sub(named.len());
        survey.ask(known.iter().filter_map(reach).take(room).collect(), master_name, judge).await;
    }
    survey
}

impl Survey {
    /// Asks `sentinels` until something is believed.
    async fn ask(
        &mut self,
        sentinels: Vec<NodeOptions>,
        master_name: &str,
        judge: impl Fn(&[SentinelWitness]) -> Result<SentinelLayout, Disbelief>,
    ) {
        let mut asked = JoinSet::new();
        for options in sentinels {
            let master_name = master_name.to_owned();
            asked.spawn(async move { (interview(&options, &master_name).await, options.address) });
        }
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((Ok(witness), _)) => self.witnesses.push(witness),
                Ok((Err(unheard), address)) => self.unheard.push((address, unheard)),
                Err(_the_runtime_ends) => continue,
            }
            self.verdict = judge(&self.witnesses);
            if self.verdict.is_ok() {
                return;
            }
        }
    }
}
