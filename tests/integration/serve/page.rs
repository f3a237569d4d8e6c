//! The page in a real browser: what it shows is what was computed, as it comes, and it survives its server.

use super::browser::Browser;
use super::{Served, follow};
use std::time::Instant;

/// Pixels of the first chart that are not empty.
pub(super) const DRAWN: &str = "const canvas = document.querySelector('canvas');
    if (!canvas || !canvas.width) return 0;
    // The page's own canvas is not read, which would make the browser treat it otherwise.
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0;
    return drawn;";

/// Texts whose contrast is less than WCAG's AA asks for.
pub(super) const PALE: &str = "
    const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
    const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
    const part = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const light = ({ r, g, b }) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const ground = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
      return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
    };
    const pale = [];
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      const style = getComputedStyle(element);
      if (!own || !element.checkVisibility() || element.closest('.unseen, .skip, option')) continue;
      let opacity = 1;
      for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
      const under = ground(element);
      const colour = parse(style.color);
      const [a, b] = [light(over({ ...colour, a: colour.a * opacity }, under)), light(under)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) pale.push(`${element.tagName} ${element.className} ${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return [...new Set(pale)];";

pub(super) const WIDE: &str = "return document.documentElement.scrollWidth <= window.innerWidth";

pub(super) fn none(found: &serde_json::Value, what: &str) {
    assert_eq!(found.as_array().unwrap(), &Vec::<serde_json::Value>::new(), "{what}");
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_shows_what_is_computed_as_it_comes() {
    let browser = Browser::open();
    let served = Served::demo(&["--speed", "10"]);
    let begun = Instant::now();
    browser.go(&format!("http://{}/", served.address));
    browser.wait(&format!("return (() => {{ {DRAWN} }})() > 1000"), "a chart");
    eprintln!("the first chart was there after {:?}", begun.elapsed());

    // A window is seen while it is open, and seen to become final, without anybody loading the page again.
    browser.script("window.sameDocument = true");
    browser
        .wait("return document.querySelector('#rows [data-stage=provisional]') !== null", "an open window");
    let start =
        browser.script("return document.querySelector('#rows [data-stage=provisional]').dataset.start");
    let start = start.as_str().unwrap();
    let stage = format!("document.querySelector('#rows [data-start=\"{start}\"]')?.dataset.stage");
    browser.wait(&format!("return {stage} === 'final'"), "the window's final row");
    assert_eq!(browser.script("return window.sameDocument"), true);
    assert_eq!(browser.text("#pill"), "live");

    browser.wait("return document.querySelectorAll('#rows tr').length > 14", "enough to look at");
    browser.shot("page-light.png");
    let light = browser.script("return getComputedStyle(document.documentElement).backgroundColor");
    browser.scheme("dark");
    browser.wait(
        "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        "a painting",
    );
    browser.shot("page-dark.png");
    assert_ne!(browser.script("return getComputedStyle(document.documentElement).backgroundColor"), light);
    none(&browser.script(PALE), "pale texts in the dark");
    assert_eq!(browser.faults(), Vec::<String>::new(), "in the dark");
    browser.scheme("light");
    none(&browser.script(PALE), "pale texts in the light");
    assert_eq!(browser.faults(), Vec::<String>::new(), "in the light");
    browser.size(390, 844, true);
    browser.wait(WIDE, "a page no wider than a phone");
    browser.wait(&format!("return (() => {{ {DRAWN} }})() > 1000"), "a chart on a phone");
    none(&browser.script(PALE), "pale texts on a phone");
    browser.shot("page-phone.png");
    assert_eq!(browser.faults(), Vec::<String>::new(), "on a phone");
    browser.size(320, 700, true);
    browser.wait(WIDE, "a page no wider than a small phone");
    browser.size(1440, 1100, false);
    assert_eq!(browser.nameless(), Vec::<String>::new());

    // In the end what stands on the page is what the server has, character by character.
    served.wait_for_the_end();
    browser.wait("return document.querySelector('#pill').dataset.state === 'ended'", "the end");
    browser
        .wait("return document.querySelector('#rows [data-stage=provisional]') === null", "final rows only");
    let latest = served.get("/v1/latest?kind=cross&name=XVGUSDT&window=10s&windows=20").json();
    let rows = latest["rows"].as_array().unwrap();
    let shown = browser.script(
        "return [...document.querySelectorAll('#rows tr')].map((line) => [line.dataset.start, line.cells[1].textContent, line.cells[4].textContent])",
    );
    let expected: Vec<serde_json::Value> = rows
        .iter()
        .rev()
        .map(|row| {
            let rate = |vwap: &serde_json::Value| vwap.as_str().unwrap_or("no rate").to_owned();
            let legs = row["legs"].as_array().unwrap().iter();
            let legs: String = legs
                .map(|leg| format!("{} {}", leg["symbol"].as_str().unwrap(), rate(&leg["vwap"])))
                .collect();
            serde_json::json!([row["start_ms"].to_string(), rate(&row["vwap"]), legs])
        })
        .collect();
    assert_eq!(shown, serde_json::Value::from(expected));
    let stats = served.get("/v1/latest?kind=stats&name=XVGUSDT&window=10s").json();
    assert_eq!(browser.text("#stat-mean"), stats["rows"][0]["mean"].as_str().unwrap());
    assert_eq!(browser.text("#stat-n"), stats["rows"][0]["n"].to_string());

    // By keys: the last window, and what is read out of it; the address keeps it.
    browser.script("document.querySelector('#charts').focus()");
    let (end, left, enter) = ("\u{e010}", "\u{e012}", "\u{e007}");
    browser.press(&[end, left, enter]);
    let told = browser.text("#readout");
    let row = &rows[rows.len() - 2];
    assert!(
        told.starts_with("XVGUSDT 00:03:40: ") && told.contains(&row["vwap"].as_str().unwrap()[..11]),
        "{told}"
    );
    let address = browser.script("return location.hash");
    assert_eq!(address, format!("#XVGUSDT?window=10s&span=15m&at={}", row["end_ms"]));
    browser.script("location.hash = '#BTCUSDT?span=all'");
    browser.wait(
        "return document.querySelector('#title').textContent === 'BTCUSDT'",
        "another name by the address",
    );
    browser.wait("return document.querySelectorAll('#rows tr').length === 20", "its windows");

    // Another definition of windows, by the choice beside the name and by the address.
    let words = "anchored:all/10s (since the beginning, one every 10 s)";
    browser.script(
        "const select = document.querySelector('#window'); select.value = 'anchored:all/10s'; select.dispatchEvent(new Event('change'))",
    );
    browser.wait(
        "return document.querySelector('#rows th')?.textContent.startsWith('the beginning')",
        "windows since the beginning",
    );
    assert!(browser.text("#product").ends_with(words), "{}", browser.text("#product"));
    assert_eq!(browser.script("return location.hash"), "#BTCUSDT?window=anchored%3Aall%2F10s&span=all");
    let last = served.get("/v1/latest?kind=symbol&name=BTCUSDT&window=anchored:all/10s").json();
    assert_eq!(browser.text("#rows td"), last["rows"][0]["vwap"].as_str().unwrap());
    browser.wait(&format!("return (() => {{ {DRAWN} }})() > 1000"), "a chart of them");
    browser.shot("page-anchored.png");
    browser.script("location.hash = '#BTCUSDT?window=10s&span=all'");
    browser.wait(
        "return !document.querySelector('#rows th').textContent.startsWith('the beginning')",
        "the other windows by the address",
    );

    // Neither the way past the charts nor an address that means nothing changes what is shown.
    browser.script("document.querySelector('.skip').click()");
    assert_eq!(browser.script("return document.activeElement.id"), "windows");
    browser.script("location.hash = '#%E0%A4%A'");
    browser.wait("return location.hash === '#%E0%A4%A'", "the address");
    assert_eq!(browser.text("#title"), "BTCUSDT");

    let origins =
        "return [...new Set(performance.getEntriesByType('resource').map((e) => new URL(e.name).origin))]";
    assert_eq!(browser.script(origins), serde_json::json!([format!("http://{}", served.address)]));
    assert_eq!(browser.console(), Vec::<String>::new());
    browser.go(&format!("http://{}/docs", served.address));
    browser.wait("return document.querySelector('#docs').ariaBusy === 'false'", "the interface");
    assert!(browser.text("#docs").contains("GET /v1/windows"));
    none(&browser.script(PALE), "pale texts of the interface");
    assert_eq!(browser.faults(), Vec::<String>::new(), "the interface");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_survives_its_server() {
    let browser = Browser::open();
    let served = Served::demo(&["--speed", "max"]);
    let address = served.address.to_string();
    browser.go(&format!("http://{address}/"));
    browser.wait("return document.querySelector('#pill').dataset.state === 'ended'", "the end");
    browser.script("window.sameDocument = true");
    drop(served);
    browser.wait(
        "return document.querySelector('#pill').dataset.state === 'away'",
        "word that the server is away",
    );
    assert!(browser.text("#pill").starts_with("server away"));
    assert!(
        browser.script("return document.querySelectorAll('#rows tr').length").as_u64() > Some(5),
        "rows stay"
    );
    let again = Served::demo_at(&address, &["--speed", "max", "--seed", "2"]);
    again.wait_for_the_end();
    browser.wait("return document.querySelector('#pill').dataset.state === 'ended'", "the server again");
    let latest = again.get("/v1/latest?kind=cross&name=XVGUSDT&window=10s").json();
    let rate = latest["rows"][0]["vwap"].as_str().unwrap();
    browser.wait(
        &format!("return document.querySelector('#rows td').textContent === {rate:?}"),
        "the other market",
    );
    assert!(browser.text("#notes").contains("everything anew"), "{}", browser.text("#notes"));
    assert_eq!(browser.script("return window.sameDocument"), true);
    // That a server does not answer is in the console, by the browser itself; nothing else is.
    let other: Vec<String> =
        browser.console().into_iter().filter(|line| !line.contains("net::ERR_")).collect();
    assert_eq!(other, Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_asks_for_the_token() {
    let browser = Browser::open();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse-battery-staple\n").unwrap();
    let served = Served::demo(&["--speed", "max", "--token-file", file.to_str().unwrap()]);
    browser.go(&format!("http://{}/", served.address));
    for token in ["wrong-horse-battery-staple", "correct-horse-battery-staple"] {
        browser.wait("return document.querySelector('#token-dialog').open", "a question for the token");
        browser.script(&format!("document.querySelector('#token').value = {token:?}"));
        browser.script("document.querySelector('#token-dialog button').click()");
    }
    browser.wait("return document.querySelector('#pill').dataset.state === 'ended'", "rows");
}

/// Tables in which something stands beside what is seen.
const BESIDE: &str = "return [...document.querySelectorAll('.scroll')].filter((table) =>
    table.checkVisibility() && table.scrollWidth > table.clientWidth).map((table) =>
    `${table.ariaLabel}: ${table.scrollWidth} in ${table.clientWidth}`)";

#[test]
#[ignore = "needs Chromium"]
fn all_of_a_table_is_seen_and_every_time_is_of_the_clocks_that_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["trades-of-the-first-venue.jsonl", "trades-of-the-second-venue.jsonl"];
    let paths = files.map(|file| folder.path().join(file));
    let late = r#"{"e":"trade","s":"BTCUSDT","t":900000,"p":"1","q":"1","T":1525022021000}"#;
    std::fs::write(&paths[0], format!("{}{late}\n", follow::trades(0..300))).unwrap();
    std::fs::write(&paths[1], follow::trades(300..301)).unwrap();
    let [first, second] = paths.each_ref().map(|path| path.to_str().unwrap());
    let served = Served::run(&[
        first,
        second,
        "--window",
        "10s",
        "--delay",
        "1s",
        "--cross",
        "GONE=BTCUSDT*NOBODYUSDT",
        "--symbols",
        "BTCUSDT",
    ]);
    served.wait_for_the_end();
    let browser = Browser::open();
    browser.zone("Asia/Tokyo");
    browser.go(&format!("http://{}/#GONE?window=10s&span=all", served.address));
    browser.wait(
        "return document.querySelector('#rows .how')?.textContent.endsWith('missing')",
        "a missing leg",
    );
    browser.wait("return document.querySelector('#notes [data-what=late]') !== null", "the late record");

    // The state of a window and the counts of a partition are read without moving the table.
    for (width, height, mobile) in [(390, 844, true), (768, 1024, false), (1280, 900, false)] {
        browser.size(width, height, mobile);
        browser.wait(WIDE, "a page that is as wide as the screen");
        none(&browser.script(BESIDE), &format!("beside what is seen at {width}"));
    }
    // What tells partitions apart is seen: not the folder that they share.
    let names = "return [...document.querySelectorAll('#partitions th')].map((name) => name.textContent)";
    assert_eq!(browser.script(names), serde_json::json!(files));

    // The charts show all: a drag over the range picker chooses a part of it.
    browser.drag("#strip", 0.25, 0.5);
    browser.wait("return location.hash.includes('from=')", "a part of what is kept");

    // Notes and the newest window are told with their day, and follow the switch.
    let texts = ["#notes [data-what='no rate'] span", "#final-about"];
    for text in texts {
        assert!(browser.text(text).contains("2018-04-29 17:1"), "{}", browser.text(text));
    }
    browser.click("#zone");
    for text in texts {
        let script =
            format!("return document.querySelector({text:?}).textContent.includes('2018-04-30 02:1')");
        browser.wait(&script, "the time of Tokyo");
    }
    // By keys the day is read out once.
    browser.script("document.querySelector('#charts').focus()");
    browser.press(&["\u{e011}"]);
    assert!(browser.text("#readout").starts_with("2018-04-30, GONE 02:1"), "{}", browser.text("#readout"));
    browser.press(&["\u{e014}"]);
    assert!(browser.text("#readout").starts_with("GONE 02:1"), "{}", browser.text("#readout"));
    assert_eq!(browser.faults(), Vec::<String>::new());
    assert_eq!(browser.console(), Vec::<String>::new());
}
