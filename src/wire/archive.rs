//! Lines of Binance's archives: of trades, `id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch` (of futures
//! without the last), and of aggregate trades, `a,p,q,f,l,T,m,M` (with or without the last).
//!
//! The symbol stands nowhere in them: the file's name tells it ([`crate::source::files`]). Only the columns
//! up to the time must be there, and of them only what is used must be right: id, price, quantity and time.

use super::binance::MOST_BYTES;
use super::{BadRecord, Record};
use crossrate_dataflows::market::decimal::{DecimalError, Decimals, Price, Quantity, parse_scaled};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::{IdRange, Side, Trade, TradeKind};

/// What a line of trades, or of aggregate trades, is; `None` where it is a header, which is no record. White
/// space around a line, such as the first half of CRLF, is no part of it. A line of white space only is
/// nothing to ask about: it is no record either.
///
/// A header is told by its names and not by its place, since a zip and files that were joined have several.
#[inline]
pub fn decode<'a>(line: &[u8], symbol: &'a str, kind: TradeKind, decimals: Decimals) -> Option<Record<'a>> {
    if line.len() > MOST_BYTES {
        return Some(Record::Bad(BadRecord { reason: "longer than 16 MiB", at: None }));
    }
    match columns(line) {
        Ok(columns) if kind_of_names(&columns).is_some() => None,
        Ok(columns) => Some(match trade(&columns, layout(kind), decimals) {
            Ok(trade) => {
                let trade = Trade { side: side(line, kind), ids: ids(line, kind, trade.id), ..trade };
                Record::Trade { symbol: symbol.as_bytes(), kind, trade }
            }
            Err(bad) => Record::Bad(bad),
        }),
        Err(bad) => Some(Record::Bad(bad)),
    }
}

/// The trades that a line stands for: of an aggregate those of its fourth and fifth column, where both are
/// ids in order.
fn ids(line: &[u8], kind: TradeKind, id: u64) -> IdRange {
    if kind == TradeKind::Trade {
        return IdRange::one(id);
    }
    let mut ends = line.split(|byte| *byte == b',').skip(3).map(<[u8]>::trim_ascii);
    let mut end = || ends.next().and_then(integer).filter(|id| *id < 1 << 63);
    super::binance::ids(kind, id, (end(), end()))
}

/// What the taker did, where the column after the time tells whether the buyer is the maker.
fn side(line: &[u8], kind: TradeKind) -> Side {
    match line.split(|byte| *byte == b',').nth(layout(kind).time + 1).map(<[u8]>::trim_ascii) {
        Some(maker) if maker.eq_ignore_ascii_case(b"true") => Side::Sell,
        Some(maker) if maker.eq_ignore_ascii_case(b"false") => Side::Buy,
        _ => Side::Untold,
    }
}

/// Whether a line is a header that [`decode`] knows.
pub fn is_header(line: &[u8]) -> bool {
    header(line).is_some()
}

/// Of what a header is one, if it is one.
pub fn header(line: &[u8]) -> Option<TradeKind> {
    if line.len() > MOST_BYTES {
        None
    } else {
        columns(line).ok().and_then(|columns| kind_of_names(&columns))
    }
}

/// What the first line tells by its columns alone: of aggregate trades the sixth is a time, of trades the
/// fifth.
pub fn kind_of_line(line: &[u8]) -> TradeKind {
    let is_aggregate =
        line.len() <= MOST_BYTES && columns(line).is_ok_and(|columns| is_trade(&columns, &AGGREGATES));
    if is_aggregate { TradeKind::Aggregate } else { TradeKind::Trade }
}

/// Whether a header says that quantities count contracts, as those of coin-margined futures do.
pub fn counts_contracts(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 3] = [b"base_qty", b"baseqty", b"base_quantity"];
    let is_text = !line.trim_ascii_start().first().is_some_and(u8::is_ascii_digit);
    let mut columns = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    is_text && columns.any(|column| NAMES.iter().any(|name| column.eq_ignore_ascii_case(name)))
}

/// Whether a line is one of an archive, or a header.
pub fn is_line(line: &[u8]) -> bool {
    let is_line = |columns: ArchiveColumns<'_>| {
        kind_of_names(&columns).is_some() || is_trade(&columns, &TRADES) || is_trade(&columns, &AGGREGATES)
    };
    line.len() <= MOST_BYTES && columns(line).is_ok_and(is_line)
}

/// Whether columns are those of a trade, whatever the decimals of its numbers.
fn is_trade(columns: &ArchiveColumns<'_>, layout: &ArchiveLayout) -> bool {
    let ArchiveColumns { columns, length, .. } = columns;
    layout.time < *length
        && integer(columns[ID].text).is_some_and(|id| id < 1 << 63)
        && is_price(columns[PRICE].text)
        && is_price(columns[QUANTITY].text)
        && is_time(columns[layout.time].text)
}

/// Whether a column is a price or a quantity, whatever its decimals.
pub fn is_price(text: &[u8]) -> bool {
    let scaled = parse_scaled(text, Decimals::EIGHT.price);
    matches!(scaled, Ok(_) | Err(DecimalError::TooPrecise | DecimalError::TooLarge))
}

/// Whether a column is a time of a trade.
pub fn is_time(text: &[u8]) -> bool {
    integer(text).and_then(EventTime::from_exchange).is_some()
}

/// Where the columns that are used stand, and what they are called.
struct ArchiveLayout {
    time: usize,
    id_names: &'static [&'static str],
    time_names: &'static [&'static str],
}

const ID: usize = 0;
const PRICE: usize = 1;
const QUANTITY: usize = 2;

const TRADES: ArchiveLayout =
    ArchiveLayout { time: 4, id_names: &["id", "trade_id", "tradeId"], time_names: &["time", "timestamp"] };
const AGGREGATES: ArchiveLayout = ArchiveLayout {
    time: 5,
    id_names: &["agg_trade_id", "aggregate_trade_id", "aggTradeId", "a"],
    time_names: &["transact_time", "timestamp", "time", "T"],
};

fn layout(kind: TradeKind) -> &'static ArchiveLayout {
    match kind {
        TradeKind::Trade => &TRADES,
        TradeKind::Aggregate => &AGGREGATES,
    }
}

/// One column, and where it begins in the line.
#[derive(Debug, Copy, Clone, Default)]
struct ArchiveColumn<'a> {
    text: &'a [u8],
    at: usize,
}

/// The first columns of a line: five at least.
struct ArchiveColumns<'a> {
    columns: [ArchiveColumn<'a>; 6],
    length: usize,
    end: usize,
}

/// The first six columns, or five.
#[inline]
fn columns(line: &[u8]) -> Result<ArchiveColumns<'_>, BadRecord> {
    let mut at = line.len() - line.trim_ascii_start().len();
    let line = line.trim_ascii_end();
    let mut columns = [ArchiveColumn::default(); 6];
    let mut more = true;
    for (number, column) in columns.iter_mut().enumerate() {
        if !more {
            return match number {
                5 => Ok(ArchiveColumns { columns, length: 5, end: line.len() }),
                _ => Err(few_columns(line)),
            };
        }
        let rest = line.get(at..).unwrap_or_default();
        let length = memchr::memchr(b',', rest);
        more = length.is_some();
        let text = &rest[..length.unwrap_or(rest.len())];
        // Within quotes a comma would be text, and all columns after it others than we think.
        if number < 5 && text.first() == Some(&b'"') {
            return Err(BadRecord { reason: QUOTED, at: Some(at) });
        }
        *column = ArchiveColumn { text, at };
        at += text.len() + 1;
    }
    Ok(ArchiveColumns { columns, length: 6, end: line.len() })
}

const QUOTED: &str = "a quoted column: the archives have none, take the quotes away";

/// Why there are too few columns: of files that somebody has exported anew, the separator is another one.
fn few_columns(line: &[u8]) -> BadRecord {
    let separated = |by: u8| line.iter().filter(|byte| **byte == by).count() >= 4;
    let reason = if separated(b'\t') {
        "separated by tabs: the archives have commas"
    } else if separated(b';') {
        "separated by semicolons: the archives have commas"
    } else {
        "fewer than five columns"
    };
    BadRecord { reason, at: Some(line.len()) }
}

/// Of what these are the names of the columns, as the exchange and its users write them.
fn kind_of_names(columns: &ArchiveColumns<'_>) -> Option<TradeKind> {
    if columns.columns[ID].text.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let is = |place: usize, names: &[&str]| {
        let text = columns.columns[place].text.trim_ascii();
        place < columns.length && names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()))
    };
    let numbers = is(PRICE, &["price", "p"]) && is(QUANTITY, &["qty", "quantity", "q"]);
    let are =
        |layout: &ArchiveLayout| numbers && is(ID, layout.id_names) && is(layout.time, layout.time_names);
    match (are(&TRADES), are(&AGGREGATES)) {
        (true, _) => Some(TradeKind::Trade),
        (false, true) => Some(TradeKind::Aggregate),
        (false, false) => None,
    }
}

#[inline]
fn trade(
    columns: &ArchiveColumns<'_>,
    layout: &ArchiveLayout,
    decimals: Decimals,
) -> Result<Trade, BadRecord> {
    if layout.time >= columns.length {
        return Err(BadRecord { reason: "fewer than six columns", at: Some(columns.end) });
    }
    let columns = &columns.columns;
    let wrong = |place: usize, reason| BadRecord { reason, at: Some(columns[place].at) };
    let integer = |place: usize, reason| integer(columns[place].text).ok_or_else(|| wrong(place, reason));
    let decimal = |place: usize, reasons: &[&'static str; 5], places: u8| {
        parse_scaled(columns[place].text, places)
            .map_err(|error| wrong(place, reason(error, reasons, places)))
    };
    let id = integer(ID, "id: no plain integer below 2^63")?;
    if id >= 1 << 63 {
        return Err(wrong(ID, "id: no plain integer below 2^63"));
    }
    let price = decimal(PRICE, &PRICE_REASONS, decimals.price)?;
    let price = Price::from_scaled(price).ok_or_else(|| wrong(PRICE, PRICE_REASONS[2]))?;
    let quantity = decimal(QUANTITY, &QUANTITY_REASONS, decimals.quantity)?;
    let quantity = Quantity::from_scaled(quantity).ok_or_else(|| wrong(QUANTITY, QUANTITY_REASONS[2]))?;
    let time = integer(layout.time, "time: not a plain integer")?;
    let time = EventTime::from_exchange(time).ok_or_else(|| {
        wrong(layout.time, "time: no time from 2009 to 2099 in milliseconds or microseconds")
    })?;
    Ok(Trade::new(id, price, quantity, time))
}

const PRICE_REASONS: [&str; 5] = [
    "price: not a plain decimal number",
    "price: more than eight decimals",
    "price: zero",
    "price: too large",
    "price: more decimals than --price-decimals",
];
const QUANTITY_REASONS: [&str; 5] = [
    "qty: not a plain decimal number",
    "qty: more than eight decimals",
    "qty: zero",
    "qty: too large",
    "qty: more decimals than --quantity-decimals",
];

fn reason(error: DecimalError, reasons: &[&'static str; 5], places: u8) -> &'static str {
    match error {
        DecimalError::Grammar => reasons[0],
        DecimalError::TooPrecise if places != Decimals::EIGHT.price => reasons[4],
        DecimalError::TooPrecise => reasons[1],
        DecimalError::Zero => reasons[2],
        DecimalError::TooLarge => reasons[3],
    }
}

/// The value of a run of digits; `None` if it is anything else, or 2^64 or more.
fn integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { n.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(line: &str) -> String {
        match decode(line.as_bytes(), "BTCUSDT", TradeKind::Trade, Decimals::EIGHT) {
            None => "header".to_owned(),
            Some(Record::Bad(bad)) => bad.to_string(),
            Some(Record::Trade { symbol, kind: TradeKind::Trade, trade }) => format!(
                "{} {} {} {} {}",
                String::from_utf8_lossy(symbol),
                trade.id,
                trade.price.scaled(),
                trade.quantity.scaled(),
                trade.time.micros()
            ),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_of_an_archive_decodes_to_its_trade() {
        let good = "BTCUSDT 39982779 888815120000 1937446 1525022020361000";
        let cases = [
            ("39982779,8888.15120000,0.01937446,172.2031,1525022020361,True,True", good),
            ("39982779,8888.1512,0.01937446,,1525022020361000", good),
            (" 39982779,8888.1512,0.01937446,x,1525022020361,,,,,\r", good),
            ("id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch", "header"),
            ("ID,Price,Qty,Quote_Qty,Time\r", "header"),
            ("trade_id, price, quantity, x, timestamp", "header"),
            ("id,price,qty,quoteQty", "fewer than five columns (at byte 21)"),
            ("id,price,qty,time,quoteQty", "id: no plain integer below 2^63 (at byte 0)"),
            ("", "fewer than five columns (at byte 0)"),
            ("1,2,3,4", "fewer than five columns (at byte 7)"),
            ("1,2,3,4,", "time: not a plain integer (at byte 8)"),
            ("1,2,3,4,5", "time: no time from 2009 to 2099 in milliseconds or microseconds (at byte 8)"),
            ("-1,2,3,4,1525022020361", "id: no plain integer below 2^63 (at byte 0)"),
            (
                "9223372036854775807,1,1,,1525022020361",
                "BTCUSDT 9223372036854775807 100000000 100000000 1525022020361000",
            ),
            ("9223372036854775808,1,1,,1525022020361", "id: no plain integer below 2^63 (at byte 0)"),
            ("18446744073709551616,1,1,,1525022020361", "id: no plain integer below 2^63 (at byte 0)"),
            ("1,0,1,,1525022020361", "price: zero (at byte 2)"),
            ("1,1e5,1,,1525022020361", "price: not a plain decimal number (at byte 2)"),
            ("1,0.000000001,1,,1525022020361", "price: more than eight decimals (at byte 2)"),
            ("1,92233720368.54775808,1,,1525022020361", "price: too large (at byte 2)"),
            ("1,1,-1,,1525022020361", "qty: not a plain decimal number (at byte 4)"),
            ("1,1,1,,1525022020361.0", "time: not a plain integer (at byte 7)"),
            ("1,1, 1,,1525022020361", "qty: not a plain decimal number (at byte 4)"),
            (
                "1,1,1,\"2,3\",1525022020361",
                "a quoted column: the archives have none, take the quotes away (at byte 6)",
            ),
            (
                "\"1\",1,1,,1525022020361",
                "a quoted column: the archives have none, take the quotes away (at byte 0)",
            ),
            ("1;1;1;;1525022020361", "separated by semicolons: the archives have commas (at byte 20)"),
            ("1\t1\t1\t\t1525022020361", "separated by tabs: the archives have commas (at byte 20)"),
            ("\u{feff}id,price,qty,quoteQty,time", "id: no plain integer below 2^63 (at byte 0)"),
        ];
        for (line, expected) in cases {
            assert_eq!(decoded(line), expected, "{line:?}");
        }
        let mut long = vec![b' '; MOST_BYTES + 1];
        assert!(
            matches!(decode(&long, "A", TradeKind::Trade, Decimals::EIGHT), Some(Record::Bad(bad)) if bad.reason.contains("16 MiB"))
        );
        long.pop();
        long[..22].copy_from_slice(b"1,1,1,1,1525022020361,");
        assert!(matches!(decode(&long, "A", TradeKind::Trade, Decimals::EIGHT), Some(Record::Trade { .. })));
    }

    #[test]
    fn a_line_of_aggregate_trades_decodes_to_its_trade() {
        let decoded = |line: &str| match decode(line.as_bytes(), "A", TradeKind::Aggregate, Decimals::EIGHT) {
            None => "header".to_owned(),
            Some(Record::Trade { kind: TradeKind::Aggregate, trade, .. }) => {
                format!(
                    "{} {} {} {}",
                    trade.id,
                    trade.price.scaled(),
                    trade.quantity.scaled(),
                    trade.time.micros()
                )
            }
            Some(Record::Bad(bad)) => bad.to_string(),
            Some(other) => panic!("{other:?}"),
        };
        let good = "202790190 713989000000 6702300 1577977823305000";
        for (line, expected) in [
            ("202790190,7139.89000000,0.06702300,222825297,222825297,1577977823305,False,True", good),
            ("202790190,7139.89,0.067023,222825297,222825297,1577977823305000,false\r", good),
            ("202790190,7139.89,0.067023,x,,1577977823305", good),
            (
                "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
                "header",
            ),
            ("a,p,q,f,l,T,m", "header"),
            ("a,p,q,f,l,T,m,M", "header"),
            ("id,price,qty,quoteQty,time", "header"),
            ("1,1,1,1,1577977823305", "fewer than six columns (at byte 21)"),
            ("1,1,1,1,1,1", "time: no time from 2009 to 2099 in milliseconds or microseconds (at byte 10)"),
        ] {
            assert_eq!(decoded(line), expected, "{line:?}");
        }
        let kinds = [
            ("1,1,1,1,1577977823305", TradeKind::Trade),
            ("1,1,1,1,1577977823305,True,True", TradeKind::Trade),
            ("1,1,1,1,1,1577977823305,True", TradeKind::Aggregate),
            ("nothing", TradeKind::Trade),
        ];
        assert!(kinds.iter().all(|(line, kind)| kind_of_line(line.as_bytes()) == *kind));
        assert_eq!(header(b"agg_trade_id,price,quantity,f,l,timestamp"), Some(TradeKind::Aggregate));
        assert!(counts_contracts(b"id,price,qty,base_qty,time,is_buyer_maker"));
        assert!(!counts_contracts(b"id,price,qty,quote_qty,time,is_buyer_maker"));
    }

    /// The same by the standard library's own means, in any precision: a trade, or not.
    fn reference(line: &str) -> Option<(u64, u128, u128, u64)> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let scaled = |text: &str| -> Option<u128> {
            let (whole, fraction) = match text.split_once('.') {
                Some((whole, fraction)) => (whole, fraction),
                None => (text, "0"),
            };
            if !plain(whole) || !plain(fraction) || fraction.bytes().skip(8).any(|b| b != b'0') {
                return None;
            }
            let whole: u128 = whole
                .trim_start_matches('0')
                .parse()
                .or(if whole.bytes().all(|b| b == b'0') { Ok(0) } else { whole.parse() })
                .ok()?;
            let fraction: u128 = format!("{fraction:0<8}")[..8].parse().ok()?;
            let scaled = whole.checked_mul(100_000_000)? + fraction;
            (scaled > 0 && scaled < 1 << 63).then_some(scaled)
        };
        let fields: Vec<&str> = line.trim_matches([' ', '\t', '\r', '\n']).split(',').collect();
        if fields.len() < 5 || fields[..5].iter().any(|f| f.starts_with('"')) {
            return None;
        }
        let id: u64 = fields[0].parse().ok().filter(|id| plain(fields[0]) && *id < 1 << 63)?;
        let time: u64 = fields[4].parse().ok().filter(|_| plain(fields[4]))?;
        let micros = match time {
            1_230_768_000_000..4_102_444_800_000 => time * 1_000,
            1_230_768_000_000_000..4_102_444_800_000_000 => time,
            _ => return None,
        };
        Some((id, scaled(fields[1])?, scaled(fields[2])?, micros))
    }

    fn agrees(line: &str) -> bool {
        match decode(line.as_bytes(), "A", TradeKind::Trade, Decimals::EIGHT) {
            Some(Record::Trade { trade, .. }) => {
                let (price, quantity) = (trade.price.scaled() as u128, trade.quantity.scaled() as u128);
                reference(line) == Some((trade.id, price, quantity, trade.time.micros()))
            }
            Some(Record::Bad(bad)) => reference(line).is_none() && bad.at.is_none_or(|at| at <= line.len()),
            None => reference(line).is_none(),
            Some(_) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_line_decodes_as_the_plain_parser_decodes_it(
            id in "[0-9]{0,21}", price in "[0-9]{1,12}([.][0-9]{1,10})?", qty in "[0-9.]{0,6}",
            quote in "[0-9a-z\".]{0,5}", time in "1[2-9][0-9]{11}([0-9]{3})?|[0-9]{0,17}", rest in "(,[a-z\"]{0,5}){0,3}",
            end in "[ \r]{0,2}",
        ) {
            let line = format!("{id},{price},{qty},{quote},{time}{rest}{end}");
            prop_assert!(agrees(&line), "{line:?}");
        }

        #[test]
        fn any_text_decodes_as_the_plain_parser_decodes_it(line in "[0-9.,\" \r+e-]{0,40}|\\PC{0,20}") {
            prop_assert!(agrees(&line), "{line:?}");
        }

        #[test]
        fn any_bytes_decode_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bad_or_header = !matches!(decode(&line, "A", TradeKind::Aggregate, Decimals::EIGHT), Some(Record::Ignored | Record::Heartbeat(_)));
            prop_assert!(bad_or_header);
        }
    }
}
