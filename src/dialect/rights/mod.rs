//! One table of what people may do: our rights, and what each product calls them. A dialect asks for a [`Right`], never
//! for a word of its own, so that who may see in one language cannot change in another (T13).

mod elastic;
mod immuta;
mod nuix;
mod redis;
mod splunk;

use crate::domain::name::Set;
use crate::domain::user::Right;

/// A product's name for something that its users may do, or for a set of such things.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// As the product writes it.
    pub name: &'static str,
    /// Whoever has all of these has it.
    pub needs: &'static [Right],
}

/// The words of one product.
#[derive(Debug)]
pub struct Vocabulary {
    /// The dialect's name.
    pub dialect: &'static str,
    /// Single privileges: permissions, capabilities, cluster privileges.
    pub privileges: &'static [Word],
    /// Roles that come with the product.
    pub roles: &'static [Word],
}

/// Every product's words.
pub const VOCABULARIES: [&Vocabulary; 5] =
    [&splunk::VOCABULARY, &elastic::VOCABULARY, &redis::VOCABULARY, &immuta::VOCABULARY, &nuix::VOCABULARY];

const fn word(name: &'static str, needs: &'static [Right]) -> Word {
    Word { name, needs }
}

impl Word {
    /// Whether these rights amount to it.
    #[must_use]
    pub fn is_held(&self, rights: &Set<Right>) -> bool {
        self.needs.iter().all(|right| rights.contains(right))
    }
}

/// The names of those words that these rights amount to.
#[must_use]
pub fn held(words: &[Word], rights: &Set<Right>) -> Vec<&'static str> {
    words.iter().filter(|word| word.is_held(rights)).map(|word| word.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_needs_something_and_stands_once() {
        for vocabulary in VOCABULARIES {
            for words in [vocabulary.privileges, vocabulary.roles] {
                for (at, word) in words.iter().enumerate() {
                    assert!(!word.needs.is_empty(), "{}: {} is everybody's", vocabulary.dialect, word.name);
                    assert!(words[at + 1..].iter().all(|other| other.name != word.name), "{} twice", word.name);
                }
            }
        }
    }

    #[test]
    fn a_product_s_role_has_the_privileges_that_the_product_gives_it() {
        let of = |dialect: &str| VOCABULARIES.into_iter().find(|found| found.dialect == dialect).expect("is there");
        let redis = of("redis");
        for role in redis.roles {
            let rights = role.needs.iter().copied().collect();
            let installs = matches!(role.name, "admin" | "user_manager");
            let held = held(redis.privileges, &rights);
            assert!(held.contains(&"view_license"), "seed 003 and its permissions page: {}", role.name);
            assert_eq!(held.contains(&"install_new_license"), installs, "{}", role.name);
        }
        let viewer = Set::unit(Right::View);
        assert_eq!(held(of("elastic").privileges, &viewer), ["monitor"]);
        assert_eq!(held(of("immuta").privileges, &viewer), Vec::<&str>::new());
    }
}
