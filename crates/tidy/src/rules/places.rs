//! A clone works anywhere: no file names a folder of somebody's machine, or the host of a package registry.
//!
//! Lock files that name hosts send every other machine there, also those that reach packages through a mirror. Cargo
//! writes the name of the registry, not a host, into its own.

use crate::project::{File, Finding};

/// In halves, so that this file does not find itself.
const HOSTS: [[&str; 2]; 7] = [
    ["registry.npm", "js.org"],
    ["registry.yarn", "pkg.com"],
    ["files.python", "hosted.org"],
    ["pypi", ".org/simple"],
    ["static.", "crates.io"],
    ["index.", "crates.io"],
    ["deb.", "debian.org"],
];
const FOLDERS: [[&str; 2]; 4] = [["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"], ["/wo", "rk/"]];

fn findings(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .flat_map(|file| file.text.lines().enumerate().flat_map(|(index, line)| said(file, index + 1, line)))
        .collect()
}

fn said(file: &File, number: usize, line: &str) -> Vec<Finding> {
    let hosts = HOSTS.map(|halves| halves.concat()).into_iter().filter(|host| line.contains(host.as_str()));
    let folders = FOLDERS.map(|halves| halves.concat()).into_iter().filter(|folder| names_folder(line, folder));
    let hosts = hosts.map(|host| file.finding(number, format!("names the registry host {host}")));
    hosts.chain(folders.map(|folder| file.finding(number, format!("names a machine's folder {folder}...")))).collect()
}

/// Whether `folder` begins a path in `line`, rather than being a part of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}~*".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::files;

    #[test]
    fn no_file_names_a_machine_or_a_registry_host() {
        assert_none("places", findings(&files()));
    }

    #[test]
    fn a_host_and_a_folder_are_found() {
        let host = format!("\"resolved\": \"https://{}/redis\"", HOSTS[0].concat());
        let folder = format!("PATH={}me/bin", FOLDERS[1].concat());
        let part = format!("https://example.net{}page", FOLDERS[1].concat());
        let found = findings(&[File::sample("a.json", &[host, folder, part].join("\n"))]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 2]);
    }
}
