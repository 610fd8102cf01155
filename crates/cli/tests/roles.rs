//! docs/roles-table.md: every role, every class of commands, every condition of Redis, on real servers.
//!
//! The conditions are made once each, side by side, and all their cells are asked at once.
#![allow(clippy::unwrap_used)]

mod common;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_ok;
use table::asking::{Asked, Asker};
use table::data::Contents;
use table::stage::Stage;
use table::{Cell, Class, Condition, Effect, Role, Truth, data, page, rules};
use tokio::task::JoinSet;

use common::PATIENCE;

type Truths = BTreeMap<(Role, Class), Truth>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_answers_every_class_of_commands_in_every_condition_as_the_page_says() {
    let truths = truths().await;
    let mut playing = JoinSet::new();
    for condition in Condition::ALL {
        playing.spawn(play(condition, truths.clone()));
    }
    let cells: Vec<Cell> = playing.join_all().await.into_iter().flatten().collect();
    let broken: Vec<String> = cells.iter().flat_map(told).collect();
    assert!(broken.is_empty(), "{} promises are broken:\n{}", broken.len(), broken.join("\n"));
    page::check(&cells);
}

fn told(cell: &Cell) -> Vec<String> {
    let about =
        format!("{:?} {:?} {:?}: {cell} [{:?} {}]", cell.condition, cell.role, cell.class, cell.tier, cell.effect);
    rules::complaints(cell).into_iter().map(|rule| format!("{about}: {rule}")).collect()
}

/// What a Redis alone answers and does.
async fn truths() -> Truths {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    data::seed(&mut connection, 0).await;
    let before = data::contents(&mut connection).await;
    let mut replies = Vec::new();
    for asker in Asker::for_all(redis.addr()).await {
        replies.push(asker.ask_redis().await);
    }
    let after = data::contents(&mut connection).await;
    let redis_knows = replies.into_iter().filter(|asked| asked.class != Class::Own);
    let truth = |cell, reply| Truth { reply, after: after[&cell].clone(), is_change: after[&cell] != before[&cell] };
    redis_knows.map(|asked| ((asked.role, asked.class), truth((asked.role, asked.class), asked.reply))).collect()
}

/// Makes a condition, asks all its cells in it, unmakes it and looks at what is left.
async fn play(condition: Condition, truths: Truths) -> Vec<Cell> {
    let stage = Stage::start(condition).await;
    let before = stage.contents().await;
    let askers = Asker::for_all(stage.sidecar.addr()).await;
    stage.fall().await;
    let asking: JoinSet<_> = askers.into_iter().map(Asker::ask).collect();
    let asked = asking.join_all().await;
    if condition.is_away() {
        stage.delete().await;
    }
    assert!(
        condition != Condition::Recovering || stage.is_open().await,
        "this machine is too slow to keep a circuit open"
    );
    let origin_asked = origin_asked(&stage);
    stage.heal().await;
    let judge = Judge { condition, truths, before, origin_asked };
    // What a limit has counted meanwhile Redis is told within a second; all else has been told when it is believed.
    eventually_ok(&format!("Redis to be told of what was counted ({condition:?})"), PATIENCE, async || {
        let is_untold = |cell: &Cell| cell.is_owed() && cell.effect == Effect::None;
        let untold = judge.cells(&asked, &stage.contents().await).into_iter().find(is_untold);
        untold.map_or(Ok(()), |cell| Err(format!("{:?} is not told", cell.class)))
    })
    .await;
    judge.cells(&asked, &stage.contents().await)
}

/// Whether the origin has been asked for the first key of each cell.
fn origin_asked(stage: &Stage) -> BTreeMap<(Role, Class), bool> {
    let is_asked = |role, class: Class| stage.origin.requests_for(&format!("/rows/{}", class.id(role, 0))) > 0;
    data::cells().map(|(role, class)| ((role, class), is_asked(role, class))).collect()
}

/// What cells are judged by, beside what was said and what is left.
struct Judge {
    condition: Condition,
    truths: Truths,
    before: Contents,
    origin_asked: BTreeMap<(Role, Class), bool>,
}

impl Judge {
    fn cells(&self, asked: &[Asked], after: &Contents) -> Vec<Cell> {
        asked.iter().map(|asked| self.cell(asked, after)).collect()
    }

    fn cell(&self, asked: &Asked, after: &Contents) -> Cell {
        let cell = (asked.role, asked.class);
        let truth = self.truths.get(&cell).cloned();
        Cell {
            condition: self.condition,
            role: asked.role,
            class: asked.class,
            reply: asked.reply.clone(),
            tier: asked.tier.clone(),
            is_origin_asked: self.origin_asked[&cell],
            effect: Effect::of(&asked.reply, &self.before[&cell], &after[&cell], truth.as_ref()),
            truth,
        }
    }
}

/// The page of faults names files of tests, and each is there.
#[test]
fn the_tests_that_the_faults_page_names_are_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(crates.join("../docs/faults.md")).unwrap();
    let named: Vec<&str> = page.split('`').filter(|word| word.ends_with(".rs") && !word.contains(' ')).collect();
    assert!(named.len() > 60, "{} files are named", named.len());
    for file in named {
        let places = ["", "cli/tests", "engine/src"].map(|folder| crates.join(folder).join(file));
        assert!(places.iter().any(|place| place.is_file()), "docs/faults.md names {file}, which is not there");
    }
}
