//! Law 8, of the rows alone: what one window counts, every window that holds that time counts.

use num_bigint::BigInt;
use oracle::Settings;
use oracle::windows::Definition;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The final rows of a symbol's windows with trades, by start and end in microseconds.
type Rows = BTreeMap<(i64, i64), Value>;

/// A window that windows of another definition make up has their trades, no more and no fewer.
pub(super) fn windows_agree(settings: &Settings, rows: &str) -> Result<(), String> {
    if settings.windows.len() < 2 {
        return Ok(());
    }
    let mut symbols: BTreeMap<String, Vec<Rows>> = BTreeMap::new();
    let forms: Vec<String> = settings.windows.iter().map(Definition::canonical).collect();
    for line in rows.lines() {
        let row = read(line).map_err(|error| format!("{error}: {line}"))?;
        if row["kind"] != "symbol" || row["final"] != true || row["trades"] == 0 {
            continue;
        }
        let place = forms.iter().position(|form| row["window"] == **form);
        let place = place.ok_or_else(|| format!("no such window in the job: {line}"))?;
        let micros = |key: &str| row[key].as_i64().map(|ms| ms * 1_000).ok_or_else(|| line.to_owned());
        let windows =
            symbols.entry(row["name"].to_string()).or_insert_with(|| vec![Rows::new(); forms.len()]);
        windows[place].insert((micros("start_ms")?, micros("end_ms")?), row);
    }
    for windows in symbols.values() {
        for (whole, ((start, end), row)) in
            windows.iter().enumerate().flat_map(|(place, rows)| rows.iter().map(move |row| (place, row)))
        {
            for (place, definition) in settings.windows.iter().enumerate() {
                let divides = |time: i64| definition.boundaries_about(time).0 == Some(time);
                if place == whole || !definition.is_disjoint() || !divides(*start) || !divides(*end) {
                    continue;
                }
                let within = windows[place].range((*start, i64::MIN)..).filter(|((_, e), _)| e <= end);
                let parts: Vec<&Value> = within.map(|(_, part)| part).collect();
                if let Err(key) = is_sum(row, &parts) {
                    return Err(format!("{key} is not that of the windows {}: {row}", forms[place]));
                }
            }
        }
    }
    Ok(())
}

/// A row, with `missing_ids` as the text that stands there: where ids began anew several times it can pass 64
/// bits, and `serde_json` would make a float of it.
fn read(line: &str) -> serde_json::Result<Value> {
    #[derive(serde::Deserialize)]
    struct Exact<'a> {
        #[serde(borrow)]
        missing_ids: Option<&'a RawValue>,
    }
    let mut row: Value = serde_json::from_str(line)?;
    if let Some(missing_ids) = serde_json::from_str::<Exact<'_>>(line)?.missing_ids {
        row["missing_ids"] = missing_ids.get().into();
    }
    Ok(row)
}

#[test]
fn more_missing_ids_than_64_bits_are_read_digit_by_digit() {
    let row = read(r#"{"kind":"symbol","missing_ids":27670115552351910001}"#).unwrap();
    assert_eq!(row["missing_ids"], "27670115552351910001");
    assert_eq!(read(r#"{"kind":"symbol","missing_ids":null}"#).unwrap()["missing_ids"], Value::Null);
}

/// The first key in which a row is not the sum of these, which follow each other.
fn is_sum(row: &Value, parts: &[&Value]) -> Result<(), &'static str> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Err("trades") };
    // All numbers of one key have as many decimals.
    let number = |value: &Value| {
        let digits = value.as_str().map_or_else(|| value.to_string(), |text| text.replace('.', ""));
        digits.parse::<BigInt>().ok()
    };
    for key in
        ["trades", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume", "missing_ids"]
    {
        if parts.iter().map(|part| number(&part[key])).sum::<Option<BigInt>>() != number(&row[key]) {
            return Err(key);
        }
    }
    let digest = |row: &Value| u64::from_str_radix(row["digest"].as_str().unwrap_or_default(), 16).ok();
    let digests =
        parts.iter().map(|part| digest(part)).try_fold(0u64, |sum, one| Some(sum.wrapping_add(one?)));
    if digests != digest(row) {
        return Err("digest");
    }
    let prices = |key: &str| parts.iter().map(|part| number(&part[key])).collect::<Vec<_>>();
    let is_right = [
        ("open", number(&first["open"])),
        ("high", prices("high").into_iter().max().flatten()),
        ("low", prices("low").into_iter().min().flatten()),
        ("close", number(&last["close"])),
    ];
    is_right.into_iter().find(|(key, right)| number(&row[*key]) != *right).map_or(Ok(()), |(key, _)| Err(key))
}

#[test]
fn windows_of_the_oracle_agree() {
    use crate::tapes;
    for seed in 0..100 {
        let case = tapes::case_of_windows(seed);
        let settings = Settings::read(&case.flags);
        let rows = oracle::run(&settings, &case.files()).rows;
        windows_agree(&settings, &rows).unwrap_or_else(|what| panic!("{seed} {:?}: {what}", case.flags));
        super::plausible(&rows).unwrap_or_else(|what| panic!("{seed} {:?}: {what}", case.flags));
    }
}
