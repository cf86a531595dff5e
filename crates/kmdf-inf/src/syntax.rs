//! The INF grammar: sections, entries, fields.
//!
//! Nothing is dropped: repeated sections and entries stay, in the order of the file, with their positions, so that
//! the rules can speak of them. A syntax error is reported and the rest of the file is still read.

use crate::document::is_strings;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::text::Span;

/// Longest section name that Windows reads.
const SECTION_NAME_MAX: usize = 255;
/// Longest field that Windows reads, in UTF-16 units, less the terminating NUL.
const FIELD_MAX: usize = 4095;

/// `%name%` in a field.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// One value: quotes removed, string tokens not yet replaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    pub(crate) value: String,
    pub(crate) span: Span,
    pub(crate) tokens: Vec<Token>,
}

impl Field {
    pub(crate) fn is(&self, word: &str) -> bool {
        self.value.eq_ignore_ascii_case(word)
    }
}

/// One logical line of a section: `key = value, value` or `value, value`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Option<Field>,
    pub(crate) values: Vec<Field>,
    pub(crate) span: Span,
}

impl Entry {
    pub(crate) fn key_is(&self, word: &str) -> bool {
        self.key.as_ref().is_some_and(|key| key.is(word))
    }

    /// The field at `index`, unless it is left empty.
    pub(crate) fn value(&self, index: usize) -> Option<&Field> {
        self.values
            .get(index)
            .filter(|field| !field.value.is_empty())
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.key.iter().chain(&self.values)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: Field,
    pub(crate) entries: Vec<Entry>,
}

/// A parsed file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inf {
    pub(crate) sections: Vec<Section>,
}

pub(crate) fn parse(text: &str, sink: &mut Sink<'_>) -> Inf {
    // SetupAPI takes a Ctrl+Z as the end of the file.
    let text = text.split('\u{1a}').next().unwrap_or(text);
    let mut parser = Parser {
        text,
        at: 0,
        strings: false,
        sink,
    };
    let mut inf = Inf::default();
    let mut stray = false;
    while let Some(c) = parser.next_line() {
        if c == '[' {
            let name = parser.header();
            parser.strings = is_strings(&name.value);
            inf.sections.push(Section {
                name,
                entries: Vec::new(),
            });
            continue;
        }
        let entry = parser.entry();
        match inf.sections.last_mut() {
            Some(section) => section.entries.push(entry),
            None if !stray => {
                stray = true;
                parser.report(
                    Rule::Syntax,
                    entry.span,
                    "this line stands before the first section",
                    "start the file with [Version]; only comments may come before it",
                );
            }
            None => {}
        }
    }
    inf
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Comma,
    Equals,
    End,
}

struct Parser<'p, 's> {
    text: &'p str,
    at: usize,
    /// In a strings section, where percent signs are literal.
    strings: bool,
    sink: &'p mut Sink<'s>,
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{a0}' | '\u{feff}')
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}

impl Parser<'_, '_> {
    fn report(&mut self, rule: Rule, span: Span, message: &str, help: &str) {
        self.sink.add(rule, span, message, help);
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(skipped).len();
    }

    fn skip_comment(&mut self) {
        self.skip(|c| !is_line_end(c));
    }

    /// Moves to the next character that is neither blank nor comment.
    fn next_line(&mut self) -> Option<char> {
        loop {
            self.skip(|c| is_blank(c) || is_line_end(c));
            match self.peek()? {
                ';' => self.skip_comment(),
                c => return Some(c),
            }
        }
    }

    fn header(&mut self) -> Field {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        self.skip(|c| c != ']' && !is_line_end(c));
        let raw = self.text[start..self.at].to_owned();
        if self.peek() == Some(']') {
            self.at += 1;
            let close = self.at;
            self.skip(is_blank);
            if !self.peek().is_none_or(|c| c == ';' || is_line_end(c)) {
                self.skip_comment();
                self.report(
                    Rule::Syntax,
                    close..self.at,
                    "text after a section header",
                    "put the entry on a line of its own",
                );
            }
        } else {
            self.report(
                Rule::Syntax,
                open..self.at,
                "a section header has no closing bracket",
                "write it as [Name]",
            );
        }
        let name = raw.trim().trim_matches('"');
        let span = open..start + raw.len();
        if name.is_empty() {
            self.report(
                Rule::Syntax,
                span.clone(),
                "a section has no name",
                "name it, or remove it",
            );
        } else if name.encode_utf16().count() > SECTION_NAME_MAX {
            self.report(
                Rule::FieldTooLong,
                span.clone(),
                "a section name is longer than 255 characters",
                "shorten it",
            );
        }
        Field {
            value: name.to_owned(),
            span: start..start + raw.trim_end().len().max(1).min(raw.len()),
            tokens: Vec::new(),
        }
    }

    fn entry(&mut self) -> Entry {
        let start = self.at;
        let mut key = None;
        let mut values = Vec::new();
        let (first, mut separator) = self.field(true);
        if separator == Separator::Equals {
            key = Some(first);
            separator = Separator::Comma;
        } else {
            values.push(first);
        }
        while separator == Separator::Comma {
            let (field, next) = self.field(false);
            values.push(field);
            separator = next;
        }
        let end = values
            .last()
            .or(key.as_ref())
            .map_or(start, |field| field.span.end);
        Entry {
            key,
            values,
            span: start..end.max(start),
        }
    }

    /// Reads up to the next separator and past it. `=` separates only where a key can stand.
    fn field(&mut self, key: bool) -> (Field, Separator) {
        self.skip(is_blank);
        let start = self.at;
        let mut field = Field::default();
        // Where the field ends in `value` and in the text, blanks before the separator left out.
        let (mut length, mut end) = (0, start);
        let separator = loop {
            let Some(c) = self.peek() else {
                break Separator::End;
            };
            match c {
                ',' => {
                    self.at += 1;
                    break Separator::Comma;
                }
                '=' if key => {
                    self.at += 1;
                    break Separator::Equals;
                }
                ';' => {
                    self.skip_comment();
                    break Separator::End;
                }
                _ if is_line_end(c) => break Separator::End,
                '\\' if self.line_continues() => {
                    if !self.continue_line() {
                        break Separator::End;
                    }
                    continue;
                }
                '"' => self.quoted(&mut field),
                '%' => self.percent(&mut field, false),
                _ => {
                    field.value.push(c);
                    self.bump(c);
                    if is_blank(c) {
                        continue;
                    }
                }
            }
            (length, end) = (field.value.len(), self.at);
        };
        field.value.truncate(length);
        field.span = start..end;
        if field.value.encode_utf16().count() > FIELD_MAX {
            self.report(
                Rule::FieldTooLong,
                field.span.clone(),
                "a field is longer than 4095 characters",
                "Windows cuts it off; split the value",
            );
        }
        (field, separator)
    }

    /// Whether the backslash here is the last thing on its line.
    fn line_continues(&self) -> bool {
        let after = self.rest()[1..].trim_start_matches(is_blank);
        after
            .chars()
            .next()
            .is_none_or(|c| c == ';' || is_line_end(c))
    }

    /// Moves to the continuation; false when there is none.
    fn continue_line(&mut self) -> bool {
        let backslash = self.at;
        self.at += 1;
        self.skip_comment();
        let line_end = self.at;
        if self.rest().starts_with("\r\n") {
            self.at += 2;
        } else if self.peek().is_some() {
            self.at += 1;
        }
        self.skip(is_blank);
        let swallows = match self.peek() {
            None => "the file ends in a line that a backslash continues",
            Some('[') => {
                "a backslash at the end of a line takes the next section header into the entry"
            }
            Some(_) => return true,
        };
        self.at = line_end;
        self.report(
            Rule::Syntax,
            backslash..backslash + 1,
            swallows,
            "remove the backslash, or quote a path that ends in one",
        );
        false
    }

    fn quoted(&mut self, field: &mut Field) {
        let open = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some('"') if self.rest().starts_with("\"\"") => {
                    field.value.push('"');
                    self.at += 2;
                }
                Some('"') => {
                    self.at += 1;
                    return;
                }
                Some('%') => self.percent(field, true),
                Some(c) if !is_line_end(c) => {
                    field.value.push(c);
                    self.bump(c);
                }
                _ => {
                    self.report(
                        Rule::Syntax,
                        open..self.at,
                        "a quoted string is not closed on its line",
                        "add the closing quotation mark",
                    );
                    return;
                }
            }
        }
    }

    /// A `%token%`, a literal `%%`, or a percent sign that is neither.
    fn percent(&mut self, field: &mut Field, in_quotes: bool) {
        let rest = self.rest();
        let name_ends = |c: char| {
            c == '%' || is_line_end(c) || c == '"' || (!in_quotes && (c == ',' || c == '='))
        };
        let name: String = rest[1..].chars().take_while(|&c| !name_ends(c)).collect();
        let closed = rest[1 + name.len()..].starts_with('%');
        let start = self.at;
        if closed {
            self.at += name.len() + 2;
            field.value.push_str(&self.text[start..self.at]);
            if !name.is_empty() {
                field.tokens.push(Token {
                    name,
                    span: start..self.at,
                });
            }
        } else {
            self.at += 1;
            field.value.push('%');
            if self.strings {
                return;
            }
            self.report(
                Rule::StrayPercent,
                start..self.at,
                "a single percent sign",
                "write %% for a literal percent sign, or close the %token%",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::text::Text;

    fn parsed(text: &str) -> (Inf, Vec<Rule>) {
        let source = Text::decode(text.as_bytes());
        let mut sink = Sink::new(&source, Level::WindowsDriver);
        let inf = parse(&source.text, &mut sink);
        (
            inf,
            sink.finish()
                .into_iter()
                .map(|finding| finding.rule)
                .collect(),
        )
    }

    fn values(text: &str) -> Vec<String> {
        let (inf, rules) = parsed(&format!("[S]\n{text}\n"));
        assert_eq!(rules, []);
        let entry = &inf.sections[0].entries[0];
        entry.fields().map(|field| field.value.clone()).collect()
    }

    #[test]
    fn fields_and_quotes() {
        assert_eq!(values("a = b , c ; d"), ["a", "b", "c"]);
        assert_eq!(
            values("a = \" b, \"\"c\"\"; \" ,d"),
            ["a", " b, \"c\"; ", "d"]
        );
        assert_eq!(values("HKR,,x,,a=b"), ["HKR", "", "x", "", "a=b"]);
        assert_eq!(values("a=,2"), ["a", "", "2"]);
        assert_eq!(values("\"a=b\" = c"), ["a=b", "c"]);
    }

    #[test]
    fn a_backslash_continues_a_line() {
        assert_eq!(
            values("CopyFiles = \"Dir\\\"\\ ; why\n   ,File"),
            ["CopyFiles", "Dir\\", "File"]
        );
        assert_eq!(values("a = %13%\\x.sys"), ["a", "%13%\\x.sys"]);
        let (inf, rules) = parsed("[S]\na = b\\\n[T]\nc = d\n");
        assert_eq!(rules, [Rule::Syntax]);
        assert_eq!(inf.sections.len(), 2);
    }

    #[test]
    fn tokens_keep_their_place() {
        let (inf, rules) = parsed("[S]\n%Name; x% = \"%% %two%\"\n");
        assert_eq!(rules, []);
        let entry = &inf.sections[0].entries[0];
        let names: Vec<_> = entry
            .fields()
            .flat_map(|f| &f.tokens)
            .map(|t| (t.name.as_str(), t.span.start))
            .collect();
        assert_eq!(names, [("Name; x", 4), ("two", 20)]);
    }

    #[test]
    fn errors_are_reported_and_survived() {
        for text in [
            "[S\na=b\n",
            "a=b\n[S]\n",
            "[S] a=b\n",
            "[]\n",
            "[S]\na=\"b\n",
            "[S]\na=b\\",
        ] {
            assert_eq!(parsed(text).1, [Rule::Syntax], "{text}");
        }
        assert_eq!(parsed("[S]\na=100%\n").1, [Rule::StrayPercent]);
        assert_eq!(
            parsed(&format!("[S]\na={}\n", "x".repeat(5000))).1,
            [Rule::FieldTooLong]
        );
    }
}
