//! Reading the text that `SHOW CREATE` prints.

/// `name` quoted as an identifier.
pub(crate) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A `CREATE TABLE` statement taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableText {
    /// `CREATE TABLE `name``.
    pub(crate) head: String,
    /// Columns, keys and constraints in order.
    pub(crate) items: Vec<String>,
    /// Engine, character set, partitions.
    pub(crate) tail: String,
}

impl TableText {
    /// `None` when the text is not of the form the servers print.
    pub(crate) fn parse(create: &str) -> Option<Self> {
        let mut scan = Scan::new(create);
        let open = scan.find(|c, depth| c == b'(' && depth == 1)?;
        let mut items = Vec::new();
        let mut start = open + 1;
        loop {
            let end = scan.find(|c, depth| (c == b',' && depth == 1) || (c == b')' && depth == 0))?;
            items.push(create.get(start..end)?.trim().to_owned());
            start = end + 1;
            if create.as_bytes().get(end) == Some(&b')') {
                return Some(TableText {
                    head: create.get(..open)?.trim().to_owned(),
                    items,
                    tail: create.get(start..)?.trim().to_owned(),
                });
            }
        }
    }

    pub(crate) fn join<'a>(&self, items: impl IntoIterator<Item = &'a String>) -> String {
        let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
        format!("{} (\n  {}\n) {}", self.head, items.join(",\n  "), self.tail)
    }

    /// Without what depends on the rows, keys and constraints in a fixed order: equal tables have equal texts.
    pub(crate) fn normalised(&self) -> String {
        let (mut keys, columns): (Vec<_>, Vec<_>) =
            self.items.iter().partition(|item| Item::of(item) != Item::Column);
        keys.sort();
        let tail = without_auto_increment(&self.tail);
        let lines: Vec<&str> = columns.iter().chain(&keys).map(|item| item.as_str()).collect();
        format!("{}\n{tail}", lines.join("\n"))
    }
}

/// What one line of a table definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Column,
    PrimaryKey,
    UniqueKey,
    Key,
    ForeignKey,
    /// CHECK, PERIOD and whatever else belongs to the table from the start.
    Other,
}

impl Item {
    pub(crate) fn of(item: &str) -> Self {
        let has = |word: &str| item.starts_with(word);
        if has("`") {
            Item::Column
        } else if has("PRIMARY KEY") {
            Item::PrimaryKey
        } else if has("UNIQUE KEY") || has("UNIQUE INDEX") {
            Item::UniqueKey
        } else if has("KEY") || has("INDEX") || has("FULLTEXT") || has("SPATIAL") || has("VECTOR") {
            Item::Key
        } else if has("CONSTRAINT") && after_name(item).starts_with("FOREIGN KEY") || has("FOREIGN KEY") {
            Item::ForeignKey
        } else {
            Item::Other
        }
    }
}

/// First column of a key: "`a`" of "KEY `k` (`a`,`b`(20))".
pub(crate) fn first_key_column(item: &str) -> Option<String> {
    let mut scan = Scan::new(item);
    let open = scan.find(|c, depth| c == b'(' && depth == 1)?;
    let rest = item.get(open + 1..)?;
    rest.starts_with('`').then_some(())?;
    let mut end = 1;
    let bytes = rest.as_bytes();
    while let Some(byte) = bytes.get(end) {
        if *byte == b'`' {
            if bytes.get(end + 1) != Some(&b'`') {
                return rest.get(..=end).map(str::to_owned);
            }
            end += 1;
        }
        end += 1;
    }
    None
}

fn after_name(constraint: &str) -> &str {
    let rest = constraint.trim_start_matches("CONSTRAINT").trim_start();
    let mut scan = Scan::new(rest);
    match scan.find(|c, _| c == b' ') {
        Some(space) => rest.get(space..).unwrap_or_default().trim_start(),
        None => "",
    }
}

fn without_auto_increment(tail: &str) -> String {
    let words = tail
        .split(' ')
        .filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

/// Walks over SQL text, seeing only what stands outside quotes.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Scan {
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
        }
    }

    /// Position of the next character outside quotes for which `wanted` holds; depth is the one after it.
    fn find(&mut self, wanted: impl Fn(u8, usize) -> bool) -> Option<usize> {
        while let Some(&byte) = self.bytes.get(self.at) {
            let here = self.at;
            self.at += 1;
            match byte {
                b'\'' | b'"' | b'`' => self.skip_quoted(byte),
                b'(' => self.depth += 1,
                b')' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if wanted(byte, self.depth) {
                return Some(here);
            }
        }
        None
    }

    fn skip_quoted(&mut self, quote: u8) {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == b'\\' && quote != b'`' {
                self.at += 1;
            } else if byte == quote {
                if self.bytes.get(self.at) != Some(&quote) {
                    return;
                }
                self.at += 1;
            }
        }
    }
}

/// Where the `DEFINER=account ` clause stands and which account it names.
pub(crate) fn definer(create: &[u8]) -> Option<(std::ops::Range<usize>, String)> {
    const WORD: &[u8] = b"DEFINER=";
    let start = create
        .windows(WORD.len())
        .take(300)
        .position(|window| window == WORD)?;
    let user = account_part(create, start + WORD.len())?;
    let mut end = user.end;
    let mut account = String::from_utf8_lossy(create.get(user)?).into_owned();
    if create.get(end) == Some(&b'@') {
        let host = account_part(create, end + 1)?;
        end = host.end;
        account = format!("{account}@{}", String::from_utf8_lossy(create.get(host)?));
    }
    if create.get(end) == Some(&b' ') {
        end += 1;
    }
    Some((start..end, account))
}

fn account_part(text: &[u8], start: usize) -> Option<std::ops::Range<usize>> {
    let quote = *text.get(start)?;
    let mut at = start + 1;
    if !matches!(quote, b'`' | b'\'' | b'"') {
        while text.get(at).is_some_and(|byte| !matches!(byte, b' ' | b'@')) {
            at += 1;
        }
        return Some(start..at);
    }
    loop {
        if *text.get(at)? == quote {
            if text.get(at + 1) != Some(&quote) {
                return Some(start..at + 1);
            }
            at += 1;
        }
        at += 1;
    }
}

/// Replaces the qualifier "`from`." by "`to`." outside string literals.
pub(crate) fn requalify(create: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (old, new) = (format!("{}.", ident(from)), format!("{}.", ident(to)));
    let mut result = Vec::with_capacity(create.len());
    let mut at = 0;
    while let Some(&byte) = create.get(at) {
        let start = at;
        match byte {
            b'`' if create
                .get(at..)
                .is_some_and(|rest| rest.starts_with(old.as_bytes())) =>
            {
                result.extend_from_slice(new.as_bytes());
                at += old.len();
                continue;
            }
            b'\'' | b'"' | b'`' => {
                let mut scan = Scan {
                    bytes: create,
                    at: at + 1,
                    depth: 0,
                };
                scan.skip_quoted(byte);
                at = scan.at.min(create.len());
            }
            _ => at += 1,
        }
        result.extend_from_slice(create.get(start..at).unwrap_or_default());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "CREATE TABLE `a(b` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `x` enum('a,b',')') DEFAULT 'it''s \\' (',\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`x`,`id`),\n  KEY `FOREIGN` (`x`(10)),\n  CONSTRAINT `PRIMARY KEY x` FOREIGN KEY (`x`) REFERENCES `b` (`x`),\n  CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=latin1 COMMENT='x)'";

    #[test]
    fn table_when_quotes_hold_commas_and_brackets_then_split_rightly() {
        let text = TableText::parse(CREATE).unwrap();
        assert_eq!(text.head, "CREATE TABLE `a(b`");
        let kinds: Vec<Item> = text.items.iter().map(|item| Item::of(item)).collect();
        let expected = [
            Item::Column,
            Item::Column,
            Item::PrimaryKey,
            Item::UniqueKey,
            Item::Key,
            Item::ForeignKey,
            Item::Other,
        ];
        assert_eq!(kinds, expected);
        assert!(
            text.tail.starts_with("ENGINE=InnoDB AUTO_INCREMENT=7"),
            "{}",
            text.tail
        );
        assert_eq!(text.join(&text.items), CREATE);
        assert!(!text.normalised().contains("AUTO_INCREMENT=7"));
    }

    #[test]
    fn key_when_its_column_is_quoted_then_found() {
        assert_eq!(first_key_column("KEY `k(` (`a``b`(20),`c`)").unwrap(), "`a``b`");
    }

    #[test]
    fn definer_when_quoted_then_cut_out_whole() {
        let create =
            b"CREATE ALGORITHM=UNDEFINED DEFINER=`a b`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1";
        let (range, account) = definer(create).unwrap();
        assert_eq!(account, "`a b`@`%`");
        assert_eq!(&create[range], b"DEFINER=`a b`@`%` ");
        assert_eq!(definer(b"CREATE VIEW v AS select 1"), None);
    }

    #[test]
    fn qualifier_when_inside_a_string_then_left() {
        let text = requalify(b"select '`p`.x', `p`.`t`.`c`, `x``p`.y from `p`.`t`", "p", "s");
        assert_eq!(text, b"select '`p`.x', `s`.`t`.`c`, `x``p`.y from `s`.`t`");
    }
}
