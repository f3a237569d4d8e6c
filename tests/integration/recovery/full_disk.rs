//! A disk that is full: said at once, nothing half written, and taken up when there is room. As root only,
//! who may make a small disk in memory.

use super::input;
use super::kill_loop::{Job, end_of, words};
use super::outputs::Outputs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A disk in memory; gone when dropped.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    pub(crate) fn new(path: PathBuf, size: &str) -> Disk {
        std::fs::create_dir(&path).expect("made");
        let disk = Disk(path);
        crate::needs::need("root", || disk.mount(&format!("size={size}")));
        disk
    }

    fn mount(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not be there.
        let _ = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status();
    }
}

fn job(folder: &Path, inputs: &[PathBuf], sinks: &str) -> Job {
    Job {
        folder: folder.to_owned(),
        inputs: inputs.to_vec(),
        flags: words("--delay 500ms --symbols all --window 1s --emit changes --grace 1s"),
        sinks: words(sinks),
    }
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_is_said_and_taken_up_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = input::write(folder.path(), input::seed() * 1_000 + 51, 2, 60_000, 300);
    for (name, sinks) in [("file", "--to rows.jsonl"), ("sqlite", "--to sqlite:rows.db")] {
        let sinks = format!("{sinks} --dead-letter dead.jsonl");
        let undisturbed = folder.path().join(format!("{name}-undisturbed"));
        std::fs::create_dir(&undisturbed).expect("made");
        let undisturbed = job(&undisturbed, &inputs, &sinks);
        undisturbed.run(&[]);
        let disk = Disk::new(folder.path().join(name), "600k");
        let disturbed = job(&disk.0, &inputs, &sinks);
        let mut child = disturbed.command(&["-w", "2"]).stderr(Stdio::piped()).spawn().expect("it starts");
        let code = end_of(&mut child).expect("it ends");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("make room on that disk"), "{name}: {said}");
        assert!(disk.mount("remount,size=64m"), "more room");
        disturbed.run(&["-w", "3"]);
        let found: Outputs = disturbed.outputs();
        undisturbed.outputs().assert_same(&found, &format!("{name}, after a full disk"));
    }
}
