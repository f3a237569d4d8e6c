//! Any bytes as one record of each mapping that the program carries.
#![no_main]

use crossrate_dataflows::market::decimal::Decimals;
use crossrate_fuzz::{
    check_mapped,
    wire::format::BUILT_IN,
    wire::mapping::{Mapping, MappingScratch},
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    BUILT_IN.iter().filter_map(|(name, text)| Mapping::parse(name, text, None).ok()).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let mut scratch = MappingScratch::default();
    for mapping in MAPPINGS.iter() {
        let mut elements = 0u32;
        mapping.decode(bytes, Decimals::EIGHT, &mut scratch, |mapped| {
            check_mapped(&mapped);
            elements += 1;
        });
        assert!(elements > 0, "a record that is counted nowhere");
    }
});
