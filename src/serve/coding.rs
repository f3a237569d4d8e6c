//! Content codings (RFC 9110, 8.4): answers that are whole before they leave are packed by gzip or zstd,
//! where whoever asks takes it. Streams stay as they are: a packer would hold their messages back.

use axum::http::{HeaderMap, HeaderValue, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Answers of fewer bytes are sent as they are: headers are as long.
const SMALL: usize = 1 << 10;
/// Packing so many bytes takes longer than other readers should wait for a thread.
const LARGE: usize = 256 << 10;
/// The fastest levels: rows repeat themselves, and become a tenth by any.
const ZSTD_LEVEL: i32 = 1;

/// How an answer is packed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// How an answer of so many bytes is packed for whoever sent these headers.
    pub(super) fn wanted(headers: &HeaderMap, bytes: usize) -> Coding {
        if bytes < SMALL {
            return Coding::Identity;
        }
        let accept = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let accepted: Vec<(&str, u32)> =
            accept.flat_map(|value| value.split(',')).filter_map(weighted).collect();
        let quality = |coding: Coding| {
            let of = |name: &str| accepted.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            of(coding.name()).or_else(|| of("*")).map_or(0, |(_, quality)| *quality)
        };
        // Of equals the last one.
        let best = [Coding::Gzip, Coding::Zstd].into_iter().max_by_key(|coding| quality(*coding));
        best.filter(|coding| quality(*coding) > 0).unwrap_or(Coding::Identity)
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }

    /// The packed bytes, and how they are packed: where that fails, not at all.
    pub(super) fn packed(self, body: Vec<u8>) -> (Coding, Vec<u8>) {
        let packed = match body.len() {
            LARGE.. if self != Coding::Identity => tokio::task::block_in_place(|| self.pack(&body)),
            _ => self.pack(&body),
        };
        match packed {
            Some(packed) => (self, packed),
            None => (Coding::Identity, body),
        }
    }

    fn pack(self, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => {
                let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
                packer.write_all(body).ok()?;
                packer.finish().ok()
            }
            Coding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).ok(),
        }
    }

    /// Says in the answer's headers how it is packed.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if self != Coding::Identity {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(self.name()));
        }
    }

    /// The tag of an answer that is packed so: of one text, each packing is another sequence of bytes.
    pub(super) fn tag(self, text: &str) -> String {
        match self {
            Coding::Identity => format!("\"{text}\""),
            _ => format!("\"{text}-{}\"", self.name()),
        }
    }
}

/// A name with its quality in thousandths, of a header that weighs names.
pub(super) fn weighted(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
    (0.0..=1.0).contains(&quality).then_some((name, (quality * 1_000.0_f32) as u32))
}

/// The text's own part of a tag, however the answer was packed.
pub(super) fn text_tag(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    [Coding::Gzip, Coding::Zstd]
        .iter()
        .find_map(|coding| tag.strip_suffix(coding.name())?.strip_suffix('-'))
        .unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn wanted(accept: &str) -> Coding {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
        Coding::wanted(&headers, SMALL)
    }

    #[test]
    fn the_coding_is_what_the_asker_takes() {
        for (accept, coding) in [
            ("gzip", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("GZIP;q=1.0, zstd;q=0.5", Coding::Gzip),
            ("*", Coding::Zstd),
            ("zstd;q=0, *;q=0.1", Coding::Gzip),
            ("deflate, br", Coding::Identity),
            ("identity", Coding::Identity),
            ("gzip;q=0", Coding::Identity),
            ("", Coding::Identity),
        ] {
            assert_eq!(wanted(accept), coding, "{accept}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new(), SMALL), Coding::Identity);
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(Coding::wanted(&headers, SMALL - 1), Coding::Identity, "it is not worth it");
    }

    #[test]
    fn what_is_packed_unpacks_to_itself() {
        let text = b"{\"kind\":\"cross\"}\n".repeat(1_000);
        let mut unpacked = Vec::new();
        let (_, gzip) = Coding::Gzip.packed(text.clone());
        flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        let (coding, packed) = Coding::Zstd.packed(text.clone());
        assert_eq!((coding, zstd::decode_all(&*packed).unwrap()), (Coding::Zstd, text.clone()));
        assert!(packed.len() < text.len() / 10 && gzip.len() < text.len() / 10);
        assert_eq!(Coding::Identity.packed(text.clone()), (Coding::Identity, text));
    }

    #[test]
    fn a_tag_names_its_text_however_it_is_packed() {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            assert_eq!(text_tag(&coding.tag("0af3")), "0af3");
        }
        assert_eq!(text_tag("W/\"0af3-gzip\""), "0af3");
        assert_eq!(text_tag("*"), "*");
    }
}
