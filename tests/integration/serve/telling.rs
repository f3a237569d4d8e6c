//! What the page tells: what happened, what the address asks for and is not there, and which line is which
//! in a picture that is taken away.

use super::browser::Browser;
use super::page::WIDE;
use super::{Served, changing, follow, http};
use base64::Engine;
use std::path::Path;

fn recording(folder: &Path, trades: &str, flags: &[&str]) -> Served {
    let path = folder.join("trades.jsonl");
    std::fs::write(&path, trades).unwrap();
    let served =
        Served::run(&[&[path.to_str().unwrap(), "--window", "10s", "--delay", "1s"], flags].concat());
    served.wait_for_the_end();
    served
}

#[test]
#[ignore = "needs Chromium"]
fn refusals_of_before_stay_among_many_notes_and_windows_in_a_row_are_one_note() {
    // XVGBTC does not trade in every other window, and in the end in twenty-five in a row.
    let trades = follow::trades(0..2_400);
    let silent = |second: u64| (600..2_000).contains(&second) && second / 10 % 2 == 1;
    let trades = trades.lines().enumerate().filter(|(line, trade)| {
        let second = *line as u64 / 2;
        !trade.contains("XVGBTC") || !(silent(second) || (2_100..2_350).contains(&second))
    });
    let mut text: Vec<&str> = trades.map(|(_, trade)| trade).collect();
    let late =
        |id: u64| format!(r#"{{"e":"trade","s":"BTCUSDT","t":{id},"p":"1","q":"1","T":1525022021000}}"#);
    let lates: Vec<String> = (900_000..900_005).map(late).collect();
    let again = [text[190], text[191], text[192], text[193]];
    let refused = lates.iter().map(String::as_str).chain(again).chain(["{\"e\":\"trade\"}"; 4]);
    text.splice(200..200, refused);
    let folder = tempfile::tempdir().unwrap();
    let served = recording(folder.path(), &(text.join("\n") + "\n"), &["--cross", "XVGUSDT=XVGBTC*BTCUSDT"]);
    let browser = Browser::open();
    browser.go(&format!("http://{}/#XVGUSDT?window=10s&span=all", served.address));
    let note = |what: &str| format!("#notes [data-what='{what}'] span");
    for (what, told) in
        [("late", "5 records refused"), ("bad", "4 records refused"), ("duplicate", "4 records")]
    {
        browser.wait(&format!("return document.querySelector({:?}) !== null", note(what)), what);
        assert!(browser.text(&note(what)).contains(told), "{}", browser.text(&note(what)));
    }
    let run = "XVGUSDT 2018-04-29 17:48:40 to 17:52:50, 25 windows: XVGBTC did not trade";
    assert_eq!(browser.text(&note("no rate")), run);
    let notes = browser.script("return document.querySelectorAll('#notes li').length");
    assert_eq!(notes, 60, "no more than can be read");
    assert_eq!(browser.faults(), Vec::<String>::new());
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn what_the_address_asks_for_and_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let served = recording(folder.path(), &follow::trades(0..600), &[]);
    let browser = Browser::open();
    let says = |text: &str| {
        let said = "const wishes = document.querySelector('#wishes');";
        let is = match text {
            "" => "return wishes.hidden".to_owned(),
            _ => format!("return !wishes.hidden && wishes.textContent === {text:?}"),
        };
        browser.wait(&(said.to_owned() + &is), &format!("{text:?}"));
    };
    let kept = "rows are kept from 2018-04-29 17:13:40 to 2018-04-29 17:23:40.";
    let windows = "There are no windows 7s here: those that are shown are 10s.";
    for (address, text) in [
        ("#XVGUSDT?window=10s&span=15m", String::new()),
        ("#XVGUSDT?window=7s&span=15m", windows.to_owned()),
        ("#/?window=7s", windows.to_owned()),
        (
            "#XVGUSDT?window=10s&span=15m&with=NOPE,BTCUSDT",
            "There is no NOPE here to compare with; as soon as it has rows they are shown.".to_owned(),
        ),
        (
            "#XVGUSDT?window=10s&from=1525000000000&until=1525000600000",
            format!("Of 2018-04-29 11:06:40 to 2018-04-29 11:16:40 there is nothing: {kept}"),
        ),
        (
            "#XVGUSDT?window=10s&from=1525021900000&until=1525022200000",
            format!("Of 2018-04-29 17:11:40 to 2018-04-29 17:16:40 a part is there: {kept}"),
        ),
        (
            "#XVGUSDT?window=10s&span=15m&at=1525000000000",
            "The window that ends at 2018-04-29 11:06:40 is not kept.".to_owned(),
        ),
        (
            "#XVGUSDT?window=10s&span=15x&at=soon",
            "The address says what cannot be read: span=15x, at=soon.".to_owned(),
        ),
    ] {
        browser.go("about:blank");
        browser.go(&format!("http://{}/{address}", served.address));
        let ended = "return document.querySelector('#pill')?.dataset.state === 'ended'";
        browser.wait(ended, &format!("the page of {address}"));
        says(&text);
        let hash = browser.script("return location.hash");
        assert!(!hash.as_str().unwrap().contains("7s"), "{hash}");
    }
    browser.size(390, 844, true);
    browser.wait(WIDE, "a page no wider than a phone");
    assert_eq!(browser.faults(), Vec::<String>::new());
    // What is chosen at the page is there.
    browser.click("#spans [data-span='5m']");
    browser.wait("return location.hash.includes('span=5m')", "another stretch");
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// A browser has six connections for a server, and keeps pages that were left for a minute, with theirs. The
/// table of all names had two streams: its fourth visit waited for the end of that minute.
#[test]
#[ignore = "needs Chromium"]
fn a_page_has_one_stream_whatever_it_shows_and_none_when_it_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let served = recording(folder.path(), &follow::trades(0..600), &[]);
    let browser = Browser::open();
    let readers = |count: usize| {
        let metrics = http::ask(served.address, "GET", "/metrics", &[], "").body;
        metrics.contains(&format!("\ncrossrate_subscribers{{transport=\"sse\"}} {count}\n"))
    };
    let ended =
        "performance.getEntriesByType('resource').filter((e) => e.name.includes('/v1/stream')).length";
    browser.go(&format!("http://{}/#/?window=10s", served.address));
    let rates = "document.querySelectorAll('#all-rows tr[data-stage=final]').length === 3";
    browser.wait(&format!("return {rates}"), "the rates of three names");
    http::eventually(|| readers(1), "one stream");
    // From the table to a chart and back: each has its own, instead of the one before.
    for visit in 1..8 {
        let (address, there) = match visit % 2 {
            1 => ("#XVGUSDT?window=10s", "document.querySelectorAll('#rows tr').length > 5"),
            _ => ("#/?window=10s", rates),
        };
        browser.script(&format!("location.hash = {address:?}"));
        browser.wait(&format!("return {there} && {ended} === {visit}"), address);
        http::eventually(|| readers(1), "one stream");
        let pill = browser.script("return document.querySelector('#pill').dataset.state");
        assert_eq!(pill, "ended", "at visit {visit}");
    }
    let leave = "dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));";
    browser.script(leave);
    browser.wait(&format!("return {ended} === 8"), "the end of the stream");
    // Each time the page is left, the stream that has come again ends.
    browser.wait(&format!("{leave} return {ended} >= 10"), "streams that have come again");
    http::eventually(|| readers(1), "one stream at last");
    // The server does not lose its readers by these ends: they are the page's own.
    let notes = browser.text("#notes");
    assert!(!notes.contains("anew"), "{notes}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_picture_of_a_comparison_says_which_line_is_which() {
    let folder = tempfile::tempdir().unwrap();
    let crosses = ["--cross", "X=ETHBTC*BTCUSDT", "--symbols", "all"];
    let served = recording(folder.path(), &changing::trades(0..300), &crosses);
    let browser = Browser::open();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    browser.downloads(&files);
    browser.go(&format!("http://{}/#X?window=10s&span=all&with=ETHUSDT,BTCUSDT,ETHBTC", served.address));
    browser.wait("return document.querySelectorAll('.legend .line-four .exact').length === 1", "four rates");
    browser.size(390, 844, true);
    browser.wait(WIDE, "a page no wider than a phone");
    browser.click("#save-png");
    let mut png = Vec::new();
    let is_picture = |png: &[u8]| png.starts_with(b"\x89PNG") && png.ends_with(b"IEND\xaeB`\x82");
    http::eventually(
        || {
            let there = std::fs::read_dir(&files).unwrap().map(|file| file.unwrap().path());
            let found = there.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "png"));
            png = found.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
            is_picture(&png)
        },
        "a picture",
    );
    // Above the chart, in which nothing has been drawn yet, each name has a line of its colour and gaps.
    let script = format!(
        "const bytes = Uint8Array.from(atob({:?}), (letter) => letter.charCodeAt(0));
         return createImageBitmap(new Blob([bytes], {{ type: 'image/png' }})).then((bitmap) => {{
           const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
           context.drawImage(bitmap, 0, 0);
           const high = bitmap.height - document.querySelector('figure canvas').height;
           const {{ data }} = context.getImageData(0, 0, bitmap.width, high);
           const style = getComputedStyle(document.documentElement);
           return ['one', 'two', 'three', 'four', 'five'].map((name) => {{
             const colour = style.getPropertyValue('--' + name).trim();
             const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
             let found = 0;
             for (let at = 0; at < data.length; at += 4) {{
               found += data[at] === r && data[at + 1] === g && data[at + 2] === b;
             }}
             return found;
           }});
         }})",
        base64::engine::general_purpose::STANDARD.encode(&png)
    );
    let found = browser.script(&script);
    let drawn: Vec<u64> = found.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert!(drawn[..4].iter().all(|count| *count > 60) && drawn[4] == 0, "{drawn:?}");
    assert!(
        drawn[1..4].iter().all(|count| *count < drawn[0]),
        "lines have gaps, but for the first: {drawn:?}"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}
