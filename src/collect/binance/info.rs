//! What the exchange says of itself: which symbols trade, what may be asked, what time it is.

use super::rest::{self, Rest, RestFault};
use crossrate_dataflows::market::event_time::EventTime;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

/// As far as the collector wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeInfo {
    /// The status of each symbol that there is: `TRADING`, `HALT`, `BREAK` and so on.
    pub statuses: HashMap<String, String>,
    /// Request weight that is allowed in a minute, where it says so.
    pub weight_limit: Option<u64>,
    /// The exchange's time.
    pub time: EventTime,
}

const EVERYTHING: &str = "/api/v3/exchangeInfo?showPermissionSets=false";
/// Symbols that may be asked for by name.
const MOST_NAMED: usize = 100;

/// Asks. One unknown name makes the exchange refuse them all, so that then, or where they are many, it is
/// asked for everything that it has.
pub fn ask(rest: &Rest, symbols: &[String]) -> Result<ExchangeInfo, RestFault> {
    if !symbols.is_empty() && symbols.len() <= MOST_NAMED {
        let named = rest::list(symbols.iter().map(String::as_str));
        match rest.get(&format!("/api/v3/exchangeInfo?symbols={named}")).body {
            Err(RestFault::Refused(_)) => {}
            body => return read(&body?),
        }
    }
    read(&rest.get(EVERYTHING).body?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExchangeInfoBody {
    server_time: u64,
    #[serde(default)]
    rate_limits: Vec<RateLimit>,
    symbols: Vec<ListedSymbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RateLimit {
    rate_limit_type: String,
    interval: String,
    interval_num: u64,
    limit: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedSymbol {
    symbol: String,
    status: String,
    base_asset: Option<String>,
    quote_asset: Option<String>,
}

/// The assets of all symbols that there are, in order of their names: lines `symbol,base,quote`.
pub fn pairs(rest: &Rest) -> Result<String, RestFault> {
    let whole = parse(&rest.get(EVERYTHING).body?)?;
    let line = |ListedSymbol { symbol, base_asset, quote_asset, .. }: ListedSymbol| {
        Some(format!("{symbol},{},{}\n", base_asset?, quote_asset?))
    };
    let lines: BTreeSet<String> = whole.symbols.into_iter().filter_map(line).collect();
    Ok(std::iter::once("symbol,base,quote\n".to_owned()).chain(lines).collect())
}

fn words(why: String) -> RestFault {
    RestFault::Failed(format!("exchangeInfo is not understood: {why}"))
}

fn parse(body: &[u8]) -> Result<ExchangeInfoBody, RestFault> {
    serde_json::from_slice(body).map_err(|error| words(error.to_string()))
}

fn read(body: &[u8]) -> Result<ExchangeInfo, RestFault> {
    let whole = parse(body)?;
    let time = EventTime::from_exchange(whole.server_time).ok_or_else(|| words("its time".to_owned()))?;
    let of_a_minute = |limit: &&RateLimit| {
        limit.rate_limit_type == "REQUEST_WEIGHT" && limit.interval == "MINUTE" && limit.interval_num == 1
    };
    Ok(ExchangeInfo {
        weight_limit: whole.rate_limits.iter().find(of_a_minute).map(|limit| limit.limit),
        statuses: whole.symbols.into_iter().map(|symbol| (symbol.symbol, symbol.status)).collect(),
        time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_symbols_are_read_from_exchange_info() {
        let body = r#"{"timezone":"UTC","serverTime":1565246363776,"rateLimits":[
            {"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000},
            {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}],
            "exchangeFilters":[],"symbols":[{"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH"},
            {"symbol":"XVGBTC","status":"BREAK"}]}"#;
        let info = read(body.as_bytes()).expect("it is understood");
        assert_eq!((info.weight_limit, info.time.millis()), (Some(6_000), 1_565_246_363_776));
        assert_eq!(
            (info.statuses["ETHBTC"].as_str(), info.statuses["XVGBTC"].as_str()),
            ("TRADING", "BREAK")
        );
        assert!(read(b"{}").is_err());
        assert!(read(br#"{"serverTime":1,"symbols":[]}"#).is_err());
    }
}
