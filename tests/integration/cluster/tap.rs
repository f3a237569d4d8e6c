//! Whoever stands between two processes: what goes by is encrypted, and what is changed there is found.

use super::{Act, Hosts, Member, SOON, Task, WHOLE};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The bytes of each direction of each connection.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Hands on what goes to an address and back, and keeps it. The bit of a byte at that place is turned over.
fn tap(to: &str, spoiled: Option<usize>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, to, seen) = (listener.local_addr().expect("an address"), to.to_owned(), Seen::default());
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&to) else { continue };
            let clone = |stream: &TcpStream| stream.try_clone().expect("a clone");
            for (from, to) in [(clone(&client), clone(&server)), (server, client)] {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || hand_on(from, to, &kept, spoiled));
            }
        }
    });
    (address.to_string(), seen)
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, kept: &Seen, spoiled: Option<usize>) {
    let index = {
        let mut kept = kept.lock().expect("nobody panics");
        kept.push(Vec::new());
        kept.len() - 1
    };
    let (mut buffer, mut before) = ([0; 4_096], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(place) =
            spoiled.and_then(|place| place.checked_sub(before)).filter(|place| *place < count)
        {
            buffer[place] ^= 1;
        }
        before += count;
        // An endless run is not kept.
        if spoiled.is_none() {
            kept.lock().expect("nobody panics")[index].extend_from_slice(&buffer[..count]);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// Two processes, the second of which calls the first one through a tap.
fn start(hosts: &Hosts, act: Act, spoiled: Option<usize>) -> ([Member; 2], Seen) {
    let (address, seen) = tap(&hosts.addresses[0], spoiled);
    let path = hosts.directory.path().join("through-the-tap");
    fs::write(&path, format!("{address}\n{}\n", hosts.addresses[1])).expect("written");
    let called = Member::start(&hosts.task(0, act));
    let caller = Member::start(&Task { hostfile: Some(path), ..hosts.task(1, act) });
    ([called, caller], seen)
}

#[test]
fn nothing_but_the_proofs_goes_between_machines_in_clear() {
    let hosts = Hosts::new(2);
    let (members, seen) = start(&hosts, Act::Sum, None);
    for member in members {
        member.end(WHOLE).with(0, &["sums"]);
    }
    let seen = seen.lock().expect("nobody panics");
    let mut linked = 0;
    for bytes in seen.iter() {
        // Magic, version and challenge; then a proof with its head. A call that came too early has neither.
        let Some(mut rest) = bytes.get(14 + 2 + 32 + 5 + 32..) else { continue };
        assert!(bytes.starts_with(b"crossrate-link\x02\x00"));
        linked += 1;
        while let [kind, 0x03, 0x01 | 0x03, high, low, after @ ..] = rest {
            assert!((0x14..=0x17).contains(kind), "a record of kind {kind:x}");
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            rest = after.get(length..).unwrap_or_default();
        }
        assert!(rest.is_empty(), "{} bytes that are no TLS", rest.len());
        for words in [&b"window"[..], b"1.0.0", b"delay"] {
            assert!(!bytes.windows(words.len()).any(|part| part == words), "in clear: {words:?}");
        }
    }
    assert!(linked >= 4, "control and data, both ways: {linked}");
}

#[test]
fn what_is_changed_on_its_way_ends_the_run_with_the_reason() {
    let hosts = Hosts::new(2);
    // No control link says so much.
    let ([called, caller], _) = start(&hosts, Act::Endless, Some(200_000));
    let ends = [called.end(SOON), caller.end(SOON)];
    assert!(ends.iter().all(|end| end.code == Some(1)), "{ends:?}");
    assert!(ends.iter().all(|end| end.said.contains("was changed on its way")), "{ends:?}");
    assert!(ends.iter().all(|end| !end.said.contains("panicked")), "{ends:?}");
}
