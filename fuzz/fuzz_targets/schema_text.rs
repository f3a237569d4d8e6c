//! Any text as a schema that a registry gives, of Avro and of Protobuf, and what follows it as a record of that schema.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::mapping::{Mapping, MappingScratch, SchemaText},
};
use libfuzzer_sys::fuzz_target;

const FIELDS: &str = "[[record]]\neach = \"/d\"\nsymbol = \"^/s\"\nid = \"/t\"\nprice = \"/p\"\nquantity = \"/q/a\"\n\
                      time = \"/m/k\"\nunit = \"s\"\n";

fuzz_target!(|input: (&str, &[u8])| {
    let (text, bytes) = input;
    for (encoding, kind, head) in
        [("avro", "AVRO", &[0, 0, 0, 0, 1][..]), ("protobuf", "PROTOBUF", &[0, 0, 0, 0, 1, 0])]
    {
        let mapping = format!("encoding = \"{encoding}\"\n{FIELDS}");
        let mapping = Mapping::parse("m.toml", &mapping, None).expect("a mapping that works");
        let schema = SchemaText { kind: kind.into(), text: text.into(), references: Vec::new() };
        // Where it is no schema, its records are bad.
        let _ = mapping.learn_schema(1, Some(&schema));
        let mut elements = 0u32;
        mapping.decode(&[head, bytes].concat(), Decimals::EIGHT, &mut MappingScratch::default(), |mapped| {
            check_mapped(&mapped);
            elements += 1;
        });
        assert!(elements > 0, "a record that is counted nowhere");
    }
});
