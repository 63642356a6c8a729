//! What models cost. Prices are data (`prices.json`), and an operator may give others.

use flowforge_core::money::Micros;
use serde::Deserialize;

use super::heard::Usage;

/// The prices of all models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day on which they were looked up.
    pub as_of: String,
    /// Where.
    pub source: String,
    /// In words, for whoever reads the file.
    #[serde(default, rename = "unit")]
    _unit: String,
    /// What a search of the web by the provider costs, in dollars.
    #[serde(default)]
    web_search: f64,
    models: Vec<Listed>,
}

/// A list of prices that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the prices of models cannot be read: {0}; write them as in nodes/prices.json")]
pub struct InvalidPrices(String);

/// The price of all models whose names begin like this.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    prefix: String,
    rates: Rates,
    long: Option<Long>,
}

/// Other prices for prompts above so many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    rates: Rates,
}

/// Dollars per million tokens, which is millionths of a dollar per token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    input: f64,
    output: f64,
    cache_read: f64,
    /// Into the cache that lasts for minutes.
    cache_write: f64,
    /// Into the cache that lasts for an hour.
    cache_write_1h: f64,
}

/// What one model costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Price {
    rates: Rates,
    long: Option<Long>,
    web_search: f64,
    /// Whether the list knows the model. The dearest price of all holds for one that it does not know.
    pub(crate) is_known: bool,
}

impl Prices {
    /// The prices that came with the program.
    ///
    /// # Errors
    /// Never, as a test of this module shows.
    pub fn built_in() -> Result<Self, InvalidPrices> {
        Self::read(include_str!("../../prices.json"))
    }

    /// Reads prices as they are written in `prices.json`.
    ///
    /// # Errors
    /// When it is no such list, or a price is negative.
    pub fn read(json: &str) -> Result<Self, InvalidPrices> {
        let prices: Self = serde_json::from_str(json).map_err(|fault| InvalidPrices(fault.to_string()))?;
        let all = prices.models.iter().flat_map(|listed| [Some(listed.rates), listed.long.map(|long| long.rates)]).flatten();
        let is_fair = |price: f64| price.is_finite() && price >= 0.0;
        if prices.models.is_empty() || !is_fair(prices.web_search) || !all.into_iter().all(|rates| rates.all().all(is_fair)) {
            return Err(InvalidPrices("a list of models with prices of 0 and more is wanted".to_owned()));
        }
        Ok(prices)
    }

    /// What a model costs. Names that a provider puts something before, as in `eu.anthropic.claude-…`, are understood.
    pub(crate) fn of(&self, model: &str) -> Price {
        let name = model.find("claude-").map_or(model, |at| &model[at..]);
        let fits = |listed: &&Listed| {
            name.strip_prefix(&listed.prefix).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
        };
        let found = self.models.iter().filter(fits).max_by_key(|listed| listed.prefix.len());
        let web_search = self.web_search;
        match found {
            Some(Listed { rates, long, .. }) => Price { rates: *rates, long: *long, web_search, is_known: true },
            None => Price { rates: self.dearest(), long: None, web_search, is_known: false },
        }
    }

    fn dearest(&self) -> Rates {
        let all = self.models.iter().flat_map(|listed| [Some(listed.rates), listed.long.map(|long| long.rates)]).flatten();
        all.fold(Rates::default(), Rates::dearer)
    }
}

impl Rates {
    fn all(self) -> impl Iterator<Item = f64> {
        [self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h].into_iter()
    }

    fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
        }
    }
}

impl Price {
    /// What an answer costs that has used so much.
    pub(crate) fn cost(&self, usage: &Usage) -> Micros {
        let tokens = usage.tokens;
        let rates = self.rates(tokens.input + tokens.cache_read + tokens.cache_write);
        let hour = usage.cache_write_1h.min(tokens.cache_write);
        let micros = of(tokens.input, rates.input)
            + of(tokens.output, rates.output)
            + of(tokens.cache_read, rates.cache_read)
            + of(tokens.cache_write - hour, rates.cache_write)
            + of(hour, rates.cache_write_1h)
            + of(usage.web_searches, self.web_search * 1e6);
        rounded_up(micros)
    }

    /// The most that a turn can cost that reads and writes so many tokens at the most: all of them at the dearest price.
    pub(crate) fn most(&self, input: u64, output: u64) -> Micros {
        let rates = self.rates(input);
        let dearest = [rates.cache_read, rates.cache_write, rates.cache_write_1h].into_iter().fold(rates.input, f64::max);
        rounded_up(of(input, dearest) + of(output, rates.output))
    }

    fn rates(&self, prompt: u64) -> Rates {
        self.long.filter(|long| prompt > long.above).map_or(self.rates, |long| long.rates)
    }
}

/// Whole millionths; what is above one by nothing but the error of the sum is not counted.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
fn rounded_up(micros: f64) -> Micros {
    Micros((micros - 1e-6).ceil().max(0.0) as i64)
}

#[expect(clippy::cast_precision_loss, reason = "nobody uses that many tokens")]
fn of(count: u64, price: f64) -> f64 {
    count as f64 * price
}

#[cfg(test)]
mod tests {
    use flowforge_core::money::Tokens;

    use super::*;

    fn usage(input: u64, output: u64, cache_read: u64, cache_write: u64, cache_write_1h: u64) -> Usage {
        let tokens = Tokens { input, output, cache_read, cache_write };
        Usage { tokens, cache_write_1h, web_searches: 0 }
    }

    fn cost(model: &str, usage: &Usage) -> i64 {
        Prices::built_in().unwrap().of(model).cost(usage).0
    }

    #[test]
    fn a_million_tokens_cost_what_the_list_says() {
        let million = 1_000_000;
        for (model, expected) in [
            ("claude-sonnet-4-5-20250929", 6_000_000),
            ("claude-opus-4-5", 5_000_000),
            ("claude-opus-4-1-20250805", 15_000_000),
            ("claude-opus-4-20250514", 15_000_000),
            ("eu.anthropic.claude-opus-5-5-v1:0", 4_000_000),
            ("claude-sonnet-5-5[1m]", 2_000_000),
            ("claude-fable-5-1", 10_000_000),
        ] {
            assert_eq!(cost(model, &usage(million, 0, 0, 0, 0)), expected, "{model}");
        }
        assert_eq!(cost("claude-opus-5-5", &usage(0, million, million, million, 0)), 20_000_000 + 200_000 + 5_000_000);
        assert_eq!(cost("claude-opus-5-5", &usage(0, 0, 0, million, million)), 8_000_000, "the cache of an hour");
        assert_eq!(cost("claude-haiku-5-5", &usage(1, 0, 0, 0, 0)), 1, "rounded up");
    }

    #[test]
    fn long_prompts_have_prices_of_their_own() {
        assert_eq!(cost("claude-haiku-5-5", &usage(100_000, 1_000, 0, 0, 0)), 10_000 + 500);
        assert_eq!(cost("claude-haiku-5-5", &usage(1, 1_000, 100_000, 0, 0)), 1 + 5_000 + 2_500);
    }

    #[test]
    fn the_dearest_price_holds_for_what_nobody_knows() {
        let prices = Prices::built_in().unwrap();
        for model in ["claude-opus-44", "gpt-5", "", "claude-"] {
            let price = prices.of(model);
            assert!(!price.is_known, "{model}");
            assert_eq!(price.cost(&usage(1_000_000, 1_000_000, 0, 0, 0)).0, 90_000_000, "{model}");
        }
        assert!(prices.of("claude-opus-4").is_known);
    }

    #[test]
    fn the_most_is_never_less_than_the_cost() {
        let prices = Prices::built_in().unwrap();
        for model in ["claude-haiku-5-5", "claude-opus-5", "unknown"] {
            let price = prices.of(model);
            for (input, output) in [(0, 0), (10, 90), (150_000, 7)] {
                let most = price.most(input, output);
                for bill in [usage(input, output, 0, 0, 0), usage(0, output, 0, input, input), usage(0, output, input, 0, 0)] {
                    assert!(price.cost(&bill) <= most, "{model} {bill:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_list_of_prices_is_refused() {
        for json in ["", "{}", r#"{"as_of": "", "source": "", "models": []}"#] {
            assert!(Prices::read(json).is_err(), "{json}");
        }
        let negative = include_str!("../../prices.json").replacen(r#""input": 10"#, r#""input": -10"#, 1);
        assert!(Prices::read(&negative).is_err());
    }
}
