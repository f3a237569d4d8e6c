//! What was found, for people and for programs.

use super::command::{SuggestedCommand, command};
use super::survey::{SurveyResult, SymbolFound};
use crate::config::inspect::Inspect;
use crate::duration::span;
use crate::wire::format::BINANCE;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// So many symbols are told, those with the most trades first; for programs more.
const SYMBOLS_TOLD: usize = 10;
const SYMBOLS_IN_JSON: usize = 1_000;
/// So many other formats are told where none fits.
const OTHERS_TOLD: usize = 3;

/// For people; the last line is the command.
pub(super) fn text(inspect: &Inspect, found: &[SurveyResult]) -> String {
    let mut text = String::new();
    // Of one that was refused its error says all.
    let is_told = |one: &&SurveyResult| found.len() > 1 || one.failure.is_none() || one.counts.read() > 0;
    for one in found.iter().filter(is_told) {
        input(&mut text, one);
    }
    let Some(SuggestedCommand { notes, command }) = command(inspect, found) else { return text };
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    text + &command + "\n"
}

fn input(text: &mut String, found: &SurveyResult) {
    let _ = writeln!(text, "{}", one_line(&found.name));
    let mut told = |what: &str, words: String| {
        let _ = writeln!(text, "  {what:<9} {words}");
    };
    let recognition = &found.recognition;
    let counts = &found.counts;
    match &recognition.format {
        Some(format) => told("format", format.name().to_owned()),
        None if found.is_empty() && found.failure.is_none() => told("records", "none".into()),
        None if found.is_empty() => {}
        None => {
            told("format", "none that is known".into());
            let (nearest, further) = recognition.others.split_at(recognition.others.len().min(OTHERS_TOLD));
            // What a run without --format says.
            let default = further.iter().filter(|(name, _)| name == BINANCE);
            for (name, why) in nearest.iter().chain(default) {
                told("", format!("{name}: {}", one_line(why)));
            }
        }
    }
    if counts.read() > 0 {
        let classes = counts.classes().into_iter().filter(|(_, count)| *count > 0);
        let classes: Vec<String> = classes.map(|(class, count)| format!("{count} {class}")).collect();
        let more = if found.is_cut { ", and there is more" } else { "" };
        told("records", format!("{} read = {}{more}", counts.read(), classes.join(" + ")));
    }
    if let Some((least, greatest)) = found.times {
        told("times", format!("{least} to {greatest} ({})", span(greatest.micros() - least.micros())));
        told("order", order(found));
        told("ids", ids(found));
        told("symbols", symbols(found));
    }
    for example in &found.examples {
        let partition = example.partition.map_or_else(String::new, |number| format!("partition {number}, "));
        let why = one_line(&example.why);
        told(example.class, format!("{partition}record {}: {why}", example.offset));
    }
    if let Some(failure) = &found.failure {
        told("error", one_line(&format!("{failure:#}")));
    }
    text.push('\n');
}

fn one_line(text: &str) -> String {
    text.chars()
        .take(300)
        .flat_map(|c| if c.is_control() { c.escape_debug().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

fn order(found: &SurveyResult) -> String {
    if found.behind == 0 {
        return "each partition in order".into();
    }
    let trades = found.counts.accepted + found.counts.late + found.counts.duplicate;
    let mut words =
        format!("{} of {trades} behind an earlier one, by {} at most", found.behind, span(found.most_behind));
    if let Some(jump) = found.jump.filter(|jump| jump.left_behind > 0 && jump.by >= found.most_behind / 2) {
        let _ = write!(words, "; record {} was {} ahead of those before it", jump.offset, span(jump.by));
    }
    words
}

fn ids(found: &SurveyResult) -> String {
    let repeated: u64 = found.symbols.values().map(|symbol| symbol.repeated).sum();
    let repeated = if repeated > 0 { format!(", {repeated} repeated") } else { String::new() };
    if !found.recognition.is_numbered {
        return format!("texts or numbers, no sequence{repeated}");
    }
    let all = found.symbols.len();
    let missing: Vec<u64> = found.symbols.values().filter_map(SymbolFound::missing).collect();
    let of =
        if missing.len() < all { format!(" of {} of {all} symbols", missing.len()) } else { String::new() };
    match (missing.len(), missing.iter().sum::<u64>()) {
        (0, _) => format!("no sequence{repeated}"),
        (_, 0) => format!("a sequence{of}, none missing{repeated}"),
        (_, sum) => format!("a sequence{of}, {sum} missing{repeated}"),
    }
}

fn most_traded(found: &SurveyResult) -> Vec<(&String, &SymbolFound)> {
    let mut symbols: Vec<_> = found.symbols.iter().collect();
    symbols.sort_by_key(|(_, symbol)| std::cmp::Reverse(symbol.trades));
    symbols
}

fn symbols(found: &SurveyResult) -> String {
    let most = most_traded(found);
    let mut told: Vec<String> =
        most.iter().take(SYMBOLS_TOLD).map(|(name, symbol)| format!("{name} {}", symbol.trades)).collect();
    if most.len() > SYMBOLS_TOLD {
        told.push(format!("and {} more", most.len() - SYMBOLS_TOLD));
    }
    let others = match found.other_symbols {
        0 => String::new(),
        trades => format!("; {trades} trades of more symbols"),
    };
    format!("{}: {}{others}", most.len(), told.join(", "))
}

/// For programs.
pub(super) fn json(inspect: &Inspect, found: &[SurveyResult]) -> Result<String> {
    let (notes, command) =
        command(inspect, found).map_or((Vec::new(), None), |told| (told.notes, Some(told.command)));
    let inputs: Vec<Value> = found.iter().map(input_json).collect();
    let told = json!({ "inputs": inputs, "notes": notes, "command": command });
    Ok(serde_json::to_string_pretty(&told)? + "\n")
}

fn input_json(found: &SurveyResult) -> Value {
    let recognition = &found.recognition;
    let symbols: Vec<Value> = most_traded(found)
        .into_iter()
        .take(SYMBOLS_IN_JSON)
        .map(|(name, symbol)| {
            let (ids, missing, repeated) = (symbol.ids(), symbol.missing(), symbol.repeated);
            json!({
                "symbol": name, "trades": symbol.trades, "least_id": ids.map(|(least, _)| least),
                "greatest_id": ids.map(|(_, greatest)| greatest), "missing_ids": missing, "repeated": repeated,
            })
        })
        .collect();
    let others: Vec<Value> =
        recognition.others.iter().map(|(name, why)| json!({ "format": name, "why": why })).collect();
    let examples: Vec<Value> = found
        .examples
        .iter()
        .map(|e| json!({ "class": e.class, "partition": e.partition, "offset": e.offset, "why": e.why }))
        .collect();
    let mut records = serde_json::Map::from_iter([("read".to_owned(), json!(found.counts.read()))]);
    records.extend(found.counts.classes().map(|(class, count)| (class.to_owned(), json!(count))));
    json!({
        "input": found.name,
        "format": recognition.format.as_ref().map(|format| format.name()),
        "other_formats": others,
        "records": records,
        "is_cut": found.is_cut,
        "least_time_us": found.times.map(|(least, _)| least.micros()),
        "greatest_time_us": found.times.map(|(_, greatest)| greatest.micros()),
        "behind": found.behind,
        "most_behind_us": found.most_behind,
        "ids_are_sequence": recognition.is_numbered,
        "symbol_count": found.symbols.len(),
        "symbols": symbols,
        "examples": examples,
        "error": found.failure.as_ref().map(|failure| format!("{failure:#}")),
    })
}
