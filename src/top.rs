//! `crossrate top`: a server's essentials on a terminal. It asks a server for its latest rows and how far it
//! is, once a second (`source`); keeps what it was told and what the keys did (`state`); paints (`screen`).
//! Numbers are those of the rows, shortened and never computed with; sorting alone reads them as doubles.

#[cfg(feature = "top")]
mod screen;
#[cfg(feature = "top")]
mod source;
#[cfg(feature = "top")]
mod state;

use crate::config::top::Top;
use crate::exit::{Exit, Failure};
use anyhow::Result;

/// Says how it is to be had.
#[cfg(not(feature = "top"))]
pub fn run(top: &Top) -> Result<Exit> {
    let words = format!("this crossrate was built without top, so it cannot show {}", top.server);
    let token = if top.token_file.is_some() { " and its token" } else { "" };
    Err(Failure::new(Exit::Usage, words)
        .hint(format!("build it with --features top, or open that address{token} in a browser"))
        .into())
}

/// Shows it until somebody has seen enough.
#[cfg(feature = "top")]
pub fn run(top: &Top) -> Result<Exit> {
    use ratatui::crossterm::event::{self, Event, KeyEventKind};
    use std::io::IsTerminal;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    let server = crate::query::remote::RemoteServer::new(&top.server, top.token_file.as_deref())?;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "top needs a terminal, and this is a file or a pipe")
            .hint("crossrate query --server asks for what a program wants to read")
            .into());
    }
    // The first answer comes before the screen is taken, so that a wrong address says so in a plain line.
    let mut state = state::TopState::new(server.url(), source::ask(&server)?);
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&told_to_end))?;
    }
    end_without_terminal(Arc::clone(&told_to_end))?;
    let answers = source::keep_asking(server)?;
    let mut terminal = ratatui::try_init()?;
    let mut show = || -> std::io::Result<()> {
        while !state.over && !told_to_end.load(Ordering::Relaxed) {
            answers.try_iter().for_each(|answer| state.told(answer));
            terminal.draw(|frame| screen::paint(frame, &mut state))?;
            // A key is answered at once; news may wait so long.
            if !event::poll(Duration::from_millis(200))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => state.key(key),
                _ => {}
            }
        }
        Ok(())
    };
    let shown = show();
    let _ = ratatui::try_restore();
    if shown.is_err() {
        // When it goes it writes to the terminal, and panics where that has gone.
        std::mem::forget(terminal);
    }
    shown?;
    Ok(Exit::Done)
}

/// Ends the process where its loop does not: when the terminal has gone the wait for a key goes on at full
/// speed and never returns, whatever signals came.
#[cfg(feature = "top")]
fn end_without_terminal(told_to_end: std::sync::Arc<std::sync::atomic::AtomicBool>) -> std::io::Result<()> {
    use std::io::IsTerminal;
    /// Longer than the loop waits for a key, so that it ends in order where it can.
    const EVERY: std::time::Duration = std::time::Duration::from_millis(500);
    std::thread::Builder::new().name("terminal".into()).spawn(move || {
        loop {
            let was_told = told_to_end.load(std::sync::atomic::Ordering::Relaxed);
            std::thread::sleep(EVERY);
            // What has hung up is a terminal no more.
            if was_told || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
                let _ = ratatui::try_restore();
                std::process::exit(Exit::Done.code().into());
            }
        }
    })?;
    Ok(())
}
