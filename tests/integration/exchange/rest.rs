//! The exchange's REST as documented: exchangeInfo, time, ticker/24hr, trades and historicalTrades, with
//! weights, limits and bans. Byte for byte by hand, so that answers can break off, drip and be nonsense.

use super::decoded;
use super::market::{LIMIT, Market, Truth};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Questions that were on their way when the exchange said that it wants none: so long on a busy machine,
const UNDER_WAY: Duration = Duration::from_millis(1_200);
/// and on a very busy one longer, but not more than the collector asks at a time.
const MOST_UNDER_WAY: u32 = 4;

/// Serves until the test ends.
pub(super) async fn serve(market: Market, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let market = market.clone();
        tokio::spawn(async move { connection(market, stream).await });
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: String,
}

async fn connection(market: Market, mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => request.extend_from_slice(&buffer[..n]),
            }
        }
        let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
        request.clear();
        let target = line.split(' ').nth(1).unwrap_or_default();
        if market.fault("REST cut", |f| f.failing / 2) {
            return;
        }
        let answer = answer(&market, target);
        let head = format!(
            "HTTP/1.1 {} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n",
            answer.status,
            answer.body.len(),
            answer.headers
        );
        let whole = [head.as_bytes(), answer.body.as_bytes()].concat();
        if market.fault("REST drips", |f| f.slow) {
            for part in whole.chunks(whole.len() / 40 + 1) {
                if stream.write_all(part).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } else if stream.write_all(&whole).await.is_err() {
            return;
        }
        // It is said when all of it is said.
        if matches!(answer.status, 418 | 429)
            && let Some((_, said)) = &mut market.state().ledger.keep_away
        {
            *said = Instant::now();
        }
    }
}

fn answer(market: &Market, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: HashMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decoded(value)))
        .collect();
    if let Some(refusal) = limits(market, path, &query) {
        return refusal;
    }
    if market.fault("REST fails", |f| f.failing) {
        return Answer { status: 503, headers: String::new(), body: "<html>no</html>".to_owned() };
    }
    let (status, body) = body(market, path, &query);
    let used = market.state().ledger.weight;
    let body = if market.fault("REST nonsense", |f| f.nonsense) && path != "/api/v3/exchangeInfo" {
        let half = (0..=body.len() / 2).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
        body[..half].to_owned()
    } else {
        body
    };
    Answer { status, headers: format!("x-mbx-used-weight-1m: {used}\r\n"), body }
}

/// Counts the weight. Who asks too much, or is chosen, is told to keep away; who does not is banned.
fn limits(market: &Market, path: &str, query: &HashMap<String, String>) -> Option<Answer> {
    let limited = market.fault("REST limits", |f| f.limited);
    let minute = market.time() / 60_000;
    let mut state = market.state();
    let ledger = &mut state.ledger;
    if ledger.minute != minute {
        ledger.minute = minute;
        ledger.weight = 0;
    }
    let symbols = query.get("symbols").map_or(usize::MAX, |list| list.matches(',').count() + 1);
    ledger.weight += match path {
        "/api/v3/time" => 1,
        "/api/v3/exchangeInfo" => 20,
        "/api/v3/ticker/24hr" if symbols <= 20 => 2,
        "/api/v3/ticker/24hr" => 80,
        _ => 25,
    };
    if let Some((until, said)) = ledger.keep_away.filter(|(until, _)| Instant::now() < *until) {
        ledger.disobeyed += 1;
        if said.elapsed() > UNDER_WAY && ledger.disobeyed >= MOST_UNDER_WAY {
            ledger.violations.push(format!("{path} was asked {:?} too soon", until - Instant::now()));
        }
        let headers = "retry-after: 3\r\n".to_owned();
        ledger.keep_away = Some((Instant::now() + Duration::from_secs(3), Instant::now()));
        return Some(Answer { status: 418, headers, body: r#"{"code":-1003,"msg":"banned"}"#.to_owned() });
    }
    let over = ledger.weight > LIMIT;
    if over {
        ledger.violations.push(format!("weight {} in a minute", ledger.weight));
    }
    if over || limited {
        ledger.keep_away = Some((Instant::now() + Duration::from_secs(2), Instant::now()));
        ledger.disobeyed = 0;
        let headers = "retry-after: 2\r\n".to_owned();
        return Some(Answer { status: 429, headers, body: r#"{"code":-1003,"msg":"too much"}"#.to_owned() });
    }
    None
}

fn body(market: &Market, path: &str, query: &HashMap<String, String>) -> (u16, String) {
    let time = market.time();
    let state = market.state();
    let names: Vec<String> =
        query.get("symbols").and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    let unknown = |name: &str| !state.symbols.iter().any(|symbol| symbol.name == name);
    let single = query.get("symbol").cloned();
    if names.iter().chain(&single).any(|name| unknown(name)) {
        return (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned());
    }
    let asked =
        state.symbols.iter().filter(|symbol| names.is_empty() || names.iter().any(|n| n == symbol.name));
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let trades = |behind: u64, from: Option<usize>| -> Vec<Value> {
        let symbol = state.symbols.iter().find(|symbol| Some(symbol.name) == single.as_deref());
        let limit = number("limit").unwrap_or(500).min(1_000);
        let known = symbol.into_iter().flat_map(|symbol| &symbol.trades);
        let known: Vec<&Truth> = known.filter(|t| t.known && t.time + behind <= time).collect();
        let chosen: Vec<&Truth> = match from {
            Some(from) => known.into_iter().filter(|trade| trade.id >= from as u64).take(limit).collect(),
            None => known[known.len().saturating_sub(limit)..].to_vec(),
        };
        chosen.into_iter().map(listed).collect()
    };
    let body = match path {
        "/api/v3/time" => json!({ "serverTime": time }),
        "/api/v3/exchangeInfo" => json!({
            "timezone": "UTC",
            "serverTime": time,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": LIMIT},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
            ],
            "symbols": asked.map(|s| json!({"symbol": s.name, "status": s.status})).collect::<Vec<_>>(),
        }),
        "/api/v3/ticker/24hr" => asked
            .map(|s| {
                let last = s.trades.last().map_or(-1, |trade| trade.id as i64);
                json!({"symbol": s.name, "lastPrice": "1.0", "firstId": -1, "lastId": last, "count": s.trades.len()})
            })
            .collect(),
        "/api/v3/trades" => Value::Array(trades(0, None)),
        "/api/v3/historicalTrades" => Value::Array(trades(state.faults.behind, number("fromId"))),
        _ => return (404, "{}".to_owned()),
    };
    (200, body.to_string())
}

fn listed(trade: &Truth) -> Value {
    json!({
        "id": trade.id,
        "price": trade.price,
        "qty": trade.quantity,
        "quoteQty": "1.0",
        "time": trade.time,
        "isBuyerMaker": trade.maker,
        "isBestMatch": true,
    })
}
