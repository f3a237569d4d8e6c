//! What `crossrate bench` and `--version` say of how the program was made.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    // Made without the file that pins them, their versions are not known.
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    for (name, package) in
        [("BUILT_WITH_TIMELY", "timely"), ("BUILT_WITH_DIFFERENTIAL_DATAFLOW", "differential-dataflow")]
    {
        println!("cargo::rustc-env={name}={}", locked(&lock, package).unwrap_or("unknown"));
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    println!("cargo::rustc-env=BUILT_WITH_RUSTC={}", said.split(' ').nth(1).unwrap_or("unknown").trim());
    println!("cargo::rustc-env=BUILT_FROM_COMMIT={}", commit().as_deref().unwrap_or("unknown"));
}

/// The commit that the program is made from. Of a debug build it is not said: it would be made anew at every
/// commit.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=PROFILE");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return Some("not told by a debug build".to_owned());
    }
    let git = |words: &[&str]| {
        let output =
            Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // It has a line more whenever another commit is checked out or made.
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["describe", "--always", "--exclude", "*", "--abbrev=12", "--dirty=+changes"])
}

/// The version of a package in a `Cargo.lock`.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    Some(rest.split_once('"')?.0)
}
