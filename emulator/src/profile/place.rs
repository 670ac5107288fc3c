//! Where in a file something stands: line and key, for those who have to mend it.

/// The line of a byte, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or(text).matches('\n').count()
}

/// The table and the key a byte belongs to, as in `limits.max_sessions`; none before the first key.
///
/// Reads lines, not TOML: the text may be what no parser takes.
pub(super) fn key(text: &str, at: usize) -> Option<String> {
    let at = at.min(text.len());
    let end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |more| at + more);
    let (mut table, mut key) = (None, None);
    for line in text.get(..end).unwrap_or(text).lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').filter(|_| is_header(line)) {
            let name = header.trim_start_matches('[').trim_end_matches([']', ' ']);
            (table, key) = (Some(name.to_owned()), None);
        } else if let Some((word, _)) = line.split_once('=')
            && !word.starts_with(['#', '{', '"'])
        {
            key = Some(word.trim().to_owned());
        }
    }
    match (table, key) {
        (Some(table), Some(key)) => Some(format!("{table}.{key}")),
        (table, key) => key.or(table),
    }
}

/// `[table]` or `[[table]]`, as against a list that begins a line.
fn is_header(line: &str) -> bool {
    let name = line.trim_matches(['[', ']', ' ']);
    line.ends_with(']') && !name.is_empty() && !name.contains(['"', '\'', ',', '='])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_of_the_key_above_it() {
        let text = "name = 'x'\n# a = b\n\n[limits]\nmost = { value = 1 }\n[[policies]]\nid = 3\n\
            [offer]\nlist = [\n    { name = 'A' },\n]\n";
        for (found, line_of, key_of) in [
            ("'x'", 1, "name"),
            ("value", 5, "limits.most"),
            ("3", 7, "policies.id"),
            ("'A'", 10, "offer.list"),
        ] {
            let at = text.find(found).unwrap();
            assert_eq!((line(text, at), key(text, at).unwrap().as_str()), (line_of, key_of));
        }
        assert_eq!(key("", 0), None);
        assert_eq!(key("[limits]\n", 3), Some("limits".to_owned()));
    }
}
