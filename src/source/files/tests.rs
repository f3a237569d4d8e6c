//! What a reader hands over, for every way in which the same lines may lie on a disk.

use super::lines::{Bytes, LONGEST, LineCutter, ReadStop};
use super::*;
use crate::source::TakenDelivery;
use crate::wire::chunk::{Chunk, Framing, LineFormat, Prefix};
use crate::wire::format::Format;
use crate::wire::{self, Record, Scratch};
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;

fn nobody() -> Waker {
    Arc::new(|| {})
}

fn start(record: u64, known: Option<Prefix>) -> Start {
    Start { record, known, remember: true, most_lines: 1 << 16 }
}

/// Everything in a feed, and why it ended; `None` where the input did.
fn drain(feed: &Feed) -> (Vec<Chunk>, Option<String>) {
    let mut chunks = Vec::new();
    loop {
        match feed.pop() {
            None => std::thread::yield_now(),
            Some(TakenDelivery::Delivery(Delivery::Chunk(chunk))) => chunks.push(chunk),
            Some(TakenDelivery::Delivery(Delivery::End)) => return (chunks, None),
            Some(TakenDelivery::Delivery(Delivery::Failed(error))) => {
                return (chunks, Some(format!("{error:#}")));
            }
            Some(other) => panic!("{other:?}"),
        }
    }
}

/// The lines that the decoder takes for records, as text with their format.
fn records(chunks: &[Chunk]) -> Vec<String> {
    let mut records = Vec::new();
    for chunk in chunks {
        let mark = match &chunk.framing {
            Framing::Lines(LineFormat::Json) => "",
            Framing::Lines(LineFormat::Csv { symbol, .. }) => symbol,
            Framing::Lines(LineFormat::Mapped(_)) => "mapped",
            Framing::Messages(_) => panic!("messages of a file"),
        };
        wire::decode_chunk(chunk, &mut Scratch::default(), |raw, _| {
            records.push(format!("{mark} {}", String::from_utf8_lossy(raw.bytes().trim_ascii())));
        });
    }
    records
}

/// What is read of a file from a record on.
fn read(path: &Path, symbol: Option<&str>, start: Start) -> Result<(Vec<Chunk>, Option<String>), String> {
    let reading = FileDecoding { symbol, format: &Format::default() };
    let input = InputFile::open(path, &reading, false).map_err(|error| format!("{error:#}"))?;
    let feed = Feed::new(4);
    let reader = input.spawn(0, start, Arc::clone(&feed), nobody()).expect("a thread");
    let drained = drain(&feed);
    reader.join().expect("no panic");
    Ok(drained)
}

/// The records of a file that can be read to its end.
fn all(path: &Path, symbol: Option<&str>) -> Vec<String> {
    let (chunks, why) = read(path, symbol, start(0, None)).expect("it opens");
    assert_eq!(why, None, "{}", path.display());
    records(&chunks)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        if name.ends_with('/') {
            writer.add_directory(*name, SimpleFileOptions::default()).expect("in memory");
            continue;
        }
        writer.start_file(*name, SimpleFileOptions::default()).expect("in memory");
        writer.write_all(bytes).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

#[test]
fn the_same_lines_in_every_packing() {
    let folder = Folder::new();
    let lines: String = (0..20_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let bytes = lines.as_bytes();
    let expected: Vec<String> = lines.lines().map(|line| format!(" {line}")).collect();
    let (head, tail) = bytes.split_at(100_001);
    let frame = |bytes| zstd::encode_all(bytes, 1).expect("in memory");
    let skipped = [&b"\x5a\x2a\x4d\x18\x03\0\0\0abc"[..], &frame(bytes)].concat();
    let (first, second) = bytes.split_at(lines[..100_000].rfind('\n').expect("a line") + 1);
    let member = |bytes: &'static [u8]| bytes;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("plain.jsonl", bytes.to_vec()),
        ("members.gz", [gzip(head), gzip(b""), gzip(tail)].concat()),
        ("padded.gz", [gzip(head), gzip(tail), vec![0; 200_000]].concat()),
        ("frames.zst", [frame(head), frame(tail)].concat()),
        ("skipped.zst", skipped),
        ("one.zip", zipped(&[("a", bytes)])),
        // A missing line end at a member's end ends the line; what macOS adds is nobody's data.
        (
            "three.zip",
            zipped(&[
                ("d/", b""),
                ("d/a", &first[..first.len() - 1]),
                ("__MACOSX/d/._a", member(b"\0\x05\x16\x07")),
                ("d/empty", b""),
                ("d/b", second),
            ]),
        ),
    ];
    for (name, content) in cases {
        // The name does not matter.
        for name in [name, "anything"] {
            assert!(all(&folder.file(name, &content), None) == expected, "{name}");
        }
    }
}

#[test]
fn members_have_names_of_their_own() {
    let folder = Folder::new();
    let csv = b"id,price,qty,quoteQty,time\n1,2,3,6,1525022020361\n";
    let path =
        folder.file("many.zip", &zipped(&[("x/A-trades-1.csv", csv), ("B-trades-1.csv", csv), ("c", b"{}")]));
    let line = "1,2,3,6,1525022020361";
    assert_eq!(all(&path, None), [format!("A {line}"), format!("B {line}"), " {}".to_owned()]);
    let path = folder.file("C-trades-1.zip", &zipped(&[("trades.csv", csv)]));
    assert_eq!(all(&path, None), [format!("C {line}")]);
    assert_eq!(all(&path, Some("D")), [format!("D {line}")]);
    let path = folder.file("trades.zip", &zipped(&[("trades.csv", csv)]));
    assert_eq!(all(&path, Some("D")), [format!("D {line}")]);
    let error = read(&path, None, start(0, None)).expect_err("no symbol");
    assert!(error.contains("trades.zip") && error.contains("--symbol"), "{error}");
}

#[test]
fn what_cannot_be_read_is_told_before_anything_is() {
    let folder = Folder::new();
    let lines = b"{}\n".repeat(1_000);
    let mut locked = zipped(&[("secret", &lines)]);
    // Bit 0 of the flags, in the local header and in the directory.
    locked[6] |= 1;
    let directory = locked.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    locked[directory + 8] |= 1;
    let mut method = zipped(&[("odd", &lines)]);
    let directory = method.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    method[8] = 97;
    method[directory + 10] = 97;
    let whole = zipped(&[("a", &lines)]);
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("locked.zip", locked, &["secret", "encrypted"]),
        ("method.zip", method, &["odd", "method not supported"]),
        ("empty.zip", zipped(&[]), &["no members"]),
        ("folders.zip", zipped(&[("a/", b"")]), &["no members"]),
        ("cut.zip", whole[..whole.len() - 30].to_vec(), &["zip"]),
        ("cut.gz", gzip(&lines)[..9].to_vec(), &["cut off", "byte 0"]),
        ("wide.jsonl", b"\xff\xfe{\0".to_vec(), &["UTF-16", "byte 0"]),
        ("wide.gz", gzip(b"\xfe\xff\0{"), &["UTF-16"]),
        ("trades.xz", b"\xfd7zXZ\0\0".to_vec(), &["xz"]),
        ("other.csv", b"Time,Price\n1,2\n".to_vec(), &["its columns are Time,Price"]),
        ("twice.gz", gzip(&gzip(&lines)), &["gzip within what was unpacked"]),
        ("inner.zip", zipped(&[("a.zip", &whole)]), &["member a.zip", "zip within what was unpacked"]),
        ("inner-gz.zip", zipped(&[("a.gz", &gzip(&lines))]), &["member a.gz", "gzip within"]),
        ("picture.zip", zipped(&[("a.png", b"\x89PNG\r\n\x1a\n\0\0")]), &["member a.png", "PNG"]),
    ];
    for (name, content, fragments) in cases {
        let error = read(&folder.file(name, &content), None, start(0, None)).expect_err(name);
        for fragment in [name].iter().chain(fragments) {
            assert!(error.contains(fragment), "{error} lacks {fragment}");
        }
    }
    for (place, fragment) in [("none.jsonl", "cannot open"), (".", "is a directory")] {
        let error = read(&folder.0.path().join(place), None, start(0, None)).expect_err(place);
        assert!(error.contains(fragment), "{error}");
    }
}

#[test]
fn what_follows_the_padding_of_gzip_is_no_content() {
    let folder = Folder::new();
    let padded = [gzip(b"{}\n"), vec![0; 10], gzip(b"{}\n")].concat();
    let (chunks, why) = read(&folder.file("a.gz", &padded), None, start(0, None)).expect("it begins well");
    assert_eq!(records(&chunks), [" {}"]);
    assert!(why.is_some_and(|why| why.contains("behind the padding")));
}

#[test]
fn what_comes_before_the_damage_is_read() {
    let folder = Folder::new();
    let lines: String = (0..50_000).map(|n| format!("{{\"n\":{}}}\n", n * 7_919 % 50_021)).collect();
    let packed = [gzip(lines.as_bytes()), zstd::encode_all(lines.as_bytes(), 1).expect("in memory")];
    for (whole, name) in packed.iter().zip(["a.gz", "a.zst"]) {
        let cut = folder.file(name, &whole[..whole.len() / 2]);
        let (chunks, why) = read(&cut, None, start(0, None)).expect("it begins well");
        let why = why.expect("it ends too early");
        assert!(why.contains("cut off"), "{name}: {why}");
        let found = records(&chunks);
        assert!(found.len() > 1_000, "{name}: {}", found.len());
        assert!(found.iter().zip(lines.lines()).all(|(found, line)| found[1..] == *line), "{name}");
        let whole_lines = lines.split_inclusive('\n').take(found.len()).map(str::len).sum::<usize>();
        let place: usize =
            why.split("byte ").nth(1).and_then(|t| t.split(' ').next()?.parse().ok()).expect("a place");
        assert!(place >= whole_lines, "{why}");

        let mut flipped = whole.clone();
        let at = whole.len() * 3 / 4;
        flipped[at] ^= 0x55;
        let (_, why) = read(&folder.file(name, &flipped), None, start(0, None)).expect("it begins well");
        assert!(why.is_some(), "{name}: a flipped bit is found by the checksum at the latest");
    }
    let mut member = zipped(&[("a", lines.as_bytes())]);
    let middle = member.len() / 2;
    member[middle] ^= 0x55;
    let (_, why) =
        read(&folder.file("a.zip", &member), None, start(0, None)).expect("its directory is whole");
    assert!(why.is_some(), "a zip has checksums too");
}

/// Gives its bytes in pieces of these sizes, again and again.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(to.len()).min(self.bytes.len());
        self.turn += 1;
        to[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

/// Cuts bytes that come in pieces.
fn cut(bytes: &[u8], sizes: &[usize], live: bool, name: &str, start: &Start) -> Result<Vec<Chunk>, String> {
    let feed = Feed::new(1 << 20);
    let waker = nobody();
    let mut lines = LineCutter::new(start, &feed, &waker);
    let mut pieces = Pieces { bytes, sizes: sizes.to_vec(), turn: 0 };
    let named = ArchiveNames { file: Some(name), member: None, symbol: None, mapping: None };
    let outcome = lines.member(&mut Bytes { from: &mut pieces, live }, &named).and_then(|()| lines.end());
    match outcome {
        Ok(()) => feed.push(Delivery::End).expect("open"),
        Err(ReadStop::Failed(failure)) => return Err(failure.to_string()),
        Err(ReadStop::Closed) => panic!("nobody closes it"),
    }
    Ok(drain(&feed).0)
}

const ARCHIVE: &str = "A-trades-1.csv";

fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("id,price,qty,quoteQty,time".to_owned()),
        Just("1,2,3,6,1525022020361".to_owned()),
        "[ \t\r]{0,3}",
        "[{}0-9a-z,\" ]{0,12}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    (proptest::collection::vec((line, end), 0..30), any::<bool>()).prop_map(|(lines, whole)| {
        let mut text: String = lines.into_iter().map(|(line, end)| line + end).collect();
        if !whole {
            text.pop();
        }
        text.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However the bytes arrive, from whichever record on: the records are those of the lines, and what was
    /// read is the same.
    #[test]
    fn a_file_cut_anywhere_gives_the_records_of_its_lines(
        content in content(), sizes in proptest::collection::vec(1usize..40, 1..5), live in any::<bool>(),
        most_lines in 1usize..8, from in 0usize..40, csv in any::<bool>(),
    ) {
        let name = if csv { ARCHIVE } else { "a.jsonl" };
        let plain = cut(&content, &[1 << 20], false, name, &start(0, None));
        let Ok(plain) = plain else {
            // What cannot be read cannot be in pieces.
            prop_assert!(cut(&content, &sizes, live, name, &start(0, None)).is_err());
            return Ok(());
        };
        let expected = records(&plain);
        let from = from.min(expected.len());
        let again = Start { record: from as u64, most_lines, ..start(0, None) };
        let chunks = cut(&content, &sizes, live, name, &again).expect("the same bytes");
        prop_assert_eq!(&records(&chunks)[..], &expected[from..]);
        for (place, chunk) in chunks.iter().enumerate() {
            prop_assert!(chunk.bytes.ends_with(b"\n") || place + 1 == chunks.len());
            prop_assert!(chunk.bytes.split_inclusive(|b| *b == b'\n').count() <= most_lines);
        }
        if let (Some(last), Some(other)) = (chunks.last(), plain.last()) {
            prop_assert_eq!(last.read, other.read);
            // Every one of its chunks can be taken up: what was read until there is found again.
            let mut known: Vec<(usize, Option<Prefix>)> = Vec::new();
            let mut record = from;
            for chunk in &chunks {
                record += records(std::slice::from_ref(chunk)).len();
                known.push((record, chunk.read));
            }
            for (record, read) in known {
                let taken_up = cut(&content, &sizes, live, name, &start(record as u64, read)).expect("unchanged");
                prop_assert_eq!(&records(&taken_up)[..], &expected[record..]);
            }
        }
    }
}

#[test]
fn a_pipe_does_not_wait_for_more() {
    let chunks = cut(b"{}\n{}\n{", &[3], true, "a", &start(0, None)).expect("lines");
    let lengths: Vec<usize> = chunks.iter().map(|chunk| chunk.bytes.len()).collect();
    assert_eq!(lengths, [3, 3, 1]);
    let chunks = cut(b"{}\n{}\n{", &[3], false, "a", &start(0, None)).expect("lines");
    let lengths: Vec<usize> = chunks.iter().map(|chunk| chunk.bytes.len()).collect();
    assert_eq!(lengths, [6, 1]);
}

/// What the decoder makes of each record, with its length.
fn kinds(chunks: &[Chunk]) -> Vec<(bool, usize)> {
    let mut kinds = Vec::new();
    for chunk in chunks {
        wire::decode_chunk(chunk, &mut Scratch::default(), |raw, record| {
            kinds.push((matches!(record, Record::Bad(_)), raw.bytes().len()));
        });
    }
    kinds
}

#[test]
fn a_line_that_is_too_long_is_one_bad_record() {
    let padded = |length: usize| {
        let mut line = b"{\"e\":\"x\"".to_vec();
        line.resize(length - 1, b' ');
        line.push(b'}');
        line
    };
    let most = 16 << 20;
    let (small, right, long) = (b"{}".to_vec(), padded(most), padded(most + 1));
    let (longer, longest) = (padded(LONGEST + 1), padded(2 * LONGEST));
    let lines = [&small, &right, &long, &longer, &small, &longest, &small].map(Vec::as_slice);
    let expected = [
        (false, 2),
        (false, most),
        (true, most + 1),
        (true, LONGEST),
        (false, 2),
        (true, LONGEST),
        (false, 2),
    ];
    let content = lines.join(&b'\n');
    let chunks = cut(&content, &[1 << 20], false, "a", &start(0, None)).expect("lines");
    assert_eq!(kinds(&chunks), expected);
    for (place, chunk) in chunks.iter().enumerate() {
        assert!(chunk.bytes.len() <= LONGEST + (1 << 20), "chunk {place} is bounded");
    }
    // It is passed over, and what is behind it found again, like any other; from a pipe too.
    let read = chunks.iter().rev().nth(1).and_then(|chunk| chunk.read);
    let chunks = cut(&content, &[1 << 20], true, "a", &start(6, read)).expect("unchanged");
    assert_eq!(kinds(&chunks), expected[6..]);
    // The end of the file may come first; the record is the same.
    let chunks = cut(&longest, &[1 << 20], false, "a", &start(0, None)).expect("lines");
    assert_eq!(kinds(&chunks), [(true, LONGEST)]);
}

#[test]
fn white_space_is_no_record_however_long() {
    let mut blank = vec![b' '; 2 * LONGEST];
    blank.extend_from_slice(b"\n{}\n");
    let chunks = cut(&blank, &[1 << 20], false, "a", &start(0, None)).expect("lines");
    assert_eq!(kinds(&chunks), [(false, 2)]);
    // With one byte behind it that is none, it is.
    for at in [LONGEST, 2 * LONGEST - 1] {
        let mut line = blank.clone();
        line[at] = b'{';
        let chunks = cut(&line, &[1 << 20], false, "a", &start(0, None)).expect("lines");
        assert_eq!(kinds(&chunks), [(true, LONGEST + 1), (false, 2)], "at {at}");
    }
}
