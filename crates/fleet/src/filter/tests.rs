use super::*;

fn only(text: &str) -> Condition {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(filter.conditions.len(), 1, "{text}");
    filter.conditions.into_iter().next().unwrap()
}

#[test]
fn every_word_is_understood_with_what_it_says_it_takes() {
    for word in WORDS {
        for takes in word.takes.iter().filter(|t| !t.contains(' ') && !t.contains('…')) {
            for name in word.names {
                only(&format!("{name}:{takes}"));
                Filter::default().field(name, takes).unwrap();
            }
        }
    }
}

#[test]
fn values_mean_what_they_say() {
    let of = |list: &[Severity]| list.iter().fold(0, |m, s| m | 1 << *s as u8);
    use Severity::*;
    for (text, not, test) in [
        ("severity:>=high", false, Test::Severity(of(&[High, Critical]))),
        ("severity:<low", false, Test::Severity(of(&[Negligible, Unknown]))),
        ("-severity:high,CRITICAL", true, Test::Severity(of(&[High, Critical]))),
        ("fix:yes", false, Test::Fixable(true)),
        ("age:>30d", false, Test::Age(Span { low: 30 * 86_400_000_000 + 1, high: i64::MAX })),
        ("age:<=2h", false, Test::Age(Span { low: i64::MIN, high: 7_200_000_000 })),
        ("pulled:<1d", false, Test::Pulled(Span { low: i64::MIN, high: 86_399_999_999 })),
        ("epss:>0.1", false, Test::Epss(Span { low: 100_001, high: i64::MAX })),
        ("cvss:>=7", false, Test::Cvss(Span { low: 70, high: i64::MAX })),
        ("cvss:<7.5", false, Test::Cvss(Span { low: 0, high: 74 })),
        ("pkg:a,b*", false, Test::Package(vec![Pattern::new("a"), Pattern::new("b*")])),
        ("pkg:deb/debian/a@1", false, Test::Package(vec![Pattern::new("deb/debian/a@1")])),
        ("\"two words\"", false, Test::Text(Pattern::within("two words"))),
        ("-log4j", true, Test::Text(Pattern::within("log4j"))),
        ("repo:\"a b\"", false, Test::Repository(vec![Pattern::new("a b")])),
        ("image:SHA256:ABCDEF", false, Test::Image(vec!["sha256:abcdef".into()])),
        ("hidden:yes", false, Test::Hidden(Hidden::Only)),
    ] {
        assert_eq!(only(text), Condition { not, test }, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_pointed_at() {
    for (text, at, why) in [
        ("fix:yes sevrity:high", 8, "no such word"),
        ("severity:bad", 0, "no such severity"),
        ("severity:>=high,low", 0, "a list has no order"),
        ("fix:maybe", 0, "neither yes nor no"),
        ("é -ruler:*", 3, "a word of a later day; bytes, not characters"),
        ("age:30d", 0, "an age to the microsecond"),
        ("age:>30", 0, "no unit"),
        ("age:>99999999999999999d", 0, "over the end of time"),
        ("age:>+3d", 0, "a sign"),
        ("epss:>0.1234567", 0, "finer than EPSS"),
        ("cvss:x", 0, "no number"),
        ("cvss:", 0, "nothing"),
        ("pkg:", 0, "nothing"),
        ("pkg:a,,b", 0, "nothing between commas"),
        ("id:1234", 0, "no UUID"),
        ("id:67e55044-10b1-426f-9247-bb680e5fe0c8", 0, "a UUID of another kind"),
        ("image:latest", 0, "a tag"),
        ("-hidden:yes", 0, "cannot be taken away"),
        ("a -", 2, "nothing to take away"),
        ("\"\"", 0, "no text"),
        ("a \"b c", 2, "open quote"),
    ] {
        match Filter::parse(text) {
            Err(QueryError::Word { at: got, word, allowed, .. }) => {
                assert_eq!(got, at, "{text}: {why}");
                assert!(text[at..].starts_with(&word) && !allowed.is_empty(), "{text}: {why}");
            }
            other => panic!("{text}: {why}: {other:?}"),
        }
    }
    assert!(Filter::parse(&"a ".repeat(65)).is_err(), "no person asks that");
    assert!(Filter::default().field("sevrity", "high").is_err());
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, want) in [
        ("openssl", "OpenSSL", true),
        ("openssl", "openssl-dev", false),
        ("lib*-dev", "libssl-dev", true),
        ("lib*-dev", "libssl-dev-doc", false),
        ("*ssl*", "libssl3", true),
        ("*a*b", "xaxbxab", true),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("a*a", "a", false),
    ] {
        assert_eq!(Pattern::new(pattern).matches(text), want, "{pattern} {text}");
    }
}
