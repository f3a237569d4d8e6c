//! Manual pages, made of what `--help` says: `crossrate man > crossrate.1`,
//! `crossrate man run > crossrate-run.1`. Their sections are those of man-pages(7).

use super::{CommandLine, ParseStop};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io;

/// The page of the program, or of one of its commands.
pub(super) fn page(command: Option<&str>) -> Result<String, ParseStop> {
    let mut program = CommandLine::command();
    program.build();
    let known: Vec<String> =
        program.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
    let (of, others) = match command {
        None => (program, known),
        Some(name) => match program.find_subcommand(name) {
            // Its page has the name of its file, not the words that are typed.
            Some(found) => (found.clone().display_name(format!("crossrate-{name}")), Vec::new()),
            None => {
                return Err(ParseStop::Syntax(format!(
                    "man: got {name:?}, expected one of {}",
                    known.join(", ")
                )));
            }
        },
    };
    sections(&of, &others).map_err(|error| ParseStop::Syntax(format!("man: {error}")))
}

fn sections(of: &Command, others: &[String]) -> io::Result<String> {
    let man = man(of.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let after = of.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = match after.split_once("Examples:\n") {
        Some((notes, examples)) => (notes, examples),
        None => (after.as_str(), ""),
    };
    let mut text = String::from_utf8_lossy(&page).into_owned();
    if !notes.trim().is_empty() {
        text.push_str(".PP\n");
        text.push_str(&escaped(notes.trim()));
    }
    options(&man, &mut text)?;
    if of.has_subcommands() {
        let mut page = Vec::new();
        man.render_subcommands_section(&mut page)?;
        text.push_str(&String::from_utf8_lossy(&page).replace(".SH SUBCOMMANDS", ".SH COMMANDS"));
    }
    let is_run = of.get_arguments().any(|arg| arg.get_id() == "to");
    text.push_str(EXIT_STATUS);
    text.push_str(ENVIRONMENT);
    if is_run || !others.is_empty() {
        text.push_str(FILES);
    }
    if !examples.is_empty() {
        text.push_str(".SH EXAMPLES\n.nf\n");
        text.push_str(&escaped(examples.trim_end()));
        text.push_str(".fi\n");
    }
    text.push_str(".SH SEE ALSO\n");
    let pages: Vec<String> = others.iter().map(|name| format!("crossrate-{name}")).collect();
    let pages = if others.is_empty() { vec!["crossrate".to_owned()] } else { pages };
    let pages: Vec<String> =
        pages.iter().map(|page| format!("\\fB{}\\fR(1)", page.replace('-', "\\-"))).collect();
    text.push_str(&pages.join(",\n"));
    text.push('\n');
    Ok(once(&text))
}

fn man(of: Command) -> Man {
    Man::new(of).source(concat!("crossrate ", env!("CARGO_PKG_VERSION"))).manual("Crossrate")
}

/// The flags, under the headings that the help has.
fn options(man: &Man, text: &mut String) -> io::Result<()> {
    let mut page = Vec::new();
    man.render_options_section(&mut page)?;
    text.push_str(".SH OPTIONS\n");
    for line in String::from_utf8_lossy(&page).lines() {
        match line.strip_prefix(".SH ") {
            Some("OPTIONS") => {}
            Some(heading) => text.push_str(&format!(".SS {heading}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    Ok(())
}

/// A page without what each of its parts begins with, but for the first.
fn once(page: &str) -> String {
    let is_preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let preamble = page.lines().take_while(is_preamble);
    let rest = page.lines().filter(|line| !is_preamble(line));
    preamble.chain(rest).map(|line| format!("{line}\n")).collect()
}

/// Text as roff takes it, a line each.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        format!("{guard}{line}\n")
    };
    text.lines().map(line).collect()
}

const EXIT_STATUS: &str = "\
.SH EXIT STATUS
.TP
\\fB0\\fR
Done. Also after SIGTERM where nothing is lost by it: a job with a checkpoint, serve, produce.
.TP
\\fB1\\fR
Failed.
.TP
\\fB2\\fR
What was typed makes no sense.
.TP
\\fB3\\fR
An input, a broker or a server cannot be reached or read.
.TP
\\fB4\\fR
With \\-\\-strict: a record is bad, or an input gives no trade.
.TP
\\fB130\\fR
Interrupted.
";

const ENVIRONMENT: &str = "\
.SH ENVIRONMENT
.TP
\\fBCROSSRATE_\\fR\\fINAME\\fR
The value of the flag \\-\\-name, in capitals and with _ for \\-, where the flag itself is not given.
.TP
\\fBNO_COLOR\\fR
If set, the terminal has no colors.
.TP
\\fBNOTIFY_SOCKET\\fR
Where systemd hears that the command is ready, and that it stops.
";

const FILES: &str = "\
.SH FILES
.TP
\\fIFILE\\fB.recovery\\fR
The checkpoint of a job whose rows go to FILE, or to files by day in the folder FILE. Rows and checkpoint belong together.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn each_page_has_the_sections_that_are_looked_for() {
        let program = page(None).expect("a page");
        for section in
            ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]
        {
            assert!(program.contains(&format!("\n.SH {section}\n")), "{section}: {program}");
        }
        assert!(program.contains("crossrate\\-run\\fR(1)"), "{program}");
        let run = page(Some("run")).expect("a page");
        assert!(run.contains("\n.SH EXAMPLES\n.nf\n") && run.contains("\n.SS "), "{run}");
        assert!(!run.contains(".SH EXTRA") && run.contains("\\fIFILE\\fB.recovery"), "{run}");
        let of_input =
            run.split(".SS INPUT\n").nth(1).expect("a heading").split(".SS ").next().expect("flags");
        assert!(of_input.contains("\\-\\-topic") && !of_input.contains("\\-\\-window\\f"), "{of_input}");
        assert_eq!(run.matches(".ie ").count(), 1, "{run}");
        // A line that begins with a dot is no request.
        assert_eq!(escaped(".x\n'y\na-b\\c"), "\\&.x\n\\&'y\na\\-b\\ec\n");
    }

    #[test]
    fn exit_codes_are_those_of_the_program() {
        for exit in
            [Exit::Done, Exit::Failed, Exit::Usage, Exit::Unreachable, Exit::Refused, Exit::Interrupted]
        {
            assert!(EXIT_STATUS.contains(&format!("\\fB{}\\fR\n", exit.code())), "{exit:?}");
        }
    }
}
