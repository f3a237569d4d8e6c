//! Any bytes as a record of Avro, by a schema with everything that a schema can have.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::mapping::{Mapping, MappingScratch},
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const SCHEMA: &str = r#"{"type":"record","name":"R","namespace":"a","fields":[
    {"name":"on","type":["null","boolean"]},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["X","TRADE"]}},
    {"name":"tags","type":{"type":"map","values":["null","string","long"]}},
    {"name":"nulls","type":{"type":"array","items":"null"}},
    {"name":"next","type":["null","R"]},
    {"name":"trades","type":{"type":"array","items":{"type":"record","name":"T","fields":[
        {"name":"id","type":["null","int","string"]},
        {"name":"p","type":{"type":"bytes","logicalType":"decimal","precision":60,"scale":8}},
        {"name":"q","type":["double","float",{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":6,"scale":2}]},
        {"name":"t","type":"long"}]}}}]}"#;

const MAPPING: &str = r#"
encoding = "avro"
schema = "s"
floats = "shortest"
[[record]]
where = { "/kind" = "TRADE" }
each = "/trades"
symbol = "^/tags/symbol"
id = "/id"
ids = "unique"
price = "/p"
quantity = { at = "/q", sign = "side" }
time = "/t"
unit = "ms"
[[record]]
where = { "/on" = true, "/next/next/on" = { exists = true } }
symbol = "/tags/symbol"
price = "/trades/1/p"
quantity = "/trades/0/q"
time = "/trades/0/t"
unit = "us"
"#;

static RECORDS: LazyLock<Mapping> = LazyLock::new(|| {
    Mapping::parse_with("m.toml", MAPPING, None, Some(SCHEMA.as_bytes())).expect("a mapping that works")
});

fuzz_target!(|bytes: &[u8]| {
    let mut elements = 0u32;
    RECORDS.decode(bytes, Decimals::EIGHT, &mut MappingScratch::default(), |mapped| {
        check_mapped(&mapped);
        elements += 1;
    });
    assert!(elements > 0, "a record that is counted nowhere");
});
