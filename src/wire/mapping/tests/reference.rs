//! Random records by random mappings, against a reader written from the documents: slow, with a tree of
//! values and exact rational numbers.

use super::*;
use crossrate_dataflows::market::trade::is_name;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Pow, Zero};
use serde::de::{Deserializer, MapAccess, Visitor};

/// A mapping, as the reference reads it.
#[derive(Debug, Clone)]
struct Asked {
    conditions: Vec<(&'static str, &'static str)>,
    each: Vec<&'static str>,
    venue: bool,
    symbol: Symbol,
    contracts: Option<&'static str>,
    id: Option<(&'static str, bool)>,
    price: &'static str,
    quantity: &'static str,
    has_sign: bool,
    rounds: bool,
    time: &'static str,
    unit: &'static str,
    side: Option<&'static str>,
}

#[derive(Debug, Clone)]
enum Symbol {
    At(&'static str),
    Replaced(&'static str),
    Pattern(&'static str),
    Pair(&'static str, &'static str),
    Fixed,
}

/// A value with all that is in it.
#[derive(Debug, Clone)]
enum Tree {
    Text(String),
    Number(String),
    Bool(bool),
    Null,
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
}

/// What the mappings compare with: as TOML writes it, and whether a value is it.
const WANTED: [(&str, fn(&Tree) -> bool); 5] = [
    ("{ exists = true }", |_| true),
    ("\"trade\"", |value| matches!(value, Tree::Text(text) if text == "trade")),
    ("[true, \"a\"]", |value| {
        matches!(value, Tree::Bool(true)) || matches!(value, Tree::Text(t) if t == "a")
    }),
    ("100", |value| {
        let hundred = Some(BigRational::from(BigInt::from(100)));
        matches!(value, Tree::Number(number) if exact(number).map(|(value, _)| value) == hundred)
    }),
    ("[0, -2]", |value| {
        let is = |number: &str, wanted: i64| {
            let (is_negative, digits) =
                number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
            let value = exact(digits).map(|(value, _)| if is_negative { -value } else { value });
            value == Some(BigRational::from(BigInt::from(wanted)))
        };
        matches!(value, Tree::Number(number) if is(number, 0) || is(number, -2))
    }),
];

impl Asked {
    fn written(&self) -> String {
        let Asked { price, time, unit, quantity, .. } = self;
        let mut lines = vec![format!("price = \"{price}\"\ntime = \"{time}\"")];
        lines.push(match unit.split_once('+') {
            Some((unit, _)) => format!("unit = \"{unit}\"\noffset = \"+09:00\""),
            None => format!("unit = \"{unit}\""),
        });
        lines.push(match self.has_sign {
            true => format!("quantity = {{ at = \"{quantity}\", sign = \"side\" }}"),
            false => format!("quantity = \"{quantity}\""),
        });
        lines.push(match &self.symbol {
            Symbol::At(at) => format!("symbol = \"{at}\""),
            Symbol::Replaced(at) => {
                format!("symbol = {{ at = \"{at}\", replace = {{ \"/\" = \"-\", \"XBT\" = \"BTC\" }} }}")
            }
            Symbol::Pattern(at) => format!("symbol = {{ at = \"{at}\", pattern = \"B*-*\" }}"),
            Symbol::Pair(base, quote) => {
                format!("symbol = {{ base = \"{base}\", quote = \"{quote}\", join = \"-\" }}")
            }
            Symbol::Fixed => "symbol = { text = \"FIXED\" }".into(),
        });
        lines.extend(self.contracts.map(|pattern| format!("contracts = [\"{pattern}\"]")));
        if let Some((at, is_sequence)) = self.id {
            lines.push(format!(
                "id = \"{at}\"\nids = \"{}\"",
                if is_sequence { "sequence" } else { "unique" }
            ));
        }
        if self.rounds {
            lines.push("excess = \"round\"".into());
        }
        lines.extend(self.side.filter(|_| !self.has_sign).map(|at| {
            format!("side = {{ at = \"{at}\", buy = [\"buy\", true, 1], sell = [\"sell\", false] }}")
        }));
        if !self.each.is_empty() {
            lines.push(format!("each = {:?}", self.each));
        }
        let conditions: Vec<String> =
            self.conditions.iter().map(|(at, wanted)| format!("\"{at}\" = {wanted}")).collect();
        if !conditions.is_empty() {
            lines.push(format!("where = {{ {} }}", conditions.join(", ")));
        }
        format!("[[record]]\n{}\n", lines.join("\n"))
    }

    /// What the reference says of one element.
    fn read(&self, whole: &Tree, element: &Tree, places: Decimals) -> Result<String, &'static str> {
        let get = |pointer: &str| match pointer.strip_prefix('^') {
            Some(pointer) => find(whole, pointer),
            None => find(element, pointer),
        };
        let micros = self.micros(get(self.time))?;
        let earliest = EventTime::EARLIEST.micros();
        if !(earliest..EventTime::TOO_LATE.micros()).contains(&micros) {
            return Err("time: outside 2009 to 2099");
        }
        let absent = "price: absent, or neither a number nor a text";
        let price = number(get(self.price)).ok_or(absent)?;
        let price = scaled(price, places.price, self.rounds).map_err(|fault| match fault {
            Wrong::Grammar => "price: not a plain decimal number",
            Wrong::Size => "price: does not fit",
            Wrong::Zero => "price: zero",
        })?;
        let quantity =
            number(get(self.quantity)).ok_or("quantity: absent, or neither a number nor a text")?;
        let (is_negative, digits) = match quantity.strip_prefix('-').filter(|_| self.has_sign) {
            Some(digits) => (true, digits),
            None => (false, quantity),
        };
        let quantity = scaled(digits, places.quantity, self.rounds).map_err(|fault| match fault {
            Wrong::Grammar => "quantity: not a plain decimal number",
            Wrong::Size => "quantity: does not fit",
            Wrong::Zero => "quantity: zero",
        })?;
        let taker = match (self.has_sign, self.side.and_then(get)) {
            (true, _) => Some(if is_negative { Taker::Sell } else { Taker::Buy }),
            (false, Some(Tree::Text(text))) if text == "buy" => Some(Taker::Buy),
            (false, Some(Tree::Text(text))) if text == "sell" => Some(Taker::Sell),
            (false, Some(Tree::Bool(value))) => Some(if *value { Taker::Buy } else { Taker::Sell }),
            (false, Some(Tree::Number(number))) => exact(number)
                .filter(|(value, _)| *value == BigRational::from(BigInt::from(1)))
                .map(|_| Taker::Buy),
            _ => None,
        };
        let id = match self.id {
            None => TradeId::None,
            Some((at, is_sequence)) => id(get(at), is_sequence)?,
        };
        let symbol = self.symbol(&get)?;
        Ok(format!("{symbol} {id:?} {price}x{quantity} {micros} {taker:?}"))
    }

    fn micros(&self, value: Option<&Tree>) -> Result<u64, &'static str> {
        let absent = "time: absent, or not as its unit says";
        if self.unit.starts_with("rfc3339") {
            let Some(Tree::Text(text)) = value else { return Err(absent) };
            let east = self.unit.ends_with('+').then_some(9 * 3600);
            return rfc3339(text, east).ok_or("time: not as its unit says");
        }
        let places =
            ["ns", "us", "ms", "s"].iter().position(|unit| *unit == self.unit).unwrap() as i32 * 3 - 3;
        let (exact, _) = exact(number(value).ok_or(absent)?).ok_or("time: not as its unit says")?;
        let micros = (exact * BigRational::from(BigInt::from(10)).pow(places)).floor().to_integer();
        u64::try_from(micros).map_err(|_| "time: outside 2009 to 2099")
    }

    fn symbol<'t>(&self, get: &impl Fn(&str) -> Option<&'t Tree>) -> Result<String, &'static str> {
        let text = |at: &str| match get(at) {
            Some(Tree::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let absent = "symbol: absent, or no text";
        let name = match self.symbol {
            Symbol::At(at) => text(at).ok_or(absent)?,
            Symbol::Replaced(at) => text(at).ok_or(absent)?.replace('/', "-").replace("XBT", "BTC"),
            Symbol::Pattern(at) => {
                let text = text(at).ok_or(absent)?;
                let rest = text.strip_prefix('B').and_then(|rest| rest.split_once('-'));
                rest.ok_or("symbol: not of its pattern")?.0.to_owned()
            }
            Symbol::Pair(base, quote) => {
                let base = text(base).ok_or("symbol: base is no text")?;
                format!("{base}-{}", text(quote).ok_or("symbol: quote is no text")?)
            }
            Symbol::Fixed => "FIXED".into(),
        };
        if name.is_empty() {
            return Err("symbol: empty");
        }
        if self.contracts.is_some_and(|pattern| name.ends_with(&pattern[1..])) {
            return Err("contracts: its quantities are no coins");
        }
        let symbol = format!("{}{name}", if self.venue { "venue:" } else { "" });
        match is_name(symbol.as_bytes()) {
            true => Ok(symbol),
            false => Err("symbol: no name (1 to 64 bytes, no blank and none of * / = , | \")"),
        }
    }
}

fn id(value: Option<&Tree>, is_sequence: bool) -> Result<TradeId, &'static str> {
    let text = number(value).unwrap_or_default();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let integer = text.parse::<u64>().ok().filter(|id| *id < 1 << 63 && is_plain && text.len() <= 19);
    match (integer, value, is_sequence) {
        (Some(id), _, true) => Ok(TradeId::Sequence(id)),
        (Some(id), _, false) => Ok(TradeId::Unique(id)),
        (None, _, true) => Err("id: not an integer below 2^63"),
        (None, Some(Tree::Text(text)), false) if (1..=255).contains(&text.len()) => {
            Ok(TradeId::Hashed(xxh3_128(text.as_bytes())))
        }
        (None, Some(Tree::Number(digits)), false) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(TradeId::Hashed(xxh3_128(digits.as_bytes())))
        }
        _ => Err("id: neither a text of 1 to 255 bytes nor an integer"),
    }
}

enum Wrong {
    Grammar,
    Size,
    Zero,
}

/// The value of digits with a point and an exponent, and whether it may be more than can be computed with.
fn exact(text: &str) -> Option<(BigRational, bool)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            (mantissa, digits(unsigned).then_some(exponent)?)
        }
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(a, b)| (a, Some(b)));
    if !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    let number: BigInt = format!("{whole}{}", fraction.unwrap_or_default()).parse().ok()?;
    // What lies far beyond all that fits, or below all that counts, is taken for the end of a shorter way.
    let exponent: BigInt = exponent.parse().ok()?;
    let exponent = i32::try_from(exponent.clamp((-900).into(), 900.into())).ok()?;
    let power = exponent - fraction.map_or(0, str::len) as i32;
    Some((BigRational::from(number) * BigRational::from(BigInt::from(10)).pow(power), true))
}

fn scaled(text: &str, places: u8, rounds: bool) -> Result<u64, Wrong> {
    let (value, _) = exact(text).ok_or(Wrong::Grammar)?;
    let value = value * BigRational::from(BigInt::from(10)).pow(i32::from(places));
    let floor = value.floor();
    let (rest, half) = (&value - &floor, BigRational::new(1.into(), 2.into()));
    let whole = floor.to_integer();
    let whole = match rest.is_zero() {
        true => whole,
        false if !rounds => return Err(Wrong::Size),
        false if rest > half || rest == half && &whole % 2 != BigInt::zero() => whole + 1,
        false => whole,
    };
    match u64::try_from(whole) {
        Ok(0) => Err(Wrong::Zero),
        Ok(value) if value < 1 << 63 => Ok(value),
        _ => Err(Wrong::Size),
    }
}

fn rfc3339(text: &str, east: Option<i64>) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let is_like = |text: &str, form: &str| {
        let same = |(a, b): (u8, u8)| if b == b'9' { a.is_ascii_digit() } else { a == b };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
    };
    if !is_like(date, "9999-99-99") || !is_like(clock, "99:99:99") {
        return None;
    }
    let civil: jiff::civil::DateTime = format!("{date}T{clock}").parse().ok()?;
    let number = |text: &str| text.parse::<i64>().ok();
    if number(&clock[6..])? > 59 {
        return None;
    }
    let count = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(_) if count == 0 => return None,
        Some(rest) => rest.split_at(count),
        None => ("", rest),
    };
    let micros = number(&format!("{fraction:0<6}")[..6])?;
    let east = match zone {
        "Z" | "z" => 0,
        "" => east?,
        _ if is_like(&zone[1..], "99:99") && zone.starts_with(['+', '-']) => {
            let (hours, minutes) = (number(&zone[1..3])?, number(&zone[4..])?);
            let seconds = (hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) * 60)?;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_second();
    Some(u64::try_from((seconds - east) * 1_000_000 + micros).unwrap_or(0))
}

fn number(value: Option<&Tree>) -> Option<&str> {
    match value? {
        Tree::Text(text) | Tree::Number(text) => Some(text),
        _ => None,
    }
}

fn find<'t>(tree: &'t Tree, pointer: &str) -> Option<&'t Tree> {
    pointer.split('/').skip(1).try_fold(tree, |tree, key| match tree {
        Tree::Object(entries) => entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value),
        Tree::Array(values) => values.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A record taken apart by another parser; nothing where it is no JSON.
fn tree(raw: &RawValue) -> Option<Tree> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, &'de RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    let text = raw.get();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let entries = serde_json::Deserializer::from_str(text).deserialize_map(Entries).ok()?;
            let entries = entries.into_iter().map(|(key, value)| Some((key, tree(value)?)));
            Tree::Object(entries.collect::<Option<_>>()?)
        }
        b'[' => {
            let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Tree::Array(values.into_iter().map(tree).collect::<Option<_>>()?)
        }
        b'"' => Tree::Text(serde_json::from_str(text).ok()?),
        b't' | b'f' => Tree::Bool(text == "true"),
        b'n' => Tree::Null,
        _ => Tree::Number(text.to_owned()),
    })
}

const NO_JSON: &str = "no JSON";

fn expected(all: &[Asked], record: &[u8], places: Decimals) -> Vec<String> {
    let whole = serde_json::from_slice::<&RawValue>(record).ok().and_then(tree);
    let whole = whole.filter(|whole| matches!(whole, Tree::Object(_) | Tree::Array(_)));
    let Some(whole) = whole else { return vec![NO_JSON.into()] };
    let wanted = |wanted: &str| WANTED.iter().find(|(written, _)| *written == wanted).unwrap().1;
    let holds =
        |asked: &&Asked| asked.conditions.iter().all(|(at, what)| find(&whole, at).is_some_and(wanted(what)));
    let Some(asked) = all.iter().find(holds) else { return vec!["ignored".into()] };
    let mut elements = vec![&whole];
    for pointer in &asked.each {
        let mut inside = Vec::new();
        for element in elements {
            match find(element, pointer) {
                Some(Tree::Array(values)) => inside.extend(values),
                _ => return vec!["bad: each: no array".into()],
            }
        }
        elements = inside;
    }
    if elements.is_empty() {
        return vec!["ignored".into()];
    }
    let told = |element: &&Tree| match asked.read(&whole, element, places) {
        Ok(words) => words,
        Err(reason) => format!("bad: {reason}"),
    };
    elements.iter().map(told).collect()
}

/// The decoder's words without the byte, and with one name for what does not fit or is no JSON.
fn coarse(words: &str) -> String {
    let words = words.split(" (at byte").next().unwrap_or_default();
    let no_json = ["not JSON", "not UTF-8", "more after", "an escape", "not a JSON", "nested"];
    if no_json.iter().any(|reason| words.starts_with(&format!("bad: {reason}"))) {
        return NO_JSON.into();
    }
    let does_not_fit =
        ["more decimals than --price-decimals", "more decimals than --quantity-decimals", "too large"];
    does_not_fit.iter().fold(words.to_owned(), |words, reason| words.replace(reason, "does not fit"))
}

fn pointer() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/a",
        "/b",
        "/c",
        "/d/a",
        "/d/b",
        "/e/0",
        "/e/1",
        "/price_of_trade",
        "/price_of_order",
    ])
}

/// A pointer of an element, or into the whole record where there are elements.
fn inner(has_elements: bool) -> impl Strategy<Value = &'static str> {
    let whole = prop::sample::select(vec!["^/a", "^/b", "^/d/a"]);
    (pointer(), whole, 0..4).prop_map(move |(own, whole, n)| if has_elements && n == 0 { whole } else { own })
}

fn asked(venue: bool) -> impl Strategy<Value = Asked> {
    let conditions = (pointer(), prop::sample::select(WANTED.map(|(written, _)| written).to_vec()));
    let each =
        prop::sample::select(vec![vec![], vec![], vec![], vec!["/data"], vec!["/data", "/d"], vec!["/e"]]);
    (prop::collection::vec(conditions, 0..3), each).prop_flat_map(move |(mut conditions, each)| {
        conditions.dedup_by_key(|(at, _)| *at);
        let has_elements = !each.is_empty();
        let at = move || inner(has_elements).boxed();
        let symbol = prop_oneof![
            3 => at().prop_map(Symbol::At),
            1 => at().prop_map(Symbol::Replaced),
            1 => at().prop_map(Symbol::Pattern),
            1 => (at(), at()).prop_map(|(base, quote)| Symbol::Pair(base, quote)),
            1 => Just(Symbol::Fixed),
        ];
        let units = prop::sample::select(vec!["s", "ms", "us", "ns", "rfc3339", "rfc3339+"]);
        let numbers = (at(), at(), any::<bool>(), any::<bool>(), at(), units);
        let others = (
            prop::option::of(Just("*-SWAP")),
            prop::option::of((at(), any::<bool>())),
            prop::option::of(at()),
        );
        (symbol, numbers, others).prop_map(move |(symbol, numbers, (contracts, id, side))| {
            let (price, quantity, has_sign, rounds, time, unit) = numbers;
            let (conditions, each) = (conditions.clone(), each.clone());
            Asked {
                conditions,
                each,
                venue,
                symbol,
                contracts,
                id,
                price,
                quantity,
                has_sign,
                rounds,
                time,
                unit,
                side,
            }
        })
    })
}

/// A value that suits some field.
fn leaf() -> impl Strategy<Value = String> {
    let texts = [
        "\"trade\"",
        "true",
        "false",
        "null",
        "100",
        "1e2",
        "100.0",
        "0",
        "-2",
        "-2.0",
        "\"a\"",
        "\"buy\"",
        "\"s\\u0065ll\"",
        "{}",
        "[]",
        "1",
        "\"BTC-USD\"",
        "\"XBT/USD\"",
        "\"BTC-SWAP\"",
        "\"\\u0042TC-é\"",
        "\"A B\"",
        "\"\"",
        "\"BTCUSDT\"",
        "1525022020361",
        "\"1525022020361\"",
        "1525022020.361",
        "1525022020361000",
        "1525022020361000123",
        "1525022020",
        "\"2018-04-29T17:13:40.361Z\"",
        "\"2018-04-29 17:13:40\"",
        "\"2018-04-29t17:13:40.3612345+09:00\"",
        "0.30000000000000004",
        "8885.00010000",
        "\"8885.00010000\"",
        "0.1",
        "1.5e-3",
        "12345678901234567890",
        "9223372036854775807",
        "\"007\"",
        "\"c0ffee\"",
        "0.000000005",
        "0.0000000150",
        "1e400",
        "\"1.5e\"",
        "\"-1.25\"",
        "-1.25",
        "\"0.00\"",
    ];
    prop_oneof![
        4 => prop::sample::select(texts.map(str::to_owned).to_vec()),
        1 => "[0-9]{1,20}([.][0-9]{1,20})?".prop_map(|text| format!("\"{text}\"")),
        1 => "[1-9][0-9]{0,18}([.][0-9]{1,12})?([eE]-?[0-9])?",
    ]
}

/// What stands at every place that a mapping may ask for, with keys that repeat and blanks between.
fn object(depth: u32) -> BoxedStrategy<String> {
    let value = move || -> BoxedStrategy<String> {
        let list = prop::collection::vec(leaf(), 0..3).prop_map(|values| format!("[{}]", values.join(",")));
        match depth {
            0 => prop_oneof![6 => leaf(), 1 => list].boxed(),
            _ => {
                let objects = prop::collection::vec(object(depth - 1), 0..3);
                let objects = objects.prop_map(|all| format!("[ {} ]", all.join(" , ")));
                prop_oneof![8 => leaf(), 1 => list, 2 => objects, 2 => object(depth - 1)].boxed()
            }
        }
    };
    let nested = move |key: &'static str| (Just(key), value());
    let keys = ["a", "b", "c", "\\u0062", "price_of_trade", "price_of_order", "price_of", "x", "0"];
    let some = prop::collection::vec((prop::sample::select(keys.to_vec()), leaf()), 3..12);
    let fixed = (leaf(), leaf(), leaf()).prop_map(|(a, b, c)| vec![("a", a), ("b", b), ("c", c)]);
    (fixed, some, nested("d"), nested("e"), nested("data"), any::<bool>())
        .prop_map(|(fixed, some, d, e, data, has_blanks)| {
            let entries: Vec<_> = fixed.into_iter().chain([d, e, data]).chain(some).collect();
            let (colon, comma) = if has_blanks { (" : ", ",\t ") } else { (":", ",") };
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect();
            format!("{{{}}}", entries.join(comma))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_mapping_reads_random_records_as_the_slow_reader_does(
        all in any::<bool>().prop_flat_map(|venue| prop::collection::vec(asked(venue), 1..3)),
        records in prop::collection::vec(object(2), 1..6),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        places in prop::sample::select(vec![(8, 8), (0, 18), (10, 3)]),
    ) {
        // Nothing comes to a record behind one that takes all.
        let last = all.iter().position(|asked| asked.conditions.is_empty());
        let all = &all[..last.map_or(all.len(), |last| last + 1)];
        let venue = if all[0].venue { "venue = \"venue\"\n" } else { "" };
        let text = all.iter().fold(venue.to_owned(), |text, asked| text + &asked.written());
        let mapping = Mapping::parse("m.toml", &text, None).unwrap_or_else(|e| panic!("{e} in {text}"));
        let places = Decimals { price: places.0, quantity: places.1 };
        let mut scratch = MappingScratch::default();
        for record in &records {
            let mut bytes = record.clone().into_bytes();
            for (at, byte) in &mutations {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            for bytes in [record.as_bytes(), &bytes] {
                let expected = expected(all, bytes, places);
                // By itself, and among others, where the fast way may look at what follows.
                for (before, after) in [("", ""), ("}", record), ("1", "5,\"b\":1.5}\"}          ")] {
                    let around = [before.as_bytes(), bytes, after.as_bytes()].concat();
                    let place = before.len()..before.len() + bytes.len();
                    let got = words_at(&mapping, &around, place, places, &mut scratch);
                    let got: Vec<String> = got.iter().map(|words| coarse(words)).collect();
                    prop_assert_eq!(&got, &expected, "{}\n{}", text, String::from_utf8_lossy(bytes));
                }
            }
        }
    }
}
