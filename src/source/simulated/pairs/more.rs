//! What trades in the demo's market besides its six pairs, where every asset is to have a rate: assets that
//! some trade in one currency and others in another one, at times of their own; that are traded in one asset
//! alone; and money of other countries, which is told the other way round.

use super::{BTC, ETH, MarketPair, USDT, more};

/// Where their walks begin, in dollars; they follow the assets of the story.
#[rustfmt::skip]
pub(super) const MORE_ASSETS: [f64; 33] = [
    14.2, 152.0, 0.342, 18.1, 0.0851, 0.431, 84.0, 2.02, 472.0, 238.0, 22.4, 21.6, 291.0, 16.7,
    12.9, 0.108, 4.31, 0.472, 0.531, 2.21, 1.24, 7.11, 1.52, 8.44, 0.0066, 0.0512, 0.00032, 0.00121,
    0.0119, 0.0101, 0.2412, 0.2871, 1.2081,
];

/// The pairs, dealt out to the partitions.
pub(super) static MORE_PAIRS: [MarketPair; 56] = [
    pair("BNBUSDT", 0, (more(0), USDT), 12.0, (100_000, 10_000_000), 66_364_302),
    pair("BNBBTC", 1, (more(0), BTC), 9.0, (10, 10_000_000), 37_534_862),
    pair("BNBETH", 2, (more(0), ETH), 3.0, (100, 10_000_000), 71_295_107),
    pair("LTCUSDT", 3, (more(1), USDT), 6.0, (1_000_000, 1_000_000), 19_513_758),
    pair("LTCBTC", 0, (more(1), BTC), 7.0, (100, 1_000_000), 70_626_360),
    pair("ADAUSDT", 1, (more(2), USDT), 5.0, (1_000, 100_000_000), 62_604_837),
    pair("ADABTC", 2, (more(2), BTC), 8.0, (1, 100_000_000), 53_877_231),
    pair("ADAETH", 3, (more(2), ETH), 2.0, (10, 100_000_000), 21_686_754),
    pair("EOSETH", 0, (more(3), ETH), 4.0, (100, 10_000_000), 56_864_369).early(),
    pair("EOSBTC", 1, (more(3), BTC), 7.0, (10, 10_000_000), 71_289_596).late(),
    pair("EOSUSDT", 2, (more(3), USDT), 3.0, (100_000, 10_000_000), 14_832_151),
    pair("TRXETH", 3, (more(4), ETH), 5.0, (1, 1_000_000_000), 74_121_213).early(),
    pair("TRXBTC", 0, (more(4), BTC), 6.0, (1, 1_000_000_000), 62_328_432).late(),
    pair("XLMBTC", 1, (more(5), BTC), 5.0, (1, 100_000_000), 23_847_493),
    pair("XLMETH", 2, (more(5), ETH), 2.0, (10, 100_000_000), 97_811_016),
    pair("NEOUSDT", 3, (more(6), USDT), 4.0, (1_000_000, 1_000_000), 16_843_912),
    pair("NEOBTC", 0, (more(6), BTC), 5.0, (100, 1_000_000), 95_043_385),
    pair("IOTABTC", 1, (more(7), BTC), 4.0, (1, 10_000_000), 77_394_666),
    pair("IOTAETH", 2, (more(7), ETH), 2.0, (10, 10_000_000), 23_733_607),
    pair("DASHBTC", 3, (more(8), BTC), 2.0, (1_000, 100_000), 77_566_912),
    pair("XMRBTC", 0, (more(9), BTC), 2.0, (100, 100_000), 29_810_236),
    pair("ETCBTC", 1, (more(10), BTC), 3.0, (10, 1_000_000), 40_274_032),
    pair("ETCETH", 2, (more(10), ETH), 1.0, (100, 1_000_000), 91_810_301),
    pair("QTUMUSDT", 3, (more(11), USDT), 2.0, (100_000, 1_000_000), 33_946_556),
    pair("QTUMBTC", 0, (more(11), BTC), 3.0, (10, 1_000_000), 73_506_579),
    pair("ZECBTC", 1, (more(12), BTC), 1.5, (100, 100_000), 39_143_692),
    pair("OMGETH", 2, (more(13), ETH), 2.0, (100, 10_000_000), 81_897_791),
    pair("OMGBTC", 3, (more(13), BTC), 3.0, (10, 10_000_000), 96_257_458),
    pair("LSKBTC", 0, (more(14), BTC), 1.0, (10, 10_000_000), 51_872_199),
    pair("ZILETH", 1, (more(15), ETH), 3.0, (1, 1_000_000_000), 55_777_110).early(),
    pair("ZILBTC", 2, (more(15), BTC), 3.0, (1, 1_000_000_000), 82_802_907).late(),
    pair("ICXETH", 3, (more(16), ETH), 2.0, (100, 10_000_000), 63_098_762),
    pair("ICXBTC", 0, (more(16), BTC), 3.0, (1, 10_000_000), 75_497_479),
    pair("BATETH", 1, (more(17), ETH), 1.0, (10, 100_000_000), 46_699_409),
    pair("BATBTC", 2, (more(17), BTC), 1.2, (1, 100_000_000), 97_597_340),
    pair("LINKETH", 3, (more(18), ETH), 1.5, (10, 100_000_000), 54_935_450).early(),
    pair("LINKBTC", 0, (more(18), BTC), 1.5, (1, 100_000_000), 67_246_871).late(),
    pair("KNCETH", 1, (more(19), ETH), 1.0, (10, 10_000_000), 90_858_286),
    pair("ZRXETH", 2, (more(20), ETH), 1.2, (10, 100_000_000), 91_427_853),
    pair("ZRXBTC", 3, (more(20), BTC), 1.2, (1, 100_000_000), 52_598_528),
    pair("WAVESBNB", 0, (more(21), more(0)), 1.5, (10_000, 10_000_000), 62_350_333),
    pair("WAVESBTC", 1, (more(21), BTC), 1.0, (10, 10_000_000), 85_484_080),
    pair("RLCBNB", 2, (more(22), more(0)), 1.0, (1_000, 100_000_000), 18_459_357),
    pair("NANOBNB", 3, (more(23), more(0)), 2.0, (10_000, 10_000_000), 24_020_425).early(),
    pair("NANOETH", 0, (more(23), ETH), 1.0, (100, 10_000_000), 60_713_353).late(),
    pair("BCNBNB", 1, (more(24), more(0)), 1.2, (1, 10_000_000_000), 58_512_330),
    pair("STORMTRX", 2, (more(25), more(4)), 1.5, (10_000, 1_000_000_000), 86_888_422),
    pair("WINTRX", 3, (more(26), more(4)), 2.0, (10, 100_000_000_000), 69_548_198),
    pair("HOTETH", 0, (more(27), ETH), 2.0, (1, 100_000_000_000), 38_437_398),
    pair("DENTETH", 1, (more(28), ETH), 2.5, (1, 10_000_000_000), 36_244_559),
    pair("NPXSETH", 2, (more(29), ETH), 1.0, (1, 10_000_000_000), 73_825_714),
    pair("USDTTRY", 3, (USDT, more(30)), 3.0, (10_000, 100_000_000), 54_475_425),
    pair("USDTBRL", 0, (USDT, more(31)), 2.0, (10_000, 100_000_000), 22_835_208),
    pair("EURUSDT", 1, (more(32), USDT), 3.0, (10_000, 100_000_000), 74_308_058),
    pair("BTCEUR", 2, (BTC, more(32)), 2.0, (1_000_000, 10_000), 57_793_918),
    pair("BNBEUR", 3, (more(0), more(32)), 1.0, (100_000, 10_000_000), 32_858_552),
];

/// Trades of a hundred dollars or so.
const fn pair(
    symbol: &'static str,
    partition: usize,
    (base, quote): (usize, usize),
    rate: f64,
    (price_step, quantity_step): (u64, u64),
    first_id: u64,
) -> MarketPair {
    MarketPair::of(symbol, partition, (base, quote), rate, (price_step, quantity_step), first_id).worth(100.0)
}
