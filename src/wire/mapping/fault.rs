//! What may be wrong with a value.

/// Why a value is not what a field needs.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Grammar,
    TooPrecise,
    TooLarge,
    OutOfRange,
}
