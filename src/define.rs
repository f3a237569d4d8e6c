//! `crossrate define`: changes the definition of a job that runs, by asking its server.

use crate::config::define::{AskedServer, Define, DefinitionEdit, DefinitionPart};
use crate::config::log::{ToldChange, time};
use crate::exit::{Exit, Failure};
use crate::query::remote::{RemoteProblem, RemoteServer};
use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Write;

#[derive(Deserialize)]
struct ServerOutcome {
    changes: Vec<ToldChange>,
    kept: bool,
    /// Of a server of an earlier release none.
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    waiting: Vec<String>,
}

#[derive(Deserialize)]
struct ServedDefinition {
    crosses: Vec<ServedCross>,
    symbols: Value,
    log: Vec<ToldChange>,
}

#[derive(Deserialize)]
struct ServedCross {
    name: String,
    formula: String,
    since_ms: Option<u64>,
}

/// Asks, and tells what came of it.
pub fn run(define: &Define) -> Result<Exit> {
    let (asked, patch) = match &define.what {
        DefinitionEdit::List { json, server } => return list(server, *json),
        DefinitionEdit::Cross { crosses, server } => (server, json!({ "crosses": formulas(crosses)? })),
        DefinitionEdit::Symbol { symbols, server } => {
            (server, json!({ "symbols": each(symbols, Value::Bool(true)) }))
        }
        DefinitionEdit::Drop { kind: DefinitionPart::Cross, names, server } => {
            (server, json!({ "crosses": each(names, Value::Null) }))
        }
        DefinitionEdit::Drop { kind: DefinitionPart::Symbol, names, server } => {
            (server, json!({ "symbols": each(names, Value::Null) }))
        }
    };
    let outcome: ServerOutcome = ask(asked, "PATCH", &patch.to_string())?;
    let mut lines = String::new();
    for change in &outcome.changes {
        lines += &format!("{change}\n");
    }
    if outcome.changes.is_empty() {
        lines += "nothing changes: the definition has that already\n";
    } else if !outcome.kept {
        lines += "the job has no checkpoint: a restart begins without these changes\n";
    }
    for warning in &outcome.warnings {
        tracing::warn!(word = "warning", "{warning}");
    }
    for symbol in &outcome.waiting {
        lines += &format!("{symbol} has had no row so far: what needs it has rows once it trades\n");
    }
    print(&lines)
}

/// What holds, and what has changed.
fn list(server: &AskedServer, json: bool) -> Result<Exit> {
    if json {
        let definition: Value = ask(server, "GET", "")?;
        return print(&format!("{definition}\n"));
    }
    let ServedDefinition { crosses, symbols, log } = ask(server, "GET", "")?;
    let mut lines = String::new();
    for ServedCross { name, formula, since_ms } in crosses {
        let since = since_ms.map_or_else(String::new, |since| format!(" since {}", time(since)));
        lines += &format!("cross {name}={formula}{since}\n");
    }
    match symbols.as_array() {
        None => lines += "symbols all\n",
        Some(symbols) => {
            symbols
                .iter()
                .filter_map(Value::as_str)
                .for_each(|symbol| lines += &format!("symbol {symbol}\n"));
        }
    }
    for change in log {
        lines += &format!("changed: {change}\n");
    }
    print(&lines)
}

/// `NAME=FORMULA`, by name.
fn formulas(texts: &[String]) -> Result<Map<String, Value>> {
    let mut formulas = Map::new();
    for text in texts {
        let Some((name, formula)) = text.split_once('=') else {
            return Err(Failure::new(Exit::Usage, format!("got {text:?}: there is no ="))
                .hint("expected NAME=LEG*LEG or NAME=LEG/LEG, such as XVGUSDT=XVGBTC*BTCUSDT")
                .into());
        };
        formulas.insert(name.trim().to_owned(), formula.into());
    }
    Ok(formulas)
}

fn each(names: &[String], value: Value) -> Map<String, Value> {
    names.iter().map(|name| (name.clone(), value.clone())).collect()
}

fn ask<T: for<'a> Deserialize<'a>>(asked: &AskedServer, method: &str, body: &str) -> Result<T> {
    let server = RemoteServer::new(&asked.server, asked.token_file.as_deref())?;
    let (status, body) = server.request(method, "/v1/definition", body)?;
    if status == 200 {
        return Ok(serde_json::from_slice(&body)?);
    }
    Err(RemoteProblem::failure(server.url(), status, &body).into())
}

fn print(text: &str) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}
