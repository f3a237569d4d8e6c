//! Asks a server, and by `POST /v1/sql` in SQL.

use crate::exit::{Exit, Failure};
use crate::sql::worker::SqlRows;
use anyhow::Result;
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server complains about.
#[derive(Debug, Deserialize)]
pub struct RemoteProblem {
    detail: String,
    hint: Option<String>,
}

impl RemoteProblem {
    /// What an answer of that status comes to.
    pub fn failure(server: &str, status: u16, body: &[u8]) -> Failure {
        let exit = if (400..500).contains(&status) && status != 401 { Exit::Usage } else { Exit::Failed };
        match serde_json::from_slice(body) {
            Ok(RemoteProblem { detail, hint: Some(hint) }) => Failure::new(exit, detail).hint(hint),
            Ok(RemoteProblem { detail, hint: None }) => Failure::new(exit, detail),
            Err(_) => Failure::new(Exit::Failed, format!("{server} answered with status {status}"))
                .hint("is it a crossrate server?"),
        }
    }
}

/// A server, and what it wants of those who ask.
#[derive(Debug, Clone)]
pub struct RemoteServer {
    url: String,
    host: String,
    token: Option<String>,
}

impl RemoteServer {
    /// By its URL and the file of its token.
    pub fn new(url: &str, token: Option<&Path>) -> Result<RemoteServer> {
        let host = host(url)?;
        let token = match token {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Failure::new(Exit::Usage, format!("--token-file: cannot read {}", path.display()))
                    .because(error)
            })?),
        };
        let token = token.map(|token| token.trim().to_owned());
        Ok(RemoteServer { url: url.to_owned(), host, token })
    }

    /// What it is known by.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it answers, a body being JSON: the status, and the body.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        request(&self.host, self.token.as_deref(), method, path, body).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("cannot ask {}", self.url))
                .hint("is a crossrate run --listen, demo or serve there?")
                .because(error)
                .into()
        })
    }
}

fn host(server: &str) -> Result<String> {
    if server.contains('@') {
        // What stands before it may be a password.
        return Err(Failure::new(Exit::Usage, "--server: got an address with an @")
            .hint("expected the address of the server only, such as http://127.0.0.1:8080; --token-file says who asks")
            .into());
    }
    let wrong =
        |hint: &str| Failure::new(Exit::Usage, format!("--server: got {server:?}")).hint(hint.to_owned());
    let host = server.strip_prefix("http://").ok_or_else(|| match server.starts_with("https://") {
        true => wrong("this client speaks no TLS; use curl, or a tunnel to the server's own address"),
        false => wrong("expected a URL such as http://127.0.0.1:8080"),
    })?;
    let host = host.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', ' ']) {
        return Err(wrong("expected the address of the server only, such as http://127.0.0.1:8080").into());
    }
    Ok(host.to_owned())
}

/// What the server answers.
pub fn ask(server: &str, token: Option<&Path>, sql: &str) -> Result<SqlRows> {
    let asked = RemoteServer::new(server, token)?;
    let (status, body) =
        asked.request("POST", "/v1/sql", &serde_json::json!({ "query": sql }).to_string())?;
    if status == 200 {
        return Ok(serde_json::from_slice(&body)?);
    }
    let failure = RemoteProblem::failure(server, status, &body);
    Err(failure.into())
}

/// One request over a connection of its own: the status, and the body.
fn request(host: &str, token: Option<&str>, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>)> {
    let address =
        if host.ends_with(']') || !host.contains(':') { format!("{host}:80") } else { host.to_owned() };
    let mut stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{token}\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or_else(|| anyhow::anyhow!("no HTTP answer"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| anyhow::anyhow!("no HTTP answer"))?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = answer.split_off(end + 4);
    if length.is_some_and(|length| length != body.len()) {
        anyhow::bail!("the answer breaks off after {} bytes", body.len());
    }
    Ok((status, body))
}
