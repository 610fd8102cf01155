//! The pure rooms compile for a machine without clock, threads, files or sockets: nothing can have crept in.
//!
//! Only where the target is installed (`rustup target add wasm32-unknown-unknown`); the allow-list of dependencies and
//! the banned words hold everywhere.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use crate::project::root;

    const TARGET: &str = "wasm32-unknown-unknown";

    #[test]
    fn the_pure_rooms_compile_without_an_operating_system() {
        if !is_installed() {
            eprintln!("skipped: the target {TARGET} is not installed");
            return;
        }
        let checked = Command::new(env!("CARGO"))
            .args(["check", "--locked", "--offline", "--quiet", "--target", TARGET])
            .args(["-p", "failsoft-core", "-p", "failsoft-resp", "--target-dir"])
            .arg(root().join("target/wasm"))
            .current_dir(root())
            .output()
            .expect("cargo has started this test and can be started again");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }

    fn is_installed() -> bool {
        let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
        asked.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    }
}
