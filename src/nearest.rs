//! What was perhaps meant.

/// The known word that is nearest to what was typed, if any is near enough to be a slip of the fingers.
pub(crate) fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let slips = if length < 5 { 1 } else { 2 };
    words
        .into_iter()
        .map(|word| (word.to_lowercase(), word))
        // The distance is no less than that; to measure it takes long where texts are.
        .filter(|(lower, _)| lower.chars().count().abs_diff(length) <= slips)
        .map(|(lower, word)| (strsim::damerau_levenshtein(&typed, &lower), word))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_a_slip_away_or_none() {
        let words = ["final", "changes"];
        assert_eq!(nearest("finl", words), Some("final"));
        assert_eq!(nearest("chnages", words), Some("changes"));
        assert_eq!(nearest("FINAL", words), Some("final"));
        assert_eq!(nearest("sometimes", words), None);
        assert_eq!(nearest("", words), None);
    }

    #[test]
    fn what_is_far_too_long_is_compared_with_nothing() {
        let long = "X".repeat(60_000);
        let known: Vec<String> = (0..3_000).map(|number| format!("NAME{number}")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(nearest(&long, known.iter().map(String::as_str)), None);
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(nearest("xvgusd", ["BTCUSDT", "XVGUSDT"]), Some("XVGUSDT"));
    }
}
