//! Where results are served, and who may ask.

use crate::cli::layers::{Origin, SettingValues};
use crate::cli::settings::{self as s, CommandName, SettingText};
use crate::cli::usage::{InvalidValue, UsageError};
use crate::cli::values;
use crate::config::secret::{AccessRight, Token, Tokens};
use crate::config::{KeepServing, ServingConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Where results are served, if anywhere, and who may ask.
pub(super) fn serving(given: &SettingValues) -> Result<Option<ServingConfig>, UsageError> {
    let Some(listen) = given.find(&s::LISTEN)? else {
        if given.which() == CommandName::Serve {
            return Ok(None);
        }
        let others: [&SettingText; 5] = [
            &s::TOKEN_FILE.about,
            &s::ALLOW_ORIGIN.about,
            &s::RATE_METRICS.about,
            &s::HISTORY.about,
            &s::STAY.about,
        ];
        return match others.into_iter().find(|about| *given.origin(about) == Origin::Flag) {
            None => Ok(None),
            Some(about) => {
                Err(InvalidValue::told("no --listen", "--listen with it, the address to serve on")
                    .at(given.what(about)))
            }
        };
    };
    serving_at(given, listen).map(Some)
}

pub(super) fn serving_at(
    given: &SettingValues,
    mut listen: Vec<SocketAddr>,
) -> Result<ServingConfig, UsageError> {
    let token = match given.find(&s::TOKEN_FILE)? {
        Some(path) => Some(tokens(&path).map_err(|wrong| wrong.at(given.what(&s::TOKEN_FILE.about)))?),
        None => None,
    };
    if let Some(open) = listen.iter().find(|address| !address.ip().is_loopback())
        && token.is_none()
    {
        return Err(InvalidValue::told(
            open.to_string(),
            "a --token-file with an address that other machines can reach",
        )
        .hint("127.0.0.1 is reached from this machine only and needs none")
        .at(given.what(&s::LISTEN.about)));
    }
    if *given.origin(&s::LISTEN.about) == Origin::Default {
        // Nobody asked for that port in particular: where it is taken, any other will do.
        listen.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    }
    Ok(ServingConfig {
        listen,
        token,
        origins: given.find(&s::ALLOW_ORIGIN)?.unwrap_or_default(),
        rate_metrics: given.get(&s::RATE_METRICS)?,
        history: given.find(&s::HISTORY)?.map(Duration::from_micros),
        stay: if given.which() == CommandName::Serve { KeepServing::Always } else { given.get(&s::STAY)? },
    })
}

/// The tokens in a file, one a line: `TOKEN`, `TOKEN read` or `TOKEN change`.
fn tokens(path: &Path) -> Result<Tokens, InvalidValue> {
    let shown = format!("{:?}", path.display().to_string());
    let text = values::text_of(path)?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    let mut tokens = Tokens::default();
    for (number, line) in lines.clone() {
        let (token, right) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let right = match right.trim() {
            "" | "change" => AccessRight::Change,
            "read" => AccessRight::Read,
            _ => {
                let expected = "TOKEN, TOKEN read or TOKEN change";
                return Err(InvalidValue::told(
                    format!("{shown}, line {number}: another word behind the token"),
                    expected,
                ));
            }
        };
        if token.len() < SHORTEST_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong_token(&shown, token.chars().count()));
        }
        tokens.add(Token::new(token), right);
    }
    match lines.count() {
        0 => Err(wrong_token(&shown, 0)),
        _ => Ok(tokens),
    }
}

fn wrong_token(shown: &str, length: usize) -> InvalidValue {
    let expected = format!("{SHORTEST_TOKEN} characters at least, without blanks, in one line");
    InvalidValue::told(format!("{shown}: {length} characters"), expected)
        .hint("openssl rand -hex 32 makes one")
}
