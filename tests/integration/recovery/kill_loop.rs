//! One job, killed again and again at random moments, also while it starts, and taken up with other numbers
//! of workers.

use super::input::Random;
use super::outputs::{self, Outputs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a loop kills.
pub(crate) fn kills() -> u64 {
    std::env::var("CROSSRATE_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(16)
}

/// How many trades a job needs for that.
pub(crate) fn trades() -> u64 {
    4_800 * kills().max(5)
}

/// Longer than any run takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// A job in a folder of its own.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) folder: PathBuf,
    pub(crate) inputs: Vec<PathBuf>,
    /// Flags of the definition.
    pub(crate) flags: Vec<String>,
    /// Flags of sinks, relative to the folder.
    pub(crate) sinks: Vec<String>,
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Job {
    /// One in a folder that is made for it; flags of the definition and of sinks by words.
    pub(crate) fn new(folder: PathBuf, inputs: &[PathBuf], flags: &str, sinks: &str) -> Job {
        std::fs::create_dir(&folder).expect("made");
        Job { folder, inputs: inputs.to_vec(), flags: words(flags), sinks: words(sinks) }
    }

    /// Runs it undisturbed; how many bytes of progress that was.
    pub(crate) fn run_whole(&self) -> u64 {
        self.run(&[]);
        std::fs::metadata(self.progress()).expect("refused records").len()
    }

    /// The command that runs it, or takes it up.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        crate::program::without_settings(&mut command);
        command.arg("run").args(&self.inputs).args(&self.flags).args(&self.sinks).args(more);
        command.args(["--summary", "summary.json", "--batch-records", "256"]);
        if !self.flags.iter().any(|flag| flag == "--commit-interval") {
            command.args(["--commit-interval", "20ms"]);
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::options().append(true).create(true).open(self.log()).expect("a log"));
        command
    }

    /// What the runs said.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn said(&self) -> String {
        outputs::text(&self.log()).unwrap_or_default()
    }

    /// The file whose length tells how far it is.
    pub(crate) fn progress(&self) -> PathBuf {
        self.folder.join("dead.jsonl")
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, more: &[&str]) {
        let mut child = self.command(more).spawn().expect("it starts");
        let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", self.said()));
        assert_eq!(code, Some(0), "{}", self.said());
    }

    pub(crate) fn outputs(&self) -> Outputs {
        Outputs {
            rows: outputs::text(&self.folder.join("rows.jsonl")),
            dead_letters: outputs::dead_letters(&self.folder.join("dead.jsonl")),
            tables: outputs::sqlite(&self.folder.join("rows.db")),
            summary: outputs::text(&self.folder.join("summary.json")),
        }
    }
}

/// Waits for the end of a process; `None` if it does not end, and is killed.
pub(crate) fn end_of(child: &mut Child) -> Option<Option<i32>> {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return Some(status.code());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The processes that a process has started.
pub(crate) fn children_of(process: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Sends a signal to a process that this test has started.
pub(crate) fn signal(process: u32, name: &str) {
    // It may have ended: then there is nothing to say.
    let _ =
        Command::new("kill").args([&format!("-{name}"), &process.to_string()]).stderr(Stdio::null()).status();
}

/// Runs a job that is killed `kills` times, and then to its end. A run is killed when it has done a random
/// part of the whole (told by its file of refused records, which ends at `whole` bytes), or a random moment
/// after its start. After each kill `look` may look at what is there.
pub(crate) fn kill_and_take_up(
    job: &Job,
    random: &mut Random,
    kills: u64,
    whole: u64,
    mut look: impl FnMut(&Path, u64),
) {
    let mut killed = 0;
    while killed < kills {
        let threads = (1 + random.below(3)).to_string();
        let processes = if random.one_in(5) { "2" } else { "1" };
        let before = length(&job.progress());
        let mut child = job.command(&["-w", &threads, "-n", processes]).spawn().expect("it starts");
        if random.one_in(4) {
            std::thread::sleep(Duration::from_micros(random.below(15_000)));
        } else {
            wait_until(job, &mut child, before + random.below(whole * 3 / (2 * kills)));
            std::thread::sleep(Duration::from_micros(random.below(5_000)));
        }
        let victims = children_of(child.id());
        if processes == "2" && random.one_in(2) && !victims.is_empty() {
            // All are started again, and go on for a while.
            signal(victims[random.below(victims.len() as u64) as usize], "KILL");
            let so_far = length(&job.progress());
            wait_until(job, &mut child, so_far + random.below(whole / (4 * kills)));
        }
        // Now and then it is only asked to stop, and does so in good order.
        let asked = random.one_in(6);
        if asked {
            signal(child.id(), "TERM");
        } else {
            // It may have ended by itself.
            let _ = child.kill();
        }
        let code = end_of(&mut child).unwrap_or_else(|| panic!("it hangs: {}", job.said()));
        match code {
            // With a checkpoint nothing is lost by stopping.
            Some(0 | 130) if asked => {}
            // It was too quick for this time; what follows must find that there is nothing to do.
            Some(0) => break,
            None => {}
            Some(code) => panic!("it ended with {code}: {}", job.said()),
        }
        killed += 1;
        look(&job.folder, killed);
    }
    // On a machine with much else to do a job gets on further between two looks at it.
    assert!(killed * 4 > kills, "only {killed} of {kills} kills came in time");
    println!("{killed} of {kills} kills came in time");
    job.run(&["-w", "2"]);
}

/// Waits until a job's progress is past so many bytes, or its process has ended.
pub(crate) fn wait_until(job: &Job, child: &mut Child, bytes: u64) {
    let deadline = Instant::now() + DEADLINE;
    while length(&job.progress()) <= bytes && child.try_wait().is_ok_and(|end| end.is_none()) {
        assert!(Instant::now() < deadline, "it hangs: {}", job.said());
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}
