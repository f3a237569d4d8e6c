//! Addresses of the websocket: the combined streams of some symbols.

use super::rest::encoded;
use crate::collect::place::ConnectionRoom;

/// A URL of some 8,000 characters is refused, by the exchange or by what stands before it.
const LONGEST_QUERY: usize = 4_000;

/// How much a connection of so many symbols takes.
pub fn room(symbols: usize) -> ConnectionRoom {
    ConnectionRoom { symbols, length: LONGEST_QUERY, length_of: |symbol| stream(symbol).len() + 1 }
}

/// The address of the combined stream of these symbols.
pub fn address<'a>(endpoint: &str, symbols: impl Iterator<Item = &'a str>) -> String {
    let streams: Vec<String> = symbols.map(stream).collect();
    format!("{}/stream?streams={}", endpoint.trim_end_matches('/'), streams.join("/"))
}

fn stream(symbol: &str) -> String {
    format!("{}@trade", encoded(&symbol.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::place::shards;

    #[test]
    fn addresses_are_short_and_percent_encoded() {
        let symbols: Vec<String> = (0..500).map(|n| format!("SYMBOL{n}USDT")).collect();
        for shard in shards(&symbols, 3, room(1_024)) {
            let address = address("wss://a/", shard.iter().map(|symbol| symbol.name.as_str()));
            assert!(address.len() <= LONGEST_QUERY + 40, "{}", address.len());
        }
        assert_eq!(
            address("ws://127.0.0.1:9/", ["XVGBTC", "币BTC"].into_iter()),
            "ws://127.0.0.1:9/stream?streams=xvgbtc@trade/%E5%B8%81btc@trade"
        );
    }
}
