//! Data directories of databases: initialised once per user and version, copied for every server.
//!
//! `initdb` costs half a second and more; a copy of its result, some tens of milliseconds. Test processes start at
//! the same time, so the first to lock the template makes it and the others wait. A template appears under its
//! final name only when complete: a maker that is killed leaves nothing that could be mistaken for one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::process::{dying_with_us, run};
use crate::programs;
use crate::scratch::{give, shared_directory};
use crate::wait::eventually_some;

/// For another process to make the template, and for ourselves to.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fills `target` (which must not exist) with a copy of the template `name`, made by `make` if it is missing.
///
/// `make` is given a path that does not exist, in a directory `account` may write to.
pub(crate) async fn copy<M>(name: &str, account: Option<&Account>, target: &Path, make: M)
where
    M: AsyncFnOnce(&Path),
{
    let template = made(name, account, make).await;
    let mut command = dying_with_us(&programs::find("cp", "coreutils"));
    command.arg("-a").arg(template).arg(target);
    let output = run(command, "", PATIENCE).await;
    assert!(output.status.success(), "cannot copy a data directory: {}", output.stderr);
}

async fn made<M>(name: &str, account: Option<&Account>, make: M) -> PathBuf
where
    M: AsyncFnOnce(&Path),
{
    let templates = shared_directory().join("templates");
    fs::create_dir_all(&templates).expect("the temporary directory is writable");
    let template = templates.join(name);
    let _one_at_a_time = locked(&templates.join(format!("{name}.lock"))).await;
    if !template.exists() {
        let workshop = tempfile::tempdir_in(&templates).expect("the temporary directory is writable");
        give(workshop.path(), account);
        let product = workshop.path().join("data");
        make(&product).await;
        fs::rename(&product, &template).expect("both are in the same directory");
    }
    template
}

/// Polled rather than waited for: the holder may be another task of this very thread.
async fn locked(path: &Path) -> File {
    let options = File::options().create(true).truncate(false).write(true).open(path);
    let file = &options.expect("the temporary directory is writable");
    eventually_some("another process to make a data directory", PATIENCE, || async { file.try_lock().ok() }).await;
    file.try_clone().expect("a file descriptor is left")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn two_at_once_make_one_template_and_two_copies() {
        let scratch = Scratch::new("template");
        let name = format!("test-{}", std::process::id());
        let made = Cell::new(0);
        let make = async |path: &Path| {
            made.set(made.get() + 1);
            tokio::task::yield_now().await;
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), "content").unwrap();
        };
        let targets = [scratch.path().join("one"), scratch.path().join("two")];
        tokio::join!(copy(&name, None, &targets[0], make), copy(&name, None, &targets[1], make));

        assert_eq!(made.get(), 1);
        for target in &targets {
            assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "content");
        }
        let templates = shared_directory().join("templates");
        fs::remove_dir_all(templates.join(&name)).unwrap();
        fs::remove_file(templates.join(format!("{name}.lock"))).unwrap();
    }
}
