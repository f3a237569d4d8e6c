//! Why an attempt to commit failed.

use crate::kafka::Meaning;
use crate::kafka::writer::Undelivered;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why an attempt to commit did not end as it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The broker does not take a record, and never will.
    Refused(Undelivered),
    /// Another producer has the transactional id, or the broker thinks so.
    Fenced,
    /// It may be there or not.
    Unknown(KafkaError),
}

impl Trouble {
    pub(super) fn of(error: KafkaError) -> Self {
        if Meaning::of_error(&error) == Meaning::Fenced { Trouble::Fenced } else { Trouble::Unknown(error) }
    }
}

impl From<Undelivered> for Trouble {
    fn from(undelivered: Undelivered) -> Self {
        let code = undelivered.error.rdkafka_error_code();
        match code.map(Meaning::of) {
            Some(Meaning::Fenced) => Trouble::Fenced,
            Some(Meaning::Denied | Meaning::Absent) => Trouble::Refused(undelivered),
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
                Trouble::Refused(undelivered)
            }
            _ => Trouble::Unknown(undelivered.error),
        }
    }
}
