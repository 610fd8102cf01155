//! Who may depend on whom: the one-way order of the rooms, and the short lists of the two pure ones.

use std::collections::BTreeSet;

use crate::project::{File, Finding};

/// What a room may depend on.
struct Room {
    name: &'static str,
    /// Rooms of this project.
    rooms: &'static [&'static str],
    /// Everything else, where that is listed.
    others: Others,
}

enum Others {
    /// Whatever `deny.toml` lets in.
    Any,
    /// These and no more: the proof of purity on every machine.
    Only(&'static [&'static str]),
}

const ROOMS: [Room; 7] = [
    Room { name: "failsoft-resp", rooms: &[], others: Others::Only(&["memchr", "itoa"]) },
    Room { name: "failsoft-core", rooms: &[], others: Others::Only(&["crc"]) },
    Room { name: "failsoft", rooms: &["failsoft-core", "failsoft-resp"], others: Others::Any },
    Room { name: "failsoft-server", rooms: &["failsoft", "failsoft-core", "failsoft-resp"], others: Others::Any },
    Room {
        name: "failsoft-cli",
        rooms: &["failsoft-server", "failsoft", "failsoft-core", "failsoft-resp"],
        others: Others::Any,
    },
    Room { name: "failsoft-testkit", rooms: &[], others: Others::Any },
    Room { name: "failsoft-tidy", rooms: &[], others: Others::Only(&[]) },
];

fn findings(manifests: &[File]) -> Vec<Finding> {
    manifests.iter().flat_map(judge).collect()
}

fn judge(manifest: &File) -> Vec<Finding> {
    let table: toml::Table = manifest.text.parse().unwrap_or_else(|error| panic!("{}: {error}", manifest.path));
    let name = table["package"]["name"].as_str().unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![manifest.finding(0, format!("the room {name} has no place in the order of dependence yet"))];
    };
    let of_tests = dependencies(&table, "dev-dependencies");
    let development = of_tests.iter().filter(|wanted| is_room(wanted) && !may_develop_with(room, wanted));
    let shipped = ["dependencies", "build-dependencies"].iter().flat_map(|kind| dependencies(&table, kind));
    let shipped = shipped.filter(|wanted| !may_ship_with(room, wanted)).collect::<BTreeSet<_>>();
    let say = |wanted: &String| manifest.finding(0, format!("{name} may not depend on {wanted}"));
    development.chain(&shipped).map(say).collect()
}

/// The names in every table of this kind, those for single platforms included.
fn dependencies(table: &toml::Table, kind: &str) -> BTreeSet<String> {
    let platforms = table.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = platforms.filter_map(toml::Value::as_table).chain([table]);
    let listed = tables.filter_map(|table| table.get(kind)).filter_map(toml::Value::as_table);
    listed.flat_map(toml::Table::keys).cloned().collect()
}

fn is_room(name: &str) -> bool {
    name.starts_with("failsoft")
}

fn may_ship_with(room: &Room, wanted: &str) -> bool {
    if is_room(wanted) {
        return room.rooms.contains(&wanted);
    }
    match room.others {
        Others::Any => true,
        Others::Only(list) => list.contains(&wanted),
    }
}

/// Tests may use the testkit and what the room may use anyway; tidiness may look into the core.
fn may_develop_with(room: &Room, wanted: &str) -> bool {
    wanted == "failsoft-testkit" || room.rooms.contains(&wanted) || (room.name == "failsoft-tidy" && is_room(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::files;

    #[test]
    fn dependence_goes_one_way() {
        let is_room = |file: &File| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml");
        let manifests: Vec<File> = files().into_iter().filter(is_room).collect();
        assert_eq!(manifests.len(), ROOMS.len(), "every room in the order exists");
        assert_none("dependence", findings(&manifests));
    }

    #[test]
    fn a_wrong_direction_is_found() {
        let wrong = [
            "[package]\nname = 'failsoft-core'\n[dependencies]\nfailsoft.workspace = true",
            "[package]\nname = 'failsoft-core'\n[dependencies]\nserde = '1'",
            "[package]\nname = 'failsoft-core'\n[target.'cfg(unix)'.dependencies]\nrustix = '1'",
            "[package]\nname = 'failsoft-resp'\n[dependencies]\ntokio = '1'",
            "[package]\nname = 'failsoft'\n[dependencies]\nfailsoft-server.workspace = true",
            "[package]\nname = 'failsoft-server'\n[dependencies]\nfailsoft-testkit.workspace = true",
            "[package]\nname = 'failsoft'\n[dev-dependencies]\nfailsoft-cli.workspace = true",
            "[package]\nname = 'failsoft-new'",
        ];
        for text in wrong {
            assert_eq!(findings(&[File::sample("Cargo.toml", text)]).len(), 1, "{text}");
        }
        let right = "[package]\nname = 'failsoft'\n[dependencies]\nfailsoft-core.workspace = true\ntokio = '1'\n\
                     [dev-dependencies]\nfailsoft-testkit.workspace = true";
        assert_eq!(findings(&[File::sample("Cargo.toml", right)]), []);
    }
}
