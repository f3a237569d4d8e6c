//! What a checkpoint says of the files that a job writes: their lengths and hashes as of the last commit.
//! Sinks restore their files from it and report changes for the next commit; nothing else of a checkpoint is
//! their business.

pub mod content;

use content::FileContent;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::BTreeMap;

/// The files of a job, as of its last commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommittedFiles {
    /// Rows looked at until then are out; `None` where the job has committed nothing.
    pub until: Option<EventTime>,
    /// How long files are that grow, by path; 0 of one of which nothing was committed.
    pub lengths: BTreeMap<String, u64>,
    /// And what they hold; not of those that an earlier version noted.
    pub contents: BTreeMap<String, FileContent>,
    /// What files hold that are complete, by path.
    pub whole: BTreeMap<String, FileContent>,
    /// Folders of files by day, and the name of the files that grow there.
    pub folders: BTreeMap<String, String>,
    /// The run that had the job before, for people, where the ledger names it.
    pub predecessor: Option<String>,
}

impl CommittedFiles {
    /// Whether a version wrote them down that noted neither hashes nor folders: it noted files only, while
    /// they grew.
    pub fn is_of_earlier_version(&self) -> bool {
        self.until.is_some() && self.contents.is_empty() && self.whole.is_empty() && self.folders.is_empty()
    }
}

/// What a commit says of a file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// A file that grows holds so much; nothing yet where it is new.
    Grows(String, FileContent),
    /// A file is complete and holds this.
    Whole(String, FileContent),
    /// A file or folder is removed, or has another name now.
    Gone(String),
    /// The job writes to a folder of files by day, which have this name while they grow.
    Folder(String, String),
}
