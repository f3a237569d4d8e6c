//! Any bytes as a message of Protobuf, of a type with everything that a type can have; and as one of a registry.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::mapping::{Mapping, MappingScratch, SchemaText},
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const PROTO: &str = r#"
syntax = "proto2";
package a;
import "google/protobuf/timestamp.proto";
message Trade {
  enum Side { NONE = 0; BUY = 1; SELL = 2; }
  message Amount { optional string p = 1; optional sint64 q = 2; optional double w = 3; optional fixed64 t = 4; }
  optional string symbol = 1;
  optional uint64 id = 2;
  repeated Amount amounts = 3;
  optional Side side = 4;
  map<string, bytes> raw = 5;
  map<string, string> tags = 6;
  optional google.protobuf.Timestamp at = 7;
  oneof which { string one = 8; Amount two = 9; }
  repeated sfixed32 numbers = 10 [packed = true];
  optional group Inner = 11 { optional float f = 1; }
}
"#;

const MAPPING: &str = r#"
encoding = "protobuf"
floats = "shortest"
[[record]]
where = { "/one" = { exists = true } }
each = "/amounts"
symbol = "^/symbol"
id = "^/id"
price = "/p"
quantity = "/w"
time = "^/at"
unit = "rfc3339"
side = { at = "^/side", buy = ["BUY"], sell = ["SELL"] }
[[record]]
symbol = "/tags/symbol"
id = "/numbers/1"
price = "/two/p"
quantity = "/inner/f"
time = "/amounts/0/t"
unit = "ms"
"#;

static RECORDS: LazyLock<Mapping> = LazyLock::new(|| {
    let mapping = Mapping::parse("m.toml", MAPPING, None).expect("a mapping that works");
    let schema = SchemaText { kind: "PROTOBUF".into(), text: PROTO.into(), references: Vec::new() };
    mapping.learn_schema(1, Some(&schema)).expect("a schema that works");
    mapping
});

fuzz_target!(|bytes: &[u8]| {
    for record in [bytes, &[&[0, 0, 0, 0, 1, 0], bytes].concat()] {
        let mut elements = 0u32;
        RECORDS.decode(record, Decimals::EIGHT, &mut MappingScratch::default(), |mapped| {
            check_mapped(&mapped);
            elements += 1;
        });
        assert!(elements > 0, "a record that is counted nowhere");
    }
});
