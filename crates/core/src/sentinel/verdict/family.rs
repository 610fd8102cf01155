//! Whose word concerns this deployment.
//!
//! Sentinels of one deployment know each other or a node in common, by the names that processes give themselves or by
//! where the primary is. As long as anybody speaks who knows something of what was believed last, only such are heard.

use std::collections::BTreeSet;

use super::{Disbelief, SentinelLayout, Watching};
use crate::cluster::{Endpoint, NodeId};

/// Something by which a deployment is known again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The name of a sentinel or of a process.
    Id(NodeId),
    /// Where its primary is.
    At(Endpoint),
}

/// Those of `watching` who watch the deployment of `before`.
pub(super) fn of<'w>(
    watching: &[Watching<'w>],
    before: Option<&SentinelLayout>,
) -> Result<Vec<Watching<'w>>, Disbelief> {
    if let Some(before) = before {
        let kin = kin_of(before.marks.clone(), watching);
        if !kin.is_empty() {
            return Ok(kin);
        }
    }
    let Some(first) = watching.first() else { return Ok(Vec::new()) };
    let kin = kin_of(marks_of(first).collect(), watching);
    let is_kin = |watching: &Watching<'_>| kin.iter().any(|(witness, _)| std::ptr::eq(*witness, watching.0));
    match watching.iter().find(|watching| !is_kin(watching)) {
        Some(stranger) => {
            Err(Disbelief::DifferentDeployments { one: first.0.from.clone(), other: stranger.0.from.clone() })
        }
        None => Ok(kin),
    }
}

/// By what the deployment of `family` is known again.
pub(super) fn marks(family: &[Watching<'_>]) -> BTreeSet<Mark> {
    family.iter().flat_map(marks_of).collect()
}

/// All who bear one of `marks`, or one that somebody bears who does.
fn kin_of<'w>(mut marks: BTreeSet<Mark>, watching: &[Watching<'w>]) -> Vec<Watching<'w>> {
    let (mut kin, mut others) = (Vec::new(), watching.to_vec());
    loop {
        let (found, left): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|watching| marks_of(watching).any(|mark| marks.contains(&mark)));
        if found.is_empty() {
            return kin;
        }
        found.iter().for_each(|watching| marks.extend(marks_of(watching)));
        kin.extend(found);
        others = left;
    }
}

fn marks_of<'m>((witness, watch): &'m Watching<'_>) -> impl Iterator<Item = Mark> + use<'m> {
    let sentinels = watch.sentinels.iter().filter_map(|other| other.id).chain(witness.id);
    let nodes = watch.replicas.iter().filter_map(|replica| replica.run_id).chain(watch.run_id);
    sentinels.chain(nodes).map(Mark::Id).chain([Mark::At(watch.primary.clone())])
}
