//! What an input is, told by its first bytes: how it is packed, and what its lines are. A name decides only
//! where bytes leave it open, and tells the symbol of an archive, which stands nowhere else.

use super::ArchiveNames;
use crate::exit::{Exit, Failure};
use crate::wire::archive;
use crate::wire::chunk::LineFormat;
use crate::wire::counts_contracts;
use crate::wire::format::MappingFile;
use crossrate_dataflows::market::trade::{TradeKind, is_name};
use std::sync::Arc;

pub(super) mod foreign;

/// How bytes are packed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    Plain,
    /// One gzip member or more.
    Gzip,
    /// One Zstandard frame or more.
    Zstd,
    /// A zip archive.
    Zip,
}

/// What begins like this is packed so; `None` where we know it by name only.
const MAGICS: [(&[u8], Option<Compression>, &str); 18] = [
    (b"\x1f\x8b", Some(Compression::Gzip), "gzip"),
    (b"\x28\xb5\x2f\xfd", Some(Compression::Zstd), "Zstandard"),
    (b"PK\x03\x04", Some(Compression::Zip), "zip"),
    // Of an archive without members.
    (b"PK\x05\x06", Some(Compression::Zip), "zip"),
    (b"\xfd7zXZ\0", None, "xz"),
    (b"BZh", None, "bzip2"),
    (b"\x04\x22\x4d\x18", None, "LZ4"),
    (b"7z\xbc\xaf\x27\x1c", None, "7-Zip"),
    (b"PAR1", None, "Parquet"),
    (b"SQLite format 3\0", None, "SQLite"),
    (b"Rar!\x1a\x07", None, "RAR"),
    (b"ARROW1", None, "Arrow"),
    (b"Obj\x01", None, "Avro"),
    (b"\x93NUMPY", None, "NumPy"),
    (b"%PDF-", None, "PDF"),
    (b"\x89PNG\r\n\x1a\n", None, "a picture (PNG)"),
    (b"\xff\xd8\xff", None, "a picture (JPEG)"),
    (b"\x7fELF", None, "a program (ELF)"),
];

/// Detects the compression from the first bytes. `None`: more bytes are needed. `complete`: these are all
/// bytes.
pub(super) fn packing(head: &[u8], complete: bool) -> Result<Option<Compression>, Failure> {
    for (magic, packing, name) in MAGICS {
        if head.starts_with(magic) {
            return packing.map(Some).ok_or_else(|| foreign::failure(name));
        }
    }
    // A Zstandard file may begin with a frame that is to be skipped.
    if head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == *b"\x2a\x4d\x18" {
        return Ok(Some(Compression::Zstd));
    }
    let may_be = |magic: &[u8]| magic.starts_with(head);
    let skippable =
        head.len() < 4
            && head.iter().zip([0x50, 0x2a, 0x4d]).enumerate().all(|(place, (byte, wanted))| {
                if place == 0 { byte & 0xf0 == wanted } else { *byte == wanted }
            });
    if !complete && (skippable || MAGICS.iter().any(|(magic, ..)| may_be(magic))) {
        return Ok(None);
    }
    Ok(Some(Compression::Plain))
}

/// Whether enough is there to tell that content is not packed once more; fails where it is.
fn is_unpacked(head: &[u8], complete: bool) -> Result<bool, Failure> {
    match packing(head, complete)? {
        None => Ok(false),
        Some(Compression::Plain) => Ok(true),
        Some(_) => {
            let found = MAGICS.iter().find(|(magic, ..)| head.starts_with(magic));
            let name = found.map_or("Zstandard", |(.., name)| name);
            Err(Failure::new(Exit::Unreachable, format!("this is {name} within what was unpacked"))
                .hint("unpack the outer archive first: one layer is unpacked here"))
        }
    }
}

/// After so many bytes without a word of what it is, an input is what its name says.
pub(super) const MOST_HEAD: usize = 64 << 10;

/// What the lines of an input are that begins so; `None` where that takes more bytes. `complete`: there are
/// no more.
pub(super) fn lines(
    head: &[u8],
    complete: bool,
    named: &ArchiveNames<'_>,
) -> Result<Option<LineFormat>, Failure> {
    if !is_unpacked(head, complete)? || !foreign::is_told(head, complete)? {
        return Ok(None);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Failure::new(Exit::Unreachable, "this is UTF-16, from byte 0 on")
            .hint("make it UTF-8: iconv -f UTF-16 -t UTF-8"));
    }
    if let Some(file) = named.mapping {
        return mapped(head, complete, named, file);
    }
    // A byte order mark makes the first record bad; what the others are is told by what follows.
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let complete = complete || head.len() >= MOST_HEAD;
    let line_end = memchr::memchr(b'\n', text);
    let first = first_line(text);
    match text.first() {
        None if complete => Ok(Some(LineFormat::Json)),
        None => Ok(None),
        Some(b'{' | b'[') => Ok(Some(LineFormat::Json)),
        Some(b'0'..=b'9') => match text.iter().find(|b| !b.is_ascii_digit()) {
            Some(b',') => csv(first, line_end.is_some() || complete, named),
            Some(b'\t' | b';') if line_end.is_none() && !complete => Ok(None),
            Some(b'\t' | b';') => foreign::refuse(first, named).and_then(|()| by_name(first, named)),
            Some(b' ') => Ok(Some(LineFormat::Json)),
            None if !complete => Ok(None),
            _ => by_name(first, named),
        },
        Some(_) if line_end.is_none() && !complete => Ok(None),
        Some(_) => {
            foreign::klines(first)?;
            if archive::counts_contracts(first) {
                return Err(foreign::contracts("its column base_qty says that quantities are contracts"));
            }
            if archive::is_header(first) {
                return csv(first, true, named);
            }
            foreign::refuse(first, named)?;
            if named.is_csv() {
                foreign::refuse_header(first)?;
            }
            by_name(first, named)
        }
    }
}

/// Whether content begins with a header that is none of an archive.
pub(super) fn has_other_columns(head: &[u8]) -> bool {
    let first = first_line(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start());
    let is_known = archive::is_header(first) || archive::counts_contracts(first);
    !is_known && foreign::klines(first).is_ok() && foreign::refuse_header(first).is_err()
}

/// What a mapping makes of an input: of CSV its first line tells where the columns are.
fn mapped(
    head: &[u8],
    complete: bool,
    named: &ArchiveNames<'_>,
    file: &MappingFile,
) -> Result<Option<LineFormat>, Failure> {
    let unusable = |words: String| Failure::new(Exit::Unreachable, words);
    let mut mapping = file.compile(named.names().next()).map_err(|error| unusable(error.to_string()))?;
    if mapping.is_csv() {
        let line_end = memchr::memchr(b'\n', head);
        if line_end.is_none() && !complete && head.len() < MOST_HEAD {
            return Ok(None);
        }
        let line = &head[..line_end.unwrap_or(head.len())];
        let taken = if line.is_empty() { Ok(false) } else { mapping.take_header(line) };
        taken.map_err(|words| {
            unusable(format!("by --format {} {words}", file.name))
                .hint("name the columns as the header does, or by their numbers from 1")
        })?;
    }
    Ok(Some(LineFormat::Mapped(Arc::new(mapping))))
}

fn by_name(first: &[u8], named: &ArchiveNames<'_>) -> Result<Option<LineFormat>, Failure> {
    if named.is_csv() { csv(first, true, named) } else { Ok(Some(LineFormat::Json)) }
}

fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())]
}

/// An archive, if its symbol is known. What it holds is told by its header, else by its name, else by its
/// columns: by these only when the first line is whole.
fn csv(first: &[u8], is_whole: bool, named: &ArchiveNames<'_>) -> Result<Option<LineFormat>, Failure> {
    if is_whole {
        foreign::klines(first)?;
    }
    let told = named.names().find_map(name_of);
    let kind = match archive::header(first).or(told.as_ref().map(|(_, kind)| *kind)) {
        Some(kind) => kind,
        None if is_whole => archive::kind_of_line(first),
        None => return Ok(None),
    };
    let symbol = named.symbol.map(str::to_owned).or(told.map(|(symbol, _)| symbol)).ok_or_else(|| {
        Failure::new(Exit::Usage, "this is CSV, and neither its name nor --symbol tells of which symbol")
            .hint("give --symbol BTCUSDT, or name it as the exchange does: BTCUSDT-trades-2024-08-08.csv")
    })?;
    if counts_contracts(symbol.as_bytes()) {
        return Err(foreign::contracts(&format!("{symbol} counts contracts")));
    }
    Ok(Some(LineFormat::Csv { symbol: symbol.into(), kind }))
}

impl ArchiveNames<'_> {
    /// The symbol that `--symbol` or a name tells.
    fn symbol_of_archive(&self) -> Option<String> {
        let told = || self.names().find_map(name_of).map(|(symbol, _)| symbol);
        self.symbol.map(str::to_owned).or_else(told)
    }
}

/// The symbol of an archive and what it holds, by its name: `BTCUSDT-trades-2024-08-08.csv.gz`.
fn name_of(name: &str) -> Option<(String, TradeKind)> {
    [("-trades", TradeKind::Trade), ("-aggTrades", TradeKind::Aggregate)].into_iter().find_map(
        |(word, kind)| {
            let (symbol, rest) = name.split_once(word)?;
            let ends = rest.is_empty() || rest.starts_with(['-', '.', '_']);
            (ends && is_name(symbol.as_bytes())).then(|| (symbol.to_ascii_uppercase(), kind))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packings_are_told_by_the_fewest_bytes() {
        let cases: [(&[u8], Option<Compression>); 14] = [
            (b"", None),
            (b"{", Some(Compression::Plain)),
            (b"1", Some(Compression::Plain)),
            (b"\x1f", None),
            (b"\x1f\x8b", Some(Compression::Gzip)),
            (b"\x1f\x1f", Some(Compression::Plain)),
            (b"\x28\xb5\x2f", None),
            (b"\x28\xb5\x2f\xfd", Some(Compression::Zstd)),
            (b"\x5a\x2a", None),
            (b"\x5a\x2a\x4d\x18", Some(Compression::Zstd)),
            (b"\x5a\x2a\x4d\x19", Some(Compression::Plain)),
            (b"PK\x03", None),
            (b"PK\x03\x04", Some(Compression::Zip)),
            (b"PK\x05\x06", Some(Compression::Zip)),
        ];
        for (head, expected) in cases {
            assert_eq!(packing(head, false).expect("known"), expected, "{head:?}");
            let complete = packing(head, true).expect("known");
            assert_eq!(complete, expected.or(Some(Compression::Plain)), "{head:?}, complete");
        }
        for (foreign, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PAR1....", "Parquet")] {
            let told = packing(foreign, false).expect_err("not read").to_string();
            assert!(told.contains(name), "{told}");
        }
    }

    fn named<'a>(name: &'a str, symbol: Option<&'a str>) -> ArchiveNames<'a> {
        ArchiveNames { file: (!name.is_empty()).then_some(name), member: None, symbol, mapping: None }
    }

    fn told(head: &[u8], complete: bool, name: &str, symbol: Option<&str>) -> String {
        match lines(head, complete, &named(name, symbol)) {
            Ok(None) => "more".into(),
            Ok(Some(LineFormat::Json)) => "json".into(),
            Ok(Some(LineFormat::Csv { symbol, kind: TradeKind::Trade })) => symbol.to_string(),
            Ok(Some(LineFormat::Csv { symbol, .. })) => format!("{symbol} aggregates"),
            Ok(Some(LineFormat::Mapped(_))) => "mapped".into(),
            Err(failure) => format!("{} {failure}", failure.exit().code()),
        }
    }

    #[test]
    fn lines_are_told_by_what_they_begin_with() {
        const ARCHIVE: &str = "XVGBTC-trades-2024-08-08.csv.gz";
        let cases: [(&[u8], bool, &str, Option<&str>, &str); 46] = [
            (b"", false, ARCHIVE, None, "more"),
            (b"", true, ARCHIVE, None, "json"),
            (b" \r\n\n", false, "a.csv", None, "more"),
            (b" \r\n\n", true, "a.csv", None, "json"),
            (b"\n {", false, "a.csv", None, "json"),
            (b"[1", false, "", None, "json"),
            (b"17231612539370", false, "", None, "more"),
            (b"17231612539370 ", false, ARCHIVE, None, "json"),
            (b"12,", false, ARCHIVE, None, "XVGBTC"),
            (b"12,", false, ARCHIVE, Some("A"), "A"),
            (b"12,", false, "a.jsonl", Some("A"), "more"),
            (b"12,\n", false, "a.jsonl", Some("A"), "A"),
            (b"12,1,1,1,1525022020361,True", true, "", Some("A"), "A"),
            (b"12,1,1,1,1,1525022020361,True\n", false, "", Some("A"), "A aggregates"),
            (b"12,1,1,1,1,1525022020361,True\n", false, ARCHIVE, None, "XVGBTC"),
            (b"12,", false, "XVGBTC-aggTrades-2024-08-08.csv", None, "XVGBTC aggregates"),
            (b"a,p,q,f,l,T,m\n", false, ARCHIVE, None, "XVGBTC aggregates"),
            (
                b"id,price,qty,base_qty,time\n",
                false,
                ARCHIVE,
                None,
                "3 its column base_qty says that quantities are contracts, which are no coins",
            ),
            (
                b"12,",
                false,
                "BTCUSD_PERP-trades-1.csv",
                None,
                "3 BTCUSD_PERP counts contracts, which are no coins",
            ),
            (b" <!DOCTYPE html>", false, "a.jsonl", None, "3 this is HTML, which is not read"),
            (b"<?xml version", false, ARCHIVE, None, "3 this is XML, which is not read"),
            (b"<Error><Code>NoSuchKey", false, ARCHIVE, None, "3 this is XML, which is not read"),
            (b"<Error>", false, ARCHIVE, None, "more"),
            (b"<TICKER>,<DATE>\n", false, "a.txt", None, "json"),
            (b"\x1f\x8b\x08", false, "a.zip", None, "3 this is gzip within what was unpacked"),
            (b"PK\x03\x04", false, "a.gz", None, "3 this is zip within what was unpacked"),
            (b"%PDF-1.7", false, "a.csv", None, "3 this is PDF, which is not read"),
            (
                b"1525022020000,1,2,0.5,1.5,100,1525022079999,150,10,50,75,0\n",
                false,
                "BTCUSDT-1m-2018-04-29.csv",
                None,
                "3 this is an archive of klines (candles), which holds no trades",
            ),
            (
                b"open_time,open,high,low,close,volume,close_time,quote_volume,count,x,y,ignore\n",
                false,
                "klines.csv",
                Some("A"),
                "3 this is an archive of klines (candles), which holds no trades",
            ),
            (b"12", true, "", Some("A"), "json"),
            (b"12", true, ARCHIVE, None, "XVGBTC"),
            (b"\xef\xbb\xbf12,", false, ARCHIVE, None, "XVGBTC"),
            (b"id,price", false, ARCHIVE, None, "more"),
            (b"id,price,qty,quoteQty,time\n", false, "", Some("A"), "A"),
            (b"hello, world\n", false, "", None, "json"),
            (b"hello, 1\n", false, ARCHIVE, None, "XVGBTC"),
            (b"\"1\",\"2\"\n", false, ARCHIVE, None, "XVGBTC"),
            (
                b"\"1\",\"2\",\"3\",\"6\",\"1525022020361\"\n",
                false,
                ARCHIVE,
                None,
                "3 this is CSV with its columns in quotes, and the exchange's archives have plain commas",
            ),
            (b"1\t2\t3\t", false, "a.tsv", None, "more"),
            (
                b"1\t2\t3\t6\t1525022020361\r\n",
                false,
                "a.tsv",
                None,
                "3 this is CSV with its columns separated by tabs, and the exchange's archives have plain commas",
            ),
            (
                b"id;price;qty;quoteQty;time\n",
                false,
                "a.csv",
                None,
                "3 this is CSV with its columns separated by semicolons, and the exchange's archives have plain commas",
            ),
            (b"1;2;3;4;5\n", false, ARCHIVE, None, "XVGBTC"),
            (b"\xff\xfe{\0", false, "a.jsonl", None, "3 this is UTF-16, from byte 0 on"),
            (b"\xfe\xff\0{", false, "a.jsonl", None, "3 this is UTF-16, from byte 0 on"),
            (b"Time,Stream\r\n1,2", false, ARCHIVE, None, "3 its columns are Time,Stream"),
            (
                b"12,\n",
                false,
                "a.csv",
                None,
                "2 this is CSV, and neither its name nor --symbol tells of which symbol",
            ),
        ];
        for (head, complete, name, symbol, expected) in cases {
            let text = String::from_utf8_lossy(head);
            assert_eq!(told(head, complete, name, symbol), expected, "{text:?} of {name:?}");
        }
        // However much white space or however many digits: at some point it is decided.
        for byte in [b' ', b'1', b'x'] {
            assert_eq!(told(&vec![byte; MOST_HEAD - 1], false, "", None), "more");
            assert_eq!(told(&vec![byte; MOST_HEAD], false, "", None), "json");
        }
    }

    #[test]
    fn csv_of_a_spreadsheet_comes_with_the_command_that_makes_an_archive_of_it() {
        let line = b"\"1\",\"2\",\"3\",\"6\",\"1525022020361\"\n";
        for (name, symbol, command) in [
            (
                "XVGBTC-trades-1.csv",
                None,
                "cat XVGBTC-trades-1.csv | tr -d '\"' | crossrate run - --symbol XVGBTC",
            ),
            ("a.csv.gz", Some("A"), "gzip -dc a.csv.gz | tr -d '\"' | crossrate run - --symbol A"),
            ("a.csv.zst", None, "zstd -dc a.csv.zst | tr -d '\"' | crossrate run - --symbol SYMBOL"),
        ] {
            let refused = lines(line, false, &named(name, symbol)).expect_err("it is refused");
            assert_eq!(refused.what_to_do(), Some(format!("pipe it in: {command}").as_str()));
        }
    }

    #[test]
    fn a_members_name_comes_before_the_archives() {
        let named = ArchiveNames {
            file: Some("A-trades-1.zip"),
            member: Some("b-trades-1.csv"),
            symbol: None,
            mapping: None,
        };
        let format = lines(b"1,2", false, &named).expect("an archive").expect("is told");
        assert_eq!(format, LineFormat::Csv { symbol: "B".into(), kind: TradeKind::Trade });
        for (name, symbol) in [
            ("BTCUSDT-trades.csv", Some("BTCUSDT")),
            ("btcusdt-trades_1.csv", Some("BTCUSDT")),
            ("-trades-1.csv", None),
            ("BTC USDT-trades-1.csv", None),
            ("BTCUSDT-tradesman.csv", None),
            ("BTCUSDT.csv", None),
        ] {
            assert_eq!(name_of(name).map(|(symbol, _)| symbol).as_deref(), symbol, "{name}");
        }
    }
}
