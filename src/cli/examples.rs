//! What `crossrate COMMAND -h` ends with.

use crossrate_dataflows::market::schema::RowKind;

pub(super) const CHECKPOINT_EXAMPLES: &str = "\
Examples:
  crossrate checkpoint show --to kafka:vwap --name spot
  crossrate checkpoint show --to sqlite:rows.db --json
  crossrate checkpoint check --to rows.jsonl
  crossrate checkpoint reset --to postgres://me@db/rates --name spot --yes";

pub(super) const DEFINE_EXAMPLES: &str = "\
Asks the server of the run (crossrate run --listen). A change holds from a moment
of event time on that the answer tells: a boundary of windows that no trade has
reached yet.

Examples:
  crossrate define cross ETHXVG=ETHBTC/XVGBTC
  crossrate define symbol LTCBTC --server http://10.0.0.5:8080 --token-file token
  crossrate define drop cross ETHXVG
  crossrate define list";

pub(super) const RUN_EXAMPLES: &str = "\
A switch --x is turned off by --no-x. Durations are 250ms, 30s, 5m or 1h.
Each flag can stand in a TOML file (--config FILE; its name is the key) and in
the environment (CROSSRATE_WINDOW; lists stand apart by blanks): flag over
environment over file. Paths are relative to the working directory, also there.

Examples:
  crossrate run
      topic trades of localhost:9092, the default cross
  crossrate run -t trades -e --to rows.jsonl
      to the end of the topic, into a file
  crossrate run a.jsonl b.jsonl.gz --window 1m --slide 10s
      two files, two partitions; a window every ten seconds
  gzip -dc capture.gz | crossrate run --from - --symbols BTCUSDT
  crossrate run --cross EURBTC=EURUSDT/BTCUSDT --emit changes --grace 10s
  crossrate run -w 2 -n 2
      two processes of two workers each, started here";

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  crossrate demo
  crossrate demo --speed max -w 2
      as fast as it goes, on two workers: the same digest
  crossrate demo --window 20s --slide 5s --missing-leg carry --duration 1h";

/// What stands below the help of `query`.
pub(super) fn query_examples() -> String {
    format!(
        "Tables: {}. Columns are the fields of rows; exact decimals\n\
         are texts, and beside each stands a double: vwap, and vwap_real.\n\n{QUERY_EXAMPLES}",
        RowKind::ALL.map(|kind| kind.schema().table).join(", ")
    )
}

const QUERY_EXAMPLES: &str = "\
Examples:
  crossrate query \"select name, max(vwap_real) from symbols group by 1\" rows.jsonl
  crossrate query \"select * from stats order by end_ms desc limit 5\" sqlite:rows.db
  crossrate query -f csv --server http://127.0.0.1:8080 \"select * from crosses\"";

pub(super) const PRODUCE_EXAMPLES: &str = "\
Examples:
  crossrate produce
      the legs of the default cross, to topic trades of localhost:9092
  crossrate produce --symbols BTCUSDT,ETHUSDT --to - | crossrate run --from - --symbols all
  crossrate produce --symbols all --to kafka:trades -b broker:9092
  crossrate produce --cross EURBTC=EURUSDT/BTCUSDT --to trades.jsonl --capture";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  crossrate serve --from kafka:vwap -b broker:9092
  crossrate serve --from sqlite:rows.db --listen 127.0.0.1:9000
  crossrate serve --from postgres://me@db/rates --name spot
  crossrate serve --from rows.jsonl --history 6h";

pub(super) const REPLAY_EXAMPLES: &str = "\
It leaves nothing behind: a job that reads the same topic does not notice it.

Examples:
  crossrate replay --since 2018-04-29T17:00:00Z --until 2018-04-29T18:00:00Z --window 1m
  crossrate replay -t trades --from-offset 1000 --cross EURBTC=EURUSDT/BTCUSDT
  crossrate replay a.jsonl b.jsonl --since 1525021200000 --speed 10x";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
It computes the window again, with the flags of the job: for each of its rows the
firing, the records that took the watermarks there and who held it, the trades
that entered since the row before, and the path; and what was refused and why.
It writes and commits nothing. Input that cannot be read twice cannot be explained.

Examples:
  crossrate explain cross XVGUSDT@2018-04-29T17:13:50Z --window 10s trades.jsonl
  crossrate explain symbol BTCUSDT@1525022030000 --window 10s --json a.jsonl b.jsonl
  crossrate explain cross XVG-USDT@2026-11-28T10:00:30Z -t trades --quote USDT";

pub(super) const INSPECT_EXAMPLES: &str = "\
What is in an input: the format, symbols, times, how far out of order, ids, bad
records. Its last line is a command that reads it. It writes and commits nothing.

Examples:
  crossrate inspect trades.jsonl.gz
  crossrate inspect *.zip --limit 100000
  crossrate inspect -t trades -b broker:9092";
