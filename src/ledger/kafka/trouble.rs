//! Why an attempt to commit failed.

use crate::kafka::ErrorMeaning;
use crate::kafka::writer::UndeliveredRecord;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why an attempt to commit did not end as it should.
#[derive(Debug)]
pub(super) enum CommitFault {
    /// The broker does not take a record, and never will.
    Refused(UndeliveredRecord),
    /// Another producer has the transactional id, or the broker thinks so.
    Fenced,
    /// It may be there or not.
    Unknown(KafkaError),
}

impl CommitFault {
    pub(super) fn of(error: KafkaError) -> Self {
        if ErrorMeaning::of_error(&error) == ErrorMeaning::Fenced {
            CommitFault::Fenced
        } else {
            CommitFault::Unknown(error)
        }
    }
}

impl From<UndeliveredRecord> for CommitFault {
    fn from(undelivered: UndeliveredRecord) -> Self {
        let code = undelivered.error.rdkafka_error_code();
        match code.map(ErrorMeaning::of) {
            Some(ErrorMeaning::Fenced) => CommitFault::Fenced,
            Some(ErrorMeaning::Denied | ErrorMeaning::Absent) => CommitFault::Refused(undelivered),
            _ if matches!(
                code,
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge
                        | RDKafkaErrorCode::InvalidTimestamp
                        | RDKafkaErrorCode::InvalidRecord
                        | RDKafkaErrorCode::PolicyViolation
                )
            ) =>
            {
                CommitFault::Refused(undelivered)
            }
            _ => CommitFault::Unknown(undelivered.error),
        }
    }
}
