//! From any checkpoint, with any number of workers, the rest of the input gives the rest of the rows.
//!
//! Runs inside this process that are ended by a sink's error right after some commit, and taken up; every
//! closing is a commit of its own, so that the points are as many as there can be.

use super::input::{self, Random};
use super::outputs::{self, Outputs};
use anyhow::{Result, bail};
use crossrate::cli::{self, Task};
use crossrate::run::{Observer, run_with};
use crossrate::sink::{Sink, SinkBatch};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Ends the run after so many commits.
struct EndsAfter(u64);

impl Sink for EndsAfter {
    fn write(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            bail!("enough");
        }
        Ok(())
    }

    fn finish(&mut self, _: &SinkBatch<'_>) -> Result<()> {
        Ok(())
    }
}

/// Whether it ran to its end.
fn run(folder: &Path, flags: &[String], inputs: &[PathBuf], commits: Option<u64>) -> bool {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut words: Vec<String> = inputs.iter().map(|path| path.display().to_string()).collect();
    words.extend_from_slice(flags);
    for word in ["--to", &format!("sqlite:{}", path("rows.db")), "--to", &path("rows.jsonl"), "-q"] {
        words.push(word.into());
    }
    for word in ["--dead-letter", &path("dead.jsonl"), "--summary", &path("summary.json")] {
        words.push(word.into());
    }
    run_here(words, commits)
}

/// Runs with these words inside this process, until so many commits are done; whether it ran to its end.
pub(crate) fn run_here(words: Vec<String>, commits: Option<u64>) -> bool {
    let words = ["crossrate".to_owned(), "run".into()].into_iter().chain(words);
    let parsed = cli::parse(words.map(OsString::from), &[]).expect("flags that make sense");
    let Task::Run(config) = parsed.task else { panic!("a run was asked for") };
    let observer = commits
        .map(|commits| -> Observer { Box::new(move || Ok(Box::new(EndsAfter(commits)) as Box<dyn Sink>)) });
    match run_with(*config, observer, None, &Arc::new(AtomicBool::new(false))) {
        Ok(_) => true,
        Err(error) if error.to_string() == "enough" => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn outputs(folder: &Path) -> Outputs {
    Outputs {
        rows: outputs::text(&folder.join("rows.jsonl")),
        dead_letters: outputs::dead_letters(&folder.join("dead.jsonl")),
        tables: outputs::sqlite(&folder.join("rows.db")),
        summary: outputs::text(&folder.join("summary.json")),
    }
}

/// A job whose legs trade so seldom that others must stand in for them nearly always.
fn sparse(random: &mut Random) -> Vec<String> {
    let slide = 125 * (1 + random.below(4));
    let panes = 1 + random.below(3);
    let mut flags = format!(
        "--delay {}ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --cross BACK=BTCUSDT/XVGBTC --window {}ms --slide \
         {slide}ms --grace {}ms --tick {}ms --commit-interval 0ms --batch-records {} --missing-leg carry --max-carry {}s",
        200 + random.below(1_500),
        slide * panes,
        slide * random.below(4),
        10 + random.below(300),
        1 + random.below(6),
        2 + random.below(9),
    );
    flags += &[
        "".to_owned(),
        format!(" --fill previous --max-fill {}s", random.below(9)),
        " --fill null".to_owned(),
    ][random.below(3) as usize];
    flags +=
        ["", " --provisional", " --emit changes", " --emit changes --provisional"][random.below(4) as usize];
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Some job.
fn definition(random: &mut Random) -> Vec<String> {
    let slide = 500 * (1 + random.below(4));
    let panes = 1 + random.below(3);
    let grace = slide * panes * random.below(7) / 2;
    let mut flags = format!(
        "--delay {}ms --symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --cross BACK=BTCUSDT/XVGBTC --window {}ms --slide \
         {slide}ms --grace {grace}ms --tick {}ms --commit-interval 0ms --batch-records {}",
        200 + random.below(800),
        slide * panes,
        100 * (1 + random.below(9)),
        1 + random.below(60),
    );
    if random.below(3) > 0 {
        flags += " --emit changes";
    }
    if random.one_in(3) {
        flags += " --provisional";
    }
    flags += ["", " --missing-leg withhold", " --missing-leg carry --max-carry 9s"][random.below(3) as usize];
    if random.one_in(3) {
        flags += " --stats-last 5";
    }
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Some job that knows of wrong clocks.
fn wary(random: &mut Random) -> Vec<String> {
    let jump = ["--max-jump".to_owned(), format!("{}ms", 50 + random.below(900))];
    definition(random).into_iter().chain(jump).collect()
}

/// Some job over trades with ids of any kind.
fn of_any_ids(random: &mut Random) -> Vec<String> {
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/any-ids.toml");
    let format = ["--format".to_owned(), mapping.display().to_string()];
    let long = random.one_in(2).then(|| ["--window", "anchored:all/4s"].map(str::to_owned));
    let mut flags = definition(random);
    if long.is_some() {
        // Only one window may have a slide of its own.
        let slide = flags.iter().position(|flag| flag == "--slide").expect("a slide");
        let slide: Vec<String> = flags.drain(slide..slide + 2).collect();
        let window = flags.iter().position(|flag| flag == "--window").expect("a window");
        flags[window + 1] += &format!("/{}", slide[1]);
    }
    flags.into_iter().chain(format).chain(long.into_iter().flatten()).collect()
}

#[test]
fn the_rest_of_the_input_gives_the_rest_of_the_rows_where_ids_are_of_any_kind() {
    broken_anywhere(16, 1_600, 40, of_any_ids);
}

#[test]
fn the_rest_of_the_input_gives_the_rest_of_the_rows() {
    broken_anywhere(16, 1_600, 40, definition);
}

#[test]
fn the_rest_of_the_input_gives_the_rest_of_the_rows_where_legs_trade_seldom() {
    broken_anywhere(24, 300, 6, sparse);
}

/// What was refused for its jump lies in panes that the time reaches later, and must not come in by being
/// read again.
#[test]
fn the_rest_of_the_input_gives_the_rest_of_the_rows_where_clocks_jump() {
    broken_anywhere(16, 1_600, 40, wary);
}

/// Jobs over so many trades each, so many a second.
fn broken_anywhere(jobs: u64, trades: u64, per_second: u64, definition: impl Fn(&mut Random) -> Vec<String>) {
    let jobs = std::env::var("CROSSRATE_TEST_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(jobs);
    let mut broken_jobs = 0;
    for job in 0..jobs {
        let seed = input::seed() * 1_000_003 + job;
        let mut random = Random::new(seed);
        let folder = super::folder();
        let inputs = input::write(folder.path(), seed, 1 + random.below(3) as usize, trades, per_second);
        let flags = definition(&mut random);
        let jumps = flags.iter().any(|flag| flag == "--max-jump");
        if jumps {
            inputs.iter().for_each(|input| input::let_clocks_jump(input, &mut random));
        }
        if flags.iter().any(|flag| flag == "--format") {
            inputs.iter().for_each(|input| input::give_ids_of_any_kind(input));
        }
        let made = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).expect("made");
            folder
        };
        let undisturbed = made("undisturbed");
        assert!(run(&undisturbed, &flags, &inputs, None));
        let expected = outputs(&undisturbed);
        let refused = expected.summary.as_ref().is_some_and(|summary| !summary.contains("\"future\":0,"));
        assert_eq!(refused, jumps, "{:?}", expected.summary);
        let broken = made("broken");
        let mut lives = 1;
        loop {
            let threads = (1 + random.below(4)).to_string();
            let flags: Vec<String> = flags.iter().cloned().chain(["-w".into(), threads]).collect();
            if run(&broken, &flags, &inputs, Some(1 + random.below(8))) {
                break;
            }
            lives += 1;
        }
        broken_jobs += u64::from(lives > 1);
        expected.assert_same(&outputs(&broken), &format!("seed {seed}, {lives} lives, {flags:?}"));
    }
    assert!(broken_jobs * 10 > jobs * 9, "only {broken_jobs} of {jobs} were ever broken");
}
