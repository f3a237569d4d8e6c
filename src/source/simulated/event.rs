//! Trade events as the exchange writes them, by hand: a bench's input of five million is written in seconds.

/// What a trade event says.
#[derive(Debug, Copy, Clone)]
pub(super) struct SimulatedTrade<'a> {
    pub(super) symbol: &'a str,
    pub(super) id: u64,
    /// Scaled by 1e8.
    pub(super) price: u64,
    /// Scaled by 1e8.
    pub(super) quantity: u64,
    /// When it was executed, and when the exchange said so.
    pub(super) time_ms: u64,
    pub(super) said_ms: u64,
    pub(super) buyer_is_maker: bool,
}

impl SimulatedTrade<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"e\":\"trade\",\"E\":");
        number(out, self.said_ms);
        out.extend_from_slice(b",\"s\":\"");
        out.extend_from_slice(self.symbol.as_bytes());
        out.extend_from_slice(b"\",\"t\":");
        number(out, self.id);
        out.extend_from_slice(b",\"p\":\"");
        decimal(out, self.price);
        out.extend_from_slice(b"\",\"q\":\"");
        decimal(out, self.quantity);
        out.extend_from_slice(b"\",\"T\":");
        number(out, self.time_ms);
        out.extend_from_slice(if self.buyer_is_maker {
            b",\"m\":true,\"M\":true}"
        } else {
            b",\"m\":false,\"M\":true}"
        });
    }
}

/// A writer's word that it has nothing older to write.
pub(super) fn heartbeat(out: &mut Vec<u8>, time_ms: u64) {
    out.extend_from_slice(b"{\"e\":\"heartbeat\",\"T\":");
    number(out, time_ms);
    out.push(b'}');
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
      2021222324252627282930313233343536373839\
      4041424344454647484950515253545556575859\
      6061626364656667686970717273747576777879\
      8081828384858687888990919293949596979899";

fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    while n >= 100 {
        let pair = (n % 100) as usize * 2;
        n /= 100;
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    let pair = n as usize * 2;
    at -= 2;
    text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    if n < 10 {
        at += 1;
    }
    out.extend_from_slice(&text[at..]);
}

/// With all eight decimals, as the exchange has it.
fn decimal(out: &mut Vec<u8>, scaled: u64) {
    number(out, scaled / 100_000_000);
    let mut fraction = (scaled % 100_000_000) as usize;
    let mut text = *b".00000000";
    for at in [7, 5, 3, 1] {
        let pair = fraction % 100 * 2;
        fraction /= 100;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_exchange_writes_them() {
        let mut out = Vec::new();
        let event = SimulatedTrade {
            symbol: "XVGBTC",
            id: 15_101_870,
            price: 873,
            quantity: 313_400_000_000,
            time_ms: 1_525_022_020_990,
            said_ms: 1_525_022_021_000,
            buyer_is_maker: true,
        };
        event.write(&mut out);
        let expected = r#"{"e":"trade","E":1525022021000,"s":"XVGBTC","t":15101870,"p":"0.00000873","q":"3134.00000000","T":1525022020990,"m":true,"M":true}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn numbers_and_decimals_at_their_edges() {
        for n in [0, 1, 9, 10, 11, 99, 100, 101, 999, 1_000, 12_345, 99_999_999, 100_000_000, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
            let mut out = Vec::new();
            decimal(&mut out, n);
            let expected = format!("{}.{:08}", n / 100_000_000, n % 100_000_000);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
