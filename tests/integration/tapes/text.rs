//! How a record is written: everything that JSON and the exchange leave open, and everything they do not.

use super::bad::MALFORMED;
use super::{Random, Taker, Trade};

/// What the records of a tape look like.
#[derive(Debug)]
pub(super) struct Writing {
    /// Whether records may be bad.
    pub(super) malformed: bool,
    /// Shuffled keys, blanks, escapes, repeated keys.
    odd: bool,
    micros: Units,
    combined: bool,
    capture: bool,
    /// Of prices and quantities.
    pub(super) decimals: (usize, usize),
}

#[derive(Debug, Copy, Clone)]
enum Units {
    Millis,
    Micros,
    Mixed,
}

impl Writing {
    pub(super) fn draw(random: &mut Random) -> Writing {
        Writing {
            malformed: MALFORMED && random.chance(60),
            odd: random.chance(40),
            micros: random.one_of(&[Units::Millis, Units::Millis, Units::Micros, Units::Mixed]),
            combined: random.chance(25),
            capture: MALFORMED && random.chance(15),
            decimals: (8, 8),
        }
    }

    pub(super) fn trade(&self, random: &mut Random, trade: &Trade) -> Vec<u8> {
        let members = self.members(random, trade);
        self.object(random, members)
    }

    pub(super) fn heartbeat(&self, random: &mut Random, time: i64) -> Vec<u8> {
        let members = vec![member("e", "\"heartbeat\""), ("T".to_owned(), self.time(random, time))];
        self.object(random, members)
    }

    /// As a line of an archive.
    pub(super) fn archived(&self, random: &mut Random, trade: &Trade) -> Vec<u8> {
        let columns = self.columns(random, trade);
        self.row(random, &columns)
    }

    pub(super) fn columns(&self, random: &mut Random, trade: &Trade) -> [String; 7] {
        let side = match trade.taker {
            Taker::Whatever | Taker::Sells => "True",
            Taker::Buys => "false",
            Taker::Untold => "",
        };
        [
            trade.id.to_string(),
            pointed(trade.price, self.decimals.0),
            pointed(trade.quantity, self.decimals.1),
            "17.5".to_owned(),
            self.time(random, trade.time),
            side.to_owned(),
            "False".to_owned(),
        ]
    }

    pub(super) fn row(&self, random: &mut Random, columns: &[String]) -> Vec<u8> {
        let end = if self.odd && random.chance(50) { "\r" } else { "" };
        (columns.join(",") + end).into_bytes()
    }

    /// Valid JSON that is no event of ours.
    pub(super) fn ignored(&self, random: &mut Random) -> Vec<u8> {
        let texts = [
            r#"{"result":null,"id":1}"#,
            r#"{}"#,
            r#"{"e":"depthUpdate","E":1525022020366,"s":"BTCUSDT","U":1,"u":2,"b":[["0.1","1"]],"a":[]}"#,
            r#"{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}"#,
            r#"{"stream":"btcusdt@trade","data":[1,2]}"#,
            r#"{"stream":"btcusdt@trade","data":null,"e":"trade"}"#,
            r#"{"data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1525022020361}}"#,
            r#"{"e":"serverShutdown","E":1770123456789}"#,
            r#"{"e":7,"s":"BTCUSDT"}"#,
            r#"{"e":"Trade","s":"BTCUSDT"}"#,
            r#"{"e":"trade","s":"BTCUSDT","e":null}"#,
            r#"{"e":"trade ","t":[1e400,-0.0E+1,{"":"\ud83d\ude00"}]}"#,
        ];
        random.one_of(&texts).as_bytes().to_vec()
    }

    pub(super) fn members(&self, random: &mut Random, trade: &Trade) -> Vec<(String, String)> {
        let (event, id) = if trade.aggregate { ("\"aggTrade\"", "a") } else { ("\"trade\"", "t") };
        let time = self.time(random, trade.time);
        let mut members = vec![
            member("e", event),
            member("s", &self.quoted(random, &trade.symbol)),
            member(id, &trade.id.to_string()),
            member("p", &self.decimal(random, trade.price, self.decimals.0)),
            member("q", &self.decimal(random, trade.quantity, self.decimals.1)),
            member("T", &time),
        ];
        match trade.taker {
            Taker::Buys => members.push(member("m", "false")),
            Taker::Sells => members.push(member("m", "true")),
            Taker::Whatever | Taker::Untold if random.chance(50) => {
                let is_told = matches!(trade.taker, Taker::Whatever);
                let values = ["true", "false", "null", "{\"a\":[]}", "\"\""];
                members.push(member("m", random.one_of(if is_told { &values } else { &values[2..] })));
            }
            _ => {}
        }
        if let Some((first, last)) = trade.trades {
            members.push(member("l", &last.to_string()));
            members.push(member("f", &first.to_string()));
        }
        if random.chance(30) {
            members.insert(1, member("E", &(trade.time / 1_000).to_string()));
            members.push(member("M", "true"));
        }
        if random.chance(10) {
            // The ids of buyer and seller, as they were before 2024.
            members.push(member("b", "95437558"));
            if !trade.aggregate {
                members.push(member("a", "95437532"));
            }
        }
        members
    }

    fn time(&self, random: &mut Random, micros: i64) -> String {
        let in_micros = match self.micros {
            Units::Millis => false,
            Units::Micros => true,
            Units::Mixed => random.chance(50),
        };
        if in_micros { micros.to_string() } else { micros.div_euclid(1_000).to_string() }
    }

    fn decimal(&self, random: &mut Random, scaled: i64, places: usize) -> String {
        let mut text = pointed(scaled, places);
        if self.odd {
            match random.below(4) {
                0 | 1 if places == 0 => text += ".000",
                0 => text = text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                1 => text += "000",
                2 => text.insert_str(0, "00"),
                _ => {}
            }
        }
        self.quoted(random, &text)
    }

    /// As a JSON string, now and then with escapes that nobody needs.
    fn quoted(&self, random: &mut Random, text: &str) -> String {
        let mut quoted = "\"".to_owned();
        for unit in text.chars() {
            let must = matches!(unit, '"' | '\\') || unit < ' ';
            if must || self.odd && random.chance(5) {
                let mut units = [0; 2];
                for half in unit.encode_utf16(&mut units) {
                    quoted +=
                        &if random.chance(50) { format!("\\u{half:04x}") } else { format!("\\u{half:04X}") };
                }
            } else {
                quoted.push(unit);
            }
        }
        quoted + "\""
    }

    pub(super) fn object(&self, random: &mut Random, mut members: Vec<(String, String)>) -> Vec<u8> {
        if self.odd {
            if random.chance(50) {
                random.shuffle(&mut members);
            }
            if random.chance(10) {
                // Of a repeated key the last counts.
                let repeated = random.one_of(&members).0;
                let value = random.one_of(&["null", "\"0\"", "17", "[{}]", "\"BTCUSDT\""]);
                members.insert(0, member(&repeated, value));
            }
            if random.chance(10) {
                let extra = r#"{"e":"trade","T":[[[1.5e3]]],"s":"\\\"}"}"#;
                members.insert(random.below(members.len() as u64 + 1) as usize, member("extra", extra));
            }
        }
        let mut text = self.braced(random, &members);
        if self.combined && random.chance(80) {
            let mut wrapped = vec![member("stream", "\"x@trade\""), ("data".to_owned(), text)];
            if self.odd {
                random.shuffle(&mut wrapped);
                if random.chance(20) {
                    wrapped.push(member("e", "\"heartbeat\""));
                }
            }
            text = self.braced(random, &wrapped);
        }
        if self.capture && random.chance(80) {
            text.insert_str(0, "1723075199123456789 ");
        } else if self.odd {
            text.insert_str(0, blanks(random));
            text += blanks(random);
        }
        text.into_bytes()
    }

    fn braced(&self, random: &mut Random, members: &[(String, String)]) -> String {
        let mut text = "{".to_owned();
        for (place, (key, value)) in members.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            let key = self.quoted(random, key);
            if self.odd {
                text += &[blanks(random), &key, blanks(random), ":", blanks(random), value, blanks(random)]
                    .concat();
            } else {
                text += &format!("{key}:{value}");
            }
        }
        text + "}"
    }
}

/// An integer scaled by ten to `places`.
fn pointed(scaled: i64, places: usize) -> String {
    let digits = format!("{scaled:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { digits } else { format!("{whole}.{fraction}") }
}

fn member(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn blanks(random: &mut Random) -> &'static str {
    random.one_of(&["", "", "", "", " ", "\t", "  ", "\r"])
}
