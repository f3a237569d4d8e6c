//! The best paths in one currency by a plain search over all symbols.
//!
//! An asset has its first path at a choice of its own, whose weights are those of that moment alone. To bring
//! them into the dataflow and take them out again would cost more than this, which looks at each symbol eight
//! times.

use super::AssetNumber;
use super::best::{Hop, heaviest_path};
use crate::market::assets::LONGEST_PATH;
use crate::market::definition::Leg;
use crate::market::trade::Symbol;
use crate::market::work::count;

/// A symbol with a weight, and its assets.
pub(super) struct WeighedPair<'a> {
    pub(super) symbol: &'a Symbol,
    pub(super) base: AssetNumber,
    pub(super) quote: AssetNumber,
    pub(super) weight: u64,
}

/// The best paths of all assets in a currency, of each length.
pub(super) struct BestInCurrency<'a>([Vec<Option<Hop<'a>>>; LONGEST_PATH]);

impl<'a> BestInCurrency<'a> {
    /// Searches; `assets` is the number of all assets.
    pub(super) fn search(
        pairs: &[WeighedPair<'a>],
        currency: AssetNumber,
        assets: usize,
    ) -> BestInCurrency<'a> {
        let mut best = BestInCurrency(std::array::from_fn(|_| vec![None; assets]));
        for length in 0..LONGEST_PATH {
            count(pairs.len());
            for WeighedPair { symbol, base, quote, weight } in pairs {
                for (from, to, is_inverse) in [(*base, *quote, false), (*quote, *base, true)] {
                    let rest = match length {
                        0 => (to == currency).then_some(u64::MAX),
                        _ if from == currency => None,
                        _ => best.0[length - 1][to as usize].map(|hop| hop.weight),
                    };
                    let Some(rest) = rest else { continue };
                    let hop = Hop { weight: rest.min(*weight), symbol, is_inverse, to };
                    let known = &mut best.0[length][from as usize];
                    if known.is_none_or(|known| hop.is_better_than(&known)) {
                        *known = Some(hop);
                    }
                }
            }
        }
        best
    }

    /// The heaviest path of an asset, of equals the shortest.
    pub(super) fn path(&self, asset: AssetNumber) -> Option<Vec<Leg>> {
        heaviest_path(asset, |asset, length| self.0[length][asset as usize]).map(|(_, legs)| legs)
    }
}
