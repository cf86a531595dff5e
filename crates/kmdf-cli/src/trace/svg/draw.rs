//! The picture, line by line.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::HumanCount;
use kmdf_host::Ticks;
use svg::Document;
use svg::node::Node;
use svg::node::element::{Definitions, Group, Line, Marker, Path, Rectangle, Style, Text, Title};

use super::super::diagram::{Step, Tone, Way, What, label};
use super::super::words;
use super::LeftOut;
use super::layout::{BESIDE, CHARACTER, Columns, box_width, room, width};

const LINE: f64 = 24.0;
/// Where in its line an arrow is, under its label.
const ARROW: f64 = 18.0;
/// A line of a text of several.
const TEXT_LINE: f64 = 16.0;
const MARGIN: f64 = 16.0;
const BAR: f64 = 8.0;
/// A bar inside another is moved by so much.
const INSIDE: f64 = 4.0;
/// Lines between two rows of names.
const NAMES_EVERY: usize = 60;

const STYLE: &str = "\
text{font:12px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1f2933}\
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\
.title{font-size:16px;font-weight:bold}\
.faint{fill:#7b8794}\
.life{stroke:#b8c1cc;stroke-dasharray:3 3}\
.rule{stroke:#e4e7eb}\
.name{fill:#e8eef7;stroke:#52606d}\
.bar{fill:#cfe0f5;stroke:#6b8ab0}\
.arrow{stroke-width:1.4;fill:none}\
.back{stroke-dasharray:6 3}\
.banner{fill:#fbe9f3;stroke:#9b1c6b}\
.gap{fill:#fff8e1;stroke:#b7791f;stroke-dasharray:4 3}";

impl Tone {
    const ALL: [Self; 5] = [
        Self::Plain,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Violation,
    ];

    const fn colour(self) -> &'static str {
        match self {
            Self::Plain => "#1f2933",
            Self::Failed => "#c0281c",
            Self::TimedOut => "#8a5a00",
            Self::Cancelled => "#c2410c",
            Self::Violation => "#9b1c6b",
        }
    }

    /// The word in the key under the picture, and in the names of classes.
    const fn word(self) -> &'static str {
        match self {
            Self::Plain => "ordinary",
            Self::Failed => "failure",
            Self::TimedOut => "time-out",
            Self::Cancelled => "cancel",
            Self::Violation => "violation",
        }
    }
}

/// What is to be drawn.
pub(super) struct Picture<'a> {
    pub(super) title: &'a str,
    pub(super) first: &'a [Step],
    pub(super) left_out: Option<LeftOut>,
    pub(super) last: &'a [Step],
    pub(super) records: u64,
}

/// What the forms of lines mean.
const KEY: &str = "solid: passed on; dashed: answered; bar: a callback runs, or a request is held";

impl Picture<'_> {
    pub(super) fn document(&self, known: &[String]) -> Document {
        let steps: Vec<&Step> = self.first.iter().chain(self.last).collect();
        let times = steps.iter().map(|step| width(&step.time.to_string()));
        let left = MARGIN + times.fold(width("time"), f64::max) + 24.0;
        let columns = Columns::new(known, &steps, left);
        // The title's characters are larger.
        let said = width(self.title).max(width(KEY)) * 1.4;
        let mut canvas = Canvas {
            right: columns.right.max(MARGIN + said) + MARGIN,
            time: left - 20.0,
            holders: columns.holders(&steps),
            columns,
            y: MARGIN,
            shown: None,
            lines: 0,
            bars: BTreeMap::new(),
            behind: Group::new(),
            front: Group::new(),
        };
        canvas.heading(self.title, &words::records(self.records));
        let top = canvas.y;
        canvas.names();
        for step in self.first {
            canvas.step(step);
        }
        if let Some(left_out) = self.left_out {
            canvas.gap(left_out);
        }
        for step in self.last {
            canvas.step(step);
        }
        canvas.finish(self.title, top)
    }
}

struct Canvas {
    columns: Columns,
    /// Those whose bars show that they hold a request.
    holders: BTreeSet<String>,
    right: f64,
    /// Where times end.
    time: f64,
    /// The top of the next line.
    y: f64,
    shown: Option<Ticks>,
    lines: usize,
    /// Where the bars begin that have not ended.
    bars: BTreeMap<String, Vec<f64>>,
    behind: Group,
    front: Group,
}

impl Canvas {
    fn heading(&mut self, title: &str, records: &str) {
        let title = text(MARGIN, self.y + 16.0, title).set("class", "title");
        let records = text(MARGIN, self.y + 36.0, format!("{records}; {KEY}"));
        self.front(title);
        self.front(records.set("class", "faint"));
        let mut x = MARGIN;
        for tone in Tone::ALL {
            self.front(toned(text(x, self.y + 54.0, tone.word()), tone));
            x += width(tone.word()) + 2.0 * CHARACTER;
        }
        self.y += 68.0;
    }

    fn front(&mut self, element: impl Into<Box<dyn Node>>) {
        self.front.append(element);
    }

    /// A row with the names of the lifelines.
    fn names(&mut self) {
        let named: Vec<_> = self
            .columns
            .all()
            .map(|(name, centre)| (name.to_owned(), centre))
            .collect();
        for (name, centre) in named {
            let half = box_width(&name) / 2.0;
            let frame = rectangle(centre - half, self.y, 2.0 * half, LINE).set("rx", 3);
            self.front(frame.set("class", "name"));
            self.front(text(centre, self.y + 16.0, name).set("text-anchor", "middle"));
        }
        self.y += LINE + 6.0;
        self.lines = 0;
    }

    /// Begins a line: its time, and a rule where that is another than before.
    fn line(&mut self, time: Ticks) {
        if self.lines >= NAMES_EVERY {
            self.y += 6.0;
            self.names();
        }
        self.lines += 1;
        let again = self.shown.replace(time) == Some(time);
        if !again {
            self.y += 4.0;
            let rule = line(MARGIN, self.right - MARGIN, self.y).set("class", "rule");
            self.behind.append(rule);
        }
        let class = if again { "faint" } else { "" };
        let time = text(self.time, self.y + 16.0, time.to_string());
        self.front(time.set("text-anchor", "end").set("class", class));
    }

    fn step(&mut self, step: &Step) {
        match &step.what {
            What::Arrow {
                from,
                to,
                irp,
                label: said,
                way,
            } => {
                self.line(step.time);
                let said = label(*irp, said);
                match way {
                    Way::Request => [from, to].map(|actor| self.hold(actor.name())),
                    Way::Answer => [from, to].map(|actor| self.let_go(actor.name())),
                    Way::Cancel => [(), ()],
                };
                self.arrow([from.name(), to.name()], &said, *way, step.tone);
                self.y += LINE;
            }
            What::Note { actor, text } => self.note(step, actor.name(), text),
            What::Enter { actor, text } => {
                self.note(step, actor.name(), text);
                self.begin_bar(actor.name(), self.y - LINE / 2.0);
            }
            What::Leave { actor, text } => {
                match text {
                    Some(text) => self.note(step, actor.name(), text),
                    None => self.y += LINE / 4.0,
                }
                self.end_bar(actor.name(), self.y - LINE / 8.0);
            }
            What::Banner { text } => self.banner(step.time, text, "banner"),
        }
    }

    fn hold(&mut self, actor: &str) {
        if self.holders.contains(actor) {
            self.begin_bar(actor, self.y + ARROW);
        }
    }

    fn let_go(&mut self, actor: &str) {
        if self.holders.contains(actor) {
            self.end_bar(actor, self.y + ARROW);
        }
    }

    fn begin_bar(&mut self, actor: &str, top: f64) {
        self.bars.entry(actor.to_owned()).or_default().push(top);
    }

    fn end_bar(&mut self, actor: &str, bottom: f64) {
        let bars = self.bars.get_mut(actor);
        // What began in the part that is left out has no beginning here.
        if let Some((top, depth)) = bars.and_then(|bars| Some((bars.pop()?, bars.len()))) {
            self.bar(actor, depth, top, bottom);
        }
    }

    fn bar(&mut self, actor: &str, depth: usize, top: f64, bottom: f64) {
        #[expect(clippy::cast_precision_loss, reason = "callbacks inside one another")]
        let left = self.columns.centre(actor) - BAR / 2.0 + depth as f64 * INSIDE;
        let height = (bottom - top).max(2.0);
        let bar = rectangle(left, top, BAR, height).set("class", "bar");
        self.behind.append(bar);
    }

    fn arrow(&mut self, [from, to]: [&str; 2], said: &str, way: Way, tone: Tone) {
        let (begin, end) = (self.columns.centre(from), self.columns.centre(to));
        if from == to {
            self.beside(begin, said, tone);
            return;
        }
        let aside = if begin < end { BAR / 2.0 } else { -BAR / 2.0 };
        let class = if way == Way::Answer {
            "arrow back"
        } else {
            "arrow"
        };
        let shaft = line(begin + aside, end - aside, self.y + ARROW)
            .set("class", class)
            .set("stroke", tone.colour())
            .set("marker-end", format!("url(#{})", tone.word()));
        self.front(shaft);
        let middle = (begin + end) / 2.0;
        let said = fitted(middle, self.y + 12.0, said, (end - begin).abs() - BESIDE);
        self.front(toned(said.set("text-anchor", "middle"), tone));
    }

    fn note(&mut self, step: &Step, actor: &str, said: &str) {
        self.line(step.time);
        self.beside(self.columns.centre(actor), said, step.tone);
        self.y += LINE;
    }

    /// A text right of a lifeline.
    fn beside(&mut self, centre: f64, said: &str, tone: Tone) {
        let left = centre + BESIDE;
        // The last lifeline's texts have the rest of the picture.
        let next = self.columns.next(centre).unwrap_or(self.right);
        let said = fitted(left, self.y + 16.0, said, next - left - BAR);
        self.front(toned(said, tone));
    }

    /// What concerns everybody, in a frame.
    fn banner(&mut self, time: Ticks, said: &str, class: &str) {
        self.line(time);
        let left = self.time + 8.0;
        let available = self.right - MARGIN - left;
        let lines = textwrap::wrap(said, room(available - 2.0 * CHARACTER).max(1));
        #[expect(clippy::cast_precision_loss, reason = "lines of one text")]
        let height = lines.len() as f64 * TEXT_LINE + 8.0;
        let frame = rectangle(left, self.y, available, height).set("rx", 3);
        self.front(frame.set("class", class));
        let mut y = self.y + 16.0;
        for said in lines {
            self.front(text(left + CHARACTER, y, said));
            y += TEXT_LINE;
        }
        self.y += height + 4.0;
    }

    fn gap(&mut self, left_out: LeftOut) {
        let LeftOut { count, from, to } = left_out;
        let steps = HumanCount(count);
        let said = format!("{steps} steps from {from} to {to} have no room in this picture");
        // Nothing is known of what is open there.
        let open: Vec<String> = self.bars.keys().cloned().collect();
        for actor in open {
            while self.bars.get(&actor).is_some_and(|bars| !bars.is_empty()) {
                self.end_bar(&actor, self.y);
            }
        }
        self.banner(from, &said, "gap");
        self.shown = None;
        self.names();
    }

    fn finish(mut self, title: &str, top: f64) -> Document {
        let open = std::mem::take(&mut self.bars);
        for (actor, bars) in open {
            for (depth, begin) in bars.into_iter().enumerate() {
                self.bar(&actor, depth, begin, self.y);
            }
        }
        let mut lives = Group::new();
        for (_, centre) in self.columns.all() {
            let life = vertical(centre, top + LINE, self.y + 8.0);
            lives = lives.add(life.set("class", "life"));
        }
        let (width, height) = (self.right.ceil(), (self.y + 8.0 + MARGIN).ceil());
        let mut definitions = Definitions::new();
        for tone in Tone::ALL {
            definitions = definitions.add(head(tone));
        }
        Document::new()
            .set("width", width)
            .set("height", height)
            .set("viewBox", (0, 0, width, height))
            .add(Title::new(title))
            .add(Style::new(STYLE))
            .add(definitions)
            .add(rectangle(0.0, 0.0, width, height).set("fill", "#fff"))
            .add(lives)
            .add(self.behind)
            .add(self.front)
    }
}

/// The head of an arrow.
fn head(tone: Tone) -> Marker {
    let shape = Path::new()
        .set("d", "M0,0 L8,4 L0,8 z")
        .set("fill", tone.colour());
    Marker::new()
        .set("id", tone.word())
        .set("viewBox", (0, 0, 8, 8))
        .set("refX", 8)
        .set("refY", 4)
        .set("markerWidth", 8)
        .set("markerHeight", 8)
        .set("markerUnits", "userSpaceOnUse")
        .set("orient", "auto")
        .add(shape)
}

/// A whole number of hundredths: more is seen by nobody.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Rectangle {
    Rectangle::new()
        .set("x", round(x))
        .set("y", round(y))
        .set("width", round(width))
        .set("height", round(height))
}

fn line(from: f64, to: f64, y: f64) -> Line {
    Line::new()
        .set("x1", round(from))
        .set("x2", round(to))
        .set("y1", round(y))
        .set("y2", round(y))
}

fn vertical(x: f64, top: f64, bottom: f64) -> Line {
    Line::new()
        .set("x1", round(x))
        .set("x2", round(x))
        .set("y1", round(top))
        .set("y2", round(bottom))
}

fn text(x: f64, y: f64, content: impl Into<String>) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y))
}

/// `content` where it has room; else its beginning, and all of it for who points at it.
fn fitted(x: f64, y: f64, content: &str, available: f64) -> Text {
    let most = room(available);
    if content.chars().count() <= most {
        return text(x, y, content);
    }
    let cut: String = content.chars().take(most.saturating_sub(1)).collect();
    text(x, y, format!("{cut}…")).add(Title::new(content))
}

/// In the colour of what it is about; lines behind it do not touch it.
fn toned(said: Text, tone: Tone) -> Text {
    let said = said.set("class", "halo");
    match tone {
        Tone::Plain => said,
        other => said.set("style", format!("fill:{}", other.colour())),
    }
}
