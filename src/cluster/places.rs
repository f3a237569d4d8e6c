//! Where the processes of a run are found, and the secret they share.

use super::ClusterError;
use super::handshake::Secret;
use super::socket::Address;
use crate::config;
use std::collections::HashMap;
use std::fs;
use std::net::ToSocketAddrs;
use std::path::Path;

/// The first port without a hostfile, as in timely.
const FIRST_PORT: usize = 2101;

/// The file with the made-up secret in the private directory.
pub(super) const SECRET: &str = "secret";

/// A shorter secret would be guessed from a recorded handshake.
const SHORTEST_SECRET: usize = 16;

/// The addresses of all processes, in order.
pub(super) fn addresses(cluster: &config::Cluster) -> Result<Vec<Address>, ClusterError> {
    if let Some(directory) = &cluster.private {
        return Ok((0..cluster.processes)
            .map(|index| Address::Unix(directory.join(index.to_string())))
            .collect());
    }
    let Some(path) = &cluster.hostfile else {
        if FIRST_PORT + cluster.processes > usize::from(u16::MAX) {
            return Err(ClusterError::TooMany { processes: cluster.processes });
        }
        let local = |index| Address::Tcp(format!("localhost:{}", FIRST_PORT + index));
        return Ok((0..cluster.processes).map(local).collect());
    };
    let text = fs::read_to_string(path)
        .map_err(|source| ClusterError::UnreadableHostfile { path: path.clone(), source })?;
    let hosts = hostfile(&text).map_err(|(line, wrong)| ClusterError::Hostfile {
        path: path.clone(),
        line,
        wrong,
    })?;
    if hosts.len() < cluster.processes {
        return Err(ClusterError::ShortHostfile {
            path: path.clone(),
            found: hosts.len(),
            processes: cluster.processes,
        });
    }
    Ok(hosts.into_iter().take(cluster.processes).map(Address::Tcp).collect())
}

/// The `host:port` lines of a hostfile, or the number of the first wrong line and what is wrong with it.
fn hostfile(text: &str) -> Result<Vec<String>, (usize, String)> {
    let (mut hosts, mut seen) = (Vec::new(), HashMap::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((host, port)) = line.rsplit_once(':') else {
            return Err((number, format!("`{line}` has no port; write host:port")));
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err((number, format!("`{line}` is not host:port")));
        }
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err((number, format!("`{line}`: write an IPv6 address in brackets, [::1]:2101")));
        }
        if port.parse::<u16>().ok().filter(|port| *port > 0).is_none() {
            return Err((number, format!("`{port}` is not a port from 1 to 65535")));
        }
        if let Some(before) = seen.insert(line.to_owned(), number) {
            return Err((number, format!("`{line}` stands in line {before} already")));
        }
        hosts.push(line.to_owned());
    }
    Ok(hosts)
}

/// The secret of this run. Without a file it is empty, which any user of this machine can know too; so it is
/// good only for addresses that no other machine reaches.
pub(super) fn secret(cluster: &config::Cluster, addresses: &[Address]) -> Result<Secret, ClusterError> {
    if let Some(directory) = &cluster.private {
        return read_secret(&directory.join(SECRET));
    }
    match &cluster.secret_file {
        Some(path) => read_secret(path),
        None => match addresses.iter().find_map(beyond_this_machine) {
            Some(address) => Err(ClusterError::SecretNeeded { address }),
            None => Ok(Secret(Vec::new())),
        },
    }
}

/// White space around it, such as the line end, is no part of the secret: editors add it unasked.
fn read_secret(path: &Path) -> Result<Secret, ClusterError> {
    let bytes =
        fs::read(path).map_err(|source| ClusterError::UnreadableSecret { path: path.to_owned(), source })?;
    let secret = bytes.trim_ascii();
    if secret.len() < SHORTEST_SECRET {
        return Err(ClusterError::WeakSecret { path: path.to_owned() });
    }
    Ok(Secret(secret.to_vec()))
}

/// The address, if another machine may reach it: all that does not resolve to this machine alone.
fn beyond_this_machine(address: &Address) -> Option<String> {
    let Address::Tcp(address) = address else { return None };
    let resolved: Vec<_> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let local = !resolved.is_empty() && resolved.iter().all(|address| address.ip().is_loopback());
    (!local).then(|| address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostfile_is_lines_of_host_and_port() {
        let text = "# two machines\n\na:2101 # the first\r\n  b.example.com:80\n[::1]:7\n";
        assert_eq!(hostfile(text).expect("good"), ["a:2101", "b.example.com:80", "[::1]:7"]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let cases = [
            ("a:1\nb\n", 2, "no port"),
            ("a:0", 1, "not a port"),
            ("\n\na:70000", 3, "not a port"),
            (":80", 1, "not host:port"),
            ("a:1 b:2", 1, "not host:port"),
            ("::1:2101", 1, "brackets"),
            ("a:1\n#\na:1", 3, "line 1 already"),
        ];
        for (text, line, wrong) in cases {
            let (number, words) = hostfile(text).expect_err(text);
            assert_eq!(number, line, "{text}");
            assert!(words.contains(wrong), "{text}: {words}");
        }
    }

    #[test]
    fn only_this_machine_needs_no_secret() {
        let tcp = |address: &str| Address::Tcp(address.into());
        let cluster = config::Cluster::default();
        assert!(secret(&cluster, &[tcp("127.0.0.1:1"), tcp("localhost:2"), tcp("[::1]:3")]).is_ok());
        for far in ["10.0.0.1:1", "0.0.0.0:1", "no-such-host.invalid:1"] {
            let refused = secret(&cluster, &[tcp("127.0.0.1:1"), tcp(far)]);
            assert!(matches!(refused, Err(ClusterError::SecretNeeded { address }) if address == far));
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_its_line_end_is_not_part_of_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        let read = |content: &str| {
            fs::write(&path, content).expect("written");
            read_secret(&path)
        };
        assert!(matches!(read("short\n"), Err(ClusterError::WeakSecret { .. })));
        assert_eq!(read("0123456789abcdef\n").expect("good").0, b"0123456789abcdef");
        assert!(matches!(read_secret(directory.path()), Err(ClusterError::UnreadableSecret { .. })));
    }
}
