//! Refused records as rows of the table `dead_letters` of a database.

use crate::config::topic_of;
use crossrate_dataflows::operators::closings::RefusedRecord;
use std::collections::HashMap;

/// A refused record, or a refused trade of a record that holds several.
pub(super) struct Letter<'a> {
    /// Where a job reads several, else empty.
    pub(super) topic: &'a str,
    /// In its topic.
    pub(super) partition: u32,
    /// How many letters of the same record stand before it.
    pub(super) part: u32,
    pub(super) refusal: &'a RefusedRecord,
}

/// The letters of a commit: all of a record, since trades of a record are judged in one batch.
pub(super) fn of<'a>(refused: &'a [RefusedRecord], topics: &'a [String]) -> Vec<Letter<'a>> {
    let mut before: HashMap<(u32, i64), u32> = HashMap::new();
    let letter = |refusal: &'a RefusedRecord| {
        let (topic, partition) = topic_of(refusal.partition, topics);
        let count = before.entry((refusal.partition, refusal.offset)).or_default();
        *count += 1;
        Letter { topic: topic.unwrap_or_default(), partition, part: *count - 1, refusal }
    };
    refused.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::operators::closings::Reason;

    #[test]
    fn letters_of_one_record_are_numbered_and_name_their_topic() {
        let refusal = |partition, offset| RefusedRecord {
            partition,
            offset,
            reason: Reason::Bad,
            detail: String::new(),
            value: Vec::new(),
            key: None,
        };
        let (one, two) = (1 << 20, 2 << 20);
        let refused = [refusal(one, 7), refusal(two, 7), refusal(one, 7), refusal(one + 3, 7), refusal(3, 9)];
        let topics = ["a".to_owned(), "b".to_owned()];
        let places: Vec<_> = of(&refused, &topics).iter().map(|l| (l.topic, l.partition, l.part)).collect();
        assert_eq!(places, [("a", 0, 0), ("b", 0, 0), ("a", 0, 1), ("a", 3, 0), ("", 3, 0)]);
    }
}
