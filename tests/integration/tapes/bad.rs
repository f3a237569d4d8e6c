//! Records that are bad, each in its own way.

use super::text::Writing;
use super::{Random, Trade};

/// Whether tapes have bad records and capture lines.
pub(super) const MALFORMED: bool = true;

impl Writing {
    /// A record of this trade with one thing wrong.
    pub(super) fn bad(&self, random: &mut Random, trade: &Trade) -> Vec<u8> {
        let mut members = self.members(random, trade);
        let id = if trade.aggregate { "a" } else { "t" };
        let wrong: &[(&str, &[&str])] = &[
            ("s", SYMBOLS),
            (
                id,
                &[
                    "-1",
                    "1.0",
                    "1e3",
                    "\"7\"",
                    "9223372036854775808",
                    "null",
                    "99999999999999999999999999999999999999999",
                ],
            ),
            ("p", AMOUNTS),
            ("q", AMOUNTS),
            ("T", TIMES),
        ];
        match random.below(10) {
            0..5 => {
                // A wrong value, or none.
                let (key, values) = random.one_of(wrong);
                members.retain(|(name, _)| name != key);
                if random.chance(80) {
                    members.push((key.to_owned(), random.one_of(values).to_owned()));
                }
                self.object(random, members)
            }
            5 => {
                let value = random.one_of(TIMES);
                self.object(
                    random,
                    vec![("e".to_owned(), "\"heartbeat\"".to_owned()), ("T".to_owned(), (*value).to_owned())],
                )
            }
            6 => {
                // Cut off, with everything needed before.
                let mut line = self.object(random, members);
                let whole = line.iter().rposition(|b| !b.is_ascii_whitespace()).unwrap_or(0);
                line.truncate(if random.chance(50) {
                    whole
                } else {
                    random.between(1, whole as u64) as usize
                });
                line
            }
            7 => {
                // Something that is no JSON, in a member that nobody needs.
                let value = random.one_of(NO_JSON);
                members.insert(
                    random.below(members.len() as u64 + 1) as usize,
                    ("x".to_owned(), value.to_owned()),
                );
                self.object(random, members)
            }
            8 => {
                let mut line = self.object(random, members);
                let place = random.below(line.len() as u64) as usize;
                match random.below(4) {
                    // Bytes that are no UTF-8, wherever they stand.
                    0 => line.insert(place, 0xff),
                    1 => line.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
                    2 => line.push(b'}'),
                    _ => line.insert(place, 0),
                }
                line
            }
            _ => random.one_of(WHOLE).as_bytes().to_vec(),
        }
    }

    /// A line of an archive with one thing wrong.
    pub(super) fn bad_archived(&self, random: &mut Random, trade: &Trade) -> Vec<u8> {
        let mut columns = self.columns(random, trade).to_vec();
        let column = random.one_of(&[0, 1, 2, 4]);
        let unquoted = |text: &str| text.trim_matches('"').to_owned();
        match column {
            _ if random.chance(15) => columns.truncate(random.between(1, 4) as usize),
            0 => {
                columns[0] = random.one_of(&["", "-1", "1.0", "9223372036854775808", "0x7", "1e3"]).to_owned()
            }
            4 => columns[4] = unquoted(random.one_of(&TIMES[..TIMES.len() - 5])),
            _ => columns[column] = unquoted(random.one_of(&AMOUNTS[..AMOUNTS.len() - 4])),
        }
        self.row(random, &columns)
    }
}

const SYMBOLS: &[&str] = &[
    "\"\"",
    "7",
    "null",
    "[]",
    "true",
    "\"a b\"",
    "\"A\u{3000}B\"",
    "\"\\u0001\\u007f\"",
    "\"A\u{7f}USDT\"",
    "\"\\\"q\\\"\"",
    "\"=1+2\"",
    "\"A*B\"",
    "\"A/B\"",
    "\"A,B\"",
    "\"A|B\"",
    "\"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDE\"",
];

const AMOUNTS: &[&str] = &[
    "\"\"",
    "\"0\"",
    "\"0.00000000\"",
    "\"1.\"",
    "\".5\"",
    "\"-1\"",
    "\"+1\"",
    "\"1e3\"",
    "\" 1\"",
    "\"1 \"",
    "\"0.000000001\"",
    "\"1.0000000010\"",
    "\"92233720368.54775808\"",
    "\"99999999999999999999999999\"",
    "\"NaN\"",
    "\"1,5\"",
    "\"1.2.3\"",
    "\"\u{663}\"",
    "\"0x10\"",
    "1.5",
    "8888",
    "null",
    "[\"1\"]",
];

const TIMES: &[&str] = &[
    "1230767999999",
    "4102444800000",
    "1230767999999999",
    "4102444800000000",
    "0",
    "1525022020",
    "-1525022020361",
    "1525022020361.0",
    "1.525022020361e12",
    "\"1525022020361\"",
    "1525022020361000000",
    "99999999999999999999999999999999999999999999",
    "null",
    "{}",
];

const NO_JSON: &[&str] = &[
    "NaN",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "-",
    "nul",
    "True",
    "'a'",
    "\"\\x41\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ude00\"",
    "\"\u{1}\"",
    "\"\\u12g4\"",
    "[1,]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":1,}",
    "{a:1}",
    "/**/1",
    "",
];

const WHOLE: &[&str] = &[
    "[]",
    "1525022020361",
    "\"trade\"",
    "null",
    "true",
    "{",
    "}",
    "x",
    "{}{}",
    "{} x",
    "{\"e\":\"trade\"}",
    "{\"stream\":\"x\",\"data\":{\"e\":\"aggTrade\",\"s\":\"NOBODY\"}}",
];
