//! What a registry wants to be shown: `WWW-Authenticate` (RFC 9110, 11.6.1).

/// How to get in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With name and password, each time.
    Basic,
    /// With a token, which somebody else hands out.
    Bearer {
        /// Who.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
}

/// The first challenge that we can meet.
pub(crate) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = pairs(parameters);
    let find = |name: &str| {
        let found = parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    Some(Challenge::Bearer {
        realm: find("realm")?,
        service: find("service"),
        scope: find("scope"),
    })
}

/// `name="value"` and `name=value`, between commas. A comma in quotes is the
/// value's: scopes have them.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_owned();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        pairs.push((name, value));
        rest = after;
    }
    pairs
}

/// A quoted string after its first quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, text.get(place + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            character => value.push(character),
        }
    }
    (value, "")
}

/// A query of an address: names and values, with what is special escaped.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let (realm, service, scope) = (realm.to_owned(), owned(service), owned(scope));
            Some(Challenge::Bearer { realm, service, scope })
        };
        assert_eq!(
            parse(r#"Bearer realm="https://a/t",service="a",scope="repository:x:pull,push""#),
            bearer("https://a/t", Some("a"), Some("repository:x:pull,push"))
        );
        assert_eq!(
            parse(r#"bearer scope="x\"y", realm=https://a/t , error="e""#),
            bearer("https://a/t", None, Some("x\"y"))
        );
        assert_eq!(parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(parse("Basic"), Some(Challenge::Basic));
        for other in ["", "Digest realm=\"x\"", "Bearer service=\"x\"", "Bearer \"", "Bearer =,="] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_value_cannot_end_a_query() {
        assert_eq!(query(&[("a", "b c&d=é"), ("e", "f")]), "a=b%20c%26d%3D%C3%A9&e=f");
    }
}
