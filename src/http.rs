//! How servers of others are asked over HTTP.

use std::time::Duration;

/// Asks without a proxy, as the websocket goes by none either; an answer of any status is one. A request
/// with its answer takes so long at most.
pub(crate) fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("crossrate/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}
