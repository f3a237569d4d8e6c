//! Which symbol goes where: to a partition by its name, to a connection by its partition.

use super::session::SymbolPlacement;

/// How much one connection takes.
#[derive(Debug, Copy, Clone)]
pub struct ConnectionRoom {
    /// So many symbols at most.
    pub symbols: usize,
    /// What all their names take in its address, at most.
    pub length: usize,
    /// What a name takes there.
    pub length_of: fn(&str) -> usize,
}

/// The partition of a key, as Kafka's own producers choose it.
pub fn partition(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

/// Shards that each have room on a connection. Those of a partition stand together, so that it depends on few
/// connections.
pub fn shards(symbols: &[String], partitions: usize, room: ConnectionRoom) -> Vec<Vec<SymbolPlacement>> {
    let place = |name: &String| SymbolPlacement {
        partition: partition(name.as_bytes(), partitions),
        name: name.clone(),
    };
    let mut placed: Vec<SymbolPlacement> = symbols.iter().map(place).collect();
    placed.sort_by(|a, b| (a.partition, &a.name).cmp(&(b.partition, &b.name)));
    let mut shards: Vec<Vec<SymbolPlacement>> = Vec::new();
    let mut length = 0;
    for symbol in placed {
        let more = (room.length_of)(&symbol.name);
        match shards.last_mut() {
            Some(shard) if shard.len() < room.symbols && length + more <= room.length => {
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
    fn shards_keep_partitions_together_and_have_room() {
        let symbols: Vec<String> = (0..500).map(|n| format!("SYMBOL{n}USDT")).collect();
        let room = ConnectionRoom { symbols: 1_024, length: 4_000, length_of: |name| name.len() + 7 };
        let shards = shards(&symbols, 3, room);
        assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), 500);
        let partitions: Vec<usize> = shards.iter().flatten().map(|symbol| symbol.partition).collect();
        assert!(partitions.is_sorted());
        for shard in &shards {
            assert!(shard.iter().map(|symbol| symbol.name.len() + 7).sum::<usize>() <= 4_000);
        }
        assert_eq!(super::shards(&symbols, 1, ConnectionRoom { symbols: 100, ..room }).len(), 5);
    }
}
