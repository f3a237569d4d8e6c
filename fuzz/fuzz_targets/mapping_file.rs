//! Any text as a mapping file, which then reads a record: an error names the file and the line, and nothing panics.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::mapping::{Mapping, MappingScratch},
};
use libfuzzer_sys::fuzz_target;

const RECORD: &[u8] =
    br#"{"e":"trade","s":"A-B","t":"7","p":"1.5","q":2e-1,"T":1525022020361,"d":[["A",1,"2"]],"m":true}"#;

fuzz_target!(|text: &str| {
    for path in [None, Some("BTCUSDT-trades-2020.csv")] {
        match Mapping::parse("m.toml", text, path) {
            Ok(mut mapping) => {
                let _ = mapping.take_header(b"s,t,p,q,T");
                let mut scratch = MappingScratch::default();
                mapping.decode(RECORD, Decimals::EIGHT, &mut scratch, |mapped| check_mapped(&mapped));
                mapping.decode(b"A,7,1.5,0.2,1525022020361", Decimals::EIGHT, &mut scratch, |m| {
                    check_mapped(&m)
                });
            }
            Err(error) => assert!(error.to_string().starts_with("m.toml"), "{error}"),
        }
    }
});
