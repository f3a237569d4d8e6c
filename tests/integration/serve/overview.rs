//! The table of all names of a job that runs longer than its history: what changed, and which name is which.

use super::browser::Browser;
use super::changing::{BEGIN, Piped};
use super::page::{PALE, WIDE, none};
use super::{Served, http};
use std::fmt::Write;
use std::io::Write as _;

const ENTER: &str = "\u{e007}";

/// A quarter of an hour of trades, of which five minutes are kept: a cross, a pair of its name, one that no
/// longer trades, and one whose rate begins with many zeros.
fn market() -> Piped {
    let mut text = String::new();
    let mut trade = |symbol: &str, price: &str, second: u64, id: u64| {
        let time = BEGIN + 1_000 * second;
        let _ = writeln!(
            text,
            r#"{{"e":"trade","s":"{symbol}","t":{id},"p":"{price}","q":"2","T":{time},"m":false}}"#
        );
    };
    for second in 0..=900 {
        trade("BTCUSDT", &format!("{}.5", 8_000 + second), second, second);
        trade("XVGBTC", &format!("0.0000087{}", second % 10), second, second);
        trade("XVGUSDT", &format!("0.0{}", 7_000 + second), second, second);
        trade("ALONGNAMEOFATHOUSANDUSDT", "0.0000001", second, second);
        if second < 60 {
            trade("QUIETUSDT", "1.5", second, second);
        }
    }
    let flags = ["--symbols", "all", "--history", "5m", "--cross", "XVGUSDT=XVGBTC*BTCUSDT"];
    let mut piped = Piped::run(&[&flags[..], &["--basis", "XVGUSDT"]].concat());
    piped.input.write_all(text.as_bytes()).unwrap();
    piped.input.flush().unwrap();
    let watermark = (BEGIN + 900_000 - 5_000).to_string();
    http::eventually(|| piped.served.get("/v1/frontier").body.contains(&watermark), "all trades");
    piped
}

/// The line of a kind and name.
fn line(kind: &str, name: &str) -> String {
    format!("#all-rows tr[data-key=\"{kind} {name}\"]")
}

/// The first and the last rate that are kept of a pair.
fn rates(served: &Served, name: &str) -> [f64; 2] {
    let rows = served.get(&format!("/v1/windows?kind=symbol&name={name}&limit=1000")).json()["rows"].clone();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 30, "five minutes of {name}");
    [&rows[0], &rows[29]].map(|row| row["vwap"].as_str().unwrap().parse().unwrap())
}

#[test]
#[ignore = "needs Chromium"]
fn changes_are_told_of_all_names_as_far_back_as_rows_are_kept() {
    let piped = market();
    let browser = Browser::open();
    let change = |kind: &str, name: &str| browser.text(&format!("{} [data-turn]", line(kind, name)));
    for (over, told) in [("5m", ""), ("1h", "kept for 5 min 0 s only: change since then")] {
        browser.go("about:blank");
        browser.go(&format!("http://{}/#/?window=10s&over={over}", piped.served.address));
        browser.wait("return document.querySelectorAll('#all-rows [data-turn=up]').length >= 3", "changes");
        let [first, last] = rates(&piped.served, "BTCUSDT");
        assert_eq!(change("symbol", "BTCUSDT"), format!("+{:.2}\u{202f}%", (last / first - 1.0) * 100.0));
        assert_eq!(change("symbol", "QUIETUSDT"), "0.000\u{202f}%", "over {over}");
        assert_eq!(browser.text("#all-since"), told, "over {over}");
        let changes = browser.script(
            "return [...document.querySelectorAll('#all-rows [data-turn]')].map((c) => c.textContent)",
        );
        let changes = changes.as_array().unwrap();
        assert!(changes.len() == 6 && changes.iter().all(|change| change != "–"), "{changes:?}");
    }
    // On a phone nothing of it is cut off, however long a rate or a name is.
    let cut = "const scroll = document.querySelector('#all-scroll');
        const { right } = scroll.getBoundingClientRect();
        return [...scroll.querySelectorAll('td, th')].filter((cell) => cell.checkVisibility()
            && cell.getBoundingClientRect().right > right + 0.5).map((cell) => cell.textContent)";
    for (width, height, mobile) in
        [(390, 844, true), (320, 700, true), (768, 1024, false), (2560, 1440, false)]
    {
        browser.size(width, height, mobile);
        browser.wait(WIDE, "a page that is as wide as the screen");
        none(&browser.script(cut), &format!("cut off at {width}"));
        browser.shot(&format!("page-changes-{width}.png"));
        let heights =
            "return [...document.querySelectorAll('#all-rows tr')].every((line) => line.offsetHeight === 34)";
        assert_eq!(browser.script(heights), true, "lines at {width}");
        assert_eq!(browser.faults(), Vec::<String>::new(), "at {width}");
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_pair_that_has_the_name_of_a_cross_is_opened_starred_and_compared() {
    let piped = market();
    let browser = Browser::open();
    let page = format!("http://{}/", piped.served.address);
    let title = |text: &str| {
        browser.wait(&format!("return document.querySelector('#title').textContent === {text:?}"), text);
    };
    browser.go(&format!("{page}#/?window=10s"));
    browser.wait("return document.querySelectorAll('#all-rows .exact').length === 6", "all names");
    browser.script("document.querySelector('#all-search').focus()");
    browser.type_in("xvgusdt pair");
    browser.wait("return document.querySelectorAll('#all-rows tr[data-key]').length === 1", "the pair alone");
    browser.click(&format!("{} .star", line("symbol", "XVGUSDT")));
    browser.go("about:blank");
    browser.go(&format!("{page}#/?window=10s"));
    let starred = "return [...document.querySelectorAll('#all-rows tr:has([aria-pressed=true])')]
        .map((line) => line.dataset.key).join()";
    browser.wait(&format!("return (() => {{ {starred} }})() === 'symbol XVGUSDT'"), "the star of the pair");
    browser.click(&format!("{} a", line("symbol", "XVGUSDT")));
    title("XVGUSDT pair");
    let hash = || browser.script("return location.hash").as_str().unwrap().to_owned();
    assert!(hash().starts_with("#symbol:XVGUSDT?window=10s&span="), "{}", hash());
    let rate = |kind: &str| {
        let latest = piped.served.get(&format!("/v1/latest?kind={kind}&name=XVGUSDT")).json();
        latest["rows"][0]["vwap"].as_str().unwrap().to_owned()
    };
    let shows = |kind: &str| {
        let told = format!("return document.querySelector('#final-rate').textContent === {:?}", rate(kind));
        browser.wait(&told, kind);
    };
    shows("symbol");
    assert_eq!(browser.script("return document.querySelectorAll('#panels figure').length"), 1);
    assert_eq!(browser.script("return document.querySelector('#name').value"), "symbol:XVGUSDT");
    // The name alone means the cross, as before; the choice goes to the pair.
    browser.script("location.hash = '#XVGUSDT?window=10s&span=15m'");
    title("XVGUSDT");
    shows("cross");
    browser.script(
        "const select = document.querySelector('#name'); select.value = 'symbol:XVGUSDT';
         select.dispatchEvent(new Event('change'))",
    );
    title("XVGUSDT pair");
    shows("symbol");
    // Both in one chart.
    browser.script("document.querySelector('#compare-name').focus()");
    browser.type_in("XVGUSDT");
    browser.press(&[ENTER]);
    title("XVGUSDT pair, XVGUSDT");
    browser.script("location.hash = '#XVGUSDT?window=10s&span=15m'");
    title("XVGUSDT");
    browser.script("document.querySelector('#compare-name').focus()");
    browser.type_in("XVGUSDT pair");
    browser.press(&[ENTER]);
    title("XVGUSDT, XVGUSDT pair");
    assert_eq!(hash(), "#XVGUSDT?window=10s&span=15m&with=symbol:XVGUSDT");
    browser.go("about:blank");
    browser.go(&format!("{page}{}", "#XVGUSDT?window=10s&span=15m&with=symbol:XVGUSDT"));
    let told = format!("XVGUSDT {}XVGUSDT pair {}", rate("cross"), rate("symbol"));
    let legend = "document.querySelector('.legend')?.textContent";
    browser.wait(&format!("return {legend}?.startsWith({told:?}) === true"), "both rates");
    browser.shot("page-cross-and-pair.png");
    assert_eq!(browser.faults(), Vec::<String>::new());
    none(&browser.script(PALE), "pale texts");
    assert_eq!(browser.console(), Vec::<String>::new());
}
