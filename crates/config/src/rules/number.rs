//! Rules for numbers, which accept what Python's `int()` and `float()` accept.

use std::fmt::Display;
use std::marker::PhantomData;

use super::{Parsed, Rule};

/// A whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<T> {
    lenient: bool,
    minimum: i64,
    maximum: i64,
    raise: bool,
    number: PhantomData<T>,
}

impl<T> Whole<T> {
    /// A bad value stops the start.
    pub(crate) const fn strict() -> Self {
        Self { lenient: false, minimum: i64::MIN, maximum: i64::MAX, raise: false, number: PhantomData }
    }

    /// A bad value gives the default, with a notice.
    pub(crate) const fn lenient() -> Self {
        Self { lenient: true, ..Self::strict() }
    }

    /// A port; a bad value stops the start.
    pub(crate) const fn port() -> Self {
        Self::strict().at_least(0).at_most(65_535)
    }

    /// A smaller number is a bad value.
    pub(crate) const fn at_least(self, minimum: i64) -> Self {
        Self { minimum, ..self }
    }

    /// A larger number is a bad value.
    pub(crate) const fn at_most(self, maximum: i64) -> Self {
        Self { maximum, ..self }
    }

    /// A smaller number counts as this one.
    pub(crate) const fn raised_to(self, minimum: i64) -> Self {
        Self { minimum, raise: true, ..self }
    }

    fn bad<V>(&self, problem: String) -> Parsed<V> {
        if self.lenient { Parsed::Ignored(problem) } else { Parsed::Wrong(problem) }
    }
}

impl<T: TryFrom<i64> + Display> Rule for Whole<T> {
    type Value = T;

    fn allowed(&self) -> String {
        match (self.minimum, self.maximum) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (minimum, i64::MAX) => format!("a whole number, {minimum} or more"),
            (i64::MIN, maximum) => format!("a whole number, {maximum} or less"),
            (minimum, maximum) => format!("a whole number from {minimum} to {maximum}"),
        }
    }

    fn parse(&self, text: &str) -> Parsed<T> {
        let Some(number) = python_int(text) else { return self.bad("is not a whole number".to_owned()) };
        if self.raise && number < self.minimum {
            let minimum = self.minimum;
            return match T::try_from(minimum) {
                Ok(value) => {
                    Parsed::Noticed(value, format!("the value {number} is too small, so {minimum} is used."))
                }
                Err(_) => self.bad("is too small".to_owned()),
            };
        }
        if number < self.minimum {
            return self.bad("is too small".to_owned());
        }
        match T::try_from(number) {
            Ok(value) if number <= self.maximum => Parsed::Value(value),
            _ => self.bad("is out of range".to_owned()),
        }
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// Reads what Python's `int()` reads: blanks around, a sign, single underscores between digits.
pub(crate) fn python_int(text: &str) -> Option<i64> {
    without_underscores(text)?.parse().ok()
}

/// Reads what Python's `float()` reads, but for infinities and NaN, which no variable can use.
pub(crate) fn python_float(text: &str) -> Option<f64> {
    without_underscores(text)?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn without_underscores(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let misplaced = bytes.iter().enumerate().any(|(at, byte)| {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        *byte == b'_' && !(at > 0 && digit(at - 1) && digit(at + 1))
    });
    (!misplaced).then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_python_does() {
        assert_eq!(python_int(" +1_000 "), Some(1000));
        assert_eq!(python_int("-5"), Some(-5));
        for text in ["", "1.0", "1__0", "_1", "1_", "0x10", "ten", "99999999999999999999"] {
            assert_eq!(python_int(text), None, "{text:?}");
        }
        assert_eq!(python_float("1e3"), Some(1000.0));
        assert_eq!(python_float(".5"), Some(0.5));
        assert_eq!(python_float("inf"), None);
        assert_eq!(python_float("nan"), None);
    }

    #[test]
    fn bad_numbers_stop_or_fall_back() {
        assert!(matches!(Whole::<u16>::strict().parse("70000"), Parsed::Wrong(_)));
        assert!(matches!(Whole::<u16>::lenient().parse("x"), Parsed::Ignored(_)));
        assert!(matches!(Whole::<u32>::lenient().at_least(1).parse("0"), Parsed::Ignored(_)));
        assert!(matches!(Whole::<usize>::lenient().raised_to(1).parse("-3"), Parsed::Noticed(1, _)));
        assert_eq!(Whole::<i64>::strict().parse("-1"), Parsed::Value(-1));
    }
}
