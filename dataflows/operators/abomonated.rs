//! Records that travel between processes as plain words, through abomonation (feature `abomonation`).
//!
//! timely encodes a container by [`ContainerBytes`], for `Vec<D>` with bincode. [`AbomonatedRecords`] is a container
//! that is a `Vec<D>` in memory and encodes its records with abomonation, which copies memory as it is.
//!
//! **The advisory.** abomonation is unsound (RUSTSEC-2021-0120, CVE-2021-45708; all versions, not
//! maintained): it copies values as bytes and back whatever their type. That reads padding, puts pointers on
//! the wire, and makes whatever arrives into values that may not exist. Here it gets to see one kind of type
//! only, arrays of `u64` ([`Words`], which nobody else can implement): they have no padding and no pointers,
//! every bit pattern is a value, and the copies that are decoded are aligned. A record gives its words and
//! takes them back by safe code that refuses nonsense ([`Plain`]), and its text travels beside them. What
//! remains is that abomonation casts a reference to one byte into one to the array, of which the compiler
//! could in theory complain, as Miri does; it is a reason to keep the feature off where it is not measured to
//! be worth it.
//!
//! The only `unsafe` of this crate is in [`encode`] and [`decode`].

mod pane;

pub use pane::by_symbol;

use abomonation::Abomonation;
use std::io::{self, Write};
use timely::bytes::arc::Bytes;
use timely::container::{CapacityContainerBuilder, DrainContainer, PushInto, SizableContainer};
use timely::dataflow::Stream;
use timely::dataflow::channels::ContainerBytes;
use timely::dataflow::channels::pact::{ExchangeCore, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::progress::Timestamp;
use timely::{Accountable, ExchangeData};

/// A record that can be taken apart into words and a text, and put together again.
pub trait Plain: Sized {
    /// `[u64; N]`, or `[[u64; N]; M]`; N and M at most 32.
    type Words: Words;

    /// Everything but the text.
    fn words(&self) -> Self::Words;

    /// The part of changing length; at most one, and empty where there is none.
    fn text(&self) -> &str {
        ""
    }

    /// The record; `None` if there is none of that kind. The words may be anything at all.
    fn from_words(words: Self::Words, text: &str) -> Option<Self>;
}

/// Arrays of `u64`, or of such arrays, and nothing else.
pub trait Words: sealed::WordsSeal + Abomonation + Copy + 'static {
    /// In the byte order of the wire, or back from it.
    #[must_use]
    fn ordered(self) -> Self;
}

mod sealed {
    /// Keeps [`super::Words`] to arrays of `u64`: the safety of this module depends on it.
    pub trait WordsSeal {}
    impl<const N: usize> WordsSeal for [u64; N] {}
    impl<const N: usize, const M: usize> WordsSeal for [[u64; N]; M] {}
}

impl<const N: usize> Words for [u64; N]
where
    [u64; N]: Abomonation,
{
    #[inline]
    fn ordered(self) -> Self {
        self.map(u64::to_le)
    }
}

impl<const N: usize, const M: usize> Words for [[u64; N]; M]
where
    [[u64; N]; M]: Abomonation,
{
    #[inline]
    fn ordered(self) -> Self {
        self.map(|words| words.map(u64::to_le))
    }
}

/// A vector that abomonation encodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbomonatedRecords<D>(pub Vec<D>);

// Derived, it would ask for a default record.
impl<D> Default for AbomonatedRecords<D> {
    fn default() -> Self {
        AbomonatedRecords(Vec::new())
    }
}

impl<D> Accountable for AbomonatedRecords<D> {
    #[inline]
    fn record_count(&self) -> i64 {
        self.0.record_count()
    }
}

impl<D> DrainContainer for AbomonatedRecords<D> {
    type Item<'a>
        = D
    where
        D: 'a;
    type DrainIter<'a>
        = std::vec::Drain<'a, D>
    where
        D: 'a;

    #[inline]
    fn drain(&mut self) -> Self::DrainIter<'_> {
        self.0.drain(..)
    }
}

impl<D> SizableContainer for AbomonatedRecords<D> {
    #[inline]
    fn at_capacity(&self) -> bool {
        self.0.at_capacity()
    }

    #[inline]
    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        let mut spare = stash.take().map(|stash| stash.0);
        self.0.ensure_capacity(&mut spare);
        *stash = spare.map(AbomonatedRecords);
    }
}

impl<D> PushInto<D> for AbomonatedRecords<D> {
    #[inline]
    fn push_into(&mut self, record: D) {
        self.0.push(record);
    }
}

/// On the wire: the number of records; of each the length of its text and its words; then all texts; zeros up
/// to a multiple of eight bytes. Everything little-endian.
impl<D: Plain> ContainerBytes for AbomonatedRecords<D> {
    fn from_bytes(bytes: Bytes) -> Self {
        // There is no error to return here, and a peer that has shown to run the same program sends no
        // nonsense.
        AbomonatedRecords(read(&bytes).expect("another process has sent records that are none"))
    }

    fn length_in_bytes(&self) -> usize {
        let texts: usize = self.0.iter().map(|record| record.text().len()).sum();
        (HEAD + self.0.len() * (HEAD + size_of::<D::Words>()) + texts).next_multiple_of(HEAD)
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        // timely's writers are slices that it has made of the length announced.
        write(&self.0, writer).expect("the length in bytes was too small");
    }
}

/// Bytes of a length.
const HEAD: usize = size_of::<u64>();

fn write<D: Plain>(records: &[D], writer: &mut impl Write) -> io::Result<()> {
    let mut texts = 0;
    writer.write_all(&(records.len() as u64).to_le_bytes())?;
    for record in records {
        texts += record.text().len();
        writer.write_all(&(record.text().len() as u64).to_le_bytes())?;
        encode(&record.words().ordered(), writer)?;
    }
    for record in records {
        writer.write_all(record.text().as_bytes())?;
    }
    writer.write_all(&[0; HEAD][..texts.next_multiple_of(HEAD) - texts])
}

/// The records, or `None` if the bytes are none.
fn read<D: Plain>(bytes: &[u8]) -> Option<Vec<D>> {
    let (count, rest) = split_length(bytes)?;
    // More records than there are bytes for would be more memory than there are bytes.
    let fixed = count.checked_mul(HEAD + size_of::<D::Words>())?;
    let (fixed, mut texts) = rest.split_at_checked(fixed)?;
    let mut records = Vec::with_capacity(count);
    let mut aligned = AlignedBytes::of(fixed);
    let mut words = aligned.bytes();
    for _ in 0..count {
        let (length, rest) = split_length(words)?;
        let at = words.len() - rest.len();
        let (decoded, rest) = decode::<D::Words>(&mut words[at..])?;
        words = rest;
        let (text, others) = texts.split_at_checked(length)?;
        texts = others;
        records.push(D::from_words(decoded.ordered(), std::str::from_utf8(text).ok()?)?);
    }
    Some(records)
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*length).try_into().ok()?, rest))
}

/// A copy of bytes at an address that suits a `u64`. What comes from a network need not.
struct AlignedBytes(Vec<u64>);

impl AlignedBytes {
    /// Of whole words; a rest is cut off.
    fn of(bytes: &[u8]) -> AlignedBytes {
        let words = bytes.as_chunks::<HEAD>().0;
        AlignedBytes(words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
    }

    #[allow(unsafe_code)]
    fn bytes(&mut self) -> &mut [u8] {
        let length = size_of_val(self.0.as_slice());
        // SAFETY: the pointer and the length are those of the vector's own elements, which are borrowed for
        // as long as the result; bytes have no alignment; and every byte pattern is a `u64`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) }
    }
}

#[allow(unsafe_code)]
#[inline]
fn encode<W: Words>(words: &W, writer: &mut impl Write) -> io::Result<()> {
    // SAFETY: abomonation reads the bytes of the value, and those of what it points to. `Words` is sealed to
    // arrays of `u64`: all their bytes are initialised, and they point to nothing.
    unsafe { abomonation::encode(words, writer) }
}

/// The first words of the bytes, and what follows them. The bytes must be aligned as [`AlignedBytes`] does
/// it.
#[allow(unsafe_code)]
#[inline]
fn decode<W: Words>(bytes: &mut [u8]) -> Option<(W, &mut [u8])> {
    if bytes.as_ptr().align_offset(align_of::<W>()) != 0 {
        return None;
    }
    // SAFETY: abomonation makes the bytes a reference to a value, and mends its pointers. It checks that
    // there are enough bytes; the alignment was checked above; `Words` is sealed to arrays of `u64`, of which
    // every bit pattern is a value and none has a pointer.
    let (words, rest) = unsafe { abomonation::decode::<W>(bytes) }?;
    Some((*words, rest))
}

/// Extension trait for streams of plain records.
pub trait ExchangePlain<'scope, T, D> {
    /// Moves each record to the worker that `route` says. Like timely's `exchange`, but between processes the
    /// records travel as words; within a process they are moved, never encoded.
    ///
    /// ```
    /// use crossrate_dataflows::operators::abomonated::{ExchangePlain, Plain};
    /// use serde::{Deserialize, Serialize};
    /// use timely::dataflow::operators::{Inspect, ToStream};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Price {
    ///     pair: String,
    ///     scaled: u64,
    /// }
    ///
    /// impl Plain for Price {
    ///     type Words = [u64; 1];
    ///     fn words(&self) -> [u64; 1] { [self.scaled] }
    ///     fn text(&self) -> &str { &self.pair }
    ///     fn from_words([scaled]: [u64; 1], pair: &str) -> Option<Self> {
    ///         (scaled > 0).then(|| Price { pair: pair.into(), scaled })
    ///     }
    /// }
    ///
    /// // Two workers that encode what they exchange, as processes do.
    /// let config = timely::CommunicationConfig::ProcessBinary(2);
    /// let (builders, others) = config.try_build().unwrap();
    /// timely::execute::execute_from(builders, others, Default::default(), |worker| {
    ///     let index = worker.index() as u64;
    ///     worker.dataflow::<u64, _, _>(|scope| {
    ///         (1..100).map(|scaled| Price { pair: format!("P{scaled}"), scaled })
    ///             .to_stream(scope)
    ///             .container::<Vec<_>>()
    ///             .exchange_plain("Prices", |price| price.scaled)
    ///             .inspect(move |price| {
    ///                 assert_eq!(price.scaled % 2, index);
    ///                 assert_eq!(price.pair, format!("P{}", price.scaled));
    ///             });
    ///     });
    /// })
    /// .unwrap();
    /// ```
    fn exchange_plain(self, name: &str, route: impl FnMut(&D) -> u64 + 'static) -> Self;
}

impl<'scope, T, D> ExchangePlain<'scope, T, D> for Stream<'scope, T, Vec<D>>
where
    T: Timestamp,
    D: Plain + ExchangeData + Clone,
{
    fn exchange_plain(self, name: &str, mut route: impl FnMut(&D) -> u64 + 'static) -> Self {
        let wrapped: Stream<'scope, T, AbomonatedRecords<D>> =
            self.unary(Pipeline, &format!("{name}: plain"), |_, _| {
                |input, output| {
                    input.for_each(|capability, records| {
                        output
                            .session(&capability)
                            .give_container(&mut AbomonatedRecords(std::mem::take(records)));
                    });
                }
            });
        let by_route =
            ExchangeCore::<CapacityContainerBuilder<AbomonatedRecords<D>>, _>::new(move |record: &D| {
                route(record)
            });
        wrapped.unary(by_route, name, |_, _| {
            |input, output| {
                input.for_each(|capability, records| {
                    output.session(&capability).give_container(&mut std::mem::take(&mut records.0));
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timely::bytes::arc::BytesMut;

    #[derive(Debug, Clone, PartialEq)]
    struct Record(u64, i64, String);

    impl Plain for Record {
        type Words = [u64; 2];

        fn words(&self) -> [u64; 2] {
            [self.0, self.1 as u64]
        }

        fn text(&self) -> &str {
            &self.2
        }

        /// An odd first word is nonsense.
        fn from_words([a, b]: [u64; 2], text: &str) -> Option<Self> {
            (a % 2 == 0).then(|| Record(a, b as i64, text.into()))
        }
    }

    fn bytes(records: Vec<Record>) -> Vec<u8> {
        let container = AbomonatedRecords(records);
        let mut bytes = Vec::new();
        container.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), container.length_in_bytes());
        assert!(bytes.len().is_multiple_of(8));
        bytes
    }

    proptest! {
        #[test]
        fn records_at_any_address_survive_encoding(records: Vec<(u64, i64, String)>, offset in 0usize..8) {
            let records: Vec<Record> = records.into_iter().map(|(a, b, text)| Record(a & !1, b, text)).collect();
            // At any address: timely promises none.
            let mut sent = vec![0; offset];
            sent.extend(bytes(records.clone()));
            let mut sent = BytesMut::from(sent).freeze();
            sent.extract_to(offset);
            prop_assert_eq!(AbomonatedRecords::<Record>::from_bytes(sent).0, records);
        }

        #[test]
        fn noise_gives_no_records_and_no_harm(noise: Vec<u8>) {
            let _ = read::<Record>(&noise);
        }

        #[test]
        fn a_changed_byte_gives_other_records_or_none(at: prop::sample::Index, change in 1u8..) {
            let records = vec![Record(2, -1, "XVGBTC".into()), Record(4, 7, "µ".into())];
            let mut sent = bytes(records.clone());
            let at = at.index(sent.len());
            sent[at] ^= change;
            // Nobody looks at the zeros at the end.
            let padding = sent.len() - (8 + 2 * 24 + 8);
            if at < sent.len() - padding {
                prop_assert_ne!(read::<Record>(&sent), Some(records));
            }
        }
    }

    #[test]
    fn lengths_beyond_the_bytes_are_refused() {
        let sent = bytes(vec![Record(2, 1, "XVGBTC".into())]);
        assert!(read::<Record>(&sent).is_some());
        for at in [0, 8] {
            for length in [12, 100, u64::MAX / 24 + 1, u64::MAX / 8, u64::MAX] {
                let mut sent = sent.clone();
                sent[at..at + 8].copy_from_slice(&length.to_le_bytes());
                assert_eq!(read::<Record>(&sent), None, "{length} at {at}");
            }
        }
    }
}
