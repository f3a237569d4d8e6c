//! What travels on a control link: a byte of kind, two of length, and so many bytes.

use crate::terminal::printable;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ControlFrame {
    /// I live.
    Heartbeat,
    /// My workers are through; the data links close now, and that is in order.
    Done,
    /// Somebody wants the whole run to stop.
    Interrupted,
    /// I end with this exit code, for this reason.
    Ended(u8, String),
    /// I end because another one has; the words name it.
    Fallen(Cause, String),
}

/// Why a process ends that is whole itself.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// Another one is lost.
    Loss,
    /// Another one has reported an error of its own, which may be heard later than this. Those that work stop
    /// in good order.
    Report,
}

/// Reasons longer than this are cut.
const LONGEST_WORDS: usize = 2_000;

impl ControlFrame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            ControlFrame::Heartbeat => (1, Vec::new()),
            ControlFrame::Done => (2, Vec::new()),
            ControlFrame::Interrupted => (3, Vec::new()),
            ControlFrame::Ended(code, words) => (4, [&[*code], words.as_bytes()].concat()),
            ControlFrame::Fallen(Cause::Loss, words) => (5, words.clone().into_bytes()),
            ControlFrame::Fallen(Cause::Report, words) => (6, words.clone().into_bytes()),
        };
        let length = payload.len().min(LONGEST_WORDS);
        let mut bytes = vec![kind];
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(&payload[..length]);
        bytes
    }

    /// The first word in `bytes` and its length, if it is there whole; `None` in place of the word if it is
    /// none.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Option<ControlFrame>, usize)> {
        let (&[kind, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let payload = rest.get(..length)?;
        let word = match (kind, payload) {
            (1, _) => Some(ControlFrame::Heartbeat),
            (2, _) => Some(ControlFrame::Done),
            (3, _) => Some(ControlFrame::Interrupted),
            (4, [code, words @ ..]) => Some(ControlFrame::Ended(*code, printable(words))),
            (5, words) => Some(ControlFrame::Fallen(Cause::Loss, printable(words))),
            (6, words) => Some(ControlFrame::Fallen(Cause::Report, printable(words))),
            _ => None,
        };
        Some((word, 3 + length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_link_in_any_pieces() {
        let words = [
            ControlFrame::Heartbeat,
            ControlFrame::Done,
            ControlFrame::Interrupted,
            ControlFrame::Ended(3, "no such file".into()),
            ControlFrame::Ended(0, String::new()),
            ControlFrame::Fallen(Cause::Loss, "process 2 is gone".into()),
            ControlFrame::Fallen(Cause::Report, "process 2 has failed with exit code 4".into()),
        ];
        let bytes: Vec<u8> = words.iter().flat_map(ControlFrame::encode).collect();
        let (mut heard, mut buffer) = (Vec::new(), Vec::new());
        for byte in bytes {
            buffer.push(byte);
            while let Some((word, length)) = ControlFrame::decode(&buffer) {
                heard.push(word.expect("a word"));
                buffer.drain(..length);
            }
        }
        assert_eq!(heard, words);
        assert!(buffer.is_empty());
    }

    #[test]
    fn noise_is_no_word_and_long_reasons_are_cut() {
        assert_eq!(ControlFrame::decode(&[9, 0, 0]), Some((None, 3)));
        assert_eq!(ControlFrame::decode(&[4, 0, 0]), Some((None, 3)));
        let bytes = ControlFrame::Fallen(Cause::Loss, "x".repeat(100_000)).encode();
        let Some((Some(ControlFrame::Fallen(_, words)), _)) = ControlFrame::decode(&bytes) else {
            panic!("no word")
        };
        assert!((1..=LONGEST_WORDS).contains(&words.len()));
    }
}
