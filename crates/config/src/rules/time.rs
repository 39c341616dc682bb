//! Rules for spans of time given as a number of seconds or milliseconds.

use std::time::Duration;

use super::number::{python_float, python_int};
use super::{Parsed, Rule};

/// Longest span that a variable may ask for: about ten years.
const MAXIMUM_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;

/// A span of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    unit: Unit,
    whole: bool,
    zero: bool,
    bad: Bad,
    clamp: Option<(u32, u32)>,
}

/// What the number counts.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// What a bad value leads to.
#[derive(Clone, Copy, Debug)]
enum Bad {
    /// The default.
    Default,
    /// This number.
    Number(u32),
    /// The end of the start.
    Stop,
}

impl Span {
    /// A number of seconds, more than zero. A bad value gives the default, with a notice.
    pub(crate) const fn seconds() -> Self {
        Self { unit: Unit::Seconds, whole: false, zero: false, bad: Bad::Default, clamp: None }
    }

    /// A number of milliseconds.
    pub(crate) const fn milliseconds() -> Self {
        Self { unit: Unit::Milliseconds, ..Self::seconds() }
    }

    /// Fractions are bad values.
    pub(crate) const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// A bad value stops the start.
    pub(crate) const fn strict(self) -> Self {
        Self { bad: Bad::Stop, ..self }
    }

    /// Zero is a value like any other.
    pub(crate) const fn or_zero(self) -> Self {
        Self { zero: true, ..self }
    }

    /// Numbers outside are moved to the nearer bound.
    pub(crate) const fn clamped(self, minimum: u32, maximum: u32) -> Self {
        Self { clamp: Some((minimum, maximum)), ..self }
    }

    /// A bad value gives this number, not the default.
    pub(crate) const fn bad_gives(self, number: u32) -> Self {
        Self { bad: Bad::Number(number), ..self }
    }

    fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
        }
    }

    fn span(&self, number: f64) -> Duration {
        Duration::from_secs_f64(match self.unit {
            Unit::Seconds => number,
            Unit::Milliseconds => number / 1000.0,
        })
    }

    fn bad(&self, text: &str, problem: &str) -> Parsed<Duration> {
        match self.bad {
            Bad::Number(number) => Parsed::Noticed(
                self.span(f64::from(number)),
                format!(
                    "the value \"{text}\" {problem}, so {number} {} are used. Allowed: {}.",
                    self.unit(),
                    self.allowed()
                ),
            ),
            Bad::Stop => Parsed::Wrong(problem.to_owned()),
            Bad::Default => Parsed::Ignored(problem.to_owned()),
        }
    }
}

impl Rule for Span {
    type Value = Duration;

    fn allowed(&self) -> String {
        let kind = if self.whole { "a whole number of" } else { "a number of" };
        let unit = self.unit();
        match self.clamp {
            Some((minimum, maximum)) => format!("{kind} {unit} from {minimum} to {maximum}"),
            None if self.zero => format!("{kind} {unit}, 0 or more"),
            None => format!("{kind} {unit}, more than 0"),
        }
    }

    fn parse(&self, text: &str) -> Parsed<Duration> {
        let number = if self.whole {
            python_int(text).and_then(|number| i32::try_from(number).ok()).map(f64::from)
        } else {
            python_float(text)
        };
        let Some(number) = number else {
            return self.bad(text, &format!("is not a number of {}", self.unit()));
        };
        if let Some((minimum, maximum)) = self.clamp {
            let (minimum, maximum) = (f64::from(minimum), f64::from(maximum));
            let nearest = number.clamp(minimum, maximum);
            if !(minimum..=maximum).contains(&number) {
                let text =
                    format!("the value {number} is outside {minimum} to {maximum}, so {nearest} is used.");
                return Parsed::Noticed(self.span(nearest), text);
            }
        }
        if number < 0.0 || (number == 0.0 && !self.zero) {
            return self.bad(text, "is too small");
        }
        if number > MAXIMUM_SECONDS {
            return self.bad(text, "is too large");
        }
        Parsed::Value(self.span(number))
    }

    fn show(&self, value: &Duration) -> String {
        match self.unit {
            Unit::Seconds => value.as_secs_f64().to_string(),
            Unit::Milliseconds => value.as_millis().to_string(),
        }
    }
}

/// A whole number of seconds after which something ends; zero or less means that it never does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    short: Option<(u32, u32)>,
}

impl Expiry {
    /// A missing value means that it never ends.
    pub(crate) const fn new() -> Self {
        Self { short: None }
    }

    /// As `new`, but numbers from 1 up to, but not including, the first count as the second.
    pub(crate) const fn with_short(below: u32, instead: u32) -> Self {
        Self { short: Some((below, instead)) }
    }
}

impl Rule for Expiry {
    type Value = Option<Duration>;

    fn allowed(&self) -> String {
        "a whole number of seconds, 0 for no limit".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<Option<Duration>> {
        let Some(number) = python_int(text) else {
            return Parsed::Ignored("is not a whole number".to_owned());
        };
        let Ok(number) = u32::try_from(number.max(0)) else {
            return Parsed::Ignored("is too large".to_owned());
        };
        let seconds = |number: u32| Some(Duration::from_secs(u64::from(number)));
        match (number, self.short) {
            (0, _) => Parsed::Value(None),
            (number, Some((below, instead))) if number < below => Parsed::Noticed(
                seconds(instead),
                format!(
                    "the value {number} is too short, so {instead} seconds are used. Set {below} or more."
                ),
            ),
            (number, _) => Parsed::Value(seconds(number)),
        }
    }

    fn show(&self, value: &Option<Duration>) -> String {
        value.map_or_else(|| "0".to_owned(), |value| value.as_secs().to_string())
    }

    fn absent(&self) -> Option<Option<Duration>> {
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_spans() {
        assert_eq!(Span::seconds().parse("2.5"), Parsed::Value(Duration::from_millis(2500)));
        assert_eq!(Span::milliseconds().parse("500"), Parsed::Value(Duration::from_millis(500)));
        for text in ["", "-1", "0", "x", "1e300", "inf"] {
            assert!(matches!(Span::seconds().parse(text), Parsed::Ignored(_)), "{text:?}");
        }
        assert_eq!(Span::seconds().or_zero().parse("0"), Parsed::Value(Duration::ZERO));
        assert!(matches!(Span::seconds().whole().strict().parse("1.5"), Parsed::Wrong(_)));
    }

    #[test]
    fn bad_values_may_have_their_own_number() {
        let rule = Span::seconds().whole().clamped(5, 90).bad_gives(30);
        assert!(matches!(rule.parse("x"), Parsed::Noticed(span, _) if span.as_secs() == 30));
        assert!(matches!(rule.parse("500"), Parsed::Noticed(span, _) if span.as_secs() == 90));
        assert_eq!(rule.parse("30"), Parsed::Value(Duration::from_secs(30)));
    }

    #[test]
    fn expiry_ends_at_zero() {
        let rule = Expiry::with_short(60, 300);
        assert_eq!(rule.parse("0"), Parsed::Value(None));
        assert_eq!(rule.parse("-5"), Parsed::Value(None));
        assert!(matches!(rule.parse("59"), Parsed::Noticed(Some(span), _) if span.as_secs() == 300));
        assert_eq!(rule.parse("60"), Parsed::Value(Some(Duration::from_mins(1))));
        assert!(matches!(rule.parse("x"), Parsed::Ignored(_)));
    }
}
