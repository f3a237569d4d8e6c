//! Where the password of a database is found that its URL does not have.

use crate::config::database::Database;
use crate::exit::{Exit, Failure};
use std::path::PathBuf;
use tokio_postgres::config::Host;

impl Database {
    /// Adds the password that the environment or a password file has, where the URL has none.
    pub(crate) fn find_password(&mut self) -> Result<(), Failure> {
        if self.config.get_password().is_some() {
            return Ok(());
        }
        if let Ok(password) = std::env::var("PGPASSWORD") {
            self.config.password(password);
            return Ok(());
        }
        let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
        let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
        let Some(path) = named.clone().or_else(usual) else { return Ok(()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                if let Some(password) = self.password_in(&text) {
                    self.config.password(password);
                }
                Ok(())
            }
            // The usual one need not be there.
            Err(_) if named.is_none() => Ok(()),
            Err(error) => {
                Err(Failure::new(Exit::Usage, format!("cannot read PGPASSFILE {}", path.display()))
                    .because(error))
            }
        }
    }

    /// Lines of `host:port:database:user:password`, `*` for any, a backslash before a colon that is none.
    fn password_in(&self, text: &str) -> Option<String> {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            _ => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432).to_string();
        let user =
            self.config.get_user().map_or_else(|| std::env::var("USER").unwrap_or_default(), str::to_owned);
        let database = self.config.get_dbname().unwrap_or(&user).to_owned();
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = fields(line);
            let [line_host, line_port, line_database, line_user, password] = fields.as_slice() else {
                return None;
            };
            let fits = |field: &String, value: &String| field == "*" || field == value;
            let all = fits(line_host, &host)
                && fits(line_port, &port)
                && fits(line_database, &database)
                && fits(line_user, &user);
            all.then(|| password.clone())
        })
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(characters.next())),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_password_file_that_fits_is_taken() {
        let place = Database::parse("postgres://me@db:5433/rates").expect("it is right");
        let file =
            "# mine\ndb:5432:rates:me:wrong\nother:*:*:*:wrong\n*:5433:*:me:a\\:b\\\\c:d\n*:*:*:*:late\n";
        assert_eq!(place.password_in(file).as_deref(), Some("a:b\\c:d"));
        assert_eq!(place.password_in("db:5433:rates:you:x\nshort:line\n"), None);
    }
}
