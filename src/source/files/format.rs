//! What an input is, told by its first bytes: how it is packed, and what its lines are. A name decides only where
//! bytes leave it open, and tells the symbol of an archive, which stands nowhere else.

use super::Named;
use crate::exit::{Exit, Failure};
use crate::wire::archive;
use crate::wire::chunk::LineFormat;
use crate::wire::format::MappingFile;
use crossrate_dataflows::market::trade::is_name;
use std::sync::Arc;

/// How bytes are packed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Packing {
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
const MAGICS: [(&[u8], Option<Packing>, &str); 10] = [
    (b"\x1f\x8b", Some(Packing::Gzip), "gzip"),
    (b"\x28\xb5\x2f\xfd", Some(Packing::Zstd), "Zstandard"),
    (b"PK\x03\x04", Some(Packing::Zip), "zip"),
    // Of an archive without members.
    (b"PK\x05\x06", Some(Packing::Zip), "zip"),
    (b"\xfd7zXZ\0", None, "xz"),
    (b"BZh", None, "bzip2"),
    (b"\x04\x22\x4d\x18", None, "LZ4"),
    (b"7z\xbc\xaf\x27\x1c", None, "7-Zip"),
    (b"PAR1", None, "Parquet"),
    (b"SQLite format 3\0", None, "SQLite"),
];

/// How an input that begins so is packed; `None` where that takes more bytes. `complete`: there are no more.
pub(super) fn packing(head: &[u8], complete: bool) -> Result<Option<Packing>, Failure> {
    for (magic, packing, name) in MAGICS {
        if head.starts_with(magic) {
            return packing.map(Some).ok_or_else(|| {
                Failure::new(Exit::Unreachable, format!("this is {name}, which is not read"))
                    .hint("unpack or export it as lines of JSON, or pack it with gzip, zstd or zip")
            });
        }
    }
    // A Zstandard file may begin with a frame that is to be skipped.
    if head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == *b"\x2a\x4d\x18" {
        return Ok(Some(Packing::Zstd));
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
    Ok(Some(Packing::Plain))
}

/// After so many bytes without a word of what it is, an input is what its name says.
const MOST_HEAD: usize = 64 << 10;

/// What the lines of an input are that begins so; `None` where that takes more bytes. `complete`: there are no more.
pub(super) fn lines(head: &[u8], complete: bool, named: &Named<'_>) -> Result<Option<LineFormat>, Failure> {
    if let Some(file) = named.mapping {
        return mapped(head, complete, named, file);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Failure::new(Exit::Unreachable, "this is UTF-16, from byte 0 on")
            .hint("make it UTF-8: iconv -f UTF-16 -t UTF-8"));
    }
    // A byte order mark makes the first record bad; what the others are is told by what follows.
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let complete = complete || head.len() >= MOST_HEAD;
    let line_end = memchr::memchr(b'\n', text);
    match text.first() {
        None if complete => Ok(Some(LineFormat::Json)),
        None => Ok(None),
        Some(b'{' | b'[') => Ok(Some(LineFormat::Json)),
        Some(b'0'..=b'9') => match text.iter().find(|b| !b.is_ascii_digit()) {
            Some(b',') => csv(named).map(Some),
            Some(b'\t' | b';') if line_end.is_none() && !complete => Ok(None),
            Some(b'\t' | b';') => refuse_foreign(first_line(text)).and_then(|()| by_name(named).map(Some)),
            Some(b' ') => Ok(Some(LineFormat::Json)),
            None if !complete => Ok(None),
            _ => by_name(named).map(Some),
        },
        Some(_) if line_end.is_none() && !complete => Ok(None),
        Some(_) => {
            let line = first_line(text);
            if archive::is_header(line) {
                return csv(named).map(Some);
            }
            refuse_foreign(line)?;
            if named.is_csv() && is_foreign_header(line) {
                let names = String::from_utf8_lossy(line.trim_ascii()).into_owned();
                return Err(Failure::new(Exit::Unreachable, format!("its columns are {names}")).hint(
                    "archives of trades have the columns id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch",
                ));
            }
            by_name(named).map(Some)
        }
    }
}

/// What a mapping makes of an input: of CSV its first line tells where the columns are.
fn mapped(
    head: &[u8],
    complete: bool,
    named: &Named<'_>,
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

fn by_name(named: &Named<'_>) -> Result<LineFormat, Failure> {
    if named.is_csv() { csv(named) } else { Ok(LineFormat::Json) }
}

fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())]
}

/// Says what is wrong with an archive that a spreadsheet or a database has written anew: no record of it would be read.
fn refuse_foreign(line: &[u8]) -> Result<(), Failure> {
    let quoted = |line: &[u8]| line.iter().filter(|b| **b != b'"').copied().collect::<Vec<u8>>();
    let split = |by: u8| line.iter().map(|b| if *b == by { b',' } else { *b }).collect::<Vec<u8>>();
    let candidates = [
        ("in quotes", "sed 's/\"//g' FILE", quoted(line)),
        ("separated by tabs", "tr '\\t' , <FILE", split(b'\t')),
        ("separated by semicolons", "tr ';' , <FILE", split(b';')),
        ("separated by semicolons and in quotes", "tr -d '\"' <FILE | tr ';' ,", quoted(&split(b';'))),
        ("separated by tabs and in quotes", "tr -d '\"' <FILE | tr '\\t' ,", quoted(&split(b'\t'))),
    ];
    let found = candidates.iter().find(|(.., as_archive)| as_archive != line && archive::is_line(as_archive));
    match found {
        None => Ok(()),
        Some((how, command, _)) => {
            let words =
                format!("this is CSV with its columns {how}, and the exchange's archives have plain commas");
            Err(Failure::new(Exit::Unreachable, words)
                .hint(format!("pipe it in: {command} | crossrate run -")))
        }
    }
}

/// Names where values should be: every column begins with a letter.
fn is_foreign_header(line: &[u8]) -> bool {
    let mut columns = line.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    columns.clone().count() > 1 && columns.all(|c| c.first().is_some_and(u8::is_ascii_alphabetic))
}

/// An archive, if its symbol is known.
fn csv(named: &Named<'_>) -> Result<LineFormat, Failure> {
    if let Some(name) = named.names().find(|name| name.contains("-aggTrades")) {
        let what =
            format!("by its name {name} this is an archive of aggregate trades, which has other columns");
        return Err(Failure::new(Exit::Usage, what).hint("take the archive of trades, SYMBOL-trades-DATE"));
    }
    let told = named.names().find_map(symbol_of);
    let symbol = told.as_deref().or(named.symbol).ok_or_else(|| {
        Failure::new(Exit::Usage, "this is CSV, and neither its name nor --symbol tells of which symbol")
            .hint("give --symbol BTCUSDT, or name it as the exchange does: BTCUSDT-trades-2024-08-08.csv")
    })?;
    Ok(LineFormat::Csv { symbol: symbol.into() })
}

/// The symbol of an archive of trades, by its name: `BTCUSDT-trades-2024-08-08.csv.gz`.
fn symbol_of(name: &str) -> Option<String> {
    let (symbol, rest) = name.split_once("-trades")?;
    let ends = rest.is_empty() || rest.starts_with(['-', '.', '_']);
    (ends && is_name(symbol.as_bytes())).then(|| symbol.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packings_are_told_by_the_fewest_bytes() {
        let cases: [(&[u8], Option<Packing>); 14] = [
            (b"", None),
            (b"{", Some(Packing::Plain)),
            (b"1", Some(Packing::Plain)),
            (b"\x1f", None),
            (b"\x1f\x8b", Some(Packing::Gzip)),
            (b"\x1f\x1f", Some(Packing::Plain)),
            (b"\x28\xb5\x2f", None),
            (b"\x28\xb5\x2f\xfd", Some(Packing::Zstd)),
            (b"\x5a\x2a", None),
            (b"\x5a\x2a\x4d\x18", Some(Packing::Zstd)),
            (b"\x5a\x2a\x4d\x19", Some(Packing::Plain)),
            (b"PK\x03", None),
            (b"PK\x03\x04", Some(Packing::Zip)),
            (b"PK\x05\x06", Some(Packing::Zip)),
        ];
        for (head, expected) in cases {
            assert_eq!(packing(head, false).expect("known"), expected, "{head:?}");
            let complete = packing(head, true).expect("known");
            assert_eq!(complete, expected.or(Some(Packing::Plain)), "{head:?}, complete");
        }
        for (foreign, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PAR1....", "Parquet")] {
            let told = packing(foreign, false).expect_err("not read").to_string();
            assert!(told.contains(name), "{told}");
        }
    }

    fn named<'a>(name: &'a str, symbol: Option<&'a str>) -> Named<'a> {
        Named { file: (!name.is_empty()).then_some(name), member: None, symbol, mapping: None }
    }

    fn told(head: &[u8], complete: bool, name: &str, symbol: Option<&str>) -> String {
        match lines(head, complete, &named(name, symbol)) {
            Ok(None) => "more".into(),
            Ok(Some(LineFormat::Json)) => "json".into(),
            Ok(Some(LineFormat::Csv { symbol })) => symbol.to_string(),
            Ok(Some(LineFormat::Mapped(_))) => "mapped".into(),
            Err(failure) => format!("{} {failure}", failure.exit().code()),
        }
    }

    #[test]
    fn lines_are_told_by_what_they_begin_with() {
        const ARCHIVE: &str = "XVGBTC-trades-2024-08-08.csv.gz";
        let cases: [(&[u8], bool, &str, Option<&str>, &str); 30] = [
            (b"", false, ARCHIVE, None, "more"),
            (b"", true, ARCHIVE, None, "json"),
            (b" \r\n\n", false, "a.csv", None, "more"),
            (b" \r\n\n", true, "a.csv", None, "json"),
            (b"\n {", false, "a.csv", None, "json"),
            (b"[1", false, "", None, "json"),
            (b"17231612539370", false, "", None, "more"),
            (b"17231612539370 ", false, ARCHIVE, None, "json"),
            (b"12,", false, ARCHIVE, None, "XVGBTC"),
            (b"12,", false, ARCHIVE, Some("A"), "XVGBTC"),
            (b"12,", false, "a.jsonl", Some("A"), "A"),
            (b"12,", false, "", Some("A"), "A"),
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
                b"12,",
                false,
                "a.csv",
                None,
                "2 this is CSV, and neither its name nor --symbol tells of which symbol",
            ),
            (
                b"12,",
                false,
                "XVGBTC-aggTrades-2024-08-08.csv",
                Some("A"),
                "2 by its name XVGBTC-aggTrades-2024-08-08.csv this is an archive of aggregate trades, which has other columns",
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
    fn a_members_name_comes_before_the_archives() {
        let named = Named {
            file: Some("A-trades-1.zip"),
            member: Some("b-trades-1.csv"),
            symbol: Some("C"),
            mapping: None,
        };
        let format = lines(b"1,2", false, &named).expect("an archive").expect("is told");
        assert_eq!(format, LineFormat::Csv { symbol: "B".into() });
        for (name, symbol) in [
            ("BTCUSDT-trades.csv", Some("BTCUSDT")),
            ("btcusdt-trades_1.csv", Some("BTCUSDT")),
            ("-trades-1.csv", None),
            ("BTC USDT-trades-1.csv", None),
            ("BTCUSDT-tradesman.csv", None),
            ("BTCUSDT.csv", None),
        ] {
            assert_eq!(symbol_of(name).as_deref(), symbol, "{name}");
        }
    }
}
