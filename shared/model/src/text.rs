//! Text with a rule: checked once, on the way in; afterwards its type is the proof.

/// Makes a type for text that fulfils a rule, with all the ways in and out.
macro_rules! checked_text {
    ($(#[$documentation:meta])* $name:ident, $is_valid:path, $message:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                if $is_valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(String::from($message))
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl deserr::Deserr<$crate::InvalidFields> for $name {
            fn deserialize_from_value<V: deserr::IntoValue>(
                value: deserr::Value<V>,
                location: deserr::ValuePointerRef<'_>,
            ) -> Result<Self, $crate::InvalidFields> {
                let text = <String as deserr::Deserr<$crate::InvalidFields>>::deserialize_from_value(value, location)?;
                text.parse().map_err(|message: String| $crate::InvalidFields::at(location, message))
            }
        }
    };
}
pub(crate) use checked_text;

/// The longest name or id that a user may choose, in characters.
const SLUG_LENGTH_MAX: usize = 128;

/// Whether `text` is a slug: 1 to 128 characters out of `A-Z a-z 0-9 _ -`.
pub fn is_slug(text: &str) -> bool {
    (1..=SLUG_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_description(text: &str) -> bool {
    text.chars().count() <= 1000
}

checked_text!(
    /// A description for people: at most 1,000 characters.
    Description, is_description, "must be at most 1,000 characters"
);

fn is_reason(text: &str) -> bool {
    text.chars().count() <= 500
}

checked_text!(
    /// Why a person paused a job: at most 500 characters.
    PauseReason, is_reason, "must be at most 500 characters"
);

fn is_key_name(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

checked_text!(
    /// What an API key is for, in an operator's words: 1 to 100 characters.
    KeyName, is_key_name, "must be 1 to 100 characters without control characters"
);

#[cfg(test)]
mod tests {
    use super::{is_key_name, is_slug};

    #[test]
    fn names_of_keys_are_one_line() {
        assert!(is_key_name("nightly import, Bärbel's laptop"));
        for bad in ["", "two\nlines", "\u{1b}[31mred", &"x".repeat(101)] {
            assert!(!is_key_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn slugs_are_short_and_plain() {
        for good in ["a", "A-b_9", &"x".repeat(128)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a.b", "a\n", &"x".repeat(129)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
