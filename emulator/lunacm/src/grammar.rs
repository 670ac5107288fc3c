//! A line of input as words, and words cut short as the words they stand for.
//!
//! Source: the vendor's lunacm pages (Documented): words may be shortened as long as one thing only is meant,
//! case does not matter, quotes hold a value together.

use crate::failure::Failure;

/// Cuts a line into words. Single and double quotes hold blanks; they may stand within a word. There is no
/// escape character, so that a backslash in a password is itself.
pub(crate) fn words(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(Failure::misuse("a quote is opened and not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// How a word stands to a list of names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meant<T> {
    /// One of them.
    One(T),
    /// It could be any of these.
    Several(Vec<&'static str>),
    /// None begins so.
    None,
}

/// The one thing whose name is `word` or begins with it.
pub(crate) fn meant<T: Copy>(
    word: &str,
    things: impl IntoIterator<Item = T>,
    name: impl Fn(T) -> &'static str,
) -> Meant<T> {
    let word = word.to_ascii_lowercase();
    let mut found: Vec<T> = Vec::new();
    for thing in things {
        let name = name(thing);
        if name == word {
            return Meant::One(thing);
        }
        if !word.is_empty() && name.starts_with(&word) {
            found.push(thing);
        }
    }
    match found.as_slice() {
        [] => Meant::None,
        [one] => Meant::One(*one),
        several => Meant::Several(several.iter().map(|thing| name(*thing)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_at_blanks_outside_of_quotes() {
        let cut = |line| words(line).unwrap();
        assert_eq!(cut("par con"), ["par", "con"]);
        assert_eq!(cut("  role  login\t-n co "), ["role", "login", "-n", "co"]);
        assert_eq!(cut("-label \"my key\" -p 'a \" b'"), ["-label", "my key", "-p", "a \" b"]);
        assert_eq!(cut("-p a\"b c\"d ''"), ["-p", "ab cd", ""]);
        assert_eq!(cut(r"-p C:\x"), ["-p", r"C:\x"]);
        assert!(cut(" ").is_empty());
        assert!(words("-p \"open").is_err());
    }

    #[test]
    fn a_name_is_meant_by_itself_or_by_its_only_beginning() {
        let find = |word| meant(word, ["init", "initialise", "list"], |name| name);
        assert_eq!(find("L"), Meant::One("list"));
        assert_eq!(find("init"), Meant::One("init"));
        assert_eq!(find("initi"), Meant::One("initialise"));
        assert_eq!(find("in"), Meant::Several(vec!["init", "initialise"]));
        assert_eq!(find("x"), Meant::None);
        assert_eq!(find(""), Meant::None);
    }
}
