//! Any bytes as a file of CSV, its first line a header or not, by columns that are named and that are numbered.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::mapping::{Mapping, MappingScratch},
};
use libfuzzer_sys::fuzz_target;

const NAMED: &str = "encoding = \"csv\"\n[[record]]\nsymbol = \"s\"\nid = \"i\"\nids = \"unique\"\nprice = \"p\"\n\
                     quantity = \"q\"\ntime = \"t\"\nunit = \"rfc3339\"\n";
const NUMBERED: &str = "encoding = \"csv\"\ndelimiter = \";\"\n[[record]]\nsymbol = \"1\"\nprice = \"2\"\n\
                        quantity = { at = \"3\", sign = \"side\" }\ntime = \"4\"\nunit = \"s\"\n";

fuzz_target!(|bytes: &[u8]| {
    for text in [NAMED, NUMBERED] {
        let mut mapping = Mapping::parse("c.toml", text, None).expect("a mapping that works");
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        if mapping.take_header(first).is_err() {
            continue;
        }
        let mut scratch = MappingScratch::default();
        for line in [first].into_iter().chain(lines).filter(|line| mapping.is_record(line)) {
            mapping.decode(line, Decimals::EIGHT, &mut scratch, |mapped| check_mapped(&mapped));
        }
    }
});
