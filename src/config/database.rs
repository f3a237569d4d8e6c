//! Where a database is and how it is reached: the URL that was typed, what the environment adds, and TLS.
//!
//! `sslmode` has libpq's meanings: `prefer` and `require` encrypt without asking who answers (which helps
//! against those who listen, and against nobody else), `verify-full` checks certificate and name, by
//! `sslrootcert=FILE` or else the roots that browsers trust. Passwords may stand in `PGPASSWORD` or a
//! password file, where no other user sees them.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What is asked of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Nothing.
    Unverified,
    /// That it leads to these roots, or else to those that browsers trust, and bears the server's name.
    Verified(Option<PathBuf>),
}

/// A database, as far as the URL says.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls: Tls,
}

/// Whether this can be read as a place of a database; the error says what is wrong without repeating what was
/// typed.
pub fn check(url: &str) -> Result<(), String> {
    Database::parse(url).map(drop)
}

/// The place of a database for people: without user and password.
pub fn shown(url: &str) -> String {
    Database::parse(url).map_or_else(|_| "postgres".into(), |database| database.shown())
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Database {
    /// Reads a URL, or pairs of keys and values as libpq takes them. The error does not repeat what was
    /// typed.
    pub(crate) fn parse(typed: &str) -> Result<Database, String> {
        let (rest, mode, roots) = take_tls_settings(typed)?;
        let mut config: tokio_postgres::Config =
            rest.parse().map_err(|error: tokio_postgres::Error| words(&error))?;
        let tls = match mode.as_deref() {
            None | Some("prefer" | "disable" | "require") if roots.is_some() => {
                return Err("sslrootcert means something with sslmode=verify-full only".into());
            }
            None | Some("prefer") => Tls::Unverified,
            Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                Tls::Unverified
            }
            Some("require") => {
                config.ssl_mode(SslMode::Require);
                Tls::Unverified
            }
            Some("verify-full") => {
                config.ssl_mode(SslMode::Require);
                Tls::Verified(roots)
            }
            Some(_) => return Err("sslmode is disable, prefer, require or verify-full".into()),
        };
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let usual = Path::new("/var/run/postgresql");
            if usual.is_dir() {
                config.host_path(usual)
            } else {
                config.host("localhost")
            };
        }
        if config.get_application_name().is_none() {
            config.application_name("crossrate");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // A server that is gone without a word is noticed within half a minute.
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        Ok(Database { config, tls })
    }

    /// The place for people: without user and password.
    pub(crate) fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = match self.config.get_ports().first() {
            Some(5432) | None => String::new(),
            Some(port) => format!(":{port}"),
        };
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{host}{port}/{database}")
    }
}

/// Takes `sslmode` and `sslrootcert` out of what was typed: the client library knows them in part only.
fn take_tls_settings(typed: &str) -> Result<(String, Option<String>, Option<PathBuf>), String> {
    let (mut mode, mut roots) = (None, None);
    let mut take = |key: &str, value: &str| match key {
        "sslmode" => {
            mode = Some(value.to_owned());
            true
        }
        "sslrootcert" => {
            roots = Some(PathBuf::from(value));
            true
        }
        _ => false,
    };
    let rest = if typed.starts_with("postgres") {
        match typed.split_once('?') {
            Some((head, query)) => {
                let kept: Vec<&str> = query
                    .split('&')
                    .filter(|pair| {
                        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                        !take(key, &value.replace("%2F", "/").replace("%2f", "/"))
                    })
                    .collect();
                if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) }
            }
            None => typed.to_owned(),
        }
    } else {
        let kept: Vec<&str> = pairs(typed)
            .into_iter()
            .filter(|pair| pair.split_once('=').is_none_or(|(key, value)| !take(key, value)))
            .collect();
        kept.join(" ")
    };
    Ok((rest, mode, roots))
}

/// Pairs of keys and values as libpq separates them: by white space that is neither quoted nor behind a
/// backslash.
fn pairs(typed: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let pairs = typed.split(|c: char| {
        let was_escaped = escaped;
        escaped = c == '\\' && !was_escaped;
        quoted ^= c == '\'' && !was_escaped;
        c.is_whitespace() && !quoted && !was_escaped
    });
    pairs.filter(|pair| !pair.is_empty()).collect()
}

/// An error in one line: what the server said, else what the library did, with its cause.
pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => match said.detail() {
            Some(detail) => format!("{} ({})", said.message(), detail.trim_end_matches('.')),
            None => said.message().to_owned(),
        },
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgres_url_is_shown_without_its_password() {
        let shown = |typed: &str| Database::parse(typed).map(|place| place.shown());
        assert_eq!(
            shown("postgres://me:secret@db.example:5433/rates").as_deref(),
            Ok("postgres://db.example:5433/rates")
        );
        assert_eq!(shown("postgresql://db/rates?sslmode=require").as_deref(), Ok("postgres://db/rates"));
        assert_eq!(shown("host=/run/pg dbname=a sslmode=disable").as_deref(), Ok("postgres:///run/pg/a"));
        // What is quoted is left as it is.
        let quoted =
            Database::parse(r"host=db  password='a  b\' sslmode=x' sslmode=disable").expect("it is right");
        assert_eq!(quoted.config.get_password(), Some(b"a  b' sslmode=x".as_slice()));
        let verified =
            Database::parse("postgres://db/a?sslmode=verify-full&sslrootcert=ca.pem").expect("it is right");
        assert!(matches!(&verified.tls, Tls::Verified(Some(path)) if path == Path::new("ca.pem")));
        for wrong in [
            "postgres://me:hunter2@db/a?sslmode=verify",
            "postgres://hunter2@h:port/a",
            "hunter2",
            "a=hunter2",
        ] {
            let error = Database::parse(wrong).expect_err(wrong);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
