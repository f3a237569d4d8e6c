//! The headings of the help, under which settings stand.

pub(in crate::cli) const INPUT: &str = "Input";
pub(in crate::cli) const WINDOWS: &str = "Windows";
pub(in crate::cli) const CROSSES: &str = "Crosses";
pub(in crate::cli) const OUTPUT: &str = "Output";
pub(in crate::cli) const SERVING: &str = "Serving";
pub(in crate::cli) const JOB: &str = "Job";
pub(in crate::cli) const CLUSTER: &str = "Cluster";
/// The heading under which help is listed too.
pub(in crate::cli) const LOGGING: &str = "Logging";
pub(in crate::cli) const DEMO: &str = "Demonstration";
pub(in crate::cli) const REPLAY: &str = "Replay";
pub(in crate::cli) const COLLECTING: &str = "Collecting";
