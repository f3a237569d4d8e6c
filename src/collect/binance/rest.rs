//! The exchange's REST: questions to HTTP requests, answers to what the session understands.

use super::limits::MOST_TRADES;
use super::messages;
use crate::collect::enquiry::{
    ExchangeAnswer, ExchangeQuestion, FoundTrade, MOST_IN_FLIGHT, NumberedAnswer, RestRequest,
};
use crate::collect::event::FrameEvent;
use crate::collect::names::Names;
use crate::http;
use crossrate_dataflows::market::event_time::EventTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use ureq::http::StatusCode;

/// A request with its answer, also where it comes byte by byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The whole of exchangeInfo has some fifteen MiB.
const LARGEST: u64 = 64 << 20;
/// Where the exchange does not say for how long it wants no request, in milliseconds.
const LIMITED: u64 = 60_000;
const BANNED: u64 = 120_000;

/// The REST of one exchange.
#[derive(Debug, Clone)]
pub struct Rest {
    base: String,
    agent: ureq::Agent,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The body of a good answer.
    pub body: Result<Vec<u8>, RestFault>,
    /// What the exchange has counted in this minute.
    pub used: Option<u64>,
}

/// What came instead of a good answer.
#[derive(Debug, thiserror::Error)]
pub enum RestFault {
    /// Asked too much; in milliseconds how long to keep away.
    #[error("the exchange wants no questions for {} s", .wait.div_ceil(1_000))]
    Limited {
        /// How long.
        wait: u64,
        /// It is a ban.
        banned: bool,
    },
    /// The question does not do.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer.
    #[error("{0}")]
    Failed(String),
}

impl Rest {
    /// At a base such as `https://api.binance.com`.
    pub fn new(base: &str) -> Self {
        Rest { base: base.trim_end_matches('/').to_owned(), agent: http::agent(PATIENCE) }
    }

    /// Asks for a path with its query.
    pub fn get(&self, path: &str) -> Reply {
        let url = format!("{}{path}", self.base);
        let mut response = match self.agent.get(&url).call() {
            Ok(response) => response,
            Err(error) => return Reply { body: Err(RestFault::Failed(error.to_string())), used: None },
        };
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let used = number("x-mbx-used-weight-1m");
        let after = number("retry-after").map(|seconds| seconds.saturating_mul(1_000));
        let status = response.status();
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        let words = |body: &[u8]| String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let body = match (status, body) {
            (StatusCode::OK, Ok(body)) => Ok(body),
            (StatusCode::OK, Err(error)) => Err(RestFault::Failed(error.to_string())),
            (StatusCode::IM_A_TEAPOT, _) => {
                Err(RestFault::Limited { wait: after.unwrap_or(BANNED), banned: true })
            }
            // 403 is the firewall before the exchange, which means the same.
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN, _) => {
                Err(RestFault::Limited { wait: after.unwrap_or(LIMITED), banned: false })
            }
            (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, body) => {
                Err(RestFault::Refused(words(&body.unwrap_or_default())))
            }
            (status, _) => Err(RestFault::Failed(format!("HTTP status {status}"))),
        };
        Reply { body, used }
    }
}

/// Threads that ask. They end with the sender that this gives.
pub(in crate::collect) fn start(
    rest: &Rest,
    names: &Arc<Names>,
    answers: &UnboundedSender<NumberedAnswer>,
) -> std::io::Result<mpsc::Sender<RestRequest>> {
    let (sender, requests) = mpsc::channel::<RestRequest>();
    let requests = Arc::new(Mutex::new(requests));
    for _ in 0..MOST_IN_FLIGHT {
        let (rest, names, requests) = (rest.clone(), Arc::clone(names), Arc::clone(&requests));
        let answers = answers.clone();
        std::thread::Builder::new().name("rest".into()).spawn(move || {
            loop {
                let request = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(RestRequest { number, question }) = request else { return };
                let reply = rest.get(&path(&question, &names));
                let answer = match reply.body {
                    Ok(body) => read(&question, &names, &body),
                    Err(RestFault::Limited { wait, banned }) => ExchangeAnswer::Limited { wait, banned },
                    Err(RestFault::Refused(why)) => ExchangeAnswer::Refused(why),
                    Err(RestFault::Failed(why)) => ExchangeAnswer::Failed(why),
                };
                if answers.send(NumberedAnswer { number, answer, used: reply.used }).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(sender)
}

fn path(question: &ExchangeQuestion, names: &Names) -> String {
    match question {
        ExchangeQuestion::Time => "/api/v3/time".to_owned(),
        ExchangeQuestion::LastIds(symbols) => {
            let symbols = list(symbols.iter().map(|symbol| names.name(*symbol)));
            format!("/api/v3/ticker/24hr?type=MINI&symbols={symbols}")
        }
        ExchangeQuestion::AllLastIds => "/api/v3/ticker/24hr?type=MINI".to_owned(),
        ExchangeQuestion::Trades { symbol, from, limit } => {
            let symbol = encoded(names.name(*symbol));
            format!("/api/v3/historicalTrades?symbol={symbol}&fromId={from}&limit={limit}")
        }
        ExchangeQuestion::Recent { symbol } => {
            format!("/api/v3/trades?symbol={}&limit={MOST_TRADES}", encoded(names.name(*symbol)))
        }
    }
}

/// A JSON list of names, as a query wants it.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    encoded(&serde_json::to_string(&names).unwrap_or_default())
}

/// Percent-encoded, as queries and paths want it: some symbols are not ASCII.
pub(super) fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b',');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    server_time: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticker<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    last_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestTrade<'a> {
    id: u64,
    #[serde(borrow)]
    price: Cow<'a, str>,
    #[serde(borrow)]
    qty: Cow<'a, str>,
    time: u64,
    is_buyer_maker: bool,
}

fn read(question: &ExchangeQuestion, names: &Names, body: &[u8]) -> ExchangeAnswer {
    let answer = match question {
        ExchangeQuestion::Time => serde_json::from_slice::<Time>(body)
            .ok()
            .and_then(|time| EventTime::from_exchange(time.server_time).map(ExchangeAnswer::Time)),
        ExchangeQuestion::LastIds(_) | ExchangeQuestion::AllLastIds => {
            serde_json::from_slice::<Vec<Ticker<'_>>>(body).ok().map(|tickers| last_ids(&tickers, names))
        }
        ExchangeQuestion::Trades { symbol, .. } | ExchangeQuestion::Recent { symbol } => {
            // One that cannot be read is missing, as it is where a websocket sends it; the others are there.
            serde_json::from_slice::<Vec<&RawValue>>(body).ok().map(|trades| {
                let found = trades.into_iter().filter_map(|trade| {
                    found(names.name(*symbol), &serde_json::from_str::<RestTrade<'_>>(trade.get()).ok()?)
                });
                ExchangeAnswer::Trades(found.collect())
            })
        }
    };
    answer.unwrap_or_else(|| {
        let beginning = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        ExchangeAnswer::Failed(format!("an answer that is not understood: {beginning:?}"))
    })
}

fn last_ids(tickers: &[Ticker<'_>], names: &Names) -> ExchangeAnswer {
    let number = |ticker: &Ticker<'_>| names.number(&ticker.symbol);
    let ids = tickers.iter().filter_map(|t| Some((number(t)?, u64::try_from(t.last_id).ok())));
    ExchangeAnswer::LastIds(ids.collect())
}

/// As the websocket would have sent it, but for `E`, which REST does not know. The dataflow must be able to
/// read it.
fn found(symbol: &str, trade: &RestTrade<'_>) -> Option<FoundTrade> {
    let text = |text: &str| serde_json::to_string(text).ok();
    let value = format!(
        r#"{{"e":"trade","s":{},"t":{},"p":{},"q":{},"T":{},"m":{},"M":true}}"#,
        text(symbol)?,
        trade.id,
        text(&trade.price)?,
        text(&trade.qty)?,
        trade.time,
        trade.is_buyer_maker,
    );
    match messages::read(&value) {
        FrameEvent::Trade(event) => Some(FoundTrade { id: event.id, time: event.time, value: event.value }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(vec!["BTCUSDT".into(), "币安BTC".into()])
    }

    #[test]
    fn each_question_becomes_its_rest_address() {
        let cases = [
            (ExchangeQuestion::Time, "/api/v3/time"),
            (
                ExchangeQuestion::LastIds(vec![0, 1]),
                "/api/v3/ticker/24hr?type=MINI&symbols=%5B%22BTCUSDT%22,%22%E5%B8%81%E5%AE%89BTC%22%5D",
            ),
            (
                ExchangeQuestion::Trades { symbol: 0, from: 28_457, limit: 3 },
                "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=28457&limit=3",
            ),
            (
                ExchangeQuestion::Recent { symbol: 1 },
                "/api/v3/trades?symbol=%E5%B8%81%E5%AE%89BTC&limit=1000",
            ),
        ];
        for (question, expected) in cases {
            assert_eq!(path(&question, &names()), expected);
        }
    }

    #[test]
    fn answers_of_the_exchanges_documentation() {
        let read = |question, body: &str| read(&question, &names(), body.as_bytes());
        let recent = ExchangeQuestion::Recent { symbol: 0 };
        let body = r#"[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012",
            "time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]"#;
        let ExchangeAnswer::Trades(trades) = read(recent.clone(), body) else { panic!("no trades") };
        let value = r#"{"e":"trade","s":"BTCUSDT","t":28457,"p":"4.00000100","q":"12.00000000","T":1499865549590,"m":true,"M":true}"#;
        assert_eq!((trades[0].id, &*trades[0].value), (28_457, value.as_bytes()));
        // Of a page with trades that cannot be read, the others are there.
        let of = |id: u64, price: &str| {
            format!(r#"{{"id":{id},"price":"{price}","qty":"1","time":1499865549590,"isBuyerMaker":true}}"#)
        };
        let page = format!("[{},{},{{\"id\":3}},{}]", of(1, "1"), of(2, "x"), of(4, "2"));
        let ExchangeAnswer::Trades(trades) = read(recent.clone(), &page) else { panic!("no trades") };
        assert_eq!(trades.iter().map(|trade| trade.id).collect::<Vec<_>>(), [1, 4]);
        let tickers = r#"[{"symbol":"BTCUSDT","lastId":28460,"count":76},{"symbol":"币安BTC","lastId":-1},{"symbol":"X","lastId":1}]"#;
        assert_eq!(
            read(ExchangeQuestion::AllLastIds, tickers),
            ExchangeAnswer::LastIds(vec![(0, Some(28_460)), (1, None)])
        );
        let time = EventTime::from_exchange(1_499_827_319_559).expect("a time");
        assert_eq!(
            read(ExchangeQuestion::Time, r#"{"serverTime":1499827319559}"#),
            ExchangeAnswer::Time(time)
        );
        for (question, bad) in
            [(recent.clone(), "{}"), (recent, "<html>"), (ExchangeQuestion::Time, r#"{"serverTime":5}"#)]
        {
            assert!(matches!(read(question, bad), ExchangeAnswer::Failed(_)), "{bad}");
        }
    }
}
