//! `FAILSOFT LIMIT key rate period [burst] [cost]`: whether somebody may, once more.
//!
//! `period` is whole milliseconds; `burst` is the rate and `cost` is 1 where they are left out. The reply: 1 or 0, what
//! may pass at once after it, after how many milliseconds nothing of what has passed would count, after how many the
//! same request would pass (0 if it has), and who decided: `redis`, `local` or `open`.

use std::time::Duration;

use failsoft_core::limit::{LONGEST_PERIOD, Limit, LimitError, MOST_AT_ONCE};
use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;

use super::error::ParseError;
use crate::context::Context;
use crate::primitive::limit::{self, Decision};

/// A request under a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCommand {
    key: Box<[u8]>,
    limit: Limit,
    cost: u32,
}

impl LimitCommand {
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn read<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        if command.count() > 7 {
            return Err(ParseError::Arity("failsoft|limit"));
        }
        let rate = number(command, 3, "rate", u64::from(MOST_AT_ONCE))?;
        let period = number(command, 4, "period", LONGEST_PERIOD.as_millis() as u64)?;
        let [burst, cost] =
            [(5, "burst", rate), (6, "cost", 1)].map(|(index, name, default)| match command.at(index) {
                Some(_) => number(command, index, name, u64::from(MOST_AT_ONCE)),
                None => Ok(default),
            });
        let (rate, burst, cost) = (narrow(rate), narrow(burst?), narrow(cost?));
        let limit = Limit::new(rate, Duration::from_millis(period), burst).map_err(refuse)?;
        limit.allows_cost(cost).map_err(refuse)?;
        Ok(Self { key: command.at(2).unwrap_or_default().into(), limit, cost })
    }

    pub(super) async fn answer(&self, context: &Context) -> Vec<u8> {
        let mut out = Vec::new();
        match limit::request(context, &self.key, self.limit, self.cost).await {
            Ok(decision) => tell(decision, &mut out),
            Err(refusal) => refusal.encode(&mut out),
        }
        out
    }
}

fn tell(Decision { verdict, basis }: Decision, out: &mut Vec<u8>) {
    encode::array_header(out, 5);
    encode::integer(out, i64::from(verdict.allowed));
    encode::integer(out, i64::from(verdict.remaining));
    encode::integer(out, millis(verdict.reset));
    encode::integer(out, millis(verdict.retry));
    encode::bulk(out, basis.name().as_bytes());
}

/// Rounded up: who comes after it does not come too early.
fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

fn number<A: Arguments + ?Sized>(command: &A, index: usize, name: &str, most: u64) -> Result<u64, ParseError> {
    let word = command.at(index).unwrap_or_default();
    let is_number = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(word).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| ParseError::Argument(format!("{name} must be a whole number between 1 and {most}")))
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("it has been found to be at most ten million")
}

fn refuse(error: LimitError) -> ParseError {
    ParseError::Argument(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(call: &str) -> Result<LimitCommand, String> {
        let words: Vec<&str> = call.split(' ').collect();
        LimitCommand::read(&words[..]).map_err(|error| error.to_string())
    }

    #[test]
    fn burst_is_the_rate_and_cost_is_one_unless_they_are_said() {
        let asked = |rate, period, burst, cost| {
            let limit = Limit::new(rate, Duration::from_millis(period), burst).unwrap();
            Ok(LimitCommand { key: Box::from(&b"k"[..]), limit, cost })
        };
        assert_eq!(read("FAILSOFT LIMIT k 10 1000"), asked(10, 1_000, 10, 1));
        assert_eq!(read("FAILSOFT LIMIT k 10 1000 3"), asked(10, 1_000, 3, 1));
        assert_eq!(read("FAILSOFT LIMIT k 10 1000 3 2"), asked(10, 1_000, 3, 2));
        assert_eq!(read("FAILSOFT LIMIT k 10000000 1 10000000 10000000"), asked(10_000_000, 1, 10_000_000, 10_000_000));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        let many = "must be a whole number between 1 and 10000000";
        let period = "period must be a whole number between 1 and 31536000000";
        for (arguments, error) in [
            ("0 1000", format!("rate {many}")),
            ("-1 1000", format!("rate {many}")),
            ("+1 1000", format!("rate {many}")),
            ("1.5 1000", format!("rate {many}")),
            ("ten 1000", format!("rate {many}")),
            ("10000001 1000", format!("rate {many}")),
            ("99999999999999999999999 1000", format!("rate {many}")),
            ("10 0", period.to_owned()),
            ("10 1s", period.to_owned()),
            ("10 31536000001", period.to_owned()),
            ("10 1000 0", format!("burst {many}")),
            ("10 1000 -5", format!("burst {many}")),
            ("10 1000 10000001", format!("burst {many}")),
            ("10 1000 5 0", format!("cost {many}")),
            ("10 1000 5 x", format!("cost {many}")),
            ("10 1000 5 6", "cost is above the burst and would never be allowed".to_owned()),
            ("1 31536000000 11", "a burst must come back within ten years (burst * period / rate)".to_owned()),
        ] {
            assert_eq!(read(&format!("FAILSOFT LIMIT k {arguments}")), Err(format!("ERR {error}")), "{arguments}");
        }
        let arity = "ERR wrong number of arguments for 'failsoft|limit' command";
        assert_eq!(read("FAILSOFT LIMIT k 1 1 1 1 1"), Err(arity.to_owned()));
        assert_eq!(read("FAILSOFT LIMIT k  1"), Err(format!("ERR rate {many}")));
    }

    #[test]
    fn times_are_rounded_up() {
        assert_eq!(
            [0, 1, 999_999, 1_000_000, 1_000_001].map(|nanos| millis(Duration::from_nanos(nanos))),
            [0, 1, 1, 1, 2]
        );
    }
}
