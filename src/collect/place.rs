//! Which symbol goes where: to a partition by its name, to a connection by its partition.

use super::rest::encoded;
use super::session::Placed;

/// A URL of some 8,000 characters is refused, by the exchange or by what stands before it.
const LONGEST_QUERY: usize = 4_000;

/// The partition of a key, as Kafka's own producers choose it.
pub fn partition(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

/// Shards of so many symbols at most. Those of a partition stand together, so that it depends on few
/// connections.
pub fn shards(symbols: &[String], partitions: usize, most: usize) -> Vec<Vec<Placed>> {
    let place =
        |name: &String| Placed { partition: partition(name.as_bytes(), partitions), name: name.clone() };
    let mut placed: Vec<Placed> = symbols.iter().map(place).collect();
    placed.sort_by(|a, b| (a.partition, &a.name).cmp(&(b.partition, &b.name)));
    let mut shards: Vec<Vec<Placed>> = Vec::new();
    let mut length = 0;
    for symbol in placed {
        let more = stream(&symbol.name).len() + 1;
        match shards.last_mut() {
            Some(shard) if shard.len() < most && length + more <= LONGEST_QUERY => {
                length += more;
                shard.push(symbol);
            }
            _ => {
                length = more;
                shards.push(vec![symbol]);
            }
        }
    }
    shards
}

/// The address of the combined stream of these symbols.
pub fn address<'a>(endpoint: &str, symbols: impl Iterator<Item = &'a str>) -> String {
    let streams: Vec<String> = symbols.map(stream).collect();
    format!("{}/stream?streams={}", endpoint.trim_end_matches('/'), streams.join("/"))
}

fn stream(symbol: &str) -> String {
    format!("{}@trade", encoded(&symbol.to_lowercase()))
}

/// Austin Appleby's MurmurHash2, with the seed that Kafka has chosen.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_where_kafkas_own_producers_put_them() {
        // The values that Kafka's own tests expect.
        let cases: [(&str, i32); 5] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(partition(b"abc", 4), 479_470_107 % 4);
    }

    #[test]
    fn shards_keep_partitions_together_and_queries_short() {
        let symbols: Vec<String> = (0..500).map(|n| format!("SYMBOL{n}USDT")).collect();
        let shards = shards(&symbols, 3, 1_024);
        assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), 500);
        let partitions: Vec<usize> = shards.iter().flatten().map(|symbol| symbol.partition).collect();
        assert!(partitions.is_sorted());
        for shard in &shards {
            let address = address("wss://a/", shard.iter().map(|symbol| symbol.name.as_str()));
            assert!(address.len() <= LONGEST_QUERY + 40, "{}", address.len());
        }
        assert_eq!(super::shards(&symbols, 1, 100).len(), 5);
        assert_eq!(
            address("ws://127.0.0.1:9/", ["XVGBTC", "币BTC"].into_iter()),
            "ws://127.0.0.1:9/stream?streams=xvgbtc@trade/%E5%B8%81btc@trade"
        );
    }
}
