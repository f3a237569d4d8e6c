//! An upgrade puts another program where the one that runs has been: what a server starts of itself stays
//! itself.

use super::follow::trades;
use super::{Served, http};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn questions_and_replays_are_answered_by_the_program_that_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trades.jsonl"), trades(0..120)).unwrap();
    let installed = folder.path().join("crossrate");
    let built = env!("CARGO_BIN_EXE_crossrate");
    std::fs::hard_link(built, &installed).or_else(|_| std::fs::copy(built, &installed).map(|_| ())).unwrap();
    let mut command = Command::new(&installed);
    crate::program::without_settings(&mut command);
    command.args(["run", "trades.jsonl", "--window", "6s", "--listen", "127.0.0.1:0", "--stay", "always"]);
    let served = Served::by(command.current_dir(folder.path()));

    std::fs::remove_file(&installed).unwrap();
    std::fs::write(&installed, "#!/bin/sh\nexit 7\n").unwrap();
    std::fs::set_permissions(&installed, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kind = [("Content-Type", "application/json")];
    let post = |path: &str, wish: serde_json::Value| {
        http::ask(served.address, "POST", path, &kind, &wish.to_string())
    };
    let counted = post("/v1/sql", json!({"query": "select count(*) as n from symbols"}));
    assert_eq!((counted.status, counted.body.contains("\"n\"")), (200, true), "{}", counted.body);
    let replayed = post("/v1/replay", json!({}));
    assert_eq!(replayed.status, 200, "{}", replayed.body);
    assert!(replayed.body.contains("\"kind\":\"cross\""), "{}", replayed.body);
}
