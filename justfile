# Recipes for work on Crossrate; `just` lists them.

_list:
    @just --list --unsorted

# A generated market through the dataflow, live; no service, no network
demo *flags:
    cargo run --release -- demo {{flags}}

# Everything, with Apache Kafka; installs what is missing
test:
    scripts/test

# What needs no Kafka, quickly: formatting, lints, unit tests
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --lib --bins

# What the checks of a change run
ci: check
    scripts/test

# The tests that need no Java, database or browser
test-fast *names:
    cargo test --workspace --features parquet,top {{names}}

# One integration test, or those whose name contains the text
only name:
    cargo test --test integration {{name}}

# Licences, sources and banned crates of what we depend on, and advisories (needs the network)
deny:
    cargo deny check

# The crate docs, which are the map
docs:
    cargo doc --workspace --no-deps --document-private-items --open

# What is published: slower to build, faster to run
dist:
    cargo build --profile dist
