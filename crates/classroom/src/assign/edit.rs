//! Cutting things out of Rust sources, with what belongs to them: attributes, comments, commas.

use std::ops::Range;

use anyhow::anyhow;
use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};

/// A source and where its lines begin.
pub struct Source<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Looks at `text`.
    pub fn new(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// Its tokens.
    ///
    /// # Errors
    ///
    /// It is no Rust.
    pub fn tokens(&self) -> anyhow::Result<TokenStream> {
        self.text.parse().map_err(|error| anyhow!("{error}"))
    }

    /// The bytes of a span.
    pub fn bytes(&self, span: Span) -> Range<usize> {
        self.byte(span.start())..self.byte(span.end())
    }

    /// Lines count from 1, columns from 0 and in characters.
    fn byte(&self, place: LineColumn) -> usize {
        let start = self.lines[place.line - 1];
        let line = &self.text[start..];
        start + line.char_indices().nth(place.column).map_or(line.len(), |(offset, _)| offset)
    }

    /// The bytes from the first to the last, and with them: the comma behind, the comments on the
    /// lines above, the rest of lines that are otherwise empty, and one of two blank lines.
    pub fn whole(&self, bytes: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = bytes;
        if self.text[end..].starts_with(',') {
            end += 1;
        }
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let next = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at + 1);
        let alone = self.text[line..start].trim().is_empty();
        let rest = self.text[end..next].trim();
        if !alone || !(rest.is_empty() || rest.starts_with("//")) {
            return start..end;
        }
        (start, end) = (line, next);
        loop {
            let above = self.text[..start].trim_end_matches('\n').len();
            let above = self.text[..above].rfind('\n').map_or(0, |at| at + 1);
            let comment = self.text[above..start].trim_start();
            let is_comment = comment.starts_with("//") && !comment.starts_with("//!");
            if above >= start || !is_comment || self.text[above..start].contains("\n\n") {
                break;
            }
            start = above;
        }
        let before = self.text[..start].trim_end_matches(' ');
        let is_first = before.is_empty() || before.ends_with("\n\n") || before.ends_with("{\n");
        if is_first && self.text[end..].starts_with('\n') {
            end += 1;
        } else if before.ends_with("\n\n") && self.text[end..].trim_start().starts_with('}') {
            start -= 1;
        }
        start..end
    }
}

impl Source<'_> {
    /// The bytes, with the whole lines if these hold nothing else.
    pub fn whole_if_alone(&self, bytes: Range<usize>) -> Range<usize> {
        let line = self.text[..bytes.start].rfind('\n').map_or(0, |at| at + 1);
        let next =
            self.text[bytes.end..].find('\n').map_or(self.text.len(), |at| bytes.end + at + 1);
        let around = [&self.text[line..bytes.start], &self.text[bytes.end..next]];
        if around.iter().all(|text| text.trim().is_empty()) { line..next } else { bytes }
    }
}

/// The text without these bytes, which may overlap.
pub fn cut(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|range| (range.start, range.end));
    let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        if range.start > from {
            kept.push_str(&text[from..range.start]);
        }
        from = from.max(range.end);
    }
    kept.push_str(&text[from..]);
    kept
}

/// What is cut from the sources that learners get: what stands under one of these conditions.
const LEFT_OUT: [&str; 2] = ["feature=\"authors\"", "test"];

/// The text without the items, variants and arms under `#[cfg(test)]` and
/// `#[cfg(feature = "authors")]`, and the names of the modules in files of their own among them.
///
/// # Errors
///
/// It is no Rust.
pub fn without_authors(text: &str) -> anyhow::Result<(String, Vec<String>)> {
    let source = Source::new(text);
    let (mut ranges, mut modules) = (Vec::new(), Vec::new());
    walk(source.tokens()?, &source, &mut ranges, &mut modules);
    Ok((cut(text, ranges), modules))
}

fn walk(
    tokens: TokenStream,
    source: &Source<'_>,
    ranges: &mut Vec<Range<usize>>,
    modules: &mut Vec<String>,
) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while index < tokens.len() {
        if is_left_out(&tokens[index..]) {
            let end = end_of_thing(&tokens, index + 2);
            let words: Vec<String> =
                tokens[index + 2..=end].iter().map(TokenTree::to_string).collect();
            if let [.., keyword, name, last] = words.as_slice()
                && keyword == "mod"
                && last == ";"
            {
                modules.push(name.clone());
            }
            let first = source.bytes(tokens[index].span()).start;
            ranges.push(source.whole(first..source.bytes(tokens[end].span()).end));
            index = end + 1;
            continue;
        }
        if let TokenTree::Group(group) = &tokens[index] {
            walk(group.stream(), source, ranges, modules);
        }
        index += 1;
    }
}

/// Whether the tokens begin with `#[cfg(…)]` of a condition that no handout fulfils.
fn is_left_out(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return false };
    let text: String = group.to_string().split_whitespace().collect();
    hash.as_char() == '#' && LEFT_OUT.iter().any(|wanted| text == format!("[cfg({wanted})]"))
}

/// The words by which an item is known from a variant, a field or an arm of a `match`.
const KEYWORDS: [&str; 14] = [
    "pub", "fn", "mod", "struct", "enum", "union", "impl", "trait", "const", "static", "use",
    "type", "unsafe", "extern",
];

/// The last token of the item, variant, field or arm that begins at `index`, attributes included.
fn end_of_thing(tokens: &[TokenTree], index: usize) -> usize {
    let start = behind_attributes(tokens, index);
    let word = |at: usize| tokens.get(at).map(TokenTree::to_string).unwrap_or_default();
    let mut keyword = start;
    while word(keyword) == "pub" || word(keyword).starts_with('(') {
        keyword += 1;
    }
    let is_item = KEYWORDS.contains(&word(start).as_str())
        // A field may be public, too.
        && (keyword == start || KEYWORDS.contains(&word(keyword).as_str()));
    let is_function = ["const", "unsafe", "extern"].contains(&word(keyword).as_str())
        && (keyword..keyword + 4).any(|at| ["fn", "impl", "trait"].contains(&word(at).as_str()));
    let to_semicolon =
        !is_function && ["const", "static", "use", "type"].contains(&word(keyword).as_str());
    let ends = |at: usize| match word(at).as_str() {
        ";" => true,
        "," => !is_item,
        _ => false,
    };
    for (at, token) in tokens.iter().enumerate().skip(start) {
        if ends(at) {
            return at;
        }
        let is_body =
            matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is_body && !to_semicolon {
            return if ends(at + 1) { at + 1 } else { at };
        }
    }
    tokens.len().saturating_sub(1)
}

fn behind_attributes(tokens: &[TokenTree], mut index: usize) -> usize {
    while let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(_))) =
        (tokens.get(index), tokens.get(index + 1))
        && hash.as_char() == '#'
    {
        index += 2;
    }
    index
}

/// The items, and those in their bodies, as far as they can be cut out alone: whatever holds one
/// of the bytes `places` and nothing smaller that can be cut. The second part is the places at
/// which there is nothing to cut.
///
/// # Errors
///
/// It is no Rust.
pub fn items_at(text: &str, places: &[usize]) -> anyhow::Result<(Vec<Item>, Vec<usize>)> {
    let source = Source::new(text);
    let (mut found, mut stuck) = (Vec::new(), Vec::new());
    for place in places {
        match item_at(source.tokens()?, &source, *place) {
            Some(item) => found.push(item),
            None => stuck.push(*place),
        }
    }
    Ok((found, stuck))
}

/// An item that can be cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it stands, with all that belongs to it.
    pub bytes: Range<usize>,
    /// The name of the type, if it is one.
    pub type_name: Option<String>,
}

fn item_at(tokens: TokenStream, source: &Source<'_>, place: usize) -> Option<Item> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    // What describes the file itself.
    while index + 2 < tokens.len()
        && tokens[index].to_string() == "#"
        && tokens[index + 1].to_string() == "!"
    {
        index += 3;
    }
    while index < tokens.len() {
        let end = end_of_thing(&tokens, index);
        let bytes = source.bytes(tokens[index].span()).start..source.bytes(tokens[end].span()).end;
        if !bytes.contains(&place) {
            index = end + 1;
            continue;
        }
        let words: Vec<String> = tokens[index..=end].iter().map(TokenTree::to_string).collect();
        let kind = words.iter().find(|word| {
            ["fn", "mod", "struct", "enum", "impl", "trait", "type", "const", "static"]
                .contains(&word.as_str())
        })?;
        let body = tokens[index..=end].iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        });
        let in_body = body.filter(|group| source.bytes(group.span()).contains(&place));
        return match (kind.as_str(), in_body) {
            ("mod" | "impl", Some(body)) => item_at(body.stream(), source, place),
            ("mod" | "impl" | "trait", None) | (_, None) => {
                let at = words.iter().position(|word| word == kind)?;
                let is_type = ["struct", "enum", "type", "trait"].contains(&kind.as_str());
                let type_name = words.get(at + 1).filter(|_| is_type).cloned();
                Some(Item { bytes: source.whole(bytes), type_name })
            }
            // A field, a variant, something in a function: what is left would no longer compile.
            (_, Some(_)) => None,
        };
    }
    None
}

/// The `impl` blocks of the type `name`, or of the trait.
///
/// # Errors
///
/// It is no Rust.
pub fn impls_of(text: &str, name: &str) -> anyhow::Result<Vec<Range<usize>>> {
    let source = Source::new(text);
    let tokens: Vec<TokenTree> = source.tokens()?.into_iter().collect();
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let end = end_of_thing(&tokens, index);
        let start = behind_attributes(&tokens, index);
        let words: Vec<String> = tokens[start..=end].iter().map(TokenTree::to_string).collect();
        if words.iter().take(2).any(|word| word == "impl") {
            let head = &words[..words.len() - 1];
            let of = head.iter().position(|word| word == "for");
            let is_trait = of.is_some_and(|of| head[..of].last().is_some_and(|word| word == name));
            let target = &head[of.map_or(0, |of| of + 1)..];
            if is_trait || target.iter().any(|word| word == name) {
                let bytes =
                    source.bytes(tokens[index].span()).start..source.bytes(tokens[end].span()).end;
                found.push(source.whole(bytes));
            }
        }
        index = end + 1;
    }
    Ok(found)
}

/// The text without the names at `places` in its `use` declarations; one that names nothing any
/// more goes as a whole.
pub fn without_imports(text: &str, mut places: Vec<Range<usize>>) -> String {
    let mut text = text.to_owned();
    // From the end, so that what comes before stays where it is.
    places.sort_by_key(|place| std::cmp::Reverse(place.start));
    for Range { start, end } in places {
        let Some(declaration) = text[..start].rfind("use ") else { continue };
        let Some(last) = text[end..].find(';').map(|at| end + at + 1) else { continue };
        let list = text[declaration..start].find('{').map(|at| declaration + at + 1);
        let (mut from, mut to) = (start, end);
        if let Some(list) = list {
            if text[end..].starts_with(',') {
                let rest = &text[end + 1..];
                to = end + 1 + (rest.len() - rest.trim_start().len());
            } else {
                let before = text[..start].trim_end();
                from = before.strip_suffix(',').unwrap_or(before).len();
            }
            let left = format!("{}{}", &text[list..from], &text[to..last]);
            let names: Vec<&str> = left.split('}').next().unwrap_or_default().split(',').collect();
            let names: Vec<&str> =
                names.into_iter().map(str::trim).filter(|name| !name.is_empty()).collect();
            if !names.is_empty() {
                text.replace_range(from..to, "");
                continue;
            }
        }
        let line = text[..declaration].rfind('\n').map_or(0, |at| at + 1);
        let whole = Source::new(&text).whole(line..last);
        text.replace_range(whole, "");
    }
    text.split_inclusive('\n').map(without_needless_braces).collect()
}

/// Braces around one name are nobody's style: `use a::{b};` is `use a::b;`.
fn without_needless_braces(line: &str) -> String {
    let inner = line.split_once('{').and_then(|(_, rest)| rest.strip_suffix("};\n"));
    let is_one =
        |inner: &str| inner.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    match inner.filter(|inner| line.starts_with("use ") && is_one(inner) && *inner != "self") {
        Some(inner) => line.replace(&format!("{{{inner}}}"), inner),
        None => line.to_owned(),
    }
}

/// Whether a source holds nothing but what describes it.
///
/// # Errors
///
/// It is no Rust.
pub fn is_empty(text: &str) -> anyhow::Result<bool> {
    let tokens: Vec<String> =
        Source::new(text).tokens()?.into_iter().map(|token| token.to_string()).collect();
    Ok(tokens.chunks(3).all(|three| three.len() == 3 && three[0] == "#" && three[1] == "!"))
}

/// The text without the declaration `mod NAME;`.
///
/// # Errors
///
/// It is no Rust.
pub fn without_module(text: &str, name: &str) -> anyhow::Result<String> {
    let source = Source::new(text);
    let tokens: Vec<TokenTree> = source.tokens()?.into_iter().collect();
    let mut ranges = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let end = end_of_thing(&tokens, index);
        let words: Vec<String> = tokens[index..=end].iter().map(TokenTree::to_string).collect();
        if let [.., keyword, named, last] = words.as_slice()
            && (keyword.as_str(), named.as_str(), last.as_str()) == ("mod", name, ";")
        {
            let bytes =
                source.bytes(tokens[index].span()).start..source.bytes(tokens[end].span()).end;
            ranges.push(source.whole(bytes));
        }
        index = end + 1;
    }
    Ok(cut(text, ranges))
}

/// The text without the registrations `("id", function)` of these checks.
///
/// # Errors
///
/// It is no Rust, or registers one of them not exactly once.
pub fn without_registrations(text: &str, ids: &[&str]) -> anyhow::Result<String> {
    let source = Source::new(text);
    let mut ranges = Vec::new();
    for id in ids {
        let mut found = Vec::new();
        registrations(source.tokens()?, &format!("{id:?}"), &source, &mut found);
        if found.len() != 1 {
            return Err(anyhow!("`{id}` is registered {} times, not once", found.len()));
        }
        ranges.extend(found);
    }
    Ok(cut(text, ranges))
}

fn registrations(
    tokens: TokenStream,
    literal: &str,
    source: &Source<'_>,
    found: &mut Vec<Range<usize>>,
) {
    for token in tokens {
        let TokenTree::Group(group) = token else { continue };
        let first = group.stream().into_iter().next();
        let is_it = matches!(&first, Some(TokenTree::Literal(text)) if text.to_string() == literal);
        if group.delimiter() == Delimiter::Parenthesis && is_it {
            found.push(source.whole(source.bytes(group.span())));
        } else {
            registrations(group.stream(), literal, source, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        cut, impls_of, is_empty, items_at, without_authors, without_imports, without_module,
        without_registrations,
    };

    #[test]
    fn what_is_for_authors_and_tests_goes() {
        let text = "//! Doc.\n\n#[cfg(feature = \"authors\")]\nmod ci;\nmod grade;\n\n\
            enum A {\n    One,\n    /// Two.\n    #[cfg(feature = \"authors\")]\n    \
            Two(x::Y),\n}\n\nfn f() {\n    match a {\n        A::One => 1,\n        \
            #[cfg(feature = \"authors\")]\n        A::Two(y) => g(y),\n    }\n}\n\n\
            /// Unix.\n#[cfg(unix)]\nfn u() {}\n\n// Of tests.\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let (left, modules) = without_authors(text).expect("Rust");
        assert_eq!(
            left,
            "//! Doc.\n\nmod grade;\n\nenum A {\n    One,\n}\n\nfn f() {\n    match a {\n        \
             A::One => 1,\n    }\n}\n\n/// Unix.\n#[cfg(unix)]\nfn u() {}\n\n"
        );
        assert_eq!(modules, ["ci"]);
    }

    #[test]
    fn a_registration_goes_with_its_comment() {
        let text = "checks: &[\n    (\"a\", x::a),\n    // Why b.\n    (\"b\", x::b),\n    \
            (\"c\", x::c),\n],\n";
        let left = without_registrations(text, &["b"]).expect("Rust");
        assert_eq!(left, "checks: &[\n    (\"a\", x::a),\n    (\"c\", x::c),\n],\n");
        assert!(without_registrations(text, &["d"]).is_err());
    }

    #[test]
    fn an_import_goes_out_of_its_list() {
        let text = "use a::x;\nuse crate::b::{c, d, e};\nuse f::g;\n";
        let at = |word: &str| {
            let start = text.find(word).expect("it is there");
            start..start + word.len()
        };
        let left =
            |words: &[&str]| without_imports(text, words.iter().map(|word| at(word)).collect());
        assert_eq!(left(&["d"]), "use a::x;\nuse crate::b::{c, e};\nuse f::g;\n");
        let start = text.find(", e").expect("it is there") + 2;
        let last = start..start + 1;
        let left = without_imports(text, vec![last.clone(), at("d"), at("f::g")]);
        assert_eq!(left, "use a::x;\nuse crate::b::c;\n");
        let first = text.find("{c").expect("it is there") + 1;
        let left = without_imports(text, vec![last, at("d"), first..first + 1]);
        assert_eq!(left, "use a::x;\nuse f::g;\n");
    }

    #[test]
    fn an_item_goes_with_its_description() {
        let text = "//! Doc.\nuse a::{B, C};\n\n/// Dead.\n#[inline]\npub fn dead<A, B>(a: [u8; 2]) \
            {\n    x();\n}\n\nconst N: usize = if A { 1 } else { 2 };\n\nstruct S;\n\n\
            impl S {\n    /// One.\n    fn one(&self) {}\n\n    fn two(&self) {}\n}\n\n\
            enum E {\n    A,\n    B,\n}\n";
        let at = |word: &str| text.find(word).expect("it is there");
        let (items, stuck) =
            items_at(text, &[at("dead<"), at("N:"), at("one("), at("B,\n}")]).expect("Rust");
        assert_eq!(stuck.len(), 1);
        let left = cut(text, items.into_iter().map(|item| item.bytes).collect());
        assert_eq!(
            left,
            "//! Doc.\nuse a::{B, C};\n\nstruct S;\n\nimpl S {\n    fn two(&self) {}\n}\n\n\
             enum E {\n    A,\n    B,\n}\n"
        );
        let (items, _) = items_at(text, &[at("S;")]).expect("Rust");
        assert_eq!(items[0].type_name.as_deref(), Some("S"));
        let impls = impls_of(text, "S").expect("Rust");
        assert!(text[impls[0].clone()].starts_with("impl S {"));
        assert!(is_empty("//! Doc.\n//! More.\n").expect("Rust"));
        assert!(!is_empty("//! Doc.\nuse a;\n").expect("Rust"));
        assert_eq!(without_module("mod a;\npub mod b;\n", "b").expect("Rust"), "mod a;\n");
    }
}
