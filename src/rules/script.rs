//! Which languages a text is written in, as far as its scripts tell: Unicode blocks, no dictionaries.

/// Scripts that are told apart. Chinese characters with kana between them are Japanese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Han,
    Kana,
    Hangul,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Devanagari,
    Thai,
}

impl Script {
    const ALL: [Script; 10] = [
        Script::Latin,
        Script::Han,
        Script::Kana,
        Script::Hangul,
        Script::Cyrillic,
        Script::Greek,
        Script::Arabic,
        Script::Hebrew,
        Script::Devanagari,
        Script::Thai,
    ];

    /// The name for people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Script::Latin => "Latin",
            Script::Han => "Chinese",
            Script::Kana => "Japanese",
            Script::Hangul => "Korean",
            Script::Cyrillic => "Cyrillic",
            Script::Greek => "Greek",
            Script::Arabic => "Arabic",
            Script::Hebrew => "Hebrew",
            Script::Devanagari => "Devanagari",
            Script::Thai => "Thai",
        }
    }

    /// The script of a letter; `None` for everything else.
    fn of(c: char) -> Option<Self> {
        Some(match u32::from(c) {
            0x41..=0x5a | 0x61..=0x7a | 0xc0..=0x24f | 0x1e00..=0x1eff if c != '\u{d7}' && c != '\u{f7}' => {
                Script::Latin
            }
            0x370..=0x3ff | 0x1f00..=0x1fff => Script::Greek,
            0x400..=0x52f => Script::Cyrillic,
            0x590..=0x5ff => Script::Hebrew,
            0x600..=0x6ff | 0x750..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfefc => {
                Script::Arabic
            }
            0x900..=0x97f => Script::Devanagari,
            0xe01..=0xe5b => Script::Thai,
            0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => Script::Hangul,
            0x3041..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f if c != '\u{30fb}' => Script::Kana,
            0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3134f => Script::Han,
            _ => return None,
        })
    }

    /// Whether each letter counts for itself, as a word of another script does.
    fn by_letter(self) -> bool {
        matches!(self, Script::Han | Script::Kana | Script::Thai)
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|script| *script == self).unwrap_or(0)
    }
}

/// Words in a row that make a stretch of Latin a sentence, and no list of names.
const PHRASE: usize = 4;

/// What was counted of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    units: [usize; Script::ALL.len()],
    /// Latin words in stretches of at least [`PHRASE`].
    phrases: usize,
    /// Where the first unit of each script stands, and for Latin the first phrase.
    first: [Option<(usize, usize)>; Script::ALL.len()],
    first_phrase: Option<(usize, usize)>,
}

impl Counts {
    /// Counts a piece that starts at `base`.
    pub(super) fn add(&mut self, base: usize, piece: &str) {
        let mut row = 0;
        let mut row_at = (0, 0);
        let mut word: Option<(Script, usize, usize)> = None;
        let mut letters = 0;
        for (at, c) in piece.char_indices().chain([(piece.len(), '\n')]) {
            let script = Script::of(c);
            if let Some((open, start, _)) = word
                && Some(open) != script
            {
                // One letter is a symbol, not a word.
                if letters >= 2 || open.by_letter() {
                    self.unit(open, base + start, base + at);
                    if open == Script::Latin {
                        row_at = if row == 0 { (base + start, base + at) } else { (row_at.0, base + at) };
                        row += 1;
                    }
                }
                word = None;
            }
            match script {
                Some(script) if script.by_letter() => {
                    self.unit(script, base + at, base + at + c.len_utf8());
                    self.end_row(&mut row, row_at);
                }
                Some(script) => {
                    if word.is_none() {
                        letters = 0;
                        word = Some((script, at, at));
                    }
                    letters += 1;
                    if script != Script::Latin {
                        self.end_row(&mut row, row_at);
                    }
                }
                None if matches!(c, ' ' | '\'' | '\u{2019}' | '-') => {}
                None => self.end_row(&mut row, row_at),
            }
        }
        self.end_row(&mut row, row_at);
    }

    fn unit(&mut self, script: Script, start: usize, end: usize) {
        let index = script.index();
        self.units[index] += 1;
        match &mut self.first[index] {
            // The first run of letters is shown whole.
            Some(first) if first.1 == start => first.1 = end,
            Some(_) => {}
            none => *none = Some((start, end)),
        }
    }

    fn end_row(&mut self, row: &mut usize, at: (usize, usize)) {
        if *row >= PHRASE {
            self.phrases += *row;
            self.first_phrase.get_or_insert(at);
        }
        *row = 0;
    }

    /// The two scripts that the text is mixed of, the larger first, with the share of the smaller and where it
    /// begins; `None` if one script is as good as alone.
    pub(super) fn mix(&self) -> Option<Mix> {
        let mut units = self.units;
        let mut first = self.first;
        let (latin, han, kana) = (Script::Latin.index(), Script::Han.index(), Script::Kana.index());
        // Japanese is written in both.
        if units[kana] * 10 >= units[han] {
            units[kana] += units[han];
            units[han] = 0;
        } else {
            units[han] += units[kana];
            units[kana] = 0;
        }
        let other =
            (0..units.len()).filter(|index| *index != latin).map(|index| units[index]).max().unwrap_or(0);
        if other >= units[latin].min(self.phrases.max(1)) && other > self.phrases {
            // Among other scripts, names and terms are Latin: only whole sentences count.
            units[latin] = self.phrases;
            first[latin] = self.first_phrase;
        }
        let total: usize = units.iter().sum();
        let mut order: Vec<usize> = (0..units.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(units[*index]));
        let (large, small) = (order[0], order[1]);
        let enough = units[small] >= MIN_UNITS && units[small] * 100 >= MIN_PERCENT * total;
        let (start, end) = first[small].filter(|_| enough)?;
        Some(Mix {
            large: Script::ALL[large],
            small: Script::ALL[small],
            percent: units[small] * 100 / total.max(1),
            start,
            end,
        })
    }
}

/// Units that the smaller script has at least.
const MIN_UNITS: usize = 10;
/// Share that it has at least, in percent.
const MIN_PERCENT: usize = 10;

/// A mixture of two scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mix {
    pub(super) large: Script,
    pub(super) small: Script,
    pub(super) percent: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(text: &str) -> Option<(Script, Script)> {
        let mut counts = Counts::default();
        counts.add(0, text);
        counts.mix().map(|mix| (mix.large, mix.small))
    }

    #[test]
    fn scripts_are_weighed() {
        let english = "First I will look at the files and then run all of the tests again. ";
        let chinese = "首先我会查看这些文件然后重新运行所有的测试用例。";
        let japanese = "まずファイルを確認してからテストを実行します。漢字も使います。";
        let russian = "Сначала я посмотрю на файлы и потом запущу все тесты ещё раз снова. ";
        assert_eq!(mix(english), None);
        assert_eq!(mix(chinese), None);
        assert_eq!(mix(japanese), None);
        assert_eq!(mix(russian), None);
        assert_eq!(mix(&format!("{english}{english}{chinese}")), Some((Script::Latin, Script::Han)));
        assert_eq!(mix(&format!("{chinese}{chinese}{english}")), Some((Script::Han, Script::Latin)));
        assert_eq!(mix(&format!("{english}{russian}")).map(|(one, two)| one != two), Some(true));
        // Names and terms among Chinese are no English.
        assert_eq!(
            mix(
                "使用 git commit 提交代码，然后用 pytest 运行 test_api 和 docker compose 启动服务，检查 README 和 CHANGELOG 是否更新"
            ),
            None
        );
        // Symbols are no Greek.
        assert_eq!(
            mix("let α be small and β large so that γ follows from δ, ε, ζ, η, θ, ι, κ, λ and μ"),
            None
        );
    }
}
