//! Working with the page in a real browser: all names, moving in time, comparing, adding a cross, taking away
//! what is seen. Everything is waited for; what is told is compared with what the server has.

use super::browser::Browser;
use super::changing::{self, Piped};
use super::page::{DRAWN, PALE, WIDE, none};
use super::{Served, follow, http};
use std::fmt::Write;
use std::path::Path;

const ENTER: &str = "\u{e007}";
const SHIFT: &str = "\u{e008}";
const HOME: &str = "\u{e011}";
const END: &str = "\u{e010}";
const LEFT: &str = "\u{e012}";
const DOWN: &str = "\u{e015}";

/// When the trades of [`recording`] begin.
const BEGIN: u64 = 1_525_022_020_000;

/// A run over trades of so many seconds, that has ended.
fn recording(folder: &Path, seconds: u64, flags: &[&str]) -> Served {
    let path = folder.join("trades.jsonl");
    std::fs::write(&path, follow::trades(0..seconds)).unwrap();
    let served =
        Served::run(&[&[path.to_str().unwrap(), "--window", "10s", "--delay", "1s"], flags].concat());
    served.wait_for_the_end();
    served
}

fn chart(browser: &Browser) {
    browser.wait(&format!("return (() => {{ {DRAWN} }})() > 1000"), "a chart");
    browser
        .wait("return document.querySelector('#charts').ariaBusy !== 'true'", "all of what is to be drawn");
}

/// What is seen now, by the fields of the range picker.
fn stretch(browser: &Browser) -> (String, String) {
    let value = |id: &str| browser.script(&format!("return document.querySelector('#{id}').value"));
    (value("from").as_str().unwrap().to_owned(), value("until").as_str().unwrap().to_owned())
}

fn waits_for_stretch(browser: &Browser, from: &str, until: &str) {
    let script = format!(
        "return document.querySelector('#from').value === {from:?}
            && document.querySelector('#until').value === {until:?}"
    );
    browser.wait(&script, &format!("{from} to {until}, and not {:?}", stretch(browser)));
}

/// A market of very many pairs: each trades once every ten seconds, its price by its number.
fn market(folder: &Path, pairs: u64, rounds: u64) -> String {
    let mut text = String::new();
    for round in 0..rounds {
        for pair in 0..pairs {
            let time = BEGIN + round * 10_000 + pair % 9_000;
            let (price, id) = (1_000 + (pair * 37) % 5_000 + round * (pair % 5), round + 1);
            let _ = writeln!(
                text,
                r#"{{"e":"trade","s":"C{pair:04}USDT","t":{id},"p":"{price}.25","q":"2","T":{time}}}"#
            );
        }
    }
    let path = folder.join("market.jsonl");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs Chromium"]
fn thousands_of_names_are_a_table_that_is_sorted_searched_and_starred() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), 2_000, 30);
    let served = Served::run(&[
        path.as_str(),
        "--window",
        "10s",
        "--symbols",
        "all",
        "--cross",
        "FIRST=C0001USDT/C0002USDT",
        "--cross",
        "GONE=C0003USDT*NOBODY",
    ]);
    served.wait_for_the_end();
    let browser = Browser::open();
    browser.go(&format!("http://{}/#/", served.address));
    let count = "document.querySelector('#all-count').textContent";
    browser.wait(&format!("return {count}.startsWith('2\u{202f}00')"), "all names");
    browser.wait("return document.querySelectorAll('#all-rows .exact').length > 20", "their rates");
    let lines = browser.script("return document.querySelectorAll('#all-rows tr:not(.spacer)').length");
    assert!(lines.as_u64() < Some(120), "only those are drawn that are seen: {lines}");
    let names =
        "[...document.querySelectorAll('#all-rows tr:not(.spacer)')].map((line) => line.dataset.name)";

    // By the greatest change: what the server says of the first row and of the last.
    browser.wait("return document.querySelector('#all-rows [data-turn=up]') !== null", "changes");
    browser.click("#all-head button[data-column=rate]");
    browser.wait(&format!("return {names}[0] !== 'C0000USDT'"), "another order");
    let latest = served.get("/v1/latest?kind=symbol&window=10s").json();
    let rate = |row: &serde_json::Value| row["vwap"].as_str().map(|rate| rate.parse::<f64>().unwrap());
    let dearest =
        latest["rows"].as_array().unwrap().iter().max_by(|a, b| rate(a).partial_cmp(&rate(b)).unwrap());
    let greatest = rate(dearest.unwrap()).unwrap();
    let first = browser.script("return document.querySelector('#all-rows .exact').textContent");
    assert_eq!(first.as_str().unwrap().parse::<f64>().unwrap(), greatest);

    // A part of a leg finds the cross; what is missing is told.
    browser.script("document.querySelector('#all-search').focus()");
    browser.type_in("nobody");
    browser.wait(
        &format!(
            "return JSON.stringify({names}) === '[\"GONE\",\"NOBODY\"]' ||
      JSON.stringify({names}) === '[\"GONE\"]'"
        ),
        "the cross of that leg",
    );
    assert_eq!(browser.text("#all-rows .missing"), "NOBODY");
    assert!(browser.script("return location.hash").as_str().unwrap().contains("q=nobody"));
    browser.shot("page-all-search.png");

    // A star stays, and stands first.
    browser.click("#all-rows .star");
    browser.go("about:blank");
    browser.go(&format!("http://{}/#/?window=10s", served.address));
    browser.wait(&format!("return {names}[0] === 'GONE'"), "the star first");
    browser.wait("return document.querySelector('#all-rows .star').ariaPressed === 'true'", "the star");

    // By keys down to the end, which is drawn only then; and into the chart.
    browser.script("document.querySelector('#all-scroll').focus()");
    browser.press(&[END]);
    browser.wait("return document.activeElement.textContent === 'FIRST'", "the last name by a key");
    browser.shot("page-all.png");
    assert_eq!(browser.faults(), Vec::<String>::new(), "all names");
    none(&browser.script(PALE), "pale texts of all names");
    browser.press(&[ENTER]);
    browser.wait("return document.querySelector('#title').textContent === 'FIRST'", "its chart");
    chart(&browser);
    browser.script("history.back()");
    browser.wait("return document.querySelector('#all').checkVisibility()", "all names again");
    browser.size(390, 844, true);
    browser.wait(WIDE, "a table no wider than a phone");
    browser.shot("page-all-phone.png");
    assert_eq!(browser.faults(), Vec::<String>::new(), "all names on a phone");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_stretch_of_time_is_dragged_turned_and_typed_and_opens_again_by_its_address() {
    let folder = tempfile::tempdir().unwrap();
    // Nine hours, over midnight: 3,240 windows of each name.
    let served = recording(folder.path(), 9 * 3_600, &["--cross", "XVGUSDT=XVGBTC*BTCUSDT"]);
    let browser = Browser::open();
    browser.zone("Asia/Tokyo");
    let page = format!("http://{}/", served.address);
    browser.go(&format!("{page}#XVGUSDT?window=10s&span=1h"));
    chart(&browser);
    let newest = stretch(&browser);
    let hash = || browser.script("return location.hash").as_str().unwrap().to_owned();

    // To the right is what was before. The address says which part that is.
    browser.drag("#panels figure canvas", 0.3, 0.7);
    browser.wait("return /&from=\\d+&until=\\d+/.test(location.hash)", "a stretch in the address");
    browser.wait("return !document.querySelector('#newest').hidden", "the way back");
    assert!(stretch(&browser) < newest, "{:?} {newest:?}", stretch(&browser));
    // The wheel shows less time, and more.
    let seen = |hash: &str| {
        let number =
            |name: &str| hash.split(name).nth(1).unwrap().split('&').next().unwrap().parse::<u64>().unwrap();
        number("&until=") - number("&from=")
    };
    let before = hash();
    browser.wheel("#panels figure canvas", -300);
    browser.wait(&format!("return location.hash !== {before:?}"), "less time");
    assert!(seen(&hash()) < seen(&before), "{before} {}", hash());
    // Two fingers that part show less time, and more where they meet.
    for (from, to, is_less) in [([0.45, 0.55], [0.25, 0.75], true), ([0.2, 0.8], [0.45, 0.55], false)] {
        chart(&browser);
        let before = hash();
        browser.pinch("#panels figure canvas", from, to);
        browser.wait(&format!("return location.hash !== {before:?}"), "another stretch by two fingers");
        assert_eq!(seen(&hash()) < seen(&before), is_less, "{before} {}", hash());
    }
    // By keys: the first that is kept, which the stream did not tell.
    browser.script("document.querySelector('#charts').focus()");
    browser.press(&[ENTER]);
    browser.script(
        "document.querySelector('#charts').dispatchEvent(new KeyboardEvent('keydown',
      { key: 'Home', shiftKey: true }))",
    );
    browser.wait("return document.querySelector('#from').value === '2018-04-29T17:13:40'", "the beginning");
    chart(&browser);
    browser.press(&[HOME]);
    browser.wait(
        "return /^(2018-04-29, )?XVGUSDT 17:13:40: /.test(
           document.querySelector('#readout').textContent)",
        "its row",
    );
    browser.press(&[ENTER]);
    browser.wait(
        &format!("return location.hash.endsWith('&at={}')", BEGIN + 10_000),
        "the cursor in the address",
    );

    // All that is kept: too much to draw window by window, so the server thins it out.
    browser.click("#spans [data-span=all]");
    let asked =
        "performance.getEntriesByType('resource').some((e) => /series\\?.*from=.*buckets=/.test(e.name))";
    browser.wait(&format!("return {asked}"), "buckets");
    chart(&browser);
    browser.wait(
        "return /min .*max /.test(document.querySelector('.legend').textContent)",
        "the extremes of a bucket",
    );
    browser.shot("page-long.png");
    let midnight = "2018-04-30";
    waits_for_stretch(&browser, "2018-04-29T17:13:40", "2018-04-30T02:13:50");

    // Typed, over the midnight; then the clocks of this place, nine hours ahead.
    browser.script(
        "for (const [id, value] of [['from', '2018-04-29T23:50:00'], ['until',
          '2018-04-30T00:10:00']]) document.querySelector('#' + id).value = value;
         document.querySelector('#range').requestSubmit()",
    );
    browser.wait("return /&from=1525045800000&until=1525047000000/.test(location.hash)", "what was typed");
    chart(&browser);
    browser.click("#zone");
    waits_for_stretch(&browser, "2018-04-30T08:50", "2018-04-30T09:10");
    browser.wait(
        "return document.querySelector('#range-zone').textContent === 'Asia/Tokyo'",
        "whose clocks they are",
    );
    assert!(browser.text("#rows th").starts_with("2018-04-30 09:09"), "{}", browser.text("#rows th"));
    browser.click("#zone");
    waits_for_stretch(&browser, "2018-04-29T23:50", "2018-04-30T00:10");
    assert!(browser.text("#rows th").starts_with(midnight), "{}", browser.text("#rows th"));
    browser.shot("page-midnight.png");

    // The address opens exactly that: name, windows, stretch and cursor.
    let at = 1_525_046_410_000_u64;
    browser.go("about:blank");
    browser.go(&format!("{page}#XVGUSDT?window=10s&from=1525045800000&until=1525047000000&at={at}"));
    chart(&browser);
    waits_for_stretch(&browser, "2018-04-29T23:50", "2018-04-30T00:10");
    let row = served.get(&format!("/v1/latest?kind=cross&ended_by={at}")).json()["rows"][0].clone();
    assert_eq!(row["end_ms"], at);
    let rate = row["vwap"].as_str().unwrap();
    browser.wait(
        &format!(
            "return document.querySelector('.legend').textContent
                .startsWith('2018-04-30 00:00:00–00:00:10{rate}')"
        ),
        "the row under the cursor",
    );
    assert_eq!(hash(), format!("#XVGUSDT?window=10s&from=1525045800000&until=1525047000000&at={at}"));
    // The picker moves it too.
    browser.drag("#strip", 0.9, 0.5);
    browser.wait("return !location.hash.includes('&from=1525045800000')", "another stretch by the picker");
    chart(&browser);
    browser.press(&[SHIFT]);
    assert_eq!(browser.faults(), Vec::<String>::new());
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_name_that_is_not_there_is_told_and_refusals_of_before_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.jsonl");
    let late = r#"{"e":"trade","s":"BTCUSDT","t":900000,"p":"1","q":"1","T":1525022021000}"#;
    std::fs::write(&path, format!("{}{late}\n{{\"e\":\"trade\"}}\n", follow::trades(0..100))).unwrap();
    let served = Served::run(&[path.to_str().unwrap(), "--window", "10s", "--delay", "1s"]);
    served.wait_for_the_end();
    let browser = Browser::open();
    browser.go(&format!("http://{}/#XVGUSD?window=10s&span=15m", served.address));
    browser.wait(
        "return document.querySelector('#absent').checkVisibility()",
        "word that the name is not there",
    );
    assert!(browser.text("#absent").contains("There is no XVGUSD here"), "{}", browser.text("#absent"));
    assert_eq!(browser.script("return document.querySelector('#charts').checkVisibility()"), false);
    assert_eq!(browser.faults(), Vec::<String>::new(), "a name that is not there");
    browser.click("#absent-near a");
    browser
        .wait("return document.querySelector('#title').textContent === 'XVGUSDT'", "the name that was meant");
    chart(&browser);
    for what in ["late", "bad"] {
        browser.wait(&format!("return document.querySelector('#notes [data-what={what}]') !== null"), what);
    }
    // The rate stands in the title.
    let latest = served.get("/v1/latest?kind=cross&name=XVGUSDT").json();
    let rate = latest["rows"][0]["vwap"].as_str().unwrap();
    browser.wait(
        &format!(
            "const [rate, name] = document.title.split(' '); return {rate:?}.startsWith(rate) &&
          rate.length > 6 && name === 'XVGUSDT'"
        ),
        "the rate in the title",
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn a_cross_is_added_with_completion_and_dropped_and_what_is_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "correct-horse-battery-staple\nonly-read-horse-battery read\n").unwrap();
    let tokens = ["--token-file", file.to_str().unwrap()];
    let flags = ["--cross", "X=ETHBTC*BTCUSDT", "--symbols", "all", "--back-fill", "2m"];
    let mut piped = Piped::run(&[&flags[..], &tokens].concat());
    std::io::Write::write_all(&mut piped.input, changing::trades(0..200).as_bytes()).unwrap();
    let browser = Browser::open();
    let token = |text: &str| {
        browser.wait("return document.querySelector('#token-dialog').open", "a question for the token");
        browser.script(&format!("document.querySelector('#token').value = {text:?}"));
        browser.script("document.querySelector('#token-dialog button').click()");
    };
    browser.go(&format!("http://{}/#X", piped.served.address));
    token("only-read-horse-battery");
    browser.wait("return document.querySelectorAll('#rows tr').length > 3", "rows");
    browser.click("#define-open");
    browser.wait(
        "return document.querySelectorAll('#define-crosses li').length === 1",
        "the crosses of the job",
    );
    browser.type_in("Y");
    browser.script("document.querySelector('#define-formula').focus()");
    browser.type_in("xvg");
    browser
        .wait("return document.querySelector('#define-list li')?.textContent === 'XVGBTC'", "a completion");
    browser.press(&[DOWN, ENTER]);
    browser.type_in("*btcus");
    browser
        .wait("return document.querySelector('#define-list li')?.textContent === 'BTCUSDT'", "another one");
    browser.press(&[DOWN, ENTER]);
    let formula = "return document.querySelector('#define-formula').value === 'XVGBTC*BTCUSDT'";
    browser.wait(formula, "the formula");
    assert_eq!(browser.faults(), Vec::<String>::new(), "the field for a cross");
    browser.shot("page-define.png");
    // Whoever may only read is told so, and may have another token.
    browser.press(&[ENTER]);
    browser
        .wait("return document.querySelector('#define-said').className === 'wrong'", "word that it may not");
    browser.click("#define-token");
    token("correct-horse-battery-staple");
    browser.wait("return document.querySelector('#define').open", "the field again");
    browser.wait(formula, "what was written");
    browser.script("document.querySelector('#define-formula').value = 'XVGBTC'");
    browser.click("#define-add");
    browser.wait(
        "return document.querySelector('#define-said').textContent.includes('one leg only')",
        "what is wrong",
    );
    browser.script("document.querySelector('#define-formula').value = 'XVGBTC*BTCUSDT'");
    browser.click("#define-add");
    let said = |text: &str| {
        format!("return document.querySelector('#define-said').textContent.startsWith({text:?})")
    };
    browser.wait(&said("Y is a cross from 2018-04-29"), "what became of it");
    browser.wait("return document.querySelectorAll('#define-crosses li').length === 2", "two crosses");
    // Its rows as soon as its first window has closed: those of the two minutes before come with it.
    std::io::Write::write_all(&mut piped.input, changing::trades(200..240).as_bytes()).unwrap();
    browser.wait("return document.querySelector('#title').textContent === 'Y'", "its chart");
    browser.wait("return document.querySelectorAll('#rows tr').length > 8", "its rows");
    chart(&browser);
    // Dropped again, when it is meant.
    for text in ["drop", "really drop"] {
        let button = "document.querySelector('#define-crosses li:last-child button')";
        browser.wait(&format!("return {button}.textContent === {text:?}"), text);
        browser.script(&format!("{button}.focus(); {button}.click()"));
    }
    browser.wait(&said("Y is dropped"), "word that it is dropped");
    browser.wait("return document.querySelectorAll('#define-crosses li').length === 1", "one cross");
    let log = http::ask(
        piped.served.address,
        "GET",
        "/v1/definition",
        &[("Authorization", "Bearer correct-horse-battery-staple")],
        "",
    );
    assert_eq!(log.json()["crosses"].as_array().unwrap().len(), 1, "{}", log.body);
    // What the server refuses stands in the console, by the browser itself.
    let other: Vec<String> =
        browser.console().into_iter().filter(|line| !line.contains("Failed to load resource")).collect();
    assert_eq!(other, Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn names_are_compared_and_what_is_seen_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let trades = folder.path().join("trades.jsonl");
    std::fs::write(&trades, changing::trades(0..900)).unwrap();
    let served = Served::run(&[
        trades.to_str().unwrap(),
        "--window",
        "10s",
        "--cross",
        "X=ETHBTC*BTCUSDT",
        "--basis",
        "X=ETHUSDT",
        "--symbols",
        "all",
    ]);
    served.wait_for_the_end();
    let browser = Browser::open();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    browser.downloads(&files);
    browser.go(&format!("http://{}/#X?window=10s&span=all", served.address));
    chart(&browser);
    // The spread between the cross and the pair that is traded directly.
    let basis = served.get("/v1/latest?kind=basis&name=X").json()["rows"][0].clone();
    let told = "[...document.querySelectorAll('figure[data-name=X] .legend')].map((legend) =>
      legend.textContent).join('|')";
    let text = basis["basis"].as_str().unwrap();
    browser.wait(&format!("return {told}.includes({text:?})"), "the basis");
    browser.shot("page-basis.png");

    // What is seen as CSV: the rows, with their texts.
    let file = |kind: &str| {
        let mut found = None;
        http::eventually(
            || {
                let there = std::fs::read_dir(&files).unwrap().map(|file| file.unwrap().path());
                found = there.into_iter().find(|path| path.extension().is_some_and(|ext| ext == kind));
                found.as_ref().is_some_and(|path| std::fs::metadata(path).is_ok_and(|found| found.len() > 0))
            },
            kind,
        );
        found.unwrap()
    };
    browser.click("#save-csv");
    let csv = std::fs::read_to_string(file("csv")).unwrap();
    let rows =
        served.get("/v1/windows?kind=cross&name=X&limit=10000").json()["rows"].as_array().unwrap().clone();
    let lines: Vec<&str> = csv.lines().filter(|line| line.starts_with("cross,X,")).collect();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(&rows) {
        assert!(line.contains(&format!(",{},", row["vwap"].as_str().unwrap())), "{line}\n{row}");
    }
    browser.click("#save-png");
    let png = std::fs::read(file("png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000, "{}", png.len());

    // Three names in one chart, as per cent since a moment.
    for name in ["ETHUSDT", "BTCUSDT"] {
        browser.script("document.querySelector('#compare-name').focus()");
        browser.type_in(name);
        browser.press(&[ENTER]);
        browser.wait(&format!("return location.hash.includes({name:?})"), name);
    }
    browser.script(
        "const choice = document.querySelector('#compare-as'); choice.value = 'percent';
      choice.dispatchEvent(new Event('change'))",
    );
    browser.wait("return document.querySelectorAll('figure').length === 1", "one chart");
    let third = "document.querySelectorAll('.legend .line-three').length === 1";
    browser.wait(
        &format!("return {third} && document.querySelector('.legend .line-three').textContent.endsWith('%')"),
        "per cent",
    );
    chart(&browser);
    browser.press(&[LEFT]);
    browser.shot("page-compare.png");
    assert_eq!(browser.faults(), Vec::<String>::new(), "three names");
    none(&browser.script(PALE), "pale texts of three names");
    let hash = browser.script("return location.hash");
    assert_eq!(hash, "#X?window=10s&span=all&with=ETHUSDT,BTCUSDT&as=percent");
    browser.go("about:blank");
    browser.go(&format!("http://{}/{}", served.address, hash.as_str().unwrap()));
    browser.wait(&format!("return {third}"), "the same by its address");
    browser.type_in("x");
    browser.script("document.querySelector('#compare-name').focus()");
    browser.type_in("NOPE");
    browser.press(&[ENTER]);
    browser.wait(
        "return document.querySelector('#compare-said').textContent === 'there is no NOPE'",
        "what is not there",
    );
    for (width, height, mobile) in [(390, 844, true), (320, 700, true), (2560, 1440, false)] {
        browser.size(width, height, mobile);
        browser.wait(WIDE, "a page that is as wide as the screen");
        chart(&browser);
        browser.shot(&format!("page-compare-{width}.png"));
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn marks_are_readable_and_nothing_is_cut_off_at_any_width() {
    let folder = tempfile::tempdir().unwrap();
    let served = recording(folder.path(), 3 * 3_600, &["--cross", "XVGUSDT=XVGBTC*BTCUSDT"]);
    let browser = Browser::open();
    let cut = "return [...document.querySelectorAll('header *, main *')].filter((element) =>
      element.checkVisibility()
        && !element.closest('.scroll, .unseen, .skip, select, .all-scroll, .notes') &&
          element.children.length === 0
        && (element.getBoundingClientRect().right > innerWidth + 1 ||
          element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflow === 'hidden'))
        .map((element) => `${element.tagName}#${element.id} ${element.textContent.slice(0, 40)}`)";
    browser.go(&format!("http://{}/#XVGUSDT?window=10s&span=all", served.address));
    for (width, height, mobile) in
        [(390, 844, true), (768, 1024, false), (1440, 1100, false), (2560, 1440, false)]
    {
        browser.size(width, height, mobile);
        browser.wait(WIDE, "a page that is as wide as the screen");
        chart(&browser);
        browser.wait("return document.querySelectorAll('#rows tr').length === 20", "rows");
        browser.shot(&format!("page-wide-{width}.png"));
        none(&browser.script(cut), &format!("cut off at {width}"));
        assert_eq!(browser.faults(), Vec::<String>::new(), "at {width}");
    }
    let share = browser.script("return document.querySelector('#charts').clientWidth / innerWidth");
    assert!(share.as_f64() > Some(0.7), "a wide screen is used: {share}");
    assert_eq!(browser.console(), Vec::<String>::new());
}
