//! Why the server did not do something.

use crate::config::database::words;
use crate::exit::{Exit, Failure};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum PostgresFault {
    /// The server is away, or its answer was lost.
    Away(String),
    /// It says no, and would again.
    Refused(Error),
}

impl From<Error> for PostgresFault {
    fn from(error: Error) -> Self {
        let passing = match error.code() {
            // Connections, resources but for the disk, the operator's intervention, conflicts with other transactions.
            Some(state) => {
                let class = &state.code()[..2.min(state.code().len())];
                matches!(class, "08" | "57" | "40" | "53") && *state != SqlState::DISK_FULL
                    || *state == SqlState::LOCK_NOT_AVAILABLE
                    || *state == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            }
            None => true,
        };
        if passing { PostgresFault::Away(words(&error)) } else { PostgresFault::Refused(error) }
    }
}

/// What a refusal of the server means for who runs the job.
pub(super) fn refused(shown: &str, error: &Error) -> anyhow::Error {
    let state = error.code().cloned();
    let hint = match &state {
        Some(state) if *state == SqlState::DISK_FULL => {
            "make room on the server's disk; the last commit is whole"
        }
        Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => {
            "the user needs the right to make tables in the schema, or to write to those that are there"
        }
        Some(state)
            if *state == SqlState::INVALID_PASSWORD
                || *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
        {
            "give the password in PGPASSWORD or a password file"
        }
        Some(state) if *state == SqlState::INVALID_CATALOG_NAME => "make the database first: createdb NAME",
        Some(state) if *state == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "that is a replica: name the primary server"
        }
        Some(state) if *state == SqlState::UNDEFINED_COLUMN || *state == SqlState::DATATYPE_MISMATCH => {
            "a table of that name is another's: give the job a schema of its own, \
             ?options=-csearch_path%3DNAME in the URL"
        }
        _ => "the last commit is whole; start the job again when the cause is gone",
    };
    // All that the error says, once: as a cause it would say it again in other words.
    let words = words(error);
    Failure::new(Exit::Failed, format!("the database {shown} refused: {words}")).hint(hint).into()
}
