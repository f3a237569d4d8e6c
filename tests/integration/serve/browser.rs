//! A real browser, Debian's Chromium without a screen, driven by its WebDriver.

use super::http;
use crate::needs;
use base64::Engine;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser with a profile of its own. Ended when dropped.
pub(super) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(super) fn open() -> Browser {
        needs::program("chromedriver");
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().expect("chromedriver starts");
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "chromedriver ended");
            if let Some((_, port)) = line.trim_end().split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        let profile = tempfile::tempdir().unwrap();
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--window-size=1440,1100",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wish = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // Half a minute by default, which the checker of a table of thousands may take on a busy machine.
            "timeouts": {"script": 180_000, "pageLoad": 300_000},
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut browser = Browser {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let session = browser.call("POST", "/session", &wish);
        browser.session = session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned();
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        // A body where there should be none is a mistake to the driver.
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = [("Content-Type", "application/json")];
        http::ask(self.address, method, path, &kind, &body).json()["value"].take()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        let value = self.call("POST", &format!("/session/{}{path}", self.session), body);
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }

    fn tool(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    pub(super) fn go(&self, address: &str) {
        self.command("/url", &json!({"url": address}));
    }

    /// What a script returns.
    pub(super) fn script(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of an element.
    pub(super) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.textContent ?? ''");
        self.script(&script).as_str().unwrap().to_owned()
    }

    /// Waits until a script returns true.
    pub(super) fn wait(&self, script: &str, what: &str) {
        http::eventually(|| self.script(script) == true, what);
    }

    /// Presses keys, one after the other, where the focus is.
    pub(super) fn press(&self, keys: &[&str]) {
        let press =
            |key: &&str| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        self.command("/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// Types a text where the focus is.
    pub(super) fn type_in(&self, text: &str) {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Clicks on an element, once it is there.
    pub(super) fn click(&self, selector: &str) {
        self.wait(
            &format!("return document.querySelector({selector:?})?.checkVisibility() === true"),
            selector,
        );
        self.script(&format!("document.querySelector({selector:?}).click()"));
    }

    /// Drags over an element: from one share of its width to another.
    pub(super) fn drag(&self, selector: &str, from: f64, to: f64) {
        let at = |share: f64| {
            let script = format!(
                "const box = document.querySelector({selector:?}); box.scrollIntoView({{ block: 'center' }});
                 const {{ left, top, width, height }} = box.getBoundingClientRect();
                 return [Math.round(left + width * {share}), Math.round(top + height / 2)]"
            );
            self.script(&script)
        };
        let place = |share: f64| {
            let found = at(share);
            json!({"type": "pointerMove", "duration": 20, "x": found[0], "y": found[1]})
        };
        let steps = [from, from + (to - from) / 3.0, from + (to - from) / 1.5, to].map(place);
        let [first, rest @ ..] = steps;
        let mut actions = vec![first, json!({"type": "pointerDown", "button": 0})];
        actions.extend(rest);
        actions.push(json!({"type": "pointerUp", "button": 0}));
        self.pointer(&actions);
    }

    /// Turns the wheel over the middle of an element.
    pub(super) fn wheel(&self, selector: &str, by: i32) {
        let script = format!(
            "const box = document.querySelector({selector:?}); box.scrollIntoView({{ block: 'center' }});
             const {{ left, top, width, height }} = box.getBoundingClientRect();
             return [Math.round(left + width / 2), Math.round(top + height / 2)]"
        );
        let at = self.script(&script);
        let action = json!({"type": "scroll", "origin": "viewport", "duration": 0,
                            "x": at[0], "y": at[1], "deltaX": 0, "deltaY": by});
        self.command(
            "/actions",
            &json!({"actions": [{"type": "wheel", "id": "wheel", "actions": [action]}]}),
        );
    }

    /// Moves two fingers over an element, from shares of its width to others.
    pub(super) fn pinch(&self, selector: &str, from: [f64; 2], to: [f64; 2]) {
        let script = format!(
            "const box = document.querySelector({selector:?}); box.scrollIntoView({{ block: 'center' }});
             const {{ left, top, width, height }} = box.getBoundingClientRect();
             return [left, width, Math.round(top + height / 2)]"
        );
        let found = self.script(&script);
        let number = |place: usize| found[place].as_f64().unwrap();
        let finger = |place: usize| {
            let at = |share: f64| {
                let share = from[place] + (to[place] - from[place]) * share;
                let x = (number(0) + number(1) * share).round();
                json!({"type": "pointerMove", "duration": 20, "x": x as i64, "y": found[2]})
            };
            let actions = [
                at(0.0),
                json!({"type": "pointerDown", "button": 0}),
                at(0.3),
                at(0.7),
                at(1.0),
                json!({"type": "pointerUp", "button": 0}),
            ];
            json!({"type": "pointer", "id": format!("finger {place}"), "actions": actions,
                   "parameters": {"pointerType": "touch"}})
        };
        self.command("/actions", &json!({"actions": [finger(0), finger(1)]}));
    }

    fn pointer(&self, actions: &[Value]) {
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                           "actions": actions});
        self.command("/actions", &json!({"actions": [mouse]}));
    }

    /// The time zone of the place where the browser is.
    pub(super) fn zone(&self, zone: &str) {
        self.tool("Emulation.setTimezoneOverride", &json!({"timezoneId": zone}));
    }

    /// Where files go that a page gives.
    pub(super) fn downloads(&self, folder: &Path) {
        let parameters = json!({"behavior": "allow", "downloadPath": folder.to_str().unwrap()});
        self.tool("Browser.setDownloadBehavior", &parameters);
    }

    /// The size of a phone, or of a desk again.
    pub(super) fn size(&self, width: u32, height: u32, mobile: bool) {
        let scale = if mobile { 2 } else { 1 };
        self.tool(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}),
        );
    }

    /// Light or dark.
    pub(super) fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.tool("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Interactive things without a name that could be read out.
    pub(super) fn nameless(&self) -> Vec<String> {
        let tree = self.tool("Accessibility.getFullAXTree", &json!({}));
        let interactive =
            ["button", "link", "combobox", "textbox", "radio", "radiogroup", "table", "group", "region"];
        let nodes = tree["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["ignored"] == false)
            .filter(|node| interactive.contains(&node["role"]["value"].as_str().unwrap_or("")))
            .filter(|node| {
                node["role"]["value"] != "table" && node["name"]["value"].as_str().unwrap_or("").is_empty()
            })
            .map(Value::to_string)
            .collect()
    }

    /// What axe finds wrong with the page as it is: how bad, which rule, where. Nothing where axe is not
    /// there, which in CI is a failure.
    pub(super) fn faults(&self) -> Vec<String> {
        let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/4.10.3/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(axe) else {
            assert!(std::env::var_os("CI").is_none(), "axe is missing: scripts/test fetches it");
            eprintln!("not looked at by axe: scripts/test fetches it");
            return Vec::new();
        };
        self.script(&format!("{axe}; return true"));
        let found = self.script(
            "return axe.run(document).then((result) => result.violations.flatMap((fault) => fault.nodes.map(
                (node) => `${fault.impact} ${fault.id}: ${fault.help}: ${node.html} ${node.failureSummary}`)))",
        );
        found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }

    /// What is on the screen, as a PNG: kept beside the test's other files, and where `CROSSRATE_SHOTS` says.
    pub(super) fn shot(&self, name: &str) {
        let png = self.tool("Page.captureScreenshot", &json!({"format": "png"}));
        let png = base64::engine::general_purpose::STANDARD.decode(png["data"].as_str().unwrap()).unwrap();
        let folder =
            std::env::var("CROSSRATE_SHOTS").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
        std::fs::write(Path::new(&folder).join(name), png).unwrap();
    }

    /// Errors and warnings that the console has had since this was asked last.
    pub(super) fn console(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
