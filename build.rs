//! What `crossrate bench` says of how the program was made: the versions of what its speed depends on besides itself.

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
}

/// The version of a package in a `Cargo.lock`.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    Some(rest.split_once('"')?.0)
}
