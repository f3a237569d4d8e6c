//! Crossrate: exact incremental cross rates on event time.
//!
//! This page is the map: read it first, then [`run`], which is the main flow on one screen. `docs/semantics.md` says
//! exactly what the program computes; here is where that happens, and why it is where it is.
//!
//! # From above
//!
//! ```text
//!    log        feed      its worker                   the dataflow, the same on every worker
//! ┌───────────┐ bytes ┌─────────────────────────┐ sums ┌──────────────────────────────────────────┐
//! │ file, -,  │       │ decode ─▶ accept ─▶ fold│      │ panes ─▶ windows ─▶ crosses ─▶ statistics│
//! │ Kafka,    ├──────▶│ wire      market  market├─────▶│             │          │           │     │
//! │ generated │       └─────────────────────────┘      │             └──────▶ closings ◀────┘     │
//! └───────────┘                                        └────────────────────────┬─────────────────┘
//!    source             worker                           job                    │ rows, in order
//!                                                                               ▼
//!                                                  the first worker:  sink, ledger, serve
//! ```
//!
//! A *partition* is one ordered log. Its worker takes its records in order, decides of each what becomes of it, and
//! folds the accepted ones into sums by (pane, symbol). When the partition's *watermark* passes the first look that
//! must see a pane (at its end and the grace, where nothing earlier was asked for), the pane's sums are handed over, dated
//! just before; and when all partitions of the worker have passed that date they go into the dataflow, added up, as
//! one update for each symbol, in order of the names. The least watermark of all partitions that are not idle is the
//! *frontier*, and it is timely's: the worker holds a capability for each partition at its watermark, and an operator
//! that sees the frontier past a time knows that nothing from before can come. Differential merges workers by adding; the
//! rest of the dataflow makes windows of panes, crosses of windows and statistics of crosses, in order of event
//! time. On the first worker rows come together in their one order, and are written: with the checkpoint, in one
//! commit, where a sink can hold both.
//!
//! # Three rings
//!
//! Each knows nothing of the next one out, and the compiler sees to it for the inner two: their manifest names
//! nothing that could open a socket.
//!
//! 1. **Values and sums**, [`crossrate_dataflows::market`]: prices, trades, acceptance, moments, windows, rows. No
//!    timely, no input or output, no clock.
//! 2. **The dataflow**, [`crossrate_dataflows`]: operators on timely and differential, deterministic. No input or
//!    output, no clock, no log line.
//! 3. **The edges**, this crate: Kafka, files, websockets, databases, HTTP, terminals, threads, signals, clocks.
//!
//! # Floors
//!
//! The modules of this crate stand on five floors, and an import leads down or stays on its floor, without a circle:
//!
//! 1. *What was typed*: [`cli`].
//! 2. *Commands*, a module each: [`run`], [`mod@bench`], [`checkpoint`], [`collect`], [`define`], [`demo`],
//!    [`explain`], [`follow`], [`inspect`], [`query`], [`replay`], [`top`].
//! 3. *Engine*, a job at work: [`worker`], [`output`], [`cluster`].
//! 4. *Edges*: [`source`], [`ledger`], [`sink`], [`serve`], [`sql`], [`kafka`], [`accounting`].
//! 5. *Ground*, values and small tools: all others.
//!
//! `tests/integration/arrows.rs` has the table of what each module imports, and holds these floors. A module
//! that needs another one is a line there; where the test calls it a circle or a way up, a value or a
//! function passed in takes its place. Below the top no table is kept: the modules of a folder import each
//! other without a circle, here and in the dataflows.
//!
//! # Where to enter
//!
//! * *What happens when I type a command?* `main.rs` parses by [`cli`] and performs; [`run::run`] for `run`.
//! * *What does a worker do all day?* The loop of [`worker::run`]: take a batch, feed, advance, step, write.
//! * *Why was this trade refused?* [`crossrate_dataflows::market::acceptance`] judges, [`worker`] words it.
//! * *Where does this number come from?* [`crossrate_dataflows::market::moments`] adds, `window` and `cross` divide,
//!   `ratio` rounds, `row` prints.
//! * *When does a row leave?* [`crossrate_dataflows::market::looks`] and
//!   [`crossrate_dataflows::operators::at_looks`].
//! * *What survives a crash, and why is so little enough?* [`crossrate_dataflows::market::resume`], then [`ledger`].
//! * *How do processes find each other and end together?* [`cluster`].
//! * *How do I add a dataflow, a kind of rows, a setting?* `docs/adding.md` lists what each touches.
//!
//! # The map
//!
//! | module | what it does | what it must not know |
//! | --- | --- | --- |
//! | [`cli`] | what was typed, to a checked [`config::Config`] or words about what would be right | Kafka, the contents of inputs |
//! | [`config`] | what a run means; everything else only reads it | where a value came from |
//! | [`run`] | opens inputs and outputs, joins the cluster, starts the workers | records, rows |
//! | [`worker`] | one timely worker between its feeds, the dataflow and the sinks | what kind of source or sink it has |
//! | [`frontier`] | the frontier over partitions that are not idle, shared among workers | trades |
//! | [`workers`] | which partitions a worker of this process owns, and how it is woken | what it does |
//! | [`symbols`] | dense numbers for symbols, the same for all workers of a process | which of them are legs |
//! | [`source`] | logs to chunks of bytes: files, Kafka, a generated market; one written contract | what a record means |
//! | [`wire`] | bytes to trades: pure, fuzzed, no allocation for a trade | where the bytes came from, what is wanted |
//! | [`output`] | the turn of the writing side: gather, mark files, commit, announce; replicas in databases | how rows were computed |
//! | [`sink`] | rows, refused records and progress to wherever they go | how they were computed; the ledger |
//! | [`ledger`] | rows and checkpoint in one commit; restoring, fencing | sinks |
//! | [`committed_files`] | what a checkpoint says of the files that a job writes | where a checkpoint is |
//! | [`checkpoint`] | a job's checkpoint shown, checked, taken away, for people | how rows are computed |
//! | [`kafka`] | how brokers are reached, and what their errors mean to a person | jobs |
//! | [`logging`] | what the program tells of itself: events, as sentences or as JSON lines | who tells it, and why |
//! | [`job_identity`] | what makes a job the same one, as pairs of a flag and its value | who compares |
//! | [`cluster`] | processes that become one run, and share one fate | what they compute (but that it is the same) |
//! | [`accounting`] | what became of every record, at the end | why: it is told eight counts |
//! | [`changes`] | what is asked of a definition while its job runs, and the answers | who asks |
//! | [`define`] | asks a server for changes, for people | how a job takes them |
//! | [`serve`] | the read side: board, REST, streams, metrics, the page | timely: a sink fills its board, and it never holds anybody up |
//! | [`follow`] | results that exist, served as they grow | how they were computed |
//! | [`inspect`] | what is in an input, and which command reads it | the dataflow |
//! | [`replay`] | past trades through the same dataflow, with any definition | the live job: it leaves nothing behind |
//! | [`explain`] | why a row is what it is: the dataflow once more, and each record judged once more | how rows are computed |
//! | [`top`] | a server's essentials on a terminal | anything that the server does not say |
//! | [`query`] | questions in SQL over files of rows, databases and servers | the job |
//! | [`sql`] | answers in SQL over rows, by a process within limits | who asks |
//! | [`collect`] | the exchange's websocket to a log: gaps filled, heartbeats | the dataflow: what it writes is an input like any other |
//! | [`demo`] | a generated market through the very dataflow of a run, shown | anything that `run` does not: it is a sink that paints |
//! | [`bench`](mod@bench) | whole processes against a plain loop, and their rows against each other | the insides: it times what a user would |
//! | [`rows`] | rows as columns, CSV and values of SQLite | where they go |
//! | `duration`, `terminal` | durations, numbers and times as people read them | what they are of |
//! | `flag_words` | a definition in the words of flags, for people | where it is kept |
//! | `http` | how servers of others are asked | what is asked |
//! | [`start`] | when the process began, for `-v` | what it does |
//! | `checksum` | the SHA-256 of a file, and the file beside it that tells it | whose file it is |
//! | `file_lock` | one writer for a file | what is in it |
//! | [`signals`] | Ctrl-C and requests to terminate, heard in order | what stops |
//! | [`exit`] | how a command ends, and the error that decides it | which command it was |
//!
//! # What always holds
//!
//! * **Event time is the only time in a result.** Clocks decide when something is done (a commit, a wait, idleness
//!   that the broker has confirmed), never what it comes to. What a clock did decide is an *entry* of a partition's
//!   prefix, logged and kept.
//! * **A partition's own prefix decides** which of its records count: not other partitions, not the number of
//!   workers, not the size of a batch. So acceptance runs on one worker, in order, whoever decodes.
//! * **Each record is counted in exactly one of eight classes.** What is refused for being bad, late or in the future
//!   leaves as a second stream beside the rows; nothing inside the dataflow logs and goes on.
//! * **Sums are a group** (`Moments`) and live in the difference of a collection. What is none (first, last, least,
//!   greatest, ids) travels as a value and is merged, never subtracted.
//! * **Rates are divided once**, at the edge, exactly, and rounded once. No price ever goes through a float.
//! * **A capability is the promise.** Nothing is final but by the frontier; a partition that says nothing holds it,
//!   and is told of by name ([`source::Delivery::Idle`] is the only way out).
//! * **The same graph on every worker.** What differs (who reads, who writes) is inside an operator or in [`worker`];
//!   the first worker of all has the sinks.
//! * **State ends with its windows.** Memory is a function of open panes, symbols and `--stats-last`; queues are
//!   bounded, and a partition far ahead of the frontier waits (`--max-drift`). An operator that could give much at
//!   once gives it in portions.
//! * **Rows and checkpoint are one commit**, or the sink has no recovery and the user is told so. The checkpoint
//!   knows partitions and symbols, never workers.
//! * **One fate.** A panic anywhere ends the process, and a process that ends badly or falls silent ends its
//!   siblings, by name: a worker that survived would wait for ever. Input, however odd, causes no panic.
//!
//! # How a row is made, step by step
//!
//! 1. A reader thread fills a [`wire::chunk::Chunk`] and pushes it into its partition's bounded [`source::Feed`]; the
//!    worker is woken.
//! 2. [`worker`] pops it (or, decoded by a sibling, its [`wire::decoded::DecodedChunk`]), and [`wire`] gives one
//!    record after another.
//! 3. `PartitionState` in [`crossrate_dataflows::market::acceptance`] judges each, moves the watermark and adds it
//!    to the `Sums` of its pane ([`crossrate_dataflows::market::sums`]); with `--emit changes` or `--provisional`
//!    there are sums by tick.
//! 4. The partitions of a worker add to the same `Sums`, which leave, sorted, once all of them have passed their date;
//!    the worker sends them and downgrades its capability. Where there is a ledger each partition has its own first,
//!    which its [`ledger::partition_changes`] notes when the partition's watermark has passed them, and which are then added up.
//! 5. [`crossrate_dataflows::symbol_windows`] arranges panes by symbol, keeps running sums, and at each *look* that
//!    the frontier proves gives rows of symbols and what crosses must know of their legs;
//!    [`crossrate_dataflows::cross_rates`] and [`crossrate_dataflows::series_stats`] follow.
//! 6. [`crossrate_dataflows::operators::closings`] brings rows and notes of all workers together on the first one, in
//!    order, and puts what is complete into its outbox. The probe behind it throttles the sources.
//! 7. [`output`] takes the outbox: with a [`ledger`] it commits on a thread of its own, and announces the rows of a
//!    finished commit to the sinks that get only what is committed; without one every [`sink`] gets them at once.
//!
//! # Glossary
//!
//! | word | meaning |
//! | --- | --- |
//! | partition | one ordered input log: a Kafka partition or a file |
//! | event time | when the exchange executed the trade; the only time in a result |
//! | watermark | greatest event time of a partition so far, less the delay |
//! | frontier | least watermark of all partitions that are not idle; timely's own |
//! | pane | from one start or end of any window of the job to the next; a window is a run of panes |
//! | look, firing | a moment of event time at which a window gives rows |
//! | closed, final | the frontier has passed the end; has passed the end and the grace: nothing changes any more |
//! | leg, cross | a symbol of a product or quotient; the pair that it gives |
//! | carried | said of a leg whose earlier window stands in for one without trades |
//! | revision | number of a row's version, while its window may be corrected |
//! | entry | what idleness or adoption made of a partition's watermark; kept, so that a replay is the same |
//! | closing | all rows of one look, complete and in order |
//! | checkpoint | what a restarted job goes on from; committed with the rows |
//! | ledger | the sink whose commit holds the checkpoint |
//! | digest | sum of hashes of the trades in a row: equal digests, equal trades |
//!
//! # How it is tested
//!
//! The unit tests stand beside the code. `tests/integration/` is one binary: the laws as properties against an oracle
//! in rational arithmetic that was written from the definition, the golden runs in `tests/golden/` in every manner of
//! running, real brokers, databases and browsers, kills at random moments, and the documents' own commands.
//! `CONTRIBUTING.md` says what a change needs.

// Standard error belongs to `logging`.
#![cfg_attr(not(test), deny(clippy::print_stderr))]

pub mod accounting;
pub mod bench;
pub mod changes;
pub mod checkpoint;
mod checksum;
pub mod cli;
pub mod cluster;
pub mod collect;
pub mod committed_files;
pub mod config;
pub mod define;
pub mod demo;
pub(crate) mod duration;
pub mod exit;
pub mod explain;
pub(crate) mod file_lock;
mod flag_words;
pub mod follow;
pub mod frontier;
mod http;
pub mod inspect;
pub mod job_identity;
pub mod kafka;
pub mod ledger;
pub mod logging;
mod nearest;
pub mod output;
pub mod query;
pub mod replay;
pub mod rows;
pub mod run;
pub mod serve;
mod service_manager;
pub mod signals;
pub mod sink;
pub mod source;
pub mod sql;
pub mod start;
pub mod symbols;
pub(crate) mod terminal;
pub mod top;
mod version;
pub mod wire;
pub mod worker;
pub mod workers;
