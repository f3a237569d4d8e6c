//! What is no input, named by its first bytes or its first line, so that it is refused before anything is
//! written.

use crate::exit::{Exit, Failure};
use crate::source::files::ArchiveNames;
use crate::wire::archive;

/// Where tar has its mark, and the mark.
const TAR_AT: usize = 257;
const TAR: &[u8] = b"ustar";

/// What kind of foreign content it is.
pub(in crate::source::files) fn failure(name: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("this is {name}, which is not read"))
        .hint("unpack or export it as lines of JSON, or pack it with gzip, zstd or zip")
}

/// Quantities that are no coins.
pub(super) fn contracts(what: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("{what}, which are no coins"))
        .hint("take the archives of futures that are settled in USDT or USDC, or of spot")
}

/// Whether enough is there to tell; fails where it is no text of records.
pub(super) fn is_told(head: &[u8], complete: bool) -> Result<bool, Failure> {
    let is_utf_16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    if !is_utf_16 && memchr::memchr(0, &head[..head.len().min(TAR_AT)]).is_some() {
        let end = TAR_AT + TAR.len();
        if head.len() < end && !complete {
            return Ok(false);
        }
        if head.get(TAR_AT..end) == Some(TAR) {
            return Err(failure("tar"));
        }
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins =
        |word: &str| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    if ["<!doctype html", "<html", "<head", "<body"].into_iter().any(begins) {
        return Err(failure("HTML"));
    }
    if begins("<?xml") || is_element(text) {
        return Err(failure("XML"));
    }
    // So much tells it.
    Ok(text.first() != Some(&b'<') || is_tag_over(text) || text.len() >= LONGEST_TAG || complete)
}

/// Of a longer tag the end is not waited for.
const LONGEST_TAG: usize = 256;

/// Whether a text begins with a tag, or a line, and something behind it.
fn is_tag_over(text: &[u8]) -> bool {
    memchr::memchr2(b'>', b'\n', text).is_some_and(|end| text[end] == b'\n' || end + 1 < text.len())
}

/// Whether a text begins with an element of XML. A header of CSV may have its names in such brackets, but has
/// a separator behind them.
fn is_element(text: &[u8]) -> bool {
    let begins = matches!(text, [b'<', first, ..] if first.is_ascii_alphabetic());
    let end = memchr::memchr2(b'>', b'\n', text).filter(|end| begins && text[*end] == b'>');
    end.and_then(|end| text.get(end + 1)).is_some_and(|behind| !b",;\t| ".contains(behind))
}

/// Refuses an archive of klines: a line of numbers between two times, or its header.
pub(super) fn klines(line: &[u8]) -> Result<(), Failure> {
    let columns: Vec<&[u8]> = line.split(|b| *b == b',').map(<[u8]>::trim_ascii).collect();
    let is_name = |column: &[u8], names: [&str; 2]| {
        names.iter().any(|name| column.eq_ignore_ascii_case(name.as_bytes()))
    };
    let is_kline = match columns.as_slice() {
        [from, open, high, low, close, _, to, ..] => {
            let is_header = is_name(from, ["open_time", "openTime"])
                && is_name(open, ["open", "o"])
                && is_name(close, ["close", "c"]);
            is_header
                || archive::is_time(from) && archive::is_time(to) && {
                    [open, high, low, close].iter().all(|price| archive::is_price(price))
                }
        }
        _ => false,
    };
    if !is_kline {
        return Ok(());
    }
    Err(Failure::new(Exit::Unreachable, "this is an archive of klines (candles), which holds no trades")
        .hint("take the archive of trades or aggTrades of that symbol; --window 1m makes candles of them"))
}

/// Says what is wrong with an archive that a spreadsheet or a database has written anew: no record of it
/// would be read.
pub(super) fn refuse(line: &[u8], named: &ArchiveNames<'_>) -> Result<(), Failure> {
    let quoted = |line: &[u8]| line.iter().filter(|b| **b != b'"').copied().collect::<Vec<u8>>();
    let split = |by: u8| line.iter().map(|b| if *b == by { b',' } else { *b }).collect::<Vec<u8>>();
    let candidates = [
        ("in quotes", "tr -d '\"'", quoted(line)),
        ("separated by tabs", "tr '\\t' ,", split(b'\t')),
        ("separated by semicolons", "tr ';' ,", split(b';')),
        ("separated by semicolons and in quotes", "tr ';' , | tr -d '\"'", quoted(&split(b';'))),
        ("separated by tabs and in quotes", "tr '\\t' , | tr -d '\"'", quoted(&split(b'\t'))),
    ];
    let found = candidates.iter().find(|(.., as_archive)| as_archive != line && archive::is_line(as_archive));
    match found {
        None => Ok(()),
        Some((how, command, _)) => {
            let words =
                format!("this is CSV with its columns {how}, and the exchange's archives have plain commas");
            // What is piped has no name that tells the symbol.
            let (file, symbol) = (unpacked(named), named.symbol_of_archive());
            let symbol = symbol.unwrap_or_else(|| "SYMBOL".into());
            Err(Failure::new(Exit::Unreachable, words)
                .hint(format!("pipe it in: {file} | {command} | crossrate run - --symbol {symbol}")))
        }
    }
}

/// The command that writes a file as it is when it is not packed.
fn unpacked(named: &ArchiveNames<'_>) -> String {
    let Some(file) = named.file else { return "..".into() };
    let lower = file.to_ascii_lowercase();
    let commands = [(".gz", "gzip -dc"), (".zst", "zstd -dc"), (".zip", "unzip -p")];
    let command = commands.iter().find(|(end, _)| lower.ends_with(end)).map_or("cat", |(_, command)| command);
    format!("{command} {file}")
}

/// Refuses names where values should be: every column begins with a letter.
pub(super) fn refuse_header(line: &[u8]) -> Result<(), Failure> {
    let mut columns = line.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    if columns.clone().count() < 2 || !columns.all(|c| c.first().is_some_and(u8::is_ascii_alphabetic)) {
        return Ok(());
    }
    let names = String::from_utf8_lossy(line.trim_ascii()).into_owned();
    let hint = "archives of trades have the columns id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch, those of \
                aggregate trades agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time; others are \
                read by a mapping (--format, crossrate formats)";
    Err(Failure::new(Exit::Unreachable, format!("its columns are {names}")).hint(hint))
}
