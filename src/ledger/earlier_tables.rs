//! Tables of rows as releases made them that knew one window a job: without the column `window`, which is
//! part of the key now. A row's definition then follows from the job's checkpoint; without one, from the rows
//! themselves.

use super::Entries;
use super::checkpoint;
use crate::job_identity::definition_of;
use crossrate_dataflows::market::windows::{Window, WindowDefinition};
use std::collections::BTreeMap;

/// What such a table has of a job: windows of a length that start so long after a multiple of it.
pub(super) const GROUPS: &str = "SELECT job, end_ms - start_ms, start_ms % (end_ms - start_ms) \
     FROM TABLE_NAME WHERE end_ms > start_ms GROUP BY 1, 2, 3";

/// Windows of one length, in milliseconds.
pub(super) type Length = (String, i64);

/// The names of the definitions of a table's windows, by job and length.
pub(super) fn names(
    groups: impl IntoIterator<Item = (String, i64, i64)>,
    entries: impl Fn(&str) -> Option<Entries>,
) -> BTreeMap<Length, String> {
    // The slide divides the length, and every start.
    let mut slides: BTreeMap<Length, i64> = BTreeMap::new();
    for (job, length, after) in groups {
        let slide = slides.entry((job, length)).or_insert(length);
        *slide = common_divisor(*slide, after);
    }
    let mut known: BTreeMap<String, Option<Window>> = BTreeMap::new();
    let named = slides.into_iter().map(|((job, length), slide)| {
        let of_job = known.entry(job.clone()).or_insert_with(|| window_of(&entries(&job)?));
        let is_known = |window: &&Window| window.span() == length as u64 * 1_000;
        let name = match of_job.as_ref().filter(is_known) {
            Some(window) => window.name().to_owned(),
            None => WindowDefinition::sliding(length as u64 * 1_000, slide as u64 * 1_000)
                .map_or_else(|_| String::new(), |definition| definition.to_string()),
        };
        ((job, length), name)
    });
    named.collect()
}

/// The one definition of a job of such a release.
fn window_of(entries: &Entries) -> Option<Window> {
    let job = checkpoint::job(entries).ok()??;
    Some(definition_of(&job.definition)?.windows.at(0).clone())
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_follow_from_rows_where_no_checkpoint_tells() {
        let group = |job: &str, length, after| (job.to_owned(), length, after);
        let groups = [
            group("a", 10_000, 0),
            group("b", 10_000, 0),
            group("b", 10_000, 7_500),
            group("b", 60_000, 0),
            group("c", 60_000, 40_000),
            group("c", 60_000, 50_000),
        ];
        let found = names(groups, |_| None);
        let found: Vec<(&str, i64, &str)> =
            found.iter().map(|((job, length), name)| (job.as_str(), *length, name.as_str())).collect();
        assert_eq!(
            found,
            [("a", 10_000, "10s"), ("b", 10_000, "10s/2500ms"), ("b", 60_000, "1m"), ("c", 60_000, "1m/10s")]
        );
    }
}
