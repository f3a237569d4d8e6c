//! Frames of the websocket to events: pure, on one frame.

use crate::collect::event::{FrameEvent, TradeEvent};
use crossrate_dataflows::market::decimal::{Decimals, parse_scaled};
use crossrate_dataflows::market::event_time::EventTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct CombinedFrame<'a> {
    #[serde(borrow, default)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FrameKind<'a> {
    #[serde(borrow, default)]
    e: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct TradeFrame<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    t: u64,
    #[serde(borrow)]
    p: Cow<'a, str>,
    #[serde(borrow)]
    q: Cow<'a, str>,
    #[serde(rename = "T")]
    time: u64,
    #[serde(rename = "E", default)]
    stamped: Option<u64>,
}

/// Reads a frame of text.
pub fn read(frame: &str) -> FrameEvent {
    let Ok(combined) = serde_json::from_str::<CombinedFrame<'_>>(frame) else {
        return FrameEvent::Bad("no JSON object");
    };
    let inner = match combined {
        CombinedFrame { stream: Some(_), data: Some(data) } => data.get(),
        _ => frame,
    };
    // An array would be read as an object without keys.
    let object = inner.trim_start().starts_with('{');
    let Some(kind) = serde_json::from_str::<FrameKind<'_>>(inner).ok().filter(|_| object) else {
        return FrameEvent::Bad("no event");
    };
    match kind.e.as_deref() {
        Some("trade") => trade(inner),
        Some("serverShutdown") => FrameEvent::Shutdown,
        _ => FrameEvent::Other,
    }
}

/// Whether some job reads that number: by the usual decimals, or by more of them.
fn is_readable(number: &[u8]) -> bool {
    (Decimals::EIGHT.price..=Decimals::MOST).any(|places| parse_scaled(number, places).is_ok())
}

/// A trade that the dataflow would refuse is as good as not received: its id is then missing, and asked for.
fn trade(text: &str) -> FrameEvent {
    let Ok(trade) = serde_json::from_str::<TradeFrame<'_>>(text) else {
        return FrameEvent::Bad("a trade whose fields are not as they must be");
    };
    let readable = is_readable(trade.p.as_bytes()) && is_readable(trade.q.as_bytes());
    let Some(time) = EventTime::from_exchange(trade.time).filter(|_| readable && !trade.s.is_empty()) else {
        return FrameEvent::Bad("a trade whose values are not as they must be");
    };
    if trade.t >= 1 << 63 {
        return FrameEvent::Bad("a trade whose values are not as they must be");
    }
    FrameEvent::Trade(TradeEvent {
        symbol: trade.s.into_owned(),
        id: trade.t,
        time,
        stamped: trade.stamped.and_then(EventTime::from_exchange),
        value: text.as_bytes().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_the_exchanges_own_bytes() {
        let data = r#"{ "e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782135,"m":true,"M":true }"#;
        let combined = format!(r#"{{"stream":"bnbbtc@trade","data":{data}}}"#);
        for frame in [data, &combined] {
            let FrameEvent::Trade(trade) = read(frame) else { panic!("{frame}") };
            assert_eq!((trade.symbol.as_str(), trade.id), ("BNBBTC", 12345));
            assert_eq!(trade.time.millis(), 1_672_515_782_135);
            assert_eq!(trade.stamped.map(EventTime::millis), Some(1_672_515_782_136));
            assert_eq!(&*trade.value, data.as_bytes());
        }
    }

    #[test]
    fn frames_without_a_trade_are_a_shutdown_or_ignored() {
        assert_eq!(
            read(r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#),
            FrameEvent::Shutdown
        );
        assert_eq!(read(r#"{"e":"serverShutdown","E":1672515782136}"#), FrameEvent::Shutdown);
        for other in [
            r#"{"result":null,"id":1}"#,
            r#"{"e":"24hrTicker"}"#,
            r#"{"code":2,"msg":"x"}"#,
            r#"{"stream":"a@trade","data":{}}"#,
        ] {
            assert_eq!(read(other), FrameEvent::Other, "{other}");
        }
        for bad in [
            "",
            "[]",
            "{",
            r#"{"stream":"a@trade","data":[1]}"#,
            r#"{"e":"trade","s":"A","t":1,"p":"1","q":"1"}"#,
            r#"{"e":"trade","s":"A","t":1,"p":"1e3","q":"1","T":1672515782135}"#,
            r#"{"e":"trade","s":"A","t":1,"p":"1","q":"0","T":1672515782135}"#,
            r#"{"e":"trade","s":"A","t":1,"p":"1","q":"1","T":16}"#,
            r#"{"e":"trade","s":"","t":1,"p":"1","q":"1","T":1672515782135}"#,
            r#"{"e":"trade","s":"A","t":9223372036854775808,"p":"1","q":"1","T":1672515782135}"#,
            r#"{"e":"trade","s":"A","t":-1,"p":"1","q":"1","T":1672515782135}"#,
        ] {
            assert!(matches!(read(bad), FrameEvent::Bad(_)), "{bad}");
        }
    }
}
