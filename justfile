# Recipes for work on Crossrate; `just` lists them.

features := "--features parquet,top,avro,protobuf,arrow"

_list:
    @just --list --unsorted

# A generated market through the dataflow, live; no service, no network
demo *flags:
    cargo run --release -- demo {{flags}}

# Formatting, lints, unit tests
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets {{features}} -- -D warnings
    cargo test --lib --bins {{features}}

# The tests that need no Java, database or browser, with fewer cases and kills; the others are shown as ignored
test-fast *names:
    CROSSRATE_CASES=60 CROSSRATE_TEST_JOBS=3 CROSSRATE_TEST_KILLS=5 RUST_TEST_THREADS=4 \
        cargo test --workspace {{features}} -- --skip memory:: {{names}}

# The tests of Kafka, on one broker; needs Java, Maven, kcat, PostgreSQL
test-kafka name="kafka::":
    scripts/kafka run cargo test --test integration {{features}},tls -- --include-ignored {{name}}

# The tests of the page and of its addresses; needs Chromium, Node, and the checker that scripts/test installs
test-page:
    cargo test --test integration {{features}} -- --include-ignored serve::page serve::scripts serve::rest serve::description

# Tests whose name contains the text, whatever they need
only name:
    cargo test --test integration {{features}} -- --include-ignored {{name}}

# Everything: all tests, lints, licences; installs what is missing
test *flags:
    scripts/test {{flags}}

# What the checks of a change run
ci: check test

# The crate docs, which are the map
docs:
    cargo doc --workspace --no-deps --document-private-items --open

# What is published: slower to build, faster to run
dist:
    cargo build --profile dist {{features}}
