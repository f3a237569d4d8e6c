//! Who is there: the exchange that opens every connection between processes, before timely or anyone else
//! reads a byte of it. Both sides prove that they know the cluster's secret, agree on keys, then show their
//! cards.
//!
//! ```text
//! dialer                                answerer
//! magic, protocol, challenge d   ->
//!                                <-     magic, protocol, challenge a
//! proof(d, a, "dial")            ->
//!                                <-     proof(d, a, "answer"), or refused in words
//!             TLS 1.3 from here on, between machines
//! hello, authenticated            ->
//!                                <-     hello, authenticated
//!                                <-     welcome, or refused in words
//! ```
//!
//! The dialer proves itself first: who only dials around learns nothing that depends on the secret. The
//! secret never travels; a proof is an HMAC-SHA-256 under a key derived from it and both challenges, with the
//! sender's role in it, so that no answer can be replayed or reflected. Both sides derive the keys by which
//! they know each other in TLS from the same ([`super::tls`]). So whoever stands between them can hand the
//! proofs on, and reads or changes nothing.

use super::tls::{SecuredStream, Seed};
use crate::job_identity::Identity;
use crate::terminal::printable;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::io::{self, Read, Write};

/// The version of this exchange and of what follows it. Another one is told, never guessed at.
const PROTOCOL: u16 = 2;
const MAGIC: &[u8; 14] = b"crossrate-link";
const CHALLENGE: usize = 32;
const PROOF: usize = 32;

/// The longest message believed from one who has proven nothing.
const SMALL: usize = 4 << 10;
/// The longest hello: a job of a hundred thousand crosses fits.
const LARGE: usize = 16 << 20;

/// What all processes of a cluster know and nobody else does.
#[derive(Clone)]
pub(super) struct Secret(pub(super) Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether others could read a connection, and what is done about it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    /// It stays within this machine, in a directory of its user.
    Machine,
    /// It is encrypted.
    Tls,
}

/// What a connection is for.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LinkPurpose {
    /// Heartbeats and endings.
    Control,
    /// timely's.
    Data,
}

/// What each side says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// `-p`.
    pub(super) index: usize,
    /// Random for each start of a process: tells two that claim the same index apart.
    pub(super) instance: String,
    pub(super) purpose: LinkPurpose,
    pub(super) identity: Identity,
}

/// Why there is no link.
#[derive(Debug)]
pub(super) enum LinkError {
    /// Whoever it is does not speak our language, broke off, or was too slow.
    Stranger(String),
    /// It speaks another version of our language.
    Protocol(u16),
    /// It does not know our secret, or we not theirs.
    Secret,
    /// It turned us away, in these words.
    Told(String),
    /// The connection leads back to ourselves.
    Myself,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        LinkError::Stranger(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "too slow".into(),
            io::ErrorKind::UnexpectedEof => "broke off".into(),
            _ => error.to_string(),
        })
    }
}

/// The caller's part up to the cards; `verdict` follows.
pub(super) fn dial<S: Read + Write>(
    mut stream: S,
    secret: &Secret,
    protection: Protection,
    hello: &Hello,
) -> Result<(Hello, SecuredStream<S>), LinkError> {
    let ours = challenge()?;
    send_hello(&mut stream, &ours)?;
    let theirs = read_hello(&mut stream)?;
    if theirs == ours {
        return Err(LinkError::Myself);
    }
    let session = SessionKey::new(secret, &ours, &theirs);
    send(&mut stream, HandshakeMessage::Proof, &session.proof("dial"))?;
    if !session.proves("answer", &expect(&mut stream, HandshakeMessage::Proof, SMALL)?) {
        return Err(LinkError::Secret);
    }
    let mut secured = match protection {
        Protection::Machine => SecuredStream::in_clear(stream),
        Protection::Tls => SecuredStream::dialer(stream, &session.seed("dial"), &session.seed("answer"))?,
    };
    session.send_card(&mut secured, "dial", hello)?;
    let theirs = session.read_card(&mut secured, "answer")?;
    Ok((theirs, secured))
}

/// The caller's last word to hear.
pub(super) fn verdict(stream: &mut impl Read) -> Result<(), LinkError> {
    expect(stream, HandshakeMessage::Welcome, SMALL).map(drop)
}

/// The called one's part up to the cards; [`welcome`] or [`refuse`] must follow. `proven` is called when the
/// caller has proven to know the secret.
pub(super) fn answer<S: Read + Write>(
    mut stream: S,
    secret: &Secret,
    protection: Protection,
    hello: impl FnOnce(LinkPurpose) -> Hello,
    proven: impl FnOnce(),
) -> Result<(Hello, SecuredStream<S>), LinkError> {
    let ours = challenge()?;
    let theirs = match read_hello(&mut stream) {
        // So that the other side can say so, too.
        Err(LinkError::Protocol(version)) => {
            send_hello(&mut stream, &ours)?;
            return Err(LinkError::Protocol(version));
        }
        theirs => theirs?,
    };
    send_hello(&mut stream, &ours)?;
    let session = SessionKey::new(secret, &theirs, &ours);
    if !session.proves("dial", &expect(&mut stream, HandshakeMessage::Proof, SMALL)?) {
        send(&mut stream, HandshakeMessage::OtherSecret, &[])?;
        return Err(LinkError::Secret);
    }
    proven();
    send(&mut stream, HandshakeMessage::Proof, &session.proof("answer"))?;
    let mut secured = match protection {
        Protection::Machine => SecuredStream::in_clear(stream),
        Protection::Tls => SecuredStream::answerer(stream, &session.seed("answer"), &session.seed("dial"))?,
    };
    let their_card = session.read_card(&mut secured, "dial")?;
    session.send_card(&mut secured, "answer", &hello(their_card.purpose))?;
    Ok((their_card, secured))
}

/// Lets the caller in.
pub(super) fn welcome(stream: &mut impl Write) -> io::Result<()> {
    send(stream, HandshakeMessage::Welcome, &[])
}

/// Turns the caller away in words.
pub(super) fn refuse(stream: &mut impl Write, words: &str) -> io::Result<()> {
    send(stream, HandshakeMessage::Refused, words.as_bytes().get(..SMALL).unwrap_or(words.as_bytes()))
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn challenge() -> io::Result<[u8; CHALLENGE]> {
    random()
}

fn send_hello(stream: &mut impl Write, challenge: &[u8; CHALLENGE]) -> io::Result<()> {
    let mut hello = MAGIC.to_vec();
    hello.extend(PROTOCOL.to_le_bytes());
    hello.extend(challenge);
    stream.write_all(&hello)
}

fn read_hello(stream: &mut impl Read) -> Result<[u8; CHALLENGE], LinkError> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(LinkError::Stranger("does not speak crossrate's protocol".into()));
    }
    let mut version = [0; 2];
    stream.read_exact(&mut version)?;
    let mut challenge = [0; CHALLENGE];
    stream.read_exact(&mut challenge)?;
    match u16::from_le_bytes(version) {
        PROTOCOL => Ok(challenge),
        other => Err(LinkError::Protocol(other)),
    }
}

/// What is sent after the greetings: a byte of kind, a length of four bytes, and so many bytes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum HandshakeMessage {
    Proof = 1,
    Hello = 2,
    Welcome = 3,
    Refused = 4,
    OtherSecret = 5,
}

fn send(stream: &mut impl Write, kind: HandshakeMessage, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let mut bytes = vec![kind as u8];
    bytes.extend(length.to_le_bytes());
    bytes.extend(payload);
    stream.write_all(&bytes)
}

fn expect(stream: &mut impl Read, wanted: HandshakeMessage, limit: usize) -> Result<Vec<u8>, LinkError> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(LinkError::Stranger("sent too much".into()));
    }
    // `take` lets the buffer grow with what really comes, not with what was announced.
    let mut payload = Vec::new();
    if stream.take(length as u64).read_to_end(&mut payload)? < length {
        return Err(LinkError::Stranger("broke off".into()));
    }
    match kind {
        kind if kind == wanted as u8 => Ok(payload),
        kind if kind == HandshakeMessage::Refused as u8 => Err(LinkError::Told(printable(&payload))),
        kind if kind == HandshakeMessage::OtherSecret as u8 => Err(LinkError::Secret),
        _ => Err(LinkError::Stranger("does not speak crossrate's protocol".into())),
    }
}

/// The key that both sides derive, and what it signs.
struct SessionKey(Vec<u8>);

impl SessionKey {
    fn new(secret: &Secret, dialer: &[u8; CHALLENGE], answerer: &[u8; CHALLENGE]) -> SessionKey {
        let mut key = hmac(&secret.0);
        key.update(b"crossrate session");
        key.update(dialer);
        key.update(answerer);
        SessionKey(key.finalize().into_bytes().to_vec())
    }

    fn proof(&self, role: &str) -> Vec<u8> {
        self.sign(role, b"").finalize().into_bytes().to_vec()
    }

    /// In constant time.
    fn proves(&self, role: &str, proof: &[u8]) -> bool {
        self.sign(role, b"").verify_slice(proof).is_ok()
    }

    /// Of the side with this role. Nothing else is signed with an empty payload by that name.
    fn seed(&self, role: &str) -> Seed {
        self.sign(&format!("{role} key"), b"").finalize().into_bytes().into()
    }

    fn sign(&self, role: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = hmac(&self.0);
        mac.update(&[role.len() as u8]);
        mac.update(role.as_bytes());
        mac.update(payload);
        mac
    }

    fn send_card(&self, stream: &mut impl Write, role: &str, hello: &Hello) -> io::Result<()> {
        let hello = serde_json::to_vec(hello).map_err(io::Error::other)?;
        let mut payload = self.sign(role, &hello).finalize().into_bytes().to_vec();
        payload.extend(hello);
        send(stream, HandshakeMessage::Hello, &payload)
    }

    fn read_card(&self, stream: &mut impl Read, role: &str) -> Result<Hello, LinkError> {
        let payload = expect(stream, HandshakeMessage::Hello, LARGE)?;
        let (mac, hello) = payload.split_at_checked(PROOF).unwrap_or((&[], &payload));
        if self.sign(role, hello).verify_slice(mac).is_err() {
            return Err(LinkError::Stranger("sent a hello that it did not sign".into()));
        }
        serde_json::from_slice(hello)
            .map_err(|error| LinkError::Stranger(format!("sent an unreadable hello: {error}")))
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("an HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn hello(index: usize) -> Hello {
        let identity =
            Identity { version: "1".into(), processes: 2, threads: 1, run: String::new(), job: Vec::new() };
        Hello { index, instance: format!("i{index}"), purpose: LinkPurpose::Data, identity }
    }

    fn pair() -> (UnixStream, UnixStream) {
        let (one, other) = UnixStream::pair().expect("a pair");
        for stream in [&one, &other] {
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        }
        (one, other)
    }

    fn meet(dialer: &str, answerer: &str) -> [Result<Hello, LinkError>; 2] {
        let (here, there) = pair();
        let secret = Secret(answerer.as_bytes().to_vec());
        let answering =
            std::thread::spawn(move || answer(there, &secret, Protection::Tls, |_| hello(0), || ()));
        let dialed = dial(here, &Secret(dialer.as_bytes().to_vec()), Protection::Tls, &hello(1));
        [dialed, answering.join().expect("no panic")].map(|met| met.map(|(card, _)| card))
    }

    fn answered(stream: UnixStream) -> Result<Hello, LinkError> {
        let secret = Secret(Vec::new());
        answer(stream, &secret, Protection::Tls, |_| hello(0), || ()).map(|(card, _)| card)
    }

    #[test]
    fn who_knows_the_secret_sees_the_other_card() {
        for secret in ["", "correct horse battery staple"] {
            let [dialed, answered] = meet(secret, secret);
            assert_eq!(dialed.expect("dialed"), hello(0));
            assert_eq!(answered.expect("answered"), hello(1));
        }
    }

    #[test]
    fn another_secret_is_told_to_both() {
        for (dialer, answerer) in [("one", "two"), ("", "two"), ("one", "")] {
            let [dialed, answered] = meet(dialer, answerer);
            assert!(matches!(dialed, Err(LinkError::Secret)), "{dialed:?}");
            assert!(matches!(answered, Err(LinkError::Secret)), "{answered:?}");
        }
    }

    #[test]
    fn another_protocol_is_told_to_both() {
        let (mut here, there) = pair();
        let answering = std::thread::spawn(move || answered(there));
        here.write_all(MAGIC).expect("sent");
        here.write_all(&7u16.to_le_bytes()).expect("sent");
        here.write_all(&[0; CHALLENGE]).expect("sent");
        assert!(read_hello(&mut here).is_ok());
        assert!(matches!(answering.join().expect("no panic"), Err(LinkError::Protocol(7))));
    }

    #[test]
    fn noise_from_a_stranger_gets_no_answer() {
        let noise: [&[u8]; 5] = [b"", b"GET / HTTP/1.1\r\n\r\n", b"crossrate", &[0xff; 100], &[0; 3]];
        for bytes in noise {
            let (mut here, there) = pair();
            let answering = std::thread::spawn(move || answered(there));
            here.write_all(bytes).expect("sent");
            here.shutdown(std::net::Shutdown::Write).expect("shut down");
            assert!(matches!(answering.join().expect("no panic"), Err(LinkError::Stranger(_))));
            let mut heard = Vec::new();
            // A close with bytes unread may come as a reset.
            let _ = here.read_to_end(&mut heard);
            assert!(heard.is_empty());
        }
    }

    #[test]
    fn a_reflected_proof_proves_nothing() {
        // A man in the middle who answers with what the dialer sent.
        let (here, mut there) = pair();
        let mirror = std::thread::spawn(move || {
            let theirs = read_hello(&mut there).expect("a hello");
            let ours = theirs.map(|byte| byte ^ 1);
            send_hello(&mut there, &ours).expect("sent");
            let proof = expect(&mut there, HandshakeMessage::Proof, SMALL).expect("a proof");
            send(&mut there, HandshakeMessage::Proof, &proof).expect("sent");
        });
        let dialed = dial(here, &Secret(b"s".to_vec()), Protection::Tls, &hello(1));
        assert!(matches!(dialed, Err(LinkError::Secret)), "{dialed:?}");
        mirror.join().expect("no panic");
    }

    #[test]
    fn a_connection_to_oneself_is_seen() {
        let (here, mut there) = pair();
        let echo = std::thread::spawn(move || {
            let mut hello = [0; MAGIC.len() + 2 + CHALLENGE];
            there.read_exact(&mut hello).expect("a hello");
            there.write_all(&hello).expect("sent");
        });
        let dialed = dial(here, &Secret(Vec::new()), Protection::Tls, &hello(1));
        assert!(matches!(dialed, Err(LinkError::Myself)), "{dialed:?}");
        echo.join().expect("no panic");
    }

    #[test]
    fn an_announced_length_is_not_believed() {
        let (mut here, mut there) = pair();
        here.write_all(&[HandshakeMessage::Proof as u8, 0xff, 0xff, 0xff, 0xff]).expect("sent");
        assert!(matches!(expect(&mut there, HandshakeMessage::Proof, SMALL), Err(LinkError::Stranger(_))));
    }

    /// Hands on what comes, and notes it; after the proofs it answers as both sides, with keys of another
    /// secret.
    #[test]
    fn whoever_hands_the_proofs_on_is_not_believed_afterwards_and_reads_no_card() {
        let ((here, mut near), (mut far, there)) = (pair(), pair());
        let secret = || Secret(b"what nobody between them knows".to_vec());
        let answering = std::thread::spawn(move || {
            answer(there, &secret(), Protection::Tls, |_| hello(0), || ()).map(|(card, _)| card)
        });
        let between = std::thread::spawn(move || {
            let dialer = read_hello(&mut near).expect("a hello");
            send_hello(&mut far, &dialer).expect("sent");
            let answerer = read_hello(&mut far).expect("a hello");
            send_hello(&mut near, &answerer).expect("sent");
            let proof = expect(&mut near, HandshakeMessage::Proof, SMALL).expect("a proof");
            send(&mut far, HandshakeMessage::Proof, &proof).expect("sent");
            let proof = expect(&mut far, HandshakeMessage::Proof, SMALL).expect("a proof");
            send(&mut near, HandshakeMessage::Proof, &proof).expect("sent");
            let guessed = SessionKey::new(&Secret(b"a guess".to_vec()), &dialer, &answerer);
            let (dial, answer) = (guessed.seed("dial"), guessed.seed("answer"));
            let other_end = std::thread::spawn(move || SecuredStream::dialer(far, &dial, &answer).is_ok());
            let near_end =
                SecuredStream::answerer(near, &guessed.seed("answer"), &guessed.seed("dial")).is_ok();
            (near_end, other_end.join().expect("no panic"))
        });
        let dialed = dial(here, &secret(), Protection::Tls, &hello(1)).map(|(card, _)| card);
        assert!(matches!(dialed, Err(LinkError::Stranger(_))), "{dialed:?}");
        let answered = answering.join().expect("no panic");
        assert!(matches!(answered, Err(LinkError::Stranger(_))), "{answered:?}");
        assert_eq!(between.join().expect("no panic"), (false, false));
    }
}
