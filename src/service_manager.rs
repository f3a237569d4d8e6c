//! Word to systemd, for units of `Type=notify`: a datagram to the socket that `NOTIFY_SOCKET` names. Where
//! there is none, and where nobody hears, nothing happens.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The command does its work from now on.
pub(crate) fn ready(what: &str) {
    tell(&format!("READY=1\nSTATUS={what}"));
}

/// The command ends, and tidies up.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

fn tell(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // Who cannot be told goes on without: the unit fails by its own timeout, which says so.
    let _ = send(name.as_encoded_bytes(), state);
}

fn send(name: &[u8], state: &str) -> std::io::Result<usize> {
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address(name)?)
}

fn address(name: &[u8]) -> std::io::Result<SocketAddr> {
    // Names that are no paths.
    #[cfg(target_os = "linux")]
    if let [b'@', rest @ ..] = name {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(rest);
    }
    SocketAddr::from_pathname(OsStr::from_bytes(name))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;

    #[test]
    fn word_reaches_sockets_with_paths_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("crossrate-test-{}", std::process::id());
        let of_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (socket, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str().as_bytes().to_vec()),
            (UnixDatagram::bind_addr(&of_name).unwrap(), format!("@{abstract_name}").into_bytes()),
        ] {
            send(&name, "READY=1").unwrap();
            let mut heard = [0; 32];
            let count = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..count], b"READY=1");
        }
        assert!(send(b"/nowhere/at/all", "READY=1").is_err());
    }
}
