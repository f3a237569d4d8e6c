//! Manual pages, made of what `--help` says: `crossrate man > crossrate.1`,
//! `crossrate man run > crossrate-run.1`.

use super::{Stop, Typed};
use clap::CommandFactory;
use clap_mangen::Man;

/// The page of the program, or of one of its commands.
pub(super) fn page(command: Option<&str>) -> Result<String, Stop> {
    let mut program = Typed::command();
    program.build();
    let of = match command {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            // Its page has the name of its file, not the words that are typed.
            Some(found) => found.clone().display_name(format!("crossrate-{name}")),
            None => {
                let known: Vec<&str> = program
                    .get_subcommands()
                    .filter(|c| !c.is_hide_set())
                    .map(clap::Command::get_name)
                    .collect();
                return Err(Stop::Syntax(format!("man: got {name:?}, expected one of {}", known.join(", "))));
            }
        },
    };
    let mut page = Vec::new();
    Man::new(of)
        .source(concat!("crossrate ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Stop::Syntax(format!("man: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
